"""Exercises of notebook 06: the share of a blind guesser, the mean over unequal pieces, a rule that decides to draw."""

from __future__ import annotations

from functools import cache
from typing import Any

from tbcore.course.exercises import Hint, exercise

__all__: list[str] = []

_N_TURNS, _LEAST_SHARE = 200, 0.8
_SEED = 606  # not the seed of any run's examination


@exercise("06.1")
def check_06_1(blind_share: Any) -> None:
    """The most frequent answer's share."""
    got = float(blind_share(["sea", "sea", "sea", "hill"]))
    if abs(got - 0.5) < 1e-9:
        raise Hint("that is one divided by the number of different answers; 'sea' is right three times out of four")
    if abs(got - 3) < 1e-9:
        raise Hint("that is the count of the winner; divide it by the number of answers")
    if abs(got - 0.75) > 1e-9:
        raise Hint(f"always 'sea' is right in 3 of 4 cases, 0.75; got {got:.3g}")
    if abs(float(blind_share(["hill", "sea", "beach", "sea"])) - 0.5) > 1e-9:
        raise Hint("the winner is the most frequent answer, wherever it stands in the list")


@exercise("06.2")
def check_06_2(joined_mean: Any) -> None:
    """Pieces weigh as much as they have tokens."""
    got = float(joined_mean([1.0, 4.0], [90, 10]))
    if abs(got - 2.5) < 1e-9:
        raise Hint("the mean of the means: ten tokens weigh as much as ninety; weigh each piece by its tokens")
    if abs(got - 5.0) < 1e-9:
        raise Hint("the means were added up; a mean lies between the smallest and the largest value")
    if abs(got - 130.0) < 1e-9:
        raise Hint("that is the sum over all tokens; divide it by their number")
    if abs(got - 65.0) < 1e-9:
        raise Hint("you divided by the number of pieces; divide by the number of tokens")
    if abs(got - 1.3) > 1e-9:
        raise Hint(f"(90 x 1 + 10 x 4) / 100 is 1.3; got {got:.3g}")
    if abs(float(joined_mean([2.0, 0.5, 3.0], [0, 4, 4])) - 1.75) > 1e-9:
        raise Hint("a piece without supervised tokens must not count at all")


@cache
def _turns() -> tuple[tuple[str, bool], ...]:
    """What users say in held-out conversations, and whether the assistant draws."""
    from tbcore.world.dialogues import simulate

    found: list[tuple[str, bool]] = []
    for one in simulate(_SEED, _N_TURNS, split="test"):
        asked = [turn.text for turn in one.dialogue.turns if turn.role == "user"]
        found += [(text, expected.draws) for text, expected in zip(asked, one.expects, strict=True)]
    return tuple(found[:_N_TURNS])


@exercise("06.3")
def check_06_3(should_draw: Any) -> None:
    """A rule on the user's words that is right in four of five held-out turns."""
    turns = _turns()
    said = [bool(should_draw(text)) for text, _ in turns]
    if all(said):
        raise Hint("your rule always draws; most of the work is to see when not to")
    if not any(said):
        raise Hint("your rule never draws; try it on 'Draw a fox on a sandy beach.'")
    right = sum(guess == draws for guess, (_, draws) in zip(said, turns, strict=True)) / len(turns)
    if right < 0.5:
        raise Hint(f"{right:.0%} right is worse than a coin; is the answer turned round?")
    if right < _LEAST_SHARE:
        missed = next(text for (text, draws), guess in zip(turns, said, strict=True) if draws != guess)
        raise Hint(
            f"{right:.0%} of {len(turns)} turns right, {_LEAST_SHARE:.0%} are wanted; wrong for example on {missed!r}"
        )
