"""Exercises of notebook 01: the cosine, the purity of a clustering, a set of pictures from one heap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tbcore.course.exercises import Hint, exercise

__all__: list[str] = []


@exercise("01.1")
def check_01_1(cosine: Any) -> None:
    """Cosine of the angle between two vectors of any length."""
    a, b = np.array([3.0, 4.0]), np.array([4.0, 3.0])
    got = float(cosine(a, b))
    if abs(got - 24.0) < 1e-6:
        raise Hint("that is the dot product; divide it by the lengths of both vectors")
    if abs(got - math.sqrt(2)) < 1e-6:
        raise Hint("that is the distance between the end points; the cosine looks at the angle only")
    if abs(got - 0.04) < 1e-6:
        raise Hint("that is the cosine distance, 1 minus the cosine")
    if abs(got - 4.8) < 1e-6:
        raise Hint("you divided by one length only; both vectors have one")
    if abs(got - 0.96) > 1e-6:
        raise Hint(f"(3, 4) and (4, 3) have dot product 24 and length 5 each, so the cosine is 0.96; got {got:.4f}")
    if abs(float(cosine(a, -10 * a)) + 1) > 1e-6:
        raise Hint("vectors that point in opposite directions have cosine -1, whatever their lengths")


@exercise("01.2")
def check_01_2(purity: Any) -> None:
    """Pictures of the commonest topic of their heap, over all pictures."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    topics = ["sea", "sea", "sea", "food", "food", "food"]
    got = float(purity(labels, topics))
    if abs(got - 5) < 1e-6:
        raise Hint("that is a count; divide by the number of pictures")
    if abs(got - 0.875) < 1e-6:
        raise Hint("that is the mean of the heaps' own purities; weigh each heap by its size")
    if abs(got - 4 / 6) < 1e-6:
        raise Hint("that is the share in the largest heap; count the commonest topic inside every heap")
    if abs(got - 5 / 6) > 1e-6:
        raise Hint(f"heap 0 has three of its commonest topic, heap 1 two: 5 of 6 pictures, 0.833; got {got:.3f}")
    split = float(purity(np.array([0, 0, 1, 1]), ["sea"] * 4))
    if abs(split - 1) > 1e-6:
        raise Hint("a topic in two heaps is still pure; look at each heap, not at each topic")


@exercise("01.3")
def check_01_3(draw_set: Any) -> None:
    """Different pictures of one heap; every heap that is large enough has a chance."""
    labels = np.array([0] * 12 + [1] * 8 + [2] * 6 + [3] * 2)
    chosen: list[int] = []
    for attempt in range(60):
        try:
            members = [int(k) for k in draw_set(labels, np.random.default_rng(attempt), 3)]
        except (ValueError, IndexError) as error:
            raise Hint(
                "heap 3 has only two pictures and cannot give a set of three; choose among the others"
            ) from error
        if len(members) != 3:
            raise Hint(
                f"a set of 3 pictures was asked for; got {len(members)}: choose among heaps that are large enough"
            )
        if len(set(members)) < len(members):
            raise Hint("a picture is in the set twice; draw without replacement")
        heaps = {int(labels[k]) for k in members}
        if len(heaps) > 1:
            raise Hint(f"the pictures come from several heaps {sorted(heaps)}; choose one heap first")
        chosen.append(heaps.pop())
    if len(set(chosen)) == 1:
        raise Hint(f"in 60 draws every set came from heap {chosen[0]}; let rng choose the heap")
    if len(set(chosen)) < 3:
        raise Hint(f"in 60 draws only heaps {sorted(set(chosen))} were used; three of them are large enough")
    same = [[int(k) for k in draw_set(labels, np.random.default_rng(1), 3)] for _ in range(2)]
    if same[0] != same[1]:
        raise Hint("the same rng must give the same set; draw from rng only")
