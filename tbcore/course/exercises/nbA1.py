"""Exercises of appendix A1: how many components to keep, the path from noise to picture, where to set a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from tbcore.course.exercises import Hint, exercise

__all__: list[str] = []


@exercise("A1.1")
def check_a1_1(components: Any) -> None:
    """The fewest components that together hold a share of the variance."""
    variances = [6.0, 3.0, 0.5, 0.5]
    got = int(components(list(variances), 0.9))
    if got == 1:
        raise Hint("the first holds 6 of 10; is that your count from zero? Two components hold 9 of 10")
    if got == 3:
        raise Hint("two components hold exactly the share of 0.9 already; 'at least' includes equal")
    if got != 2:
        raise Hint(f"of [6, 3, 0.5, 0.5] the first two hold 9 of 10; wanted 2, got {got}")
    flat = int(components([4.0, 1.0, 1.0, 1.0, 1.0], 0.5))
    if flat == 2:
        raise Hint("you seem to compare standard deviations; the share is one of variances, and 4 of 8 is half")
    if flat != 1:
        raise Hint(f"of [4, 1, 1, 1, 1] the first alone holds half; wanted 1, got {flat}")
    if int(components([1.0, 1.0, 1.0, 1.0], 1.0)) != 4:
        raise Hint("all of the variance needs all of the components, here 4")


@exercise("A1.2")
def check_a1_2(on_the_path: Any) -> None:
    """The point at a noise level between 0 and 1, and the velocity there."""
    clean, noise = np.array([1.0, -2.0]), np.array([5.0, 4.0])
    point, velocity = (np.asarray(value, dtype=float) for value in on_the_path(clean, noise, 0.25))
    if np.allclose(point, 0.25 * clean + 0.75 * noise):
        raise Hint("level 0 is the picture and level 1 is noise; at 0.25 three quarters of the picture are left")
    if np.allclose(point, clean + 0.25 * noise):
        raise Hint("the path is straight between the two: what noise gains, the picture loses")
    if not np.allclose(point, 0.75 * clean + 0.25 * noise):
        raise Hint(f"at level 0.25 between {clean} and {noise} lies {0.75 * clean + 0.25 * noise}; got {point}")
    if np.allclose(velocity, clean - noise):
        raise Hint("the level rises towards the noise, so the velocity points there: noise minus picture")
    if np.allclose(velocity, 0.25 * (noise - clean)):
        raise Hint("a straight path has the same velocity everywhere; it does not depend on the level")
    if not np.allclose(velocity, noise - clean):
        raise Hint(f"the velocity from {clean} to {noise} is {noise - clean}; got {velocity}")


_CURVE = [
    {"limit": 10.0, "good_read_right": 0.40, "bad_accepted": 0.00},
    {"limit": 20.0, "good_read_right": 0.90, "bad_accepted": 0.01},
    {"limit": 30.0, "good_read_right": 0.98, "bad_accepted": 0.02},
    {"limit": 40.0, "good_read_right": 0.98, "bad_accepted": 0.02},
    {"limit": 50.0, "good_read_right": 0.99, "bad_accepted": 0.30},
]


@exercise("A1.3")
def check_a1_3(choose_limit: Any) -> None:
    """The limit that reads most good pictures among those that accept few bad ones; the smallest of equals."""
    got = choose_limit([dict(row) for row in _CURVE], 0.02)
    if isinstance(got, dict):
        raise Hint("return the limit itself, a number of grey levels, not the row")
    if float(got) == 50:
        raise Hint("a limit of 50 accepts 30 % of the bad pictures; leave out rows above the share that is allowed")
    if float(got) == 10:
        raise Hint("refusing everything is safe and useless: among the allowed rows, good_read_right decides")
    if float(got) == 40:
        raise Hint("30 does as well as 40; where two limits are equal, the stricter one costs nothing")
    if float(got) != 30:
        raise Hint(f"at most 0.02 of the bad pictures: wanted 30, got {got!r}")
    if float(choose_limit([dict(row) for row in reversed(_CURVE)], 0.0)) != 10:
        raise Hint("with no bad picture allowed only the limit of 10 is left, wherever its row stands in the list")
