"""Measures that are curves: three cases counted by hand each, and a plausible wrong one that the cases refuse."""

from __future__ import annotations

import pytest

from tbcore.bench.metrics.survival import drift, right_by_turn, survival
from tests.bench.builders import FOX, FOX_BLUE, PAIR, outcome


def turns(*right, item="a"):
    return [outcome(wanted=FOX, seen=(FOX if one else FOX_BLUE,), item=item, turn=k) for k, one in enumerate(right)]


FALLEN = [*turns(False), *turns(True, False, item="b"), *turns(True, True, item="c")]
ENDED = [*turns(True, True), *turns(True, item="b")]
MENDED = turns(False, True)


def from_the_last_cycle(seen, truth):
    """Wrong: compares each cycle with the one before."""
    before = [truth, *seen[:-1]]
    return [sum(a == b for a, b in zip(x, y, strict=True)) / len(truth) for x, y in zip(seen, before, strict=True)]


def values(measures):
    return [one.value for one in measures]


CURVES = {
    "survival": (
        lambda outcomes: values(survival(outcomes)),
        [((FALLEN,), [2 / 3, 1 / 3]), ((ENDED,), [1, 1]), ((MENDED,), [0, 0])],
        lambda outcomes: values(right_by_turn(outcomes)),  # forgets what went wrong before
    ),
    "right by turn": (
        lambda outcomes: values(right_by_turn(outcomes)),
        [((FALLEN,), [2 / 3, 1 / 2]), ((ENDED,), [1, 1]), ((MENDED,), [0, 1])],
        lambda outcomes: values(survival(outcomes)),  # does not forget
    ),
    "drift": (
        lambda seen, truth: values(drift(seen, truth)),
        [
            (([[FOX, PAIR], [FOX_BLUE, PAIR]], [FOX, PAIR]), [1, 1 / 2]),
            (([[FOX_BLUE, PAIR], [FOX_BLUE, PAIR]], [FOX, PAIR]), [1 / 2, 1 / 2]),
            (([[None], [FOX], [FOX_BLUE]], [FOX]), [0, 1, 0]),
        ],
        from_the_last_cycle,
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_curve_on_three_hand_counted_cases(name):
    right, cases, _ = CURVES[name]
    for given, wanted in cases:
        assert right(*given) == pytest.approx(wanted)


@pytest.mark.parametrize("name", CURVES)
def test_cases_refuse_a_wrong_curve(name):
    _, cases, wrong = CURVES[name]
    assert any(wrong(*given) != pytest.approx(wanted) for given, wanted in cases)
