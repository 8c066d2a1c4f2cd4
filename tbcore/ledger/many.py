"""Many calls at once through one journal; the answers come back in the order of the calls.

The event loop runs in a thread of its own, so this works inside a notebook as well as in a script.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tbcore.chat.messages import AsyncChatClient, CallError, CallFailure, Params, Reply
from tbcore.errors import TbcoreError
from tbcore.ledger.budget import worst_case
from tbcore.ledger.caller import Answer, Call, with_more_room
from tbcore.ledger.commits import Commits
from tbcore.ledger.gate import Gate
from tbcore.ledger.journal import Journal, call_key
from tbcore.ledger.pace import Pace, PaceRules

__all__ = ["ManyCaller"]

# How often a call is tried again for these does not count: the teacher never worked on it. The circuit
# ends what would go on for ever.
_FREE: frozenset[CallFailure] = frozenset({"busy", "not_sent"})
_BILLED: frozenset[CallFailure] = frozenset({"ambiguous", "unreadable"})
_ENDS_THE_RUN: CallFailure = "forbidden"
_ENDS_THE_CALL: CallFailure = "rejected"
_LOOKAHEAD = 16
_AHEAD = 8


class ManyCaller:
    """Asks one teacher many things at once, no faster than it likes, and writes everything down.

    Args:
        client: the teacher.
        journal: where calls are kept; what it knows is not asked again. Leave it alone while answers come.
        rules: how many calls at once, and when to stop; see `PaceRules`.
        tries: how often a call may fail on the teacher's side or after sending before it is a dead letter.
        parse_tries: the same for answers that cannot be read; a budget of its own.
        pay_again: whether a call that may have been billed without an answer is tried again.
        lookahead: calls begun ahead of the first one that is still open; 16 times `rules.most` when None.
    """

    def __init__(
        self,
        client: AsyncChatClient,
        journal: Journal,
        *,
        rules: PaceRules | None = None,
        tries: int = 3,
        parse_tries: int = 2,
        pay_again: bool = True,
        lookahead: int | None = None,
    ) -> None:
        self.client = client
        self.journal = journal
        self.pace = Pace(rules)
        self._tries = tries
        self._parse_tries = parse_tries
        self._pay_again = pay_again
        self._lookahead = lookahead or _LOOKAHEAD * self.pace.rules.most

    def answers(
        self, calls: Iterable[Call], *, allowed: Callable[[int], bool] | None = None
    ) -> Generator[Answer, None, None]:
        """An answer for each call, in order, whatever order the teacher gives them in.

        A reply cut off by its length limit is asked for once more with twice the limit, from the original
        prompt. When something ends the run, calls under way are waited for, every answer is given, and then the
        error is raised: calls that were not answered are missing, as `Answer.number` shows.

        Args:
            calls: what to ask; read as needed.
            allowed: whether one more call may be begun, given how many were; all may when None.

        Raises:
            BudgetError: a cap is reached.
            CallError: of kind `forbidden`: no later call would pass either.
            CircuitOpenError: nothing has passed for a long time.
        """
        run = _Run(self.client, self.journal, self.pace, self._tries, self._parse_tries, self._pay_again)
        cancel = False
        try:
            yield from self._in_order(run, iter(calls), allowed)
        except KeyboardInterrupt:
            cancel = True
            raise
        finally:
            run.end(cancel=cancel)

    def _in_order(self, run: _Run, source: Iterator[Call], allowed: Callable[[int], bool] | None) -> Iterator[Answer]:
        ready: dict[int, Answer | Exception] = {}
        begun = given = 0
        more, ended_by = True, None
        while True:
            while more and not ended_by and begun - given < self._lookahead and (allowed is None or allowed(begun)):
                call = next(source, None)
                if call is None:
                    more = False
                    break
                run.begin(begun, call)
                begun += 1
            if given in ready:
                result = ready.pop(given)
                given += 1
                if isinstance(result, Answer):
                    yield replace(result, number=given - 1)
            elif given == begun:
                if ended_by is not None:
                    raise ended_by
                return
            else:
                number, result = run.finished.get()
                ready[number] = result
                ended_by = ended_by or (result if isinstance(result, Exception) else None)


class _Run:
    """One run of the event loop."""

    def __init__(
        self, client: AsyncChatClient, journal: Journal, pace: Pace, tries: int, parse_tries: int, pay_again: bool
    ) -> None:
        self.finished: queue.SimpleQueue[tuple[int, Answer | Exception]] = queue.SimpleQueue()
        self._client = client
        self._name = client.name
        self._journal = journal
        self._pace = pace
        self._tries = tries
        self._parse_tries = parse_tries
        self._pay_again = pay_again
        self._known_before = sum(journal.counts().values()) > 0
        self._gate = Gate(pace)
        # The next few calls are committed as sent while others are still on the network, or each would keep its
        # place there empty for as long as the disk takes.
        self._anteroom = Gate(pace, spare=pace.rules.most // _AHEAD)
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._commits = Commits(journal, self._beside)
        self._same: dict[str, asyncio.Future[Answer]] = {}
        self._asked: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="calls", daemon=True)
        self._thread.start()

    def begin(self, number: int, call: Call) -> None:
        """Start a call; its answer comes to `finished`."""
        self._loop.call_soon_threadsafe(self._start, number, call)

    def end(self, *, cancel: bool) -> None:
        """Wait for the calls under way, or cut them off, and close everything."""
        asyncio.run_coroutine_threadsafe(self._finish(cancel), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._beside.shutdown()

    async def _finish(self, cancel: bool) -> None:
        self._close(_StoppedError("the run has ended"))
        for task in self._tasks:
            if cancel:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def _close(self, why: Exception) -> None:
        self._anteroom.close(why)
        self._gate.close(why)

    def _start(self, number: int, call: Call) -> None:
        task = self._loop.create_task(self._deliver(number, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, number: int, call: Call) -> None:
        try:
            answer = await self._ask(number, call, call.params)
            if answer.reply is not None and answer.reply.finish_reason == "length":
                answer = await self._ask(number, call, with_more_room(call.params))
        except Exception as error:
            # Whatever ends one call this way ends the run: it is raised where the answers are read.
            self._close(error)
            self.finished.put((number, error))
        else:
            self.finished.put((number, answer))

    async def _ask(self, order: int, call: Call, params: Params) -> Answer:
        key, payload = call_key(self._name, call.messages, params)
        if (same := self._same.get(key)) is not None:
            return await asyncio.shield(same)
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._same[key] = future
        try:
            answer = await self._try(order, call, params, key, payload)
        except BaseException as error:
            future.set_exception(error if isinstance(error, Exception) else _StoppedError("interrupted"))
            future.exception()  # seen: nobody else may be waiting
            raise
        else:
            future.set_result(answer)
            return answer
        finally:
            del self._same[key]

    async def _try(self, order: int, call: Call, params: Params, key: str, payload: str) -> Answer:
        if self._known_before or key in self._asked:
            known = await self._commits.write(lambda: self._known(key))
            if known is not None:
                return known
        self._asked.add(key)
        worst = worst_case(call.messages, params)
        failures = {"unreadable": 0, "other": 0}

        def claim() -> int:
            with self._journal.together():
                number = self._journal.reserve(key, draw=call.draw, payload=payload, worst=worst)
                self._journal.mark_sent(key, number)
            return number

        while True:
            async with self._anteroom.of(order):
                number = await self._commits.reserve(claim)
                await self._let_out(order, key, number)
                try:
                    reply, wait = await self._send(call, params, key, number)
                finally:
                    self._gate.leave()
            if isinstance(reply, Reply):
                await self._commits.write(lambda: self._journal.settle(key, number, reply))  # noqa: B023 - awaited here
                return Answer(key, reply)
            await self._note(key, number, reply)
            if reply.kind == _ENDS_THE_RUN:
                raise reply
            if reply.kind not in _FREE:
                failures["unreadable" if reply.kind == "unreadable" else "other"] += 1
            if self._given_up(reply.kind, failures):
                return Answer(key, None, reply.kind, str(reply))
            await asyncio.sleep(wait)

    async def _let_out(self, order: int, key: str, number: int) -> None:
        """Wait for room on the network; a call that never gets it is noted as one that cost nothing."""
        try:
            await self._gate.enter(order)
        except BaseException as error:
            problem, detail = "not_sent", str(error)
            await self._commits.write(
                lambda: self._journal.fail(key, number, problem=problem, detail=detail, billed=False)
            )
            raise

    async def _send(self, call: Call, params: Params, key: str, number: int) -> tuple[Reply | CallError, float]:
        """One try on the network; the pace learns from it before the gate lets the next call out."""
        sent_at = self._loop.time()
        try:
            reply = await self._client.complete(call.messages, params, attempt=f"{key[:40]}-{number}")
        except CallError as error:
            try:
                wait = self._pace.failed(error.kind, self._loop.time(), sent_at, error.retry_after_s)
            except TbcoreError:
                await self._note(key, number, error)
                raise
            return error, wait
        except BaseException as error:
            # An interrupt or an unknown failure may come after the call left; our own errors do not.
            billed = not isinstance(error, TbcoreError)
            problem, detail = type(error).__name__, str(error)
            await self._commits.write(
                lambda: self._journal.fail(key, number, problem=problem, detail=detail, billed=billed)
            )
            raise
        self._pace.answered(self._loop.time(), sent_at)
        return reply, 0.0

    async def _note(self, key: str, number: int, error: CallError) -> None:
        billed = error.kind in _BILLED
        await self._commits.write(
            lambda: self._journal.fail(key, number, problem=error.kind, detail=str(error), raw=error.raw, billed=billed)
        )

    def _known(self, key: str) -> Answer | None:
        """What an earlier run left: an answer, or a prompt that will never pass."""
        last = self._journal.last_word(key)
        if last is None:
            return None
        if last.reply is not None:
            return Answer(key, last.reply, paid=False)
        if last.problem == _ENDS_THE_CALL or (last.state == "ambiguous" and not self._pay_again):
            return Answer(key, None, last.problem, last.detail or "", paid=False)
        return None

    def _given_up(self, kind: CallFailure, failures: dict[str, int]) -> bool:
        if kind == _ENDS_THE_CALL or (kind == "ambiguous" and not self._pay_again):
            return True
        return failures["other"] >= self._tries or failures["unreadable"] >= self._parse_tries


class _StoppedError(TbcoreError):
    """A call was not begun because the run has ended."""
