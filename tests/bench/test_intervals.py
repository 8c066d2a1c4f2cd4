"""Each metric on three cases counted by hand, and a plausible wrong one that these cases refuse."""

from __future__ import annotations

import pytest

from tbcore.bench.metrics import intervals, table
from tests.bench.builders import FOX, PAIR, outcome


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 5, 0.0, 0.434482), (3, 7, 0.15822, 0.749542), (7, 7, 0.64567, 1.0), (1, 100, 0.001767, 0.054486)],
)
def test_wilson_is_what_a_statistics_library_says(right, total, low, high):
    mine = intervals.wilson("x", right, total)
    assert (mine.value, mine.low, mine.high) == pytest.approx((right / total, low, high), abs=1e-6)


def test_replies_of_one_conversation_are_drawn_together():
    alone = [outcome(wanted=FOX, seen=(FOX if k % 2 else PAIR,), item=str(k)) for k in range(40)]
    together = [outcome(wanted=FOX, seen=(FOX if k % 8 > 3 else PAIR,), item=str(k // 4)) for k in range(40)]
    narrow, wide = table.METRICS["picture_em"](alone), table.METRICS["picture_em"](together)
    assert narrow.value == wide.value == 0.5
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)  # 10 dialogues tell less than 40


def test_paired_difference_is_surer_than_two_intervals():
    def count(one):
        return float(one.picture_right), 1.0

    first = [outcome(wanted=FOX, seen=(FOX if k % 2 else PAIR,), item=str(k)) for k in range(40)]
    second = [outcome(wanted=FOX, seen=(FOX if k % 2 and k != 1 else PAIR,), item=str(k)) for k in range(40)]
    found = intervals.difference("gain", first, second, count)
    assert found.value == pytest.approx(1 / 40)
    assert found.low == 0.0  # wrong where the first is right, never the other way round
    assert found.high < 0.1


def test_an_end_of_the_scale_is_no_certainty():
    measure = table.METRICS["picture_em"]([outcome(wanted=FOX, seen=(FOX,), item=str(k)) for k in range(10)])
    assert measure.value == 1.0
    assert measure.low == pytest.approx(0.722467, abs=1e-6)


def test_nothing_to_count_is_no_number():
    assert table.METRICS["edit_success"]([outcome(wanted=FOX, seen=(FOX,))]).to_json() == {
        "metric": "edit_success",
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }
