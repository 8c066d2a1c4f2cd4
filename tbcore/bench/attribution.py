"""Whose fault is it: the viewer, the writer or the painter? Repair each, in every combination, and share the gain.

    viewer    replaced by the true state of each picture, in words
    writer    replaced by the true reply and caption
    painter   replaced by the exact renderer

A module's share is its mean gain over the six orders in which the three can be repaired (Shapley, 1953), so the three
shares add up exactly to what is missing from 100.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from pathlib import Path

from tbcore.bench.contestants import Contestant
from tbcore.bench.controls import ExactPainter, Oracle, Paints, Told
from tbcore.bench.items import Item
from tbcore.bench.outcomes import Outcome, read_outcomes
from tbcore.bench.runner import BATCH, run
from tbcore.errors import InputError

__all__ = [
    "MODULES",
    "attribute",
    "combos",
    "pictures_right",
    "repaired",
    "score_combinations",
    "shares",
    "turns_right",
]

MODULES = ("viewer", "writer", "painter")

Repaired = frozenset[str]


def repaired(
    items: Sequence[Item], make: Callable[[Paints], Contestant], painter: Paints, modules: Iterable[str]
) -> Contestant:
    """The contestant with some of its modules replaced by the truth.

    Args:
        items: the conversations, whose truth is known.
        make: puts the contestant together with a painter.
        painter: the real one.
        modules: what is repaired, of `MODULES`.

    Raises:
        InputError: an unknown module.
    """
    chosen = set(modules)
    if unknown := sorted(chosen - set(MODULES)):
        raise InputError(f"repaired: modules must be of {MODULES}; got {unknown}")
    draws = ExactPainter() if "painter" in chosen else painter
    if "writer" in chosen:  # whoever knows what to write needs no eyes
        return Oracle(items, draws, name=f"oracle words, {'exact' if 'painter' in chosen else 'real'} painter")
    contestant = make(draws)
    return Told(contestant, items) if "viewer" in chosen else contestant


def combos() -> list[Repaired]:
    """All eight sets of repaired modules, smaller ones first."""
    return [frozenset(chosen) for size in range(4) for chosen in combinations(MODULES, size)]


def score_combinations(
    items: Sequence[Item],
    make: Callable[[Paints], Contestant],
    painter: Paints,
    score: Callable[[Sequence[Outcome]], Fraction],
    *,
    known: Mapping[Repaired, Sequence[Outcome]] | None = None,
    folder: Path | str | None = None,
    batch: int = BATCH,
) -> dict[Repaired, Fraction]:
    """Hold the conversations with all eight combinations and score each.

    Args:
        items: the conversations.
        make: puts the contestant together with a painter.
        painter: the real one.
        score: a share from 0 to 1, such as `turns_right`.
        known: combinations whose outcomes are there already, for these conversations or more.
        folder: where the replies of each combination are kept.
        batch: conversations asked at once.

    Raises:
        InputError: the known outcomes lack a conversation.
    """
    scores: dict[Repaired, Fraction] = {}
    for chosen in combos():
        if "writer" in chosen and "viewer" in chosen:  # the same replies as without the viewer
            scores[chosen] = scores[chosen - {"viewer"}]
            continue
        if known is not None and chosen in known:
            scores[chosen] = score(_of_items(items, known[chosen]))
            continue
        place = None if folder is None else Path(folder) / ("repaired " + " ".join(sorted(chosen))).strip()
        replies = run(items, repaired(items, make, painter, chosen), place, batch=batch)
        scores[chosen] = score(read_outcomes(items, replies))
    return scores


def _of_items(items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Outcome]:
    names = {item.id for item in items}
    if missing := sorted(names - {one.item for one in outcomes}):
        raise InputError(
            f"score_combinations: the known outcomes lack {len(missing)} conversations, the first is {missing[0]!r}. "
            "Leave the combination out; it is run then."
        )
    return [one for one in outcomes if one.item in names]


def turns_right(outcomes: Sequence[Outcome]) -> Fraction:
    """Share of replies that are right, as an exact fraction."""
    return Fraction(sum(one.right for one in outcomes), len(outcomes))


def pictures_right(outcomes: Sequence[Outcome]) -> Fraction:
    """Share of wanted pictures that are right, as an exact fraction."""
    wanted = [one for one in outcomes if one.draws]
    return Fraction(sum(one.picture_right for one in wanted), len(wanted))


def shares(scores: Mapping[Repaired, Fraction]) -> dict[str, Fraction]:
    """Each module's mean gain over the six orders of repair; they add up to the whole gain, without rounding.

    Raises:
        InputError: not all eight scores are there.
    """
    if missing := [sorted(chosen) for chosen in combos() if chosen not in scores]:
        raise InputError(f"shares: need the scores of all eight combinations; missing are {missing}")
    gains = dict.fromkeys(MODULES, Fraction(0))
    for order in permutations(MODULES):
        done: Repaired = frozenset()
        for module in order:
            gains[module] += scores[done | {module}] - scores[done]
            done |= {module}
    return {module: gain / 6 for module, gain in gains.items()}


def attribute(
    items: Sequence[Item],
    make: Callable[[Paints], Contestant],
    painter: Paints,
    *,
    known: Mapping[Repaired, Sequence[Outcome]] | None = None,
    folder: Path | str | None = None,
    batch: int = BATCH,
) -> dict[str, dict[str, float]]:
    """Scores and shares over all replies, in shares from 0 to 1; the arguments are those of `score_combinations`.

    Returns:
        "scores": repaired modules, joined by "+", "" for none -> share of right replies; "shares": module -> its part
        of what is missing.
    """
    scores = score_combinations(items, make, painter, turns_right, known=known, folder=folder, batch=batch)
    named = {"+".join(name for name in MODULES if name in chosen): float(score) for chosen, score in scores.items()}
    return {"scores": named, "shares": {module: float(part) for module, part in shares(scores).items()}}
