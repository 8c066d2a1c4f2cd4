"""Exercises of appendix A3: wrong answers get their own hint, and another right answer passes."""

from __future__ import annotations

import hashlib

import pytest

from tbcore.course.exercises import Hint, check_of


def digest(key):
    return hashlib.sha256(key.encode("utf-8")).digest()


def operations(n, k, d, rate, workers=1):
    return 2 * n * k * d / rate


WRONG = [
    ("A3.1", lambda key, shards: hash(key) % shards, "salted anew"),
    ("A3.1", lambda key, shards: int.from_bytes(digest(key)[:8], "little") % shards, "wrong end"),
    ("A3.1", lambda key, shards: int.from_bytes(digest(key), "big") % shards, "first 8 bytes"),
    ("A3.1", lambda key, shards: int.from_bytes(digest(key)[:8], "big") / shards, "whole number"),
    ("A3.1", lambda key, shards: len(key) % shards, "belongs to shard"),
    ("A3.2", lambda n, k, d, rate, workers=1: n * k * d / rate / workers / 3600, "two operations"),
    ("A3.2", lambda n, k, d, rate, workers=1: operations(n, k, d, rate) / workers, "in seconds"),
    ("A3.2", lambda n, k, d, rate, workers=1: operations(n, k, d, rate) / workers / 60, "in minutes"),
    ("A3.2", lambda n, k, d, rate, workers=1: operations(n, k, d, rate) * workers / 3600, "less time, not more"),
    ("A3.2", lambda n, k, d, rate, workers=1: operations(n, k, d, rate) / 3600, "a quarter of the time"),
    ("A3.3", lambda tokens: [count / sum(tokens) for count in tokens], "multiply by it"),
    ("A3.3", lambda tokens: [1.0] * len(tokens), "fifteen times"),
    ("A3.3", lambda tokens: [sum(tokens) / max(count, 1) for count in tokens], "upside down"),
    ("A3.3", lambda tokens: sum(tokens), "one factor for each process"),
    ("A3.3", lambda tokens: [2 * count / sum(tokens) for count in tokens], "without a token weighs 0"),
]


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


RIGHT = [
    ("A3.1", lambda key, shards: int(hashlib.sha256(key.encode()).hexdigest()[:16], 16) % shards),
    ("A3.2", lambda n, k, d, rate, workers=1: (n * (2 * d) * k) / (rate * workers * 60 * 60)),
    ("A3.3", lambda tokens: [len(tokens) * count / sum(tokens) for count in tokens]),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_written_differently_pass(name, answer):
    check_of(name)(answer)
