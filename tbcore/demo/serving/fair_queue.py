"""Who is next: clients take turns, so that one who asks much does not make the others wait.

    ann: a1 a2 a3     bob: b1     eve: e1 e2      served: a1 b1 e1 a2 e2 a3

All of it runs on one event loop; nothing here is shared between threads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

__all__ = ["FairQueue", "QueueClosedError", "QueueFullError", "Ticket"]


class QueueFullError(Exception):
    """Too many wait already."""


class QueueClosedError(Exception):
    """Nobody is served any more."""


class Ticket:
    """A place in the queue."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.moved = asyncio.Event()


class FairQueue:
    """One is served at a time; waiting clients take turns, each client's own requests keep their order.

    Args:
        per_client: how many of one client may wait or be served at once.
        total: how many of all.
    """

    def __init__(self, *, per_client: int = 4, total: int = 64) -> None:
        self.per_client, self.total = per_client, total
        self.served: Ticket | None = None
        self._waiting: dict[str, deque[Ticket]] = {}  # in the order in which clients will be served next
        self._closed = False

    def __len__(self) -> int:
        return sum(len(tickets) for tickets in self._waiting.values())

    def join(self, client: str) -> Ticket:
        """Take a place.

        Raises:
            QueueFullError: this client, or all together, have too many.
            QueueClosedError: after `close`.
        """
        if self._closed:
            raise QueueClosedError("the server is stopping")
        mine = len(self._waiting.get(client, ())) + (self.served is not None and self.served.client == client)
        if mine >= self.per_client:
            raise QueueFullError(f"{mine} requests of yours wait already, at most {self.per_client} may")
        if len(self) >= self.total:
            raise QueueFullError(f"{len(self)} requests wait already, at most {self.total} may")
        ticket = Ticket(client)
        self._waiting.setdefault(client, deque()).append(ticket)
        self._advance()
        return ticket

    def position(self, ticket: Ticket) -> int:
        """How many are served before this one; 0 for the one being served, -1 for one that has left."""
        if ticket is self.served:
            return 0
        return next((k for k, one in enumerate(self._order(), start=1) if one is ticket), -1)

    async def wait(self, ticket: Ticket) -> AsyncIterator[int]:
        """The position each time it changes; ends when it is this ticket's turn.

        Raises:
            QueueClosedError: the queue was closed meanwhile.
        """
        told: int | None = None
        while (place := self.position(ticket)) > 0:
            if place != told:
                told = place
                yield place
            await ticket.moved.wait()
            ticket.moved.clear()
        if place < 0:
            raise QueueClosedError("the server is stopping")

    def leave(self, ticket: Ticket) -> None:
        """Give the place up, served or not; leaving twice does nothing."""
        if ticket is self.served:
            self.served = None
        elif ticket in (mine := self._waiting.get(ticket.client, deque[Ticket]())):
            mine.remove(ticket)
            if not mine:
                del self._waiting[ticket.client]
        else:
            return
        self._advance()

    def close(self) -> None:
        """Send all who wait away; the one being served is finished."""
        self._closed = True
        gone = self._order()
        self._waiting.clear()
        for ticket in gone:
            ticket.moved.set()

    def _advance(self) -> None:
        if self.served is None and self._waiting:
            client = next(iter(self._waiting))
            mine = self._waiting.pop(client)
            self.served = mine.popleft()
            self.served.moved.set()
            if mine:
                self._waiting[client] = mine  # behind all others
        for tickets in self._waiting.values():
            for ticket in tickets:
                ticket.moved.set()

    def _order(self) -> list[Ticket]:
        """All who wait, as they will be served."""
        rounds = max((len(tickets) for tickets in self._waiting.values()), default=0)
        return [tickets[k] for k in range(rounds) for tickets in self._waiting.values() if k < len(tickets)]
