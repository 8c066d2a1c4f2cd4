"""How much memory a notebook takes: the runner and all its children, sampled while the notebook runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

import psutil

__all__ = ["Meter"]

_SAMPLE_S = 0.5


class Meter:
    """A context that measures seconds and peak memory in GB of this process and its children.

    Args:
        tell: called about once per `every_s` seconds with the seconds and the GB so far.
        every_s: pause between two calls of `tell`, in seconds.
    """

    def __init__(self, tell: Callable[[float, float], None] | None = None, *, every_s: float = 60.0) -> None:
        self.seconds = 0.0
        self.peak_gb = 0.0
        self._tell = tell
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._began = 0.0

    def __enter__(self) -> Meter:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began

    def _watch(self) -> None:
        told = 0.0
        while True:
            self.peak_gb = max(self.peak_gb, _resident_gb())
            passed = time.monotonic() - self._began
            if self._tell is not None and passed - told >= self._every_s:
                self._tell(passed, self.peak_gb)
                told = passed
            if self._stop.wait(_SAMPLE_S):
                return


def _resident_gb() -> float:
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # ended between listing and asking
            continue
    return total / 1e9
