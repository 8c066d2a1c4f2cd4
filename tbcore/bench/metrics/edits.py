"""Metric 6: is what was asked changed, and everything else kept?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.metrics.intervals import Measure, over_dialogues, share
from tbcore.bench.outcomes import EDITS, Outcome
from tbcore.world.scenes import Scene

__all__ = ["edit_harmonic", "edit_preservation", "edit_success"]


def _changed(source: Scene, wanted: Scene) -> set[str]:
    return {part for part in ("backdrop", "frame", "things") if getattr(source, part) != getattr(wanted, part)}


def _success(one: Outcome) -> bool | None:
    if one.kind not in EDITS or one.source is None or one.wanted is None:
        return None
    drawn, wanted = one.seen[0] if len(one.seen) == 1 else None, one.wanted
    asked = _changed(one.source, wanted)
    return drawn is not None and all(getattr(drawn, part) == getattr(wanted, part) for part in asked)


def _preserved(one: Outcome) -> bool | None:
    if one.kind not in EDITS or one.source is None or one.wanted is None:
        return None
    drawn, source, wanted = one.seen[0] if len(one.seen) == 1 else None, one.source, one.wanted
    if drawn is None:
        return False
    rest = {"backdrop", "frame", "things"} - _changed(source, wanted)
    staying = set(source.things) & set(wanted.things)
    return staying <= set(drawn.things) and all(getattr(drawn, part) == getattr(source, part) for part in rest)


def edit_success(outcomes: Sequence[Outcome]) -> Measure:
    """How often the asked change is there, exactly; a picture that cannot be read has no change."""
    return share("edit_success", outcomes, _success)


def edit_preservation(outcomes: Sequence[Outcome]) -> Measure:
    """How often all that was not asked for is as in the true source; a picture that cannot be read keeps nothing."""
    return share("edit_preservation", outcomes, _preserved)


def _harmonic(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of [changed, kept, counted]."""
    changed, kept, counted = sums[..., 0], sums[..., 1], sums[..., 2]
    total = changed + kept
    mean = np.divide(2 * changed * kept, total * counted, out=np.zeros_like(total), where=(total > 0) & (counted > 0))
    return np.where(counted > 0, mean, np.nan)


def edit_harmonic(outcomes: Sequence[Outcome]) -> Measure:
    """The harmonic mean of success and preservation: neither copying nor starting afresh scores well."""

    def count(one: Outcome) -> tuple[float, float, float] | None:
        success, kept = _success(one), _preserved(one)
        return None if success is None else (float(success), float(bool(kept)), 1.0)

    return over_dialogues("edit_harmonic", outcomes, count, _harmonic)
