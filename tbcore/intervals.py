"""How sure a share is: one formula for the whole course."""

from __future__ import annotations

import math

__all__ = ["wilson_interval"]

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many deviations


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of `right` out of `total` independent items, both ends in 0..1.

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.

    Raises:
        ValueError: no items, or more right than there are.
    """
    if total < 1 or not 0 <= right <= total:
        raise ValueError(f"wilson: need 0 <= right <= total and at least one item; got {right} of {total}")
    share = right / total
    centre = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    reach = _Z / (1 + _Z**2 / total) * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    # None and all are ends exactly, whatever the rounding.
    return (max(0.0, centre - reach) if right else 0.0), (min(1.0, centre + reach) if right < total else 1.0)
