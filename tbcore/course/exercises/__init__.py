"""Exercises: what a right answer does, and the hint each wrong one deserves.

One module per notebook, `nb01.py` to `nb07.py`, found by the number before the dot. The pattern:

    from tbcore.course.exercises import Hint, exercise

    @exercise("01.2")
    def check_01_2(topic_entropy: Any) -> None:
        '''Entropy in bits of the topic counts.'''
        got = topic_entropy([0, 0, 1, 1])
        if abs(got - math.log(2)) < 1e-6:
            raise Hint("that is the entropy in nats; use the logarithm to base 2")
        if abs(got - 1.0) > 1e-6:
            raise Hint(f"two equal topics carry 1 bit; got {got:.3f}")

The learner's object comes in as it is. None, or a function that returns None, counts as not attempted before
the check sees it. Each check needs two wrong answers in tests/course/test_exercises.py (each refused with its
own hint) and a right answer written differently from the solution.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Check", "Hint", "check_of", "exercise", "registered"]

Check: TypeAlias = Callable[[Any], None]

_CHECKS: dict[str, Check] = {}


class Hint(Exception):
    """Why an answer is not right yet, in one sentence that helps to go on."""


def exercise(name: str) -> Callable[[Check], Check]:
    """Register a check under a name such as "01.2"."""

    def register(check: Check) -> Check:
        _CHECKS[name] = check
        return check

    return register


def check_of(name: str) -> Check:
    """The check of an exercise.

    Raises:
        ValueError: no exercise has that name.
    """
    if name not in _CHECKS:
        module = f"tbcore.course.exercises.nb{name.partition('.')[0]}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module)
    if name not in _CHECKS:
        raise ValueError(f"check {name!r}: no such exercise. The names are written in the cells tagged 'check'.")
    return _CHECKS[name]


def registered() -> tuple[str, ...]:
    """Names of the exercises known so far, sorted."""
    return tuple(sorted(_CHECKS))
