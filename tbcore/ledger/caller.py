"""Asking a teacher through the journal: at least once on the wire, exactly once in effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace

from tbcore.chat.messages import CallError, CallFailure, ChatClient, Message, Params, Reply
from tbcore.errors import TbcoreError
from tbcore.ledger.budget import worst_case
from tbcore.ledger.journal import Journal, call_key

__all__ = ["Answer", "Call", "Caller", "with_more_room"]

_TRY_AGAIN: frozenset[CallFailure] = frozenset({"not_sent", "busy", "server_error", "ambiguous", "unreadable"})
_LONGEST_WAIT_S = 60.0
_LONGER = 2


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask, and the index of the draw that asks it."""

    messages: Sequence[Message]
    params: Params
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: a reply, or why there is none.

    `paid` is false when the journal knew it; `number` is the place of the call among those that were given.
    """

    key: str
    reply: Reply | None
    problem: str | None = None
    detail: str = ""
    paid: bool = True
    number: int = 0


class Caller:
    """Asks one teacher and writes everything down, one call after the other.

    Args:
        client: the teacher.
        journal: where calls are kept; what it knows is not asked again.
        tries: how often one call is tried in this run before it is given up as a dead letter.
        wait: called with seconds before another try.
    """

    def __init__(
        self,
        client: ChatClient,
        journal: Journal,
        *,
        tries: int = 3,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self.client = client
        self.journal = journal
        self._tries = tries
        self._wait = wait

    def answers(
        self, calls: Iterable[Call], *, allowed: Callable[[int], bool] | None = None
    ) -> Generator[Answer, None, None]:
        """An answer for each call, in order.

        A reply cut off by its length limit is asked for once more with twice the limit, from the original
        prompt.

        Args:
            calls: what to ask.
            allowed: whether one more call may be begun, given how many were; all may when None.

        Raises:
            BudgetError: the next call could exceed a cap; what was answered so far stays in the journal.
            CallError: of kind `forbidden`: no later call would pass either.
        """
        source = iter(calls)
        begun = 0
        while allowed is None or allowed(begun):
            call = next(source, None)
            if call is None:
                return
            begun += 1
            answer = self.ask(call.messages, call.params, draw=call.draw)
            if answer.reply is not None and answer.reply.finish_reason == "length":
                answer = self.ask(call.messages, with_more_room(call.params), draw=call.draw)
            yield replace(answer, number=begun - 1)

    def ask(self, messages: Sequence[Message], params: Params, *, draw: int = 0) -> Answer:
        """The journal's answer, or a new one.

        Raises:
            BudgetError: the next try could exceed a cap.
            CallError: of kind `forbidden`: no later call would pass either.
            RecordingMissingError: a recorded teacher has nothing for this prompt.
        """
        key, payload = call_key(self.client.name, messages, params)
        if (known := self.journal.answer(key)) is not None:
            return Answer(key, known, paid=False)
        worst = worst_case(messages, params)
        last: CallError | None = None
        for number_of_try in range(self._tries):
            number = self.journal.reserve(key, draw=draw, payload=payload, worst=worst)
            self.journal.mark_sent(key, number)
            try:
                reply = self.client.complete(messages, params)
            except CallError as error:
                last = error
                billed = error.kind in {"ambiguous", "unreadable"}
                self.journal.fail(key, number, problem=error.kind, detail=str(error), raw=error.raw, billed=billed)
                if error.kind == "forbidden":
                    raise
                if error.kind not in _TRY_AGAIN:
                    break
                if number_of_try + 1 < self._tries:
                    self._wait(_pause(error, number_of_try))
            except BaseException as error:
                # An interrupt or an unknown failure may come after the call left; our own errors do not.
                billed = not isinstance(error, TbcoreError)
                self.journal.fail(key, number, problem=type(error).__name__, detail=str(error), billed=billed)
                raise
            else:
                self.journal.settle(key, number, reply)
                return Answer(key, reply)
        problem, detail = (None, "") if last is None else (last.kind, str(last))
        return Answer(key, None, problem, detail)


def with_more_room(params: Params) -> Params:
    """The same question with twice the length limit: what follows a reply that was cut off."""
    return replace(params, max_tokens=params.max_tokens * _LONGER)


def _pause(error: CallError, number_of_try: int) -> float:
    wanted = 2.0**number_of_try if error.retry_after_s is None else error.retry_after_s
    return min(wanted, _LONGEST_WAIT_S)
