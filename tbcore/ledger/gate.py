"""The gate before the network: lets calls out as the pace allows, the lowest draw first."""

from __future__ import annotations

import asyncio
import heapq
from types import TracebackType

from tbcore.ledger.pace import Pace

__all__ = ["Gate", "Pass"]


class Gate:
    """Use as `async with gate.of(order): ...`; everything happens in one event loop.

    Args:
        pace: says how many may be inside.
        spare: how many more than that.
    """

    def __init__(self, pace: Pace, spare: int = 0) -> None:
        self.pace = pace
        self.inside = 0
        self._spare = spare
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._closed: Exception | None = None

    def of(self, order: int) -> Pass:
        """A pass for one call; low orders go first."""
        return Pass(self, order)

    def close(self, why: Exception) -> None:
        """Let nobody through any more: all who wait, and all who come, get `why`."""
        self._closed = why
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(why)
        self._waiting.clear()

    async def enter(self, order: int) -> None:
        """Wait for room."""
        if self._closed is not None:
            raise self._closed
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(self._waiting, (order, self._count, future))
        self.admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Make room for another call."""
        self.inside -= 1
        self.admit()

    def admit(self) -> None:
        """Let in as many as may go; called whenever the pace may have changed."""
        loop = asyncio.get_running_loop()
        while self._waiting and self.inside < self.pace.room + self._spare:
            pause = self.pace.not_before - loop.time()
            if pause > 0:
                if self._alarm is None:
                    self._alarm = loop.call_later(pause, self._wake)
                return
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self.inside += 1
                future.set_result(None)

    def _wake(self) -> None:
        self._alarm = None
        self.admit()


class Pass:
    """One call's way through the gate."""

    def __init__(self, gate: Gate, order: int) -> None:
        self._gate = gate
        self._order = order

    async def __aenter__(self) -> None:
        await self._gate.enter(self._order)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.leave()
