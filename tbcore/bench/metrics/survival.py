"""Metric 9: how long a conversation stays right, turn by turn; and how pictures drift when described and redrawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.metrics.intervals import Measure, over_dialogues, share, wilson
from tbcore.bench.outcomes import Outcome
from tbcore.world.scenes import Scene

__all__ = ["drift", "half_life", "right_by_turn", "survival", "turn_em"]


def turn_em(outcomes: Sequence[Outcome]) -> Measure:
    """Share of replies that are right as a whole."""
    return share("turn_em", outcomes, lambda one: one.right)


def right_by_turn(outcomes: Sequence[Outcome]) -> list[Measure]:
    """The same for first replies, second replies and so on."""
    last = max((one.turn for one in outcomes), default=-1)
    return [
        share(f"turn_em/turn {turn + 1}", [one for one in outcomes if one.turn == turn], lambda one: one.right)
        for turn in range(last + 1)
    ]


def _first_wrong(outcomes: Sequence[Outcome]) -> dict[str, int | None]:
    wrong: dict[str, int | None] = {}
    for one in sorted(outcomes, key=lambda one: one.turn):
        if wrong.setdefault(one.item, None) is None and not one.right:
            wrong[one.item] = one.turn
    return wrong


def _curve(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [fell at turn 1, still right before turn 1, fell at turn 2, ...]: share still right after each turn."""
    fell, standing = sums[..., 0::2], sums[..., 1::2]
    kept = 1 - np.divide(fell, standing, out=np.zeros_like(fell), where=standing > 0)
    return kept.cumprod(axis=-1)


def _count(outcomes: Sequence[Outcome]) -> tuple[int, dict[tuple[str, int], tuple[float, ...]]]:
    """What each reply adds to the counts of `_curve`: only replies up to the first wrong one count."""
    turns = max((one.turn for one in outcomes), default=-1) + 1
    wrong = _first_wrong(outcomes)
    added: dict[tuple[str, int], tuple[float, ...]] = {}
    for one in outcomes:
        first = wrong[one.item]
        if first is None or one.turn <= first:
            counts = [0.0] * (2 * turns)
            counts[2 * one.turn], counts[2 * one.turn + 1] = float(one.turn == first), 1.0
            added[one.item, one.turn] = tuple(counts)
    return turns, added


def survival(outcomes: Sequence[Outcome]) -> list[Measure]:
    """Share of conversations in which everything is right up to each turn; shorter ones leave the count when they end.

    Source: Kaplan and Meier (1958), with conversations that end right as censored.
    """
    turns, added = _count(outcomes)
    return [
        over_dialogues(
            f"survival/turn {turn + 1}",
            outcomes,
            lambda one: added.get((one.item, one.turn)),
            lambda sums, turn=turn: _curve(sums)[..., turn],
        )
        for turn in range(turns)
    ]


def _half(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The turn, in parts, at which half is lost; one more than the last where that never happens."""
    curve = np.concatenate([np.ones((*sums.shape[:-1], 1)), _curve(sums)], axis=-1)
    lost = curve <= 0.5
    at = np.where(lost.any(-1), lost.argmax(-1), curve.shape[-1])
    before, here = at - 1, np.minimum(at, curve.shape[-1] - 1)
    high = np.take_along_axis(curve, before[..., None], -1)[..., 0]
    low = np.take_along_axis(curve, here[..., None], -1)[..., 0]
    part = np.divide(high - 0.5, high - low, out=np.ones_like(high), where=high > low)
    return np.where(at == curve.shape[-1], float(curve.shape[-1]), before + part)


def half_life(outcomes: Sequence[Outcome]) -> Measure:
    """After how many turns half of the conversations have gone wrong, in turns; one more than the longest: never."""
    _, added = _count(outcomes)
    return over_dialogues("half_life", outcomes, lambda one: added.get((one.item, one.turn)), _half, bounded=False)


def drift(cycles: Sequence[Sequence[Scene | None]], truth: Sequence[Scene]) -> list[Measure]:
    """Share of pictures that are still the first one after each cycle of describing and drawing.

    Args:
        cycles: what the exact reader sees after cycle 1, 2, ...; one per picture.
        truth: the first pictures.

    Raises:
        ValueError: a cycle has not as many pictures as the truth.
    """
    return [
        wilson(f"drift/cycle {k + 1}", sum(a == b for a, b in zip(seen, truth, strict=True)), len(truth))
        for k, seen in enumerate(cycles)
    ]
