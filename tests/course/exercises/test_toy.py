"""The pattern for tests of exercises: wrong answers, each refused with its own hint, and another right one."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from tbcore.course import checks
from tbcore.course.exercises import Hint, check_of, exercise


@exercise("90.1")
def check_90_1(topic_entropy):
    """Entropy in bits of the topic counts."""
    got = topic_entropy([0, 0, 1, 1])
    if abs(got - math.log(2)) < 1e-6:
        raise Hint("that is the entropy in nats; use the logarithm to base 2")
    if abs(got + 1.0) < 1e-6:
        raise Hint("the sign is wrong: entropy is never negative")
    if abs(got - 1.0) > 1e-6:
        raise Hint(f"two equal topics carry 1 bit; got {got:.3f}")


def shares(labels):
    return [count / len(labels) for count in Counter(labels).values()]


WRONG = {
    "nats": (lambda labels: -sum(p * math.log(p) for p in shares(labels)), "in nats"),
    "sign": (lambda labels: sum(p * math.log2(p) for p in shares(labels)), "sign is wrong"),
    "count": (lambda labels: float(len(set(labels))), "two equal topics carry 1 bit; got 2.000"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_get_their_own_hint(name):
    answer, hint = WRONG[name]
    with pytest.raises(Hint, match=hint):
        check_of("90.1")(answer)


def test_a_right_answer_written_differently_passes():
    check_of("90.1")(lambda labels: sum(p * math.log2(1 / p) for p in shares(labels)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "… exercise 90.1: not attempted yet"),
        (lambda labels: None, "… exercise 90.1: not attempted yet"),
        (WRONG["sign"][0], "✘ exercise 90.1: not yet: the sign is wrong"),
        (lambda labels: labels["x"], "✘ exercise 90.1: not yet: your answer raised TypeError"),
        (lambda labels: 1.0, "✔ exercise 90.1: passed"),
    ],
)
def test_what_the_learner_reads(answer, said, capsys, monkeypatch):
    monkeypatch.setattr(checks.lesson, "current", lambda: None)
    checks.check("90.1", answer)
    assert capsys.readouterr().out.startswith(said)


def test_an_unknown_exercise_is_a_clear_error():
    with pytest.raises(ValueError, match=r"check '90\.7': no such exercise"):
        checks.check("90.7", None)
