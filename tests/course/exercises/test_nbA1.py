"""Appendix A1: wrong answers are refused with their own hints, other right ones pass."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from tbcore.course.exercises import Hint, check_of


def by_share(variances, share):
    parts = list(accumulate(value / sum(variances) for value in variances))
    return next((k + 1 for k, part in enumerate(parts) if part >= share - 1e-12), len(parts))


def by_deviation(variances, share):
    return by_share(np.sqrt(variances).tolist(), share) if variances[0] == 4 else by_share(variances, share)


def strictly_more(variances, share):
    parts = list(accumulate(value / sum(variances) for value in variances))
    return next((k + 1 for k, part in enumerate(parts) if part > share + 1e-12), len(parts))


def path(point, velocity):
    return lambda clean, noise, level: (point(clean, noise, level), velocity(clean, noise, level))


def between(clean, noise, level):
    return clean + level * (noise - clean)


def outward(clean, noise, level):
    return noise - clean


def limit_of(curve, most_bad):
    allowed = sorted((row for row in curve if row["bad_accepted"] <= most_bad), key=lambda row: row["limit"])
    return max(allowed, key=lambda row: row["good_read_right"])["limit"]


WRONG = {
    "A1.1": [
        (lambda variances, share: by_share(variances, share) - 1, "count from zero"),
        (strictly_more, "'at least' includes equal"),
        (lambda variances, share: len(variances), "first two hold 9 of 10"),
        (by_deviation, "standard deviations"),
        (lambda variances, share: 2 if variances[0] == 6 else len(variances), "first alone holds half"),
        (lambda variances, share: {6.0: 2, 4.0: 1}.get(variances[0], 3), "all of the components"),
    ],
    "A1.2": [
        (path(lambda c, n, level: level * c + (1 - level) * n, outward), "level 0 is the picture"),
        (path(lambda c, n, level: c + level * n, outward), "what noise gains"),
        (path(lambda c, n, level: c, outward), "at level 0.25 between"),
        (path(between, lambda c, n, level: c - n), "noise minus picture"),
        (path(between, lambda c, n, level: level * (n - c)), "same velocity everywhere"),
        (path(between, lambda c, n, level: n), "the velocity from"),
    ],
    "A1.3": [
        (lambda curve, most: max(curve, key=lambda row: row["good_read_right"])["limit"], "accepts 30 %"),
        (lambda curve, most: min(curve, key=lambda row: row["bad_accepted"])["limit"], "safe and useless"),
        (lambda curve, most: max(r["limit"] for r in curve if r["bad_accepted"] <= most), "30 does as well"),
        (lambda curve, most: 20, "wanted 30, got 20"),
        (lambda curve, most: curve[2], "return the limit itself"),
        (lambda curve, most: 30, "wherever its row stands"),
    ],
}
RIGHT = {
    "A1.1": by_share,
    "A1.2": path(between, outward),
    "A1.3": limit_of,
}


@pytest.mark.parametrize(("name", "answer", "hint"), [(name, *case) for name, cases in WRONG.items() for case in cases])
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_written_differently_passes(name):
    check_of(name)(RIGHT[name])
