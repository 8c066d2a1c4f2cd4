from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.intervals import wilson_interval


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 5, 0.0, 0.434482), (3, 7, 0.15822, 0.749542), (7, 7, 0.64567, 1.0), (1, 100, 0.001767, 0.054486)],
)
def test_the_ends_are_what_a_statistics_library_says(right, total, low, high):
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_the_share_lies_inside_and_the_mirror_holds(case):
    right, total = case
    low, high = wilson_interval(right, total)
    assert 0 <= low <= right / total <= high <= 1
    other_low, other_high = wilson_interval(total - right, total)
    assert (1 - other_high, 1 - other_low) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("right", "total"), [(0, 0), (3, 2), (-1, 4)])
def test_impossible_counts_are_refused(right, total):
    with pytest.raises(ValueError, match=f"got {right} of {total}"):
        wilson_interval(right, total)
