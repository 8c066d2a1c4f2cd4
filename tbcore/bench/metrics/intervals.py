"""A number, how sure it is, and from how many items.

Replies of one conversation hang together, so whole conversations are drawn again (bootstrap over dialogues); items
that stand alone get the interval of Wilson. Every statistic here is a function of counts that can be added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.outcomes import Outcome
from tbcore.intervals import wilson_interval
from tbcore.seeds import stream

__all__ = [
    "DRAWS",
    "Measure",
    "Statistic",
    "difference",
    "f1",
    "over_dialogues",
    "quotient",
    "share",
    "wilson",
]

DRAWS = 1000
"""How often the conversations are drawn again."""

Counts = Sequence[float]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Summed counts [.. m] -> values [..]; nan where nothing was counted."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One result.

    Attributes:
        metric: name, with a slash before what it is broken down by: "picture_em/held-out".
        value: a share from 0 to 1 unless the metric says otherwise; None where there was nothing to count.
        low: lower end of the 95 % interval.
        high: upper end.
        n: items or replies counted.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return asdict(self)


def quotient(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [right, counted]."""
    right, counted = sums[..., 0], sums[..., 1]
    return np.divide(right, counted, out=np.full_like(counted, np.nan), where=counted > 0)


def f1(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [found, wrongly found, missed]: the harmonic mean of precision and recall; nan where nothing was sought."""
    found, wrong, missed = sums[..., 0], sums[..., 1], sums[..., 2]
    total = 2 * found + wrong + missed
    return np.divide(2 * found, total, out=np.full_like(total, np.nan), where=total > 0)


def wilson(metric: str, right: int, total: int) -> Measure:
    """A share of independent items, with the interval of Wilson (1927)."""
    if total == 0:
        return Measure(metric, None, None, None, 0)
    low, high = wilson_interval(right, total)
    return Measure(metric, right / total, low, high, total)


def over_dialogues(
    metric: str,
    outcomes: Sequence[Outcome],
    count: Callable[[Outcome], Counts | None],
    statistic: Statistic,
    *,
    bounded: bool = True,
    seed: int = 0,
) -> Measure:
    """A statistic of counts, with an interval from drawing whole conversations again.

    Args:
        metric: its name.
        outcomes: replies.
        count: what one reply adds to the counts; None: it is not counted.
        statistic: of the summed counts.
        bounded: whether it lies between 0 and 1. At these ends drawing again shows no spread, which is no certainty:
            there the interval is Wilson's, with each conversation as one item.
        seed: of the drawing.
    """
    table, n = _table(outcomes, count)
    if not n:
        return Measure(metric, None, None, None, 0)
    value = float(statistic(table.sum(0)))
    if bounded and value in (0.0, 1.0):
        end = wilson(metric, round(value) * len(table), len(table))
        return Measure(metric, value, end.low, end.high, n)
    values = statistic(_drawn(len(table), seed) @ table)
    return _measure(metric, value, values, n)


def share(metric: str, outcomes: Sequence[Outcome], verdict: Callable[[Outcome], bool | None]) -> Measure:
    """How often a verdict is True where it is not None, over dialogues."""

    def count(outcome: Outcome) -> Counts | None:
        right = verdict(outcome)
        return None if right is None else (float(right), 1.0)

    return over_dialogues(metric, outcomes, count, quotient)


def difference(
    metric: str,
    first: Sequence[Outcome],
    second: Sequence[Outcome],
    count: Callable[[Outcome], Counts | None],
    statistic: Statistic = quotient,
    *,
    seed: int = 0,
) -> Measure:
    """First minus second on the same conversations, with a paired bootstrap: both lose the same ones each time."""
    names = sorted({one.item for one in first} & {one.item for one in second})
    one, n = _table([o for o in first if o.item in set(names)], count, names)
    other, m = _table([o for o in second if o.item in set(names)], count, names)
    if not n or not m:
        return Measure(metric, None, None, None, 0)
    draws = _drawn(len(names), seed)
    values = statistic(draws @ one) - statistic(draws @ other)
    return _measure(metric, float(statistic(one.sum(0)) - statistic(other.sum(0))), values, n)


def _table(
    outcomes: Sequence[Outcome], count: Callable[[Outcome], Counts | None], names: Sequence[str] | None = None
) -> tuple[NDArray[np.float64], int]:
    """Sum the counts of each conversation: float[dialogues m], and how many replies were counted."""
    rows = [(outcome.item, counts) for outcome in outcomes if (counts := count(outcome)) is not None]
    order = {name: k for k, name in enumerate(names if names is not None else dict.fromkeys(item for item, _ in rows))}
    table = np.zeros((len(order), len(rows[0][1]) if rows else 0))
    for item, counts in rows:
        table[order[item]] += counts
    return table, len(rows)


def _drawn(n_dialogues: int, seed: int) -> NDArray[np.float64]:
    """How often each conversation is drawn: float[DRAWS dialogues]."""
    rng = stream(seed, f"bootstrap {n_dialogues}")
    return rng.multinomial(n_dialogues, np.full(n_dialogues, 1 / n_dialogues), size=DRAWS).astype(np.float64)


def _measure(metric: str, value: float, values: NDArray[np.float64], n: int) -> Measure:
    if np.isnan(value):
        return Measure(metric, None, None, None, n)
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, (0.025, 0.975)) if known.size else (value, value)
    return Measure(metric, value, float(low), float(high), n)
