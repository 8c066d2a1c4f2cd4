"""What the tests of the server say to it, and how they wait for it."""

from __future__ import annotations

import time


def user(*content) -> list[dict]:
    return [{"role": "user", "content": list(content) if len(content) > 1 else content[0]}]


def until(true) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < 20
        time.sleep(0.01)
