"""Exercises of notebook 08: when a picture is due, how sure a number is, what can be had without looking."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tbcore.course.exercises import Hint, exercise
from tbcore.seeds import stream

__all__: list[str] = []

_WANTED = [True, True, True, False, False, False, False, True]
_DREW = [True, False, True, True, False, False, False, False]


@exercise("08.1")
def check_08_1(draw_f1: Any) -> None:
    """F1 of drawing where a picture is wanted."""
    got = draw_f1(_WANTED, _DREW)
    known = {
        5 / 8: "that is accuracy, the share of equal verdicts; who never draws would score well with it",
        2 / 3: "that is precision: of what was drawn, how much was wanted. F1 also asks how much was missed",
        1 / 2: "that is recall: of what was wanted, how much was drawn. F1 also asks what was drawn for nothing",
    }
    for wrong, why in known.items():
        if abs(got - wrong) < 1e-9:
            raise Hint(why)
    if abs(got - 4 / 7) > 1e-6:
        raise Hint(f"2 found, 1 drawn for nothing, 2 missed: F1 is 2*2 / (2*2 + 1 + 2) = 4/7; got {got:.3f}")
    if draw_f1([True, False], [False, False]) != 0:
        raise Hint("somebody who never draws where a picture is wanted has an F1 of 0")


@exercise("08.2")
def check_08_2(interval: Any) -> None:
    """The 95 % interval of a share of right replies, by drawing whole conversations again."""
    alike = [[k % 2 == 0] * 5 for k in range(400)]
    low, high = interval(alike, stream(8, "exercise alike"))
    width = high - low
    if width < 0.06:
        raise Hint(
            f"the interval is only {width:.3f} wide: single replies were drawn, as if all 2000 were independent. Here "
            "the five replies of a conversation always stand or fall together"
        )
    if width < 0.089:
        raise Hint(f"the interval is {width:.3f} wide; one of 95 % leaves 2.5 % out at each end, so it is wider")
    if width > 0.13:
        raise Hint(f"the interval is {width:.3f} wide; the extremes of all draws are no 95 % interval")
    uneven = [[True]] * 20 + [[False] * 9] * 20
    low, high = interval(uneven, stream(8, "exercise uneven"))
    if low > 0.2:
        raise Hint(
            "20 of 200 replies are right, so the interval must hold 0.10; yours lies around the mean of the "
            "conversations' shares. Pool the replies of the conversations you drew, then take the share"
        )
    if not low < 0.1 < high:
        raise Hint(f"20 of 200 replies are right, so the interval must hold 0.10; got {low:.2f} to {high:.2f}")


@cache
def _wordy() -> tuple[tuple[str, Any], ...]:
    """What users say where no drawing is due, in the conversations outside the small suite."""
    from tbcore.bench.items import load_items

    return tuple(
        ("".join(part if isinstance(part, str) else "[picture]" for part in one.asked), one.expect)
        for item in load_items("full")
        if not item.lite
        for one in item.exchanges
        if not one.expect.draws
    )


@exercise("08.3")
def check_08_3(cheat: Any) -> None:
    """Right answers without looking: more than any constant sentence gets."""
    from tbcore.world.answers import matches

    replies = [cheat(text) for text, _ in _wordy()]
    if not all(isinstance(reply, str) for reply in replies):
        raise Hint("return a sentence, as a string, for every message")
    share = float(np.mean([matches(expect, reply) for (_, expect), reply in zip(_wordy(), replies, strict=True)]))
    if len(set(replies)) == 1:
        raise Hint(f"always the same sentence is right {share:.1%} of the time; look at what the user wants")
    if share < 0.2:
        raise Hint(
            f"{share:.1%} of {len(replies)} replies are right; one in five can be had without looking. Most "
            "yes/no questions want one answer, and a request to draw that shows no picture here cannot be granted"
        )
