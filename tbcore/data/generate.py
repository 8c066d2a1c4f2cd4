"""Generation: prompts go to a teacher through the ledger, candidates come back in draw order.

Everything but the call itself is a pure function of its inputs, so a second run reads the ledger, pays
nothing and gives the same candidates. What brings no reply is a recorded rejection, never a gap.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tbcore.candidates import Candidate
from tbcore.chat.messages import AsyncChatClient, CallError, ChatClient, Message, Params, Subject
from tbcore.dialogue import Codec
from tbcore.errors import BudgetError, InputError
from tbcore.ledger.budget import Spent
from tbcore.ledger.caller import Answer, Call, Caller
from tbcore.ledger.journal import Journal
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.pace import CircuitOpenError, PaceRules
from tbcore.records import PictureGroup, Rejection

__all__ = ["Request", "Tally", "accept", "generate", "generate_accepted"]


@dataclass(frozen=True, slots=True)
class Request:
    """One conversation to be written: the group, the exact messages, and what names a recording of it.

    Args:
        group: whose captions the messages hold.
        messages: what is sent.
        codec: how pictures are tagged in them.
        subject: names a recording.
        sample: 0 for the first conversation about this group, 1 for the second.
        origin: kept with the candidate: example ids, set version, prompt hash.
    """

    group: PictureGroup
    messages: tuple[Message, ...]
    codec: Codec
    subject: Subject
    sample: int = 0
    origin: dict[str, Any] | None = None


@dataclass(slots=True)
class Tally:
    """Counts what was seen while generating, and says what ended it.

    Args:
        drawn: results looked at.
        accepted: candidates among them that were accepted.
        stopped_by: `wanted`, `most` (candidates), `requests` (used up), `budget`, `forbidden` or `circuit`.
        detail: the whole story, when something went wrong.
        spent: what the journal stands at, ambiguous calls at their worst case.
    """

    drawn: int = 0
    accepted: int = 0
    stopped_by: str = ""
    detail: str = ""
    spent: Spent = field(default_factory=Spent)

    @property
    def acceptance(self) -> float:
        """Accepted per drawn, 0 to 1; 0 when nothing was drawn."""
        return self.accepted / self.drawn if self.drawn else 0.0

    def __str__(self) -> str:
        end = f"{self.accepted} accepted of {self.drawn} drawn ({self.acceptance:.1%}); stopped by {self.stopped_by}"
        return f"{end}: {self.detail}" if self.detail else end


def generate(
    requests: Iterable[Request],
    client: ChatClient | AsyncChatClient,
    journal: Journal,
    params: Params,
    *,
    tries: int = 3,
    rules: PaceRules | None = None,
    allowed: Callable[[int], bool] | None = None,
) -> Generator[Candidate | Rejection, None, None]:
    """Ask for each request; yield, in the order of the requests, a candidate or the reason why there is none.

    A reply cut off by its length limit is asked for once more with twice the limit, from the original
    prompt. Interrupt it at any time: the next run with the same journal goes on where this one ended.

    Args:
        requests: what to ask for; read as needed.
        client: one that answers once at a time, or an `AsyncChatClient`, which is asked many things at once.
        journal: where calls are kept.
        params: how to answer.
        tries: how often a call is tried before it is given up.
        rules: how many calls at once, for an `AsyncChatClient`.
        allowed: whether one more request may be begun, given how many were.

    Raises:
        BudgetError: the next call could exceed a cap; every answer there is was yielded and stays in the journal.
        CallError: the teacher lets nothing pass, for example because the key is wrong.
        CircuitOpenError: nothing has passed for a long time.
        RecordingMissingError: a recorded teacher has nothing for a prompt.
    """
    asked: dict[int, Request] = {}

    def calls() -> Iterator[Call]:
        for draw, request in enumerate(requests):
            asked[draw] = request
            how = replace(params, subject=request.subject, sample_index=request.sample)
            yield Call(request.messages, how, draw)

    with closing(_caller(client, journal, tries, rules).answers(calls(), allowed=allowed)) as answers:
        for answer in answers:
            yield _outcome(asked.pop(answer.number), answer, client.name)


def generate_accepted(
    requests: Iterable[Request],
    client: ChatClient | AsyncChatClient,
    journal: Journal,
    params: Params,
    *,
    n_accepted: int,
    accepts: Callable[[Candidate], bool],
    tally: Tally,
    max_candidates: int | None = None,
    tries: int = 3,
    rules: PaceRules | None = None,
) -> Iterator[Candidate | Rejection]:
    """Generate until exactly `n_accepted` candidates are accepted, or `tally` says which cap ended it.

    Never more requests are open than acceptances are missing, so nothing is paid for in vain: the accepted
    ones are the first `n_accepted` acceptable draws, whatever the number of calls at once.

    Args:
        requests: what to ask for; read as needed.
        client: one that answers once at a time, or an `AsyncChatClient`, which is asked many things at once.
        journal: where calls are kept.
        params: how to answer.
        n_accepted: how many are wanted.
        accepts: judges a candidate; called in draw order, so a rule may remember what it has seen.
        tally: counts, and holds the end; a cap, a wrong key or a teacher that is down end it without an error.
        max_candidates: how many results may be drawn at most.
        tries: how often a call is tried before it is given up.
        rules: how many calls at once, for an `AsyncChatClient`.

    Yields:
        Every result, accepted or not, in draw order.

    Raises:
        InputError: a number below 1.
    """
    if n_accepted < 1 or (max_candidates is not None and max_candidates < 1) or tally.drawn:
        raise InputError(
            "generate_accepted: n_accepted and max_candidates must be at least 1 and the tally new; got "
            f"{n_accepted}, {max_candidates} and {tally.drawn} drawn."
        )

    def allowed(begun: int) -> bool:
        missing = n_accepted - tally.accepted
        return begun - tally.drawn < missing and (max_candidates is None or begun < max_candidates)

    results = generate(requests, client, journal, params, tries=tries, rules=rules, allowed=allowed)
    try:
        with closing(results):
            for result in results:
                tally.drawn += 1
                tally.accepted += isinstance(result, Candidate) and accepts(result)
                tally.spent = journal.committed()
                yield result
    except (BudgetError, CallError, CircuitOpenError) as error:
        kinds = {BudgetError: "budget", CallError: "forbidden", CircuitOpenError: "circuit"}
        tally.stopped_by, tally.detail = kinds[type(error)], str(error)
    else:
        ended_by = "most" if max_candidates is not None and tally.drawn >= max_candidates else "requests"
        tally.stopped_by = "wanted" if tally.accepted == n_accepted else ended_by
    tally.spent = journal.committed()


def accept(
    results: Iterable[Candidate | Rejection], wanted: int, tally: Tally, *, most: int | None = None
) -> Iterator[Candidate]:
    """Candidates until there are `wanted`, or `most` results were drawn; `tally` says how it ended.

    Raises:
        InputError: `wanted` is below 1.
    """
    if wanted < 1:
        raise InputError(f"accept: wanted must be at least 1; got {wanted}.")
    tally.stopped_by = "requests"
    for result in results:
        tally.drawn += 1
        if isinstance(result, Candidate):
            tally.accepted += 1
            yield result
        if tally.accepted == wanted:
            tally.stopped_by = "wanted"
            return
        if tally.drawn == most:
            tally.stopped_by = "most"
            return


def _caller(
    client: ChatClient | AsyncChatClient, journal: Journal, tries: int, rules: PaceRules | None
) -> Caller | ManyCaller:
    if inspect.iscoroutinefunction(client.complete):
        return ManyCaller(cast(AsyncChatClient, client), journal, rules=rules, tries=tries)
    return Caller(cast(ChatClient, client), journal, tries=tries)


def _outcome(request: Request, answer: Answer, teacher: str) -> Candidate | Rejection:
    record = f"{request.group.id}/{request.sample}"
    where = f"call {answer.key[:12]}"
    reply = answer.reply
    if reply is None:
        return Rejection(record, f"call_{answer.problem or 'failed'}", None, answer.detail, where)
    if reply.finish_reason in {"content_filter", "refusal"}:
        return Rejection(record, reply.finish_reason, None, "the teacher refused to write this", where)
    if reply.finish_reason == "length":
        return Rejection(record, "cut_off", len(reply.text), "longer than twice the limit", where)
    if not reply.text.strip():
        return Rejection(record, "no_answer", None, "the teacher answered nothing", where)
    origin = {**(request.origin or {}), "call": answer.key, "sample": request.sample}
    return Candidate(
        id=record,
        group=request.group.id,
        captions=request.group.captions,
        reply=reply.text,
        codec=request.codec,
        pictures=request.group.files or (),
        source=teacher,
        origin=origin,
    )
