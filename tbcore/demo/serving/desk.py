"""Between the queue and the engine: one worker thread, events brought back to the event loop, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tbcore.demo.engine import Answer, Engine, Event, Queued, Stopped
from tbcore.demo.serving.fair_queue import FairQueue, QueueClosedError, QueueFullError, Ticket
from tbcore.demo.serving.requests import ApiError, ChatRequest
from tbcore.errors import DialogueError, InputError

__all__ = ["Desk"]

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Desk:
    """Serves one request after the other on a thread of its own.

    A client who goes away is noticed at the next event: its reply is stopped there, and the next one is served.

    Args:
        engine: answers and draws.
        queue: who is next.
    """

    def __init__(self, engine: Engine, queue: FairQueue) -> None:
        self.engine, self.queue = engine, queue
        self.answered = 0
        self._worker = ThreadPoolExecutor(1, "engine")
        self._leaving: set[asyncio.Future[Any]] = set()

    async def chat(self, request: ChatRequest, client: str) -> AsyncGenerator[Event | Answer, None]:
        """What happens, and at last the answer.

        Raises:
            ApiError: too many wait, the server is stopping, the conversation cannot be read, or the engine failed.
        """
        ticket = self._join(client)
        loop, happened, gone = asyncio.get_running_loop(), asyncio.Queue[Event | None](), threading.Event()

        def watch(event: Event) -> None:
            if gone.is_set():
                raise Stopped("the client has gone")
            loop.call_soon_threadsafe(happened.put_nowait, event)

        work: asyncio.Future[Answer] | None = None
        try:
            async for position in self._turn(ticket):
                yield Queued(position)
            work = self._work(ticket, lambda: self.engine.answer(request.history, request.ask, watch))
            work.add_done_callback(lambda _: happened.put_nowait(None))
            while (event := await happened.get()) is not None:
                yield event
            answer = _result(work)
            self.answered += 1
            yield answer
        finally:
            gone.set()
            if work is None:
                self.queue.leave(ticket)

    async def do(self, task: Callable[[], _T], client: str) -> _T:
        """Something short that the engine does alone, such as one drawing; waits in the same queue.

        Raises:
            ApiError: as `chat`.
        """
        ticket = self._join(client)
        work: asyncio.Future[_T] | None = None
        try:
            async for _ in self._turn(ticket):
                continue
            work = self._work(ticket, task)
            await asyncio.wait([work])
            return _result(work)
        finally:
            if work is None:
                self.queue.leave(ticket)

    def close(self) -> None:
        """Serve nobody new; what is being answered is finished."""
        self.queue.close()

    async def finish(self) -> None:
        """Wait until the worker has nothing left to do."""
        if self._leaving:
            await asyncio.wait(self._leaving)
        self._worker.shutdown()

    def _join(self, client: str) -> Ticket:
        try:
            return self.queue.join(client)
        except QueueFullError as error:
            raise ApiError(
                f"{error}. Try again in a moment.", status=429, kind="rate_limit_error", code="queue_full"
            ) from error
        except QueueClosedError as error:
            raise _stopping(error) from error

    async def _turn(self, ticket: Ticket) -> AsyncIterator[int]:
        try:
            async for position in self.queue.wait(ticket):
                yield position
        except QueueClosedError as error:
            raise _stopping(error) from error

    def _work(self, ticket: Ticket, task: Callable[[], _T]) -> asyncio.Future[_T]:
        """Start on the worker; the place in the queue is given up when the worker has really ended."""
        work = asyncio.get_running_loop().run_in_executor(self._worker, task)
        self._leaving.add(work)

        def ended(done: asyncio.Future[_T]) -> None:
            self._leaving.discard(done)
            if not done.cancelled():
                done.exception()  # seen: whoever waited for it may have gone
            self.queue.leave(ticket)

        work.add_done_callback(ended)
        return work


def _stopping(error: QueueClosedError) -> ApiError:
    return ApiError(f"{error}. Try again later.", status=503, kind="server_error", code="server_stopping")


def _result(work: asyncio.Future[_T]) -> _T:
    error = work.exception()
    if isinstance(error, InputError | DialogueError):
        raise ApiError(str(error), param="messages") from error
    if error is not None:
        _LOG.error("the engine failed", exc_info=error)
        raise ApiError(
            "The model failed on this request; the server's log says why.", status=500, kind="server_error"
        ) from error
    return work.result()
