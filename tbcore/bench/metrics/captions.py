"""Metric 2: what the writer asks the painter for, read from its caption; no picture is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from tbcore.bench.metrics.intervals import Measure, f1, over_dialogues, quotient, share
from tbcore.bench.outcomes import Outcome, fields
from tbcore.world.scenes import Scene

__all__ = ["caption_em", "caption_fields", "caption_things"]


def _first(one: Outcome) -> Scene | None:
    return one.said[0] if one.said else None


def caption_em(outcomes: Sequence[Outcome]) -> Measure:
    """How often the caption means the wanted scene, whole, where a picture is wanted."""
    return share("caption_em", outcomes, lambda one: one.caption_right if one.draws else None)


def caption_things(outcomes: Sequence[Outcome]) -> Measure:
    """F1 of the things in the first caption, places aside; a caption that means nothing names none."""

    def count(one: Outcome) -> tuple[float, float, float] | None:
        if one.wanted is None:
            return None
        said, first = set(one.wanted.things), _first(one)
        named = set(first.things) if first is not None else set()
        return float(len(named & said)), float(len(named - said)), float(len(said - named))

    return over_dialogues("caption_thing_f1", outcomes, count, f1)


def caption_fields(outcomes: Sequence[Outcome]) -> Measure:
    """Share of the wanted facts (backdrop, frame, count, each place) that the first caption states."""

    def count(one: Outcome) -> tuple[float, float] | None:
        if one.wanted is None:
            return None
        wanted, first = fields(one.wanted), _first(one)
        said = fields(first) if first is not None else {}
        right = sum(name in said and said[name] == value for name, value in wanted.items())
        return float(right), float(len(wanted))

    return over_dialogues("caption_fields", outcomes, count, quotient)
