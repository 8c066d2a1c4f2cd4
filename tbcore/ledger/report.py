"""What the journal says when asked: where the money stands, and which calls brought nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.ledger.budget import Spent
from tbcore.ledger.journal import Journal
from tbcore.store import write_jsonl

__all__ = ["Standing", "dead_letters", "standing", "write_dead_letters"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands.

    Args:
        counts: attempts by state.
        committed: settled, reserved and ambiguous together.
        ambiguous: the part that may have been billed without an answer, at its worst case.
        money, money_ambiguous: the same two in the currency of the budget's prices.
        read_tokens: that the teacher read for the calls it answered.
        cached_tokens: of these, what the teacher says its prefix cache spared it; 0 also where it tells nothing.
    """

    counts: dict[str, int]
    committed: Spent
    ambiguous: Spent
    money: float
    money_ambiguous: float
    read_tokens: int
    cached_tokens: int

    @property
    def cached_share(self) -> float:
        """Share of the tokens read that came from the teacher's prefix cache, 0..1."""
        return self.cached_tokens / self.read_tokens if self.read_tokens else 0.0

    def __str__(self) -> str:
        told = f"{self.counts['done']} answered, up to {self.money:.4f} spent"
        if self.cached_tokens:
            told += f"; {self.cached_share:.0%} of {self.read_tokens:,} tokens read came from the teacher's cache"
        if self.ambiguous.calls:
            told += f"; {self.ambiguous.calls} calls may have been billed in vain, up to {self.money_ambiguous:.4f}"
        return told


def standing(journal: Journal) -> Standing:
    """Counts and money, ambiguous calls apart."""
    committed, ambiguous = journal.committed(), journal.ambiguous()
    replies = [last.reply for _, last in journal.calls() if last.reply is not None]
    cost = journal.budget.cost
    return Standing(
        journal.counts(),
        committed,
        ambiguous,
        cost(committed),
        cost(ambiguous),
        sum(reply.usage.prompt_tokens for reply in replies),
        sum(_cached(reply.raw) for reply in replies),
    )


def dead_letters(journal: Journal) -> Iterator[dict[str, Any]]:
    """One record for each call that was tried and has no answer, in draw order, with all its tries."""
    for draw, last in journal.calls():
        if last.state == "done":
            continue
        tries = [{"state": one.state, "problem": one.problem} for one in journal.attempts(last.key)]
        yield {
            "draw": draw,
            "call": last.key,
            "problem": last.problem or last.state,
            "detail": last.detail or "",
            "tries": tries,
        }


def write_dead_letters(journal: Journal, path: Path | str) -> int:
    """Write them as JSON Lines, atomically; how many there are."""
    found = list(dead_letters(journal))
    write_jsonl(path, found)
    return len(found)


def _cached(raw: str) -> int:
    try:
        details = (json.loads(raw).get("usage") or {}).get("prompt_tokens_details") or {}
        return int(details.get("cached_tokens") or 0)
    except (ValueError, AttributeError, TypeError):
        return 0  # a raw body in no provider's format tells nothing about caches
