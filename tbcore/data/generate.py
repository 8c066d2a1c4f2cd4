"""Generation: prompts go to a teacher through the ledger, candidates come back in draw order.

Everything but the call itself is a pure function of its inputs, so a second run reads the ledger, pays
nothing and gives the same candidates. What brings no reply is a recorded rejection, never a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tbcore.candidates import Candidate
from tbcore.chat.messages import ChatClient, Message, Params, Subject
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.ledger.caller import Answer, Caller
from tbcore.ledger.journal import Journal
from tbcore.records import PictureGroup, Rejection

__all__ = ["Request", "Tally", "accept", "generate"]

_LONGER = 2


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
    """Counts what `accept` saw: drawn, accepted, and which cap ended it."""

    drawn: int = 0
    accepted: int = 0
    stopped_by: str = ""

    @property
    def acceptance(self) -> float:
        """Accepted per drawn, 0 to 1; 0 when nothing was drawn."""
        return self.accepted / self.drawn if self.drawn else 0.0


def generate(
    requests: Iterable[Request], client: ChatClient, journal: Journal, params: Params, *, tries: int = 3
) -> Iterator[Candidate | Rejection]:
    """Ask for each request in order; yield a candidate or the reason why there is none.

    A reply cut off by its length limit is asked for once more with twice the limit, from the original
    prompt. Interrupt it at any time: the next run with the same journal goes on where this one ended.

    Raises:
        BudgetError: the next call could exceed a cap; what was yielded so far stays in the journal.
        CallError: the teacher lets nothing pass, for example because the key is wrong.
        RecordingMissingError: a recorded teacher has nothing for a prompt.
    """
    caller = Caller(client, journal, tries=tries)
    for draw, request in enumerate(requests):
        how = replace(params, subject=request.subject, sample_index=request.sample)
        answer = caller.ask(request.messages, how, draw=draw)
        if answer.reply is not None and answer.reply.finish_reason == "length":
            longer = replace(how, max_tokens=how.max_tokens * _LONGER)
            answer = caller.ask(request.messages, longer, draw=draw)
        yield _outcome(request, answer, client.name)


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
