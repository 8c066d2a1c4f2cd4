"""Notebook 07's exercises: wrong answers get their own hint, right answers written differently pass."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.course.exercises import Hint, check_of


def marks(talk, role):
    return [p["picture"] for t in talk["turns"] if t["role"] == role for p in t["parts"] if isinstance(p, dict)]


def drawn(talk):
    return [talk["pictures"][k]["caption"] for k in marks(talk, "assistant")]


def latest(sizes, room):
    first = len(sizes) - 1
    while first > 0 and sum(sizes[first - 1 :]) <= room:
        first -= 1
    return first


def with_gaps(sizes, room):
    kept, first = 0, len(sizes) - 1
    for k in reversed(range(len(sizes))):
        if kept + sizes[k] <= room:
            kept, first = kept + sizes[k], k
    return first


WRONG = {
    "everybody's pictures": ("07.1", lambda talk: [p["caption"] for p in talk["pictures"]], "nobody drew those"),
    "one per reply": ("07.1", lambda talk: drawn(talk)[:1], "may draw several"),
    "backwards": ("07.1", lambda talk: drawn(talk)[::-1], "their order is not"),
    "whole parts": ("07.1", lambda talk: talk["turns"][1]["parts"], "captions are texts"),
    "places": ("07.1", lambda talk: [1, 2], "an index into row"),
    "words": ("07.1", lambda talk: ["Here:"], "this conversation drew from"),
    "strictly less": (
        "07.2",
        lambda sizes, room: next((k for k in range(len(sizes)) if sum(sizes[k:]) < room), len(sizes) - 1),
        "adds? up to just 120",
    ),
    "the first ones": ("07.2", lambda sizes, room: 0, "not the first ones"),
    "with gaps": ("07.2", with_gaps, "must have no gap"),
    "forgets the question": (
        "07.2",
        lambda sizes, room: next((k for k in range(len(sizes)) if sum(sizes[k:]) <= room), len(sizes)),
        "the last exchange always stays",
    ),
    "mean": ("07.3", lambda familiar, share: familiar.mean(), "take a low quantile"),
    "lowest": ("07.3", lambda familiar, share: familiar.min(), "strangers slip through"),
    "timid": ("07.3", lambda familiar, share: np.quantile(familiar, share / 2), "a higher threshold"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_get_their_own_hint(name):
    number, answer, hint = WRONG[name]
    with pytest.raises(Hint, match=hint):
        check_of(number)(answer)


RIGHT = {
    "07.1": drawn,
    "07.2": latest,
    "07.3": np.quantile,
}


@pytest.mark.parametrize("number", RIGHT)
def test_a_right_answer_written_differently_passes(number):
    check_of(number)(RIGHT[number])
