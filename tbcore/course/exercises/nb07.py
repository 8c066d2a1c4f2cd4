"""Exercises of notebook 07: what was drawn, what is forgotten, when to say "I do not know"."""

from __future__ import annotations

from typing import Any

import numpy as np

from tbcore.course.exercises import Hint, exercise
from tbcore.seeds import stream

__all__: list[str] = []

_TALK: dict[str, Any] = {
    "format": "conversation-1",
    "turns": [
        {"role": "user", "parts": [{"picture": 0}, "Draw him a friend, and a house."]},
        {"role": "assistant", "parts": ["Here:", {"picture": 1}, {"picture": 2}]},
        {"role": "user", "parts": ["Thank you!", {"picture": 3}]},
        {"role": "assistant", "parts": ["You are welcome."]},
    ],
    "pictures": [
        {"png": "", "caption": ""},
        {"png": "", "caption": "a cat"},
        {"png": "", "caption": "a house"},
        {"png": "", "caption": ""},
    ],
}


@exercise("07.1")
def check_07_1(drawn_captions: Any) -> None:
    """The captions behind the assistant's drawings, in reading order."""
    got = list(drawn_captions(_TALK))
    if not all(isinstance(one, str) for one in got):
        raise Hint(f"captions are texts; a mark is an index into row['pictures'], where the caption stands; got {got}")
    if got == ["", "a cat", "a house", ""]:
        raise Hint("the user's pictures are among them; nobody drew those, so their captions are empty")
    if got == ["a cat"]:
        raise Hint("only the first drawing came out; one reply may draw several pictures")
    if sorted(got) == ["a cat", "a house"] and got != ["a cat", "a house"]:
        raise Hint("the captions are right, their order is not: read the parts from first to last")
    if got != ["a cat", "a house"]:
        raise Hint(f"this conversation drew from 'a cat' and 'a house'; got {got}")


@exercise("07.2")
def check_07_2(first_remembered: Any) -> None:
    """Number of the first exchange that is still read: the latest run of whole exchanges that fits."""
    if (got := first_remembered([50, 40, 30], 120)) != 0:
        raise Hint(f"sizes 50, 40, 30 add up to just 120, which fits into 120: nothing is forgotten; got {got}")
    if (got := first_remembered([50, 40, 30], 80)) != 1:
        if got == 0:
            raise Hint("the latest exchanges are kept, not the first ones: the question stands at the end")
        raise Hint(f"of 50, 40, 30 the last two fit into 80, so reading begins at exchange 1; got {got}")
    if (got := first_remembered([10, 90, 30], 50)) != 2:
        raise Hint(
            "the run must have no gap: when exchange 1 does not fit, exchange 0 is forgotten too, though it is small; "
            f"for 10, 90, 30 and room 50 reading begins at 2, got {got}"
        )
    if (got := first_remembered([10, 300], 100)) != 1:
        raise Hint(f"the last exchange always stays: without it there is no question to answer; got {got}")


@exercise("07.3")
def check_07_3(refuse_below: Any) -> None:
    """A threshold that refuses at most the given share of familiar pictures, and no lower than need be."""
    for count, share in ((40, 0.05), (200, 0.1), (30, 0.0)):
        familiar = stream(7, f"exercise {count}").beta(20, 3, size=count).astype(np.float64)
        threshold = float(refuse_below(familiar.copy(), share))
        refused = float((familiar < threshold).mean())
        if refused > share + 1e-12:
            raise Hint(
                f"with {count} familiar pictures your threshold refuses {refused:.0%} of them, more than the "
                f"{share:.0%} allowed; take a low quantile, not the middle"
            )
        spent, allowed = int((familiar < threshold).sum()), int(share * count + 1e-9)
        if spent == 0 < allowed:
            raise Hint("nothing familiar is refused at all, so strangers slip through; spend the share you are allowed")
        if spent < allowed or threshold < familiar.min() - 0.05:
            raise Hint(
                f"a higher threshold would also keep the promise: {allowed} of {count} may be refused, "
                f"yours refuses {spent}"
            )
