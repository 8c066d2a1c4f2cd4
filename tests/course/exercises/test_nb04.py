"""Exercises of notebook 04: wrong answers get their own hint, and another right answer passes."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tbcore.course.exercises import Hint, check_of


def rejected(funnel):
    return sum(count for rule, count in funnel.items() if rule != "kept")


def share_or_zero(funnel):
    return funnel["kept"] / max(1, funnel["kept"] + rejected(funnel))


def relative(limit):
    return lambda true, copy, distance, threshold=0.1: distance(true, copy) / limit(true, copy) > threshold


WRONG = [
    ("04.1", lambda funnel: funnel["kept"] / rejected(funnel), "divides by the rejected ones"),
    ("04.1", lambda funnel: 1 - share_or_zero(funnel), "the share that was rejected"),
    ("04.1", lambda funnel: funnel["kept"] / sum(funnel.values()), "divides by zero"),
    ("04.1", lambda funnel: 12, "0.75; got 12"),
    ("04.2", lambda t, c, distance, threshold=0.1: distance(t, c) >= threshold * len(t), "exactly at the limit"),
    (
        "04.2",
        lambda t, c, distance, threshold=0.1: distance(t, c) > threshold * (len(t) + 15),
        "count as changed|counts",
    ),
    ("04.2", relative(lambda t, c: max(len(c), 1)), "length of the true caption"),
    ("04.2", relative(lambda t, c: len(t)), "divides by zero"),
    ("04.2", lambda t, c, distance, threshold=0.1: distance(t, c) > 0.1 * len(t), "threshold that is passed in"),
    ("04.3", lambda lists: Counter(rule for rules in lists for rule in rules), "counts every objection"),
    ("04.3", lambda lists: Counter(rules[0] for rules in lists if rules), "that is the funnel"),
    ("04.3", lambda lists: {rules[0] for rules in lists if len(rules) == 1}, "return a dictionary.*got one set"),
    ("04.3", lambda lists: 3, "return a dictionary.*got one int"),
    ("04.3", lambda lists: {}, "alone twice, too_short once"),
    ("04.4", lambda reply: reply, "bold, the colon inside: still rejected by invalid_turns"),
    ("04.4", lambda reply: reply.replace("*", ""), "must stay as it is"),
    ("04.4", lambda reply: reply.replace("**", ""), "must stay as it is"),
    ("04.4", lambda reply: reply.replace("**Human:**", "Human:").replace("**Assistant:**", "Assistant:"), "outside"),
    ("04.4", lambda reply: re.sub(r"\*\*(\w+)(:\*\*|\*\*:)", r"\1: oh", reply), "what is said has changed"),
]


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


def only(lists):
    counts = dict.fromkeys({rule for rules in lists for rule in rules}, 0)
    for rules in lists:
        if len(rules) == 1:
            counts[rules[0]] += 1
    return counts


RIGHT = [
    ("04.1", share_or_zero),
    ("04.2", lambda true, copy, distance, threshold=0.1: distance(true, copy) - len(true) * threshold > 1e-12),
    ("04.3", only),
    ("04.4", lambda reply: re.sub(r"(?m)^\*\*(Human|Assistant)(?::\*\*|\*\*:)", r"\1:", reply)),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_written_differently_pass(name, answer):
    check_of(name)(answer)
