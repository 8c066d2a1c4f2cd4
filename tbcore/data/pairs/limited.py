"""A second process that decodes first: what makes it crash, hang or eat memory never reaches this one.

It reads lengths and bytes from its standard input and answers one JSON line each. It may use so much memory and so
many seconds of processor time, and no more; when it dies, the picture is refused and a fresh one is started.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import TracebackType
from typing import IO

from tbcore.data.pairs.pictures import Problem

__all__ = ["LimitedDecoder"]

_CHILD = "tbcore.data.pairs.decoder"


class LimitedDecoder:
    """A `Guard` that decodes each picture in a limited process before this one does.

    Args:
        memory: bytes of address space the process may use.
        seconds: until a picture is given up.

    Use it in a `with` statement: the process ends with it.
    """

    def __init__(self, *, memory: int = 2 << 30, seconds: float = 20.0) -> None:
        self._memory, self._seconds = memory, seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LimitedDecoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def problem(self, content: bytes) -> Problem | None:
        """Why the bytes must not be decoded here; None when the limited process has decoded them."""
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        alarm = threading.Timer(self._seconds, child.kill)
        alarm.start()
        try:
            child.stdin.write(len(content).to_bytes(8, "big") + content)
            child.stdin.flush()
            answer = child.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            alarm.cancel()
        if not answer.endswith(b"\n"):
            self.close()
            return (
                "decoder_died",
                f"decoding needs more than {self._memory} bytes or {self._seconds} seconds, or crashes",
            )
        found = json.loads(answer)
        return (str(found[0]), str(found[1])) if found else None

    def close(self) -> None:
        """End the process; the next picture starts a fresh one."""
        if (child := self._child) is not None:
            self._child = None
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                _close(pipe)

    def _start(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-m", _CHILD, str(self._memory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self._child


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is None:
        return
    try:
        pipe.close()
    except BrokenPipeError:
        # What was still in the buffer had no reader any more; the pipe is closed all the same.
        return
