"""How far raters agree: Cohen's weighted kappa for two, Krippendorff's alpha for many or for missing ratings.

Always with the number of records, the raw agreement and an interval; never one figure for all raters alone.
Sources: Cohen, Psychological Bulletin 70 (1968); Krippendorff, Content Analysis (2004), ordinal difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tbcore.data.refine.labels import QUALITIES, Label, latest
from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = ["Agreement", "Alpha", "Steadiness", "agreement", "alpha", "pairwise", "steadiness"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two raters agree on the records both have rated.

    Args:
        n: records rated by both.
        raw: share of equal labels, 0 to 1.
        kappa: Cohen's kappa with linear weights, so that Excellent against Poor counts double; None when
            both gave everything the same label, as nothing can be learned from that.
        interval: 95 % of `kappa` over bootstrap samples; None with `kappa`.
    """

    n: int
    raw: float
    kappa: float | None
    interval: tuple[float, float] | None


def agreement(labels: Iterable[Label], one: str, other: str, *, seed: int = 0, resamples: int = 500) -> Agreement:
    """Compare two raters.

    Raises:
        InputError: they have rated no record in common.
    """
    counted = latest(labels)
    pairs = [
        (QUALITIES.index(label.quality), QUALITIES.index(counted[record, other].quality))
        for (record, rater), label in sorted(counted.items())
        if rater == one and (record, other) in counted
    ]
    if not pairs:
        raise InputError(f"agreement: {one!r} and {other!r} have rated no record in common. Rate some twice.")
    table = np.asarray(pairs)
    kappa = _kappa(table)
    interval = _interval(table, _kappa, kappa, seed, "agreement", resamples)
    return Agreement(len(table), float((table[:, 0] == table[:, 1]).mean()), kappa, interval)


def pairwise(labels: Iterable[Label], *, seed: int = 0, resamples: int = 500) -> dict[tuple[str, str], Agreement]:
    """The agreement of every two raters who have rated something in common, by their names."""
    given = list(labels)
    rated: dict[str, set[str]] = {}
    for record, rater in latest(given):
        rated.setdefault(rater, set()).add(record)
    return {
        (one, other): agreement(given, one, other, seed=seed, resamples=resamples)
        for one, other in combinations(sorted(rated), 2)
        if rated[one] & rated[other]
    }


@dataclass(frozen=True, slots=True)
class Alpha:
    """How far any number of raters agree; not everybody needs to have rated everything.

    Args:
        n: records with two ratings or more.
        raters: who gave them.
        raw: share of equal pairs of labels, 0 to 1.
        alpha: Krippendorff's alpha with ordinal differences; None when all labels are the same.
        interval: 95 % of `alpha` over bootstrap samples of records; None with `alpha`.
    """

    n: int
    raters: tuple[str, ...]
    raw: float
    alpha: float | None
    interval: tuple[float, float] | None


def alpha(labels: Iterable[Label], *, seed: int = 0, resamples: int = 500) -> Alpha:
    """Compare all raters at once.

    Raises:
        InputError: no record has two ratings.
    """
    ratings: dict[str, dict[str, int]] = {}
    for (record, rater), label in sorted(latest(labels).items()):
        ratings.setdefault(record, {})[rater] = QUALITIES.index(label.quality)
    shared = [by for by in ratings.values() if len(by) > 1]
    if not shared:
        raise InputError("alpha: no record has two ratings. Let a second person rate some of them.")
    counts = np.asarray([[list(by.values()).count(place) for place in range(len(QUALITIES))] for by in shared])
    pairs = counts.sum(axis=1) * (counts.sum(axis=1) - 1)
    equal = (counts * (counts - 1)).sum(axis=1)
    value = _alpha(counts)
    return Alpha(
        n=len(shared),
        raters=tuple(sorted({rater for by in shared for rater in by})),
        raw=float(equal.sum() / pairs.sum()),
        alpha=value,
        interval=_interval(counts, _alpha, value, seed, "alpha", resamples),
    )


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How often a rater said the same again when shown something a second time: `equal` of `n` repeats."""

    n: int
    equal: int


def steadiness(labels: Iterable[Label]) -> dict[str, Steadiness]:
    """For each rater, labels of the same whole conversation given more than once, each against the one before."""
    last: dict[tuple[str, str], Label] = {}
    found: dict[str, Steadiness] = {}
    for label in labels:
        if label.turn is not None:
            continue
        before = last.get((label.record, label.rater))
        if before is not None:
            so_far = found.get(label.rater, Steadiness(0, 0))
            found[label.rater] = Steadiness(so_far.n + 1, so_far.equal + (before.quality == label.quality))
        last[label.record, label.rater] = label
    return found


def _alpha(counts: NDArray[np.int64]) -> float | None:
    """From one row of counts per record: 1 - observed / expected disagreement, over all pairs of labels."""
    sizes = counts.sum(axis=1)
    pairs = counts[:, :, None] * (counts[:, None, :] - np.eye(counts.shape[1], dtype=int))
    coincidences = (pairs / (sizes - 1)[:, None, None]).sum(axis=0)
    totals = coincidences.sum(axis=1)
    # Ordinal difference: labels between two, counted half at both ends, squared.
    upto = np.cumsum(totals) - totals / 2
    difference = np.subtract.outer(upto, upto) ** 2
    expected = float((difference * np.outer(totals, totals)).sum() / (totals.sum() - 1))
    return None if expected == 0 else float(1 - (difference * coincidences).sum() / expected)


def _interval(
    rows: NDArray[np.int64],
    measure: Callable[[NDArray[np.int64]], float | None],
    value: float | None,
    seed: int,
    purpose: str,
    resamples: int,
) -> tuple[float, float] | None:
    if value is None:
        return None
    rng = stream(seed, purpose)
    drawn = [measure(rows[rng.integers(len(rows), size=len(rows))]) for _ in range(resamples)]
    known = [one for one in drawn if one is not None]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (value, value)
    return float(low), float(high)


def _kappa(pairs: NDArray[np.int64]) -> float | None:
    k = len(QUALITIES)
    weight = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    observed = weight[pairs[:, 0], pairs[:, 1]].mean()
    first, second = (np.bincount(cast("Sequence[int]", pairs[:, c]), minlength=k) / len(pairs) for c in (0, 1))
    expected = float((weight * np.outer(first, second)).sum())
    return None if expected == 0 else float(1 - observed / expected)
