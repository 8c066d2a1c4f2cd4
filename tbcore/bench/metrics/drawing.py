"""Metric 1: is a picture shown when one is wanted, is it one, and is the reply in good form?"""

from __future__ import annotations

from collections.abc import Sequence

from tbcore.bench.metrics.intervals import Measure, f1, over_dialogues, share
from tbcore.bench.outcomes import Outcome

__all__ = ["picture_count", "well_formed", "when_to_draw"]


def when_to_draw(outcomes: Sequence[Outcome]) -> Measure:
    """F1 of showing a picture, over all replies; how many pictures does not matter here."""

    def count(one: Outcome) -> tuple[float, float, float]:
        drew = bool(one.seen)
        return float(drew and one.draws), float(drew and not one.draws), float(one.draws and not drew)

    return over_dialogues("when_to_draw_f1", outcomes, count, f1)


def picture_count(outcomes: Sequence[Outcome]) -> Measure:
    """How often exactly as many pictures are shown as wanted: one or none."""
    return share("picture_count", outcomes, lambda one: len(one.seen) == int(one.draws))


def well_formed(outcomes: Sequence[Outcome]) -> Measure:
    """How often something comes back, without control markers, and each drawing has a caption."""
    return share("well_formed", outcomes, lambda one: one.well_formed)
