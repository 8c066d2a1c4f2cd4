"""A candidate on its way through the rules: read once, judged by all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from tbcore.candidates import Candidate
from tbcore.data.filter.near import NearDuplicates
from tbcore.dialogue import ROLE_WORDS, Reading, read_reply
from tbcore.reading import Span
from tbcore.records import Turn

__all__ = ["CAPTION_THRESHOLD", "HUMAN", "Draft", "Objection", "Rule"]

CAPTION_THRESHOLD = 0.1
"""Rule 8 allows this many changed characters per character of the true caption. Source: the paper's code."""

HUMAN = f"{ROLE_WORDS['user']}:"
"""What the first turn begins with."""

_DOUBLED_COMMA = re.compile(r",(?:\s*,)+")


@dataclass(slots=True)
class Draft:
    """A candidate, read once, with what the rules need to know beside it.

    Args:
        candidate: the reply and what it was asked about.
        seen: replies met before it, for rule 4.
        canary: the word no reply may hold; empty for none.
        caption_threshold: rule 8's limit, changed characters per character of the true caption.
        exact_captions: rule 8 allows no change at all.
        near: conversations met before it, for `near_duplicate`; None when nobody asks.
    """

    candidate: Candidate
    seen: Container[str] = ()
    canary: str = ""
    caption_threshold: float = CAPTION_THRESHOLD
    exact_captions: bool = False
    near: NearDuplicates | None = None
    reply: str = field(init=False)
    reading: Reading = field(init=False)
    first_turn: int = field(init=False)
    spans: tuple[Span, ...] = field(init=False)
    _turns: tuple[Turn, ...] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.reply = reply = self.candidate.reply
        self.reading = read_reply(reply, self.candidate.codec)
        self.first_turn = first = max(reply.find(HUMAN), 0)
        spans = self.reading.spans
        self.spans = spans if not spans or spans[0].start >= first else tuple(s for s in spans if s.start >= first)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is said from the first `Human:` on, as the repair (7b) leaves it.

        Tags that open or close no pair are gone, and where one was removed so are doubled commas.
        """
        if self._turns is None:
            turns = self.reading.turns(start=self.first_turn)
            self._turns = tuple(map(_without_doubled_commas, turns)) if self.reading.problems else turns
        return self._turns

    def pieces(self) -> list[tuple[int, str]]:
        """What is said between pictures and changes of speaker: raw text with its offset in the reply."""
        found: list[tuple[int, str]] = []
        for span in self.spans:
            start = span.body
            for cut in self.reading.cuts:
                if span.body <= cut.start < span.end:
                    found.append((start, self.reply[start : cut.start]))
                    start = cut.end
            found.append((start, self.reply[start : span.end]))
        return [(start, text) for start, text in found if text.strip()]


Objection = tuple[int | None, str]
"""Offset in the reply, or None, and what is wrong in words."""

Rule = Callable[[Draft], Objection | None]
"""None: fine."""


def _without_doubled_commas(turn: Turn) -> Turn:
    return Turn(turn.role, tuple(_DOUBLED_COMMA.sub(",", p) if isinstance(p, str) else p for p in turn.parts))
