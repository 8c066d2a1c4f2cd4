"""Metric 7: what the assistant sees, in pictures of the user and in its own; and what it would say without seeing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.controls import question_kind
from tbcore.bench.metrics.intervals import Measure, over_dialogues, share
from tbcore.bench.outcomes import Outcome

__all__ = ["chance", "perception_gap", "perception_own", "perception_uploads"]

_LOOKING = ("describe", "ask", "compare")


def _upload(one: Outcome) -> bool | None:
    looks = one.kind == "compare" or (one.kind in _LOOKING and one.owner == "user")
    return one.text_right if looks else None


def _own(one: Outcome) -> bool | None:
    return one.text_right if one.kind in _LOOKING and one.owner == "assistant" and one.source_right else None


def perception_uploads(outcomes: Sequence[Outcome]) -> Measure:
    """How often all is right that is said about pictures of the user."""
    return share("perception_uploads", outcomes, _upload)


def perception_own(outcomes: Sequence[Outcome]) -> Measure:
    """The same about the assistant's own drawings, where the drawing is the one it should be."""
    return share("perception_own", outcomes, _own)


def _gap(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    seen, uploads, known, own = (sums[..., k] for k in range(4))
    nothing = np.full_like(seen, np.nan)
    return np.divide(seen, uploads, out=nothing.copy(), where=uploads > 0) - np.divide(
        known, own, out=nothing.copy(), where=own > 0
    )


def perception_gap(outcomes: Sequence[Outcome]) -> Measure:
    """Uploads minus own drawings, in shares: above 0, the assistant sees its own drawings worse."""

    def count(one: Outcome) -> tuple[float, ...] | None:
        upload, own = _upload(one), _own(one)
        if upload is None and own is None:
            return None
        return float(upload or 0), float(upload is not None), float(own or 0), float(own is not None)

    return over_dialogues("perception_gap", outcomes, count, _gap, bounded=False)


def chance(outcomes: Sequence[Outcome]) -> Measure:
    """What the best fixed answer to each kind of question scores on pictures of the user; no interval: it is exact."""
    asked = [one for one in outcomes if _upload(one) is not None]
    answers: dict[tuple[str, ...], Counter[str]] = {}
    for one in asked:
        kind, key = question_kind(one.exchange.expect)
        answers.setdefault(kind, Counter())[key] += 1
    if not asked:
        return Measure("perception_chance", None, None, None, 0)
    best = sum(counter.most_common(1)[0][1] for counter in answers.values()) / len(asked)
    return Measure("perception_chance", best, best, best, len(asked))
