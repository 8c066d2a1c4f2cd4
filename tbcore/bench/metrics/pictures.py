"""Metrics 3 and 4: is the drawn picture the wanted one (end to end), and is it what its caption says (painter)?"""

from __future__ import annotations

from collections.abc import Sequence

from tbcore.bench.metrics.intervals import Measure, over_dialogues, quotient, share
from tbcore.bench.outcomes import Outcome

__all__ = ["faithfulness", "picture_em", "rejected"]


def picture_em(outcomes: Sequence[Outcome]) -> Measure:
    """How often exactly one picture is drawn and shows the wanted scene, where one is wanted."""
    return share("picture_em", outcomes, lambda one: one.picture_right if one.draws else None)


def faithfulness(outcomes: Sequence[Outcome]) -> Measure:
    """How often a picture shows what its own caption means; captions that mean no scene cannot be judged."""

    def count(one: Outcome) -> tuple[float, float] | None:
        judged = [(said, seen) for said, seen in zip(one.said, one.seen, strict=True) if said is not None]
        return (float(sum(said == seen for said, seen in judged)), float(len(judged))) if judged else None

    return over_dialogues("faithfulness", outcomes, count, quotient)


def rejected(outcomes: Sequence[Outcome]) -> Measure:
    """Share of drawings in which the exact reader finds no scene; they count as wrong everywhere else."""

    def count(one: Outcome) -> tuple[float, float] | None:
        return (float(sum(seen is None for seen in one.seen)), float(len(one.seen))) if one.seen else None

    return over_dialogues("rejected", outcomes, count, quotient)
