"""Programs that run beside us: each listens at a port of its own, and ends with all it has started."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from tbcore.errors import InputError

__all__ = ["listening", "stop"]

_PATIENCE_S = 300
_GRACE_S = 40
"""Longer than the server takes to finish the reply it is writing."""
_KERNELS_S = 5
_TRIES = 3


class _EndedError(InputError):
    """A program ended before it could be reached."""


def listening(start: Callable[[int], subprocess.Popen[str]], port: int = 0) -> tuple[int, subprocess.Popen[str]]:
    """Start a program and wait until it can be reached.

    Args:
        start: starts it at a port of this computer, where it must listen or end.
        port: 0 takes a free one, and another one if somebody else is quicker to take it.

    Returns:
        The port and the program.

    Raises:
        InputError: the program ends before it can be reached, or nothing answers in time.
    """
    for _ in range(0 if port else _TRIES - 1):
        with suppress(_EndedError):
            return _started(start, _free_port())
    return _started(start, port or _free_port())


def stop(program: subprocess.Popen[str], *, grace_s: float = _GRACE_S, kernels_s: float = _KERNELS_S) -> None:
    """Ask it to end; what it started and left behind, such as kernels, ends with it.

    Args:
        program: need not run any more.
        grace_s: seconds until it is ended without being asked.
        kernels_s: the same for what it started, from its own end on.
    """
    behind: list[psutil.Process] = []
    if program.poll() is None:
        with suppress(psutil.NoSuchProcess):
            behind = psutil.Process(program.pid).children(recursive=True)
        program.terminate()
    try:
        program.wait(grace_s)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    for one in psutil.wait_procs(behind, timeout=kernels_s)[1]:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    if program.stdout is not None:
        program.stdout.close()


def _started(start: Callable[[int], subprocess.Popen[str]], port: int) -> tuple[int, subprocess.Popen[str]]:
    program, began = start(port), time.monotonic()
    while time.monotonic() - began < _PATIENCE_S:
        if program.poll() is not None:
            raise _EndedError(f"page: it ended before it was ready. Is port {port} taken? Choose another --port.")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return port, program
        except OSError:
            time.sleep(0.1)
    raise InputError(f"page: nothing answers at port {port} after {_PATIENCE_S} seconds.")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
