"""Group commit: the writes of many calls share one transaction and one sync of the disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from tbcore.errors import BudgetError, TbcoreError
from tbcore.ledger.journal import Journal

__all__ = ["Commits"]

_Waiting = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Commits:
    """Collects changes to a journal while the disk syncs the group before, then writes them together.

    The statements run in the event loop's thread, where they take microseconds; only the commit, which waits
    for the disk, runs beside it. A change is durable when `write` or `reserve` returns.

    Args:
        journal: written by nobody else while this lives.
        beside: a pool of one thread.
    """

    def __init__(self, journal: Journal, beside: Executor) -> None:
        self.journal = journal
        self.groups = 0
        self._beside = beside
        self._changes: deque[_Waiting] = deque()
        self._reservations: deque[_Waiting] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def write(self, change: Callable[[], Any]) -> Any:
        """Run `change`, commit, and return what it returned."""
        return await self._queued(self._changes, change)

    async def reserve(self, change: Callable[[], Any]) -> Any:
        """The same for a change that sets money aside; it waits while calls under way may still free some.

        Raises:
            BudgetError: a cap is reached and no call under way could free anything.
        """
        return await self._queued(self._reservations, change)

    def _queued(self, queue: deque[_Waiting], change: Callable[[], Any]) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        queue.append((change, future))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
        return future

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._changes or self._reservations:
                done: list[tuple[asyncio.Future[Any], Any]] = []
                try:
                    self.journal.begin()
                    self._run_changes(done)
                    self._run_reservations(done)
                    if not done:  # all that is left waits for calls under way
                        self.journal.roll_back()
                        return
                    await loop.run_in_executor(self._beside, self.journal.commit)
                except Exception as error:
                    self.journal.roll_back()
                    done = [(future, error) for future, _ in done] + self._drop_all(error)
                self.groups += 1
                for future, result in done:
                    _give(future, result)
        finally:
            self._flushing = None

    def _run_changes(self, done: list[tuple[asyncio.Future[Any], Any]]) -> None:
        while self._changes:
            change, future = self._changes[0]
            result = change()
            self._changes.popleft()
            done.append((future, result))

    def _run_reservations(self, done: list[tuple[asyncio.Future[Any], Any]]) -> None:
        while self._reservations:
            change, future = self._reservations[0]
            if future.cancelled():
                self._reservations.popleft()
                continue
            try:
                result = change()
            except BudgetError as error:
                if self.journal.under_way():
                    return
                result = error
            except TbcoreError as error:
                result = error
            self._reservations.popleft()
            done.append((future, result))

    def _drop_all(self, error: Exception) -> list[tuple[asyncio.Future[Any], Any]]:
        dropped = [(future, error) for _, future in (*self._changes, *self._reservations)]
        self._changes.clear()
        self._reservations.clear()
        return dropped


def _give(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():  # its call was cancelled meanwhile; what it wrote stays written
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
