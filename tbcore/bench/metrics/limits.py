"""Metric 10: is the impossible refused, the unclear asked back, and everything else simply done?"""

from __future__ import annotations

from collections.abc import Sequence

from tbcore.bench.metrics.intervals import Measure, f1, over_dialogues, share
from tbcore.bench.outcomes import Outcome

__all__ = ["false_refusal", "limits_f1"]

_LIMITS = ("refuse", "ask back")


def _did(one: Outcome) -> str | None:
    """Which of the two the reply does; a refusal may also ask. With a picture it does neither."""
    if one.seen:
        return None
    return "refuse" if one.refuses else "ask back" if one.asks_back else None


def limits_f1(outcomes: Sequence[Outcome]) -> Measure:
    """F1 of refusing and asking back together; doing one where the other is right is wrong twice."""

    def count(one: Outcome) -> tuple[float, float, float]:
        wanted = one.kind if one.kind in _LIMITS else None
        did = _did(one)
        found = did is not None and did == wanted
        return float(found), float(did is not None and not found), float(wanted is not None and not found)

    return over_dialogues("limits_f1", outcomes, count, f1)


def false_refusal(outcomes: Sequence[Outcome]) -> Measure:
    """Share of possible, clear requests that are refused or asked back."""
    return share("false_refusal", outcomes, lambda one: None if one.kind in _LIMITS else _did(one) is not None)
