"""Calls handed over as batches: cheaper, hours later, and through the same journal.

    reserved + intent ──commit──► sent ──upload──► batch ──► output and error files ──► done | failed | ambiguous

The intent is written before anything is uploaded. After a crash the provider's list of batches is searched for
the intent's hash before anything is uploaded again, so a batch is never paid twice.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace

from tbcore.chat.batches import BatchClient, BatchEntry, RemoteBatch
from tbcore.chat.messages import CallError, Reply
from tbcore.errors import InputError
from tbcore.ledger.budget import worst_case
from tbcore.ledger.caller import Answer, Call, with_more_room
from tbcore.ledger.journal import Journal, call_key

__all__ = ["BatchCaller", "BatchReport"]

_ASKED_AGAIN = frozenset({"never_sent", "not_sent", "busy", "server_error", "unreadable"})
_FREE_AGAIN = frozenset({"failed", "expired", "cancelled"})


@dataclass(slots=True)
class BatchReport:
    """What was odd about the batches that were read.

    Args:
        missing: keys that were in neither file.
        strangers: ids in a file that nobody asked for.
        repeated: ids that came more than once; the first answer counts.
        unfinished: batches that ended `failed`, `expired` or `cancelled`, with what they had.
    """

    missing: list[str] = field(default_factory=list[str])
    strangers: list[str] = field(default_factory=list[str])
    repeated: list[str] = field(default_factory=list[str])
    unfinished: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class _Open:
    """One call on its way through a batch."""

    call: Call
    key: str
    payload: str


class BatchCaller:
    """Hands calls over as batches, waits, and gives the answers in the order of the calls.

    Args:
        client: who takes the batches.
        journal: where calls are kept; what it knows is not asked again.
        most: calls in one batch.
        every_s: seconds between two looks at a batch.
        tries: batches in which one call may be before it is given up.
        wait: called with `every_s`.
    """

    def __init__(
        self,
        client: BatchClient,
        journal: Journal,
        *,
        most: int = 10_000,
        every_s: float = 60.0,
        tries: int = 3,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        if most < 1 or tries < 1:
            raise InputError(f"BatchCaller: most and tries must be at least 1; got {most} and {tries}.")
        self.client = client
        self.journal = journal
        self.report = BatchReport()
        self._most = most
        self._every_s = every_s
        self._tries = tries
        self._wait = wait

    def answers(
        self, calls: Iterable[Call], *, allowed: Callable[[int], bool] | None = None
    ) -> Generator[Answer, None, None]:
        """An answer for each call, in order; batch by batch.

        Args:
            calls: what to ask; one batch is read ahead.
            allowed: whether one more call may be begun, given how many were; all may when None.

        Raises:
            BudgetError: a batch does not fit under a cap; nothing of it was sent.
            CallError: the provider did not take the batch or did not give it back; run again to go on.
        """
        self._finish_open()
        source = iter(calls)
        begun = 0
        while True:
            block: list[Call] = []
            while len(block) < self._most and (allowed is None or allowed(begun)):
                call = next(source, None)
                if call is None:
                    break
                block.append(call)
                begun += 1
            if not block:
                return
            for number, answer in enumerate(self._answer_block(block), start=begun - len(block)):
                yield replace(answer, number=number)

    def _answer_block(self, block: list[Call]) -> list[Answer]:
        answers = self._ask(block)
        cut = [n for n, one in enumerate(answers) if one.reply is not None and one.reply.finish_reason == "length"]
        longer = [Call(block[n].messages, with_more_room(block[n].params), block[n].draw) for n in cut]
        for n, answer in zip(cut, self._ask(longer), strict=True):
            answers[n] = answer
        return answers

    def _ask(self, calls: list[Call]) -> list[Answer]:
        """Batches until every call has an answer, or none of its tries is left."""
        wanted = [_Open(call, *call_key(self.client.name, call.messages, call.params)) for call in calls]
        known = {one.key for one in wanted if self.journal.answer(one.key) is not None}
        for _ in range(self._tries):
            left = {one.key: one for one in wanted if self._is_open(one.key)}
            if not left:
                break
            self._run_batch(list(left.values()))
        return [self._last_word(one.key, paid=one.key not in known) for one in wanted]

    def _is_open(self, key: str) -> bool:
        last = self.journal.last_word(key)
        return last is None or (
            last.state == "failed" and last.problem in {*_ASKED_AGAIN, "never_sent", "not_worked_on"}
        )

    def _last_word(self, key: str, *, paid: bool) -> Answer:
        last = self.journal.last_word(key)
        if last is None:
            return Answer(key, None, "not_sent", "it was in no batch")
        return Answer(key, last.reply, last.problem, last.detail or "", paid)

    def _run_batch(self, block: list[_Open]) -> None:
        lines = [self.client.line(one.key, one.call.messages, one.call.params) for one in block]
        members: dict[str, int] = {}
        with self.journal.together():  # all of it fits under the caps, or nothing is written
            for one in block:
                worst = worst_case(one.call.messages, one.call.params)
                members[one.key] = self.journal.reserve(one.key, draw=one.call.draw, payload=one.payload, worst=worst)
            manifest = _manifest(lines, members)
            self.journal.intend_batch(manifest, list(members.items()))
        self.journal.mark_batch(manifest, "sent")
        try:
            remote = self.client.submit(lines, manifest)
        except CallError as error:
            if error.kind in {"ambiguous", "server_error"}:
                raise  # it may exist: the next run looks for it in the provider's list
            self._close_unsent(manifest, members, str(error))
            raise
        self.journal.mark_batch(manifest, "sent", remote=remote.id)
        self._read(manifest, remote, members)

    def _finish_open(self) -> None:
        """Go on with what an earlier run left, before anything new is sent."""
        left = self.journal.open_batches()
        if not left:
            return
        there = {one.manifest: one for one in self.client.remote() if one.manifest}
        for manifest, _, members in left:
            if (remote := there.get(manifest)) is not None:
                self.journal.mark_batch(manifest, "sent", remote=remote.id)
                self._read(manifest, remote, members)
            else:
                self._close_unsent(manifest, members, "the provider's list does not have this batch")

    def _close_unsent(self, manifest: str, members: dict[str, int], why: str) -> None:
        with self.journal.together():
            for key, number in members.items():
                self.journal.fail(key, number, problem="never_sent", detail=why, billed=False)
            self.journal.mark_batch(manifest, "closed", detail=why)

    def _read(self, manifest: str, remote: RemoteBatch, members: dict[str, int]) -> None:
        while not remote.is_over:
            self._wait(self._every_s)
            remote = self.client.look(remote.id)
        left = dict(members)
        with self.journal.together():
            for entry in self.client.entries(remote):
                self._store(entry, left, members)
            for key, number in left.items():
                self.report.missing.append(key)
                self._note_missing(key, number, remote.status)
            if remote.status != "completed":
                self.report.unfinished[remote.id] = remote.status
            self.journal.mark_batch(manifest, "closed", detail=remote.status)

    def _store(self, entry: BatchEntry, left: dict[str, int], members: dict[str, int]) -> None:
        key = entry.custom_id
        if key not in members:
            self.report.strangers.append(key)
            return
        if (number := left.pop(key, None)) is None:
            self.report.repeated.append(key)
            return
        if isinstance(entry.result, Reply):
            self.journal.settle(key, number, entry.result)
            return
        problem = entry.result.kind
        billed = problem in {"ambiguous", "unreadable"}
        self.journal.fail(key, number, problem=problem, detail=str(entry.result), raw=entry.raw, billed=billed)

    def _note_missing(self, key: str, number: int, status: str) -> None:
        if status in _FREE_AGAIN:
            told = f"the batch ended as {status} before this call was worked on"
            self.journal.fail(key, number, problem="not_sent", detail=told, billed=False)
        else:
            told = "the batch is completed, but this call is in neither of its files"
            self.journal.fail(key, number, problem="ambiguous", detail=told, billed=True)


def _manifest(lines: list[str], members: dict[str, int]) -> str:
    """Names a batch: its lines, and which try of each call it is."""
    tries = "\n".join(f"{key} {number}" for key, number in sorted(members.items()))
    return hashlib.sha256("\n".join([*lines, tries]).encode()).hexdigest()
