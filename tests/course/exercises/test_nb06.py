"""Notebook 06: wrong answers are refused with their own hints, other right ones pass."""

from __future__ import annotations

import re

import pytest

from tbcore.course.exercises import Hint, check_of

QUESTION = re.compile(
    r"\s*(what|which|who|how|where|is|are|does|describe|tell|name|caption|write|say|list|thank|hello)\b", re.I
)

WRONG = {
    "06.1": [
        (lambda answers: 1 / len(set(answers)), "number of different answers"),
        (lambda answers: max(answers.count(one) for one in answers), "divide it by the number"),
        (lambda answers: answers.count(answers[0]) / len(answers), "wherever it stands"),
        (lambda answers: 0.1, "3 of 4 cases"),
    ],
    "06.2": [
        (lambda means, counts: sum(means) / len(means), "mean of the means"),
        (lambda means, counts: sum(means), "were added up"),
        (lambda means, counts: sum(m * n for m, n in zip(means, counts, strict=True)), "sum over all tokens"),
        (lambda means, counts: sum(m * n for m, n in zip(means, counts, strict=True)) / len(means), "number of pieces"),
        (lambda means, counts: 0.0, "is 1.3"),
        (
            lambda means, counts: sum(m * max(n, 1) for m, n in zip(means, counts, strict=True)) / sum(counts),
            "must not count",
        ),
    ],
    "06.3": [
        (lambda text: True, "always draws"),
        (lambda text: False, "never draws"),
        (lambda text: text.lower().startswith("draw"), "wrong for example on"),
        (lambda text: bool(QUESTION.match(text)), "worse than a coin"),
    ],
}
RIGHT = {
    "06.1": lambda answers: max(sum(a == b for a in answers) for b in answers) / len(answers),
    "06.2": lambda means, counts: sum(m * (n / sum(counts)) for m, n in zip(means, counts, strict=True)),
    "06.3": lambda text: QUESTION.match(text) is None,
}


@pytest.mark.parametrize(("name", "answer", "hint"), [(name, *case) for name, cases in WRONG.items() for case in cases])
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_written_differently_passes(name):
    check_of(name)(RIGHT[name])
