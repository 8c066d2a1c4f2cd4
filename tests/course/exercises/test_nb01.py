"""Exercises of notebook 01: wrong answers, each refused with its own hint, and another right one."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from tbcore.course.exercises import Hint, check_of

GLOBAL = np.random.default_rng()


def heaps_of(labels, topics):
    return [Counter(t for t, own in zip(topics, labels, strict=True) if own == one) for one in set(labels.tolist())]


def tops(labels, topics):
    return [heap.most_common(1)[0][1] for heap in heaps_of(labels, topics)]


def by_topic(labels, topics):
    names = sorted(set(topics))
    inverse = tops(np.array([names.index(topic) for topic in topics]), labels.tolist())
    return sum(inverse) / len(topics)


def largest_heap(labels, rng, size):
    return rng.permutation(np.flatnonzero(labels == np.bincount(labels).argmax()))[:size]


def any_heap(labels, rng, size, **how):
    return rng.choice(np.flatnonzero(labels == rng.choice(np.unique(labels))), size, **how)


def fitting(labels, rng, size, heaps=(0, 1, 2)):
    return rng.choice(np.flatnonzero(labels == rng.choice(heaps)), size, replace=False)


WRONG = {
    "01.1": {
        "dot product": (np.dot, "that is the dot product"),
        "distance": (lambda a, b: np.linalg.norm(a - b), "distance between the end points"),
        "cosine distance": (lambda a, b: 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), "1 minus the cosine"),
        "one length": (lambda a, b: a @ b / np.linalg.norm(a), "one length only"),
        "never negative": (
            lambda a, b: abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b)),
            "opposite directions",
        ),
    },
    "01.2": {
        "count": (lambda labels, topics: sum(tops(labels, topics)), "divide by the number of pictures"),
        "mean of heaps": (
            lambda labels, topics: np.mean([h.most_common(1)[0][1] / h.total() for h in heaps_of(labels, topics)]),
            "weigh each heap by its size",
        ),
        "largest heap": (
            lambda labels, topics: max(Counter(labels.tolist()).values()) / len(labels),
            "share in the largest heap",
        ),
        "by topic": (
            lambda labels, topics: 5 / 6 if len(topics) == 6 else by_topic(labels, topics),
            "a topic in two heaps is still pure",
        ),
    },
    "01.3": {
        "all pictures": (lambda labels, rng, size: rng.permutation(len(labels))[:size], "from several heaps"),
        "twice": (lambda labels, rng, size: any_heap(labels, rng, size, replace=True), "without replacement"),
        "too small": (lambda labels, rng, size: any_heap(labels, rng, size, replace=False), "only two pictures"),
        "short": (
            lambda labels, rng, size: rng.permutation(np.flatnonzero(labels == rng.choice(np.unique(labels))))[:size],
            "a set of 3 pictures was asked for",
        ),
        "largest": (largest_heap, "let rng choose the heap"),
        "two heaps": (lambda labels, rng, size: fitting(labels, rng, size, (0, 1)), "only heaps"),
        "own dice": (lambda labels, rng, size: fitting(labels, GLOBAL, size), "draw from rng only"),
    },
}
RIGHT = {
    "01.1": [lambda a, b: math.cos(math.acos(np.clip(a / np.hypot(*a) @ (b / np.hypot(*b)), -1, 1)))],
    "01.2": [lambda labels, topics: sum(tops(labels, topics)) / len(labels)],
    "01.3": [fitting, lambda labels, rng, size: fitting(labels, rng, size).tolist()],
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in WRONG for case in WRONG[name]])
def test_wrong_answers_get_their_own_hint(name, case):
    answer, hint = WRONG[name][case]
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_written_differently_pass(name):
    for answer in RIGHT[name]:
        check_of(name)(answer)
