"""Notebook 08's exercises: wrong answers get their own hint, right answers written differently pass."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.course.exercises import Hint, check_of


def counts(wanted, drew):
    pairs = list(zip(wanted, drew, strict=True))
    return pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))


def precision(wanted, drew):
    found, wrong, _ = counts(wanted, drew)
    return found / (found + wrong) if found + wrong else 0.0


def recall(wanted, drew):
    found, _, missed = counts(wanted, drew)
    return found / (found + missed)


def harmonic(wanted, drew):
    p, r = precision(wanted, drew), recall(wanted, drew)
    return 2 * p * r / (p + r) if p + r else 0.0


def of_draws(statistic, low=0.025, high=0.975):
    return lambda right, rng: tuple(np.quantile([statistic(right, rng) for _ in range(600)], [low, high]))


def by_reply(right, rng):
    replies = [verdict for talk in right for verdict in talk]
    return np.mean(rng.choice(replies, size=len(replies)))


def pooled(right, rng):
    drawn = [right[k] for k in rng.integers(len(right), size=len(right))]
    return sum(map(sum, drawn)) / sum(map(len, drawn))


def mean_of_means(right, rng):
    return np.mean([np.mean(right[k]) for k in rng.integers(len(right), size=len(right))])


def requests(text):
    opening = text.strip().lower().split()[0]
    asks = opening in ("draw", "make", "paint", "show", "can", "please", "could", "would")
    return asks and "[picture]" not in text


WRONG = {
    "accuracy": ("08.1", lambda wanted, drew: np.mean(np.equal(wanted, drew)), "that is accuracy"),
    "precision": ("08.1", precision, "that is precision"),
    "recall": ("08.1", recall, "that is recall"),
    "arithmetic mean": ("08.1", lambda w, d: (precision(w, d) + recall(w, d)) / 2, "F1 is 2"),
    "single replies": ("08.2", of_draws(by_reply), "single replies were drawn"),
    "90 percent": ("08.2", of_draws(pooled, 0.05, 0.95), "leaves 2.5 % out"),
    "extremes": ("08.2", of_draws(pooled, 0.0, 1.0), "the extremes"),
    "mean of means": ("08.2", of_draws(mean_of_means), "Pool the replies"),
    "always no": ("08.3", lambda text: "No.", "always the same sentence"),
    "coin": ("08.3", lambda text: "Yes." if len(text) % 2 else "No.", "one in five"),
    "no words": ("08.3", lambda text: 0, "return a sentence"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_get_their_own_hint(name):
    number, answer, hint = WRONG[name]
    with pytest.raises(Hint, match=hint):
        check_of(number)(answer)


RIGHT = {
    "08.1": harmonic,
    "08.2": of_draws(pooled),
    "08.3": lambda text: "I cannot draw that." if requests(text) else "No, it is not.",
}


@pytest.mark.parametrize("number", RIGHT)
def test_a_right_answer_written_differently_passes(number):
    check_of(number)(RIGHT[number])
