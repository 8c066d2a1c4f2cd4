"""Whose fault it is: modules repaired one by one, shares that add up, and what is known already."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tbcore.bench import suite
from tbcore.bench.attribution import MODULES, combos, repaired, score_combinations, shares, turns_right
from tbcore.bench.contestants import Answer, Drawing
from tbcore.bench.controls import (
    CopyCaption,
    ExactPainter,
)
from tbcore.bench.outcomes import read_outcomes
from tbcore.bench.runner import run
from tbcore.errors import InputError


class Smear:
    """A painter that forgets frames."""

    def paint(self, captions, seeds):
        return ExactPainter().paint([text.split(", in a")[0] for text in captions], seeds)


class Shy:
    """Draws its wish rightly and answers no questions."""

    name = "shy"

    def __init__(self, painter):
        self.painter = painter

    def answer(self, conversations):
        return [
            Answer(
                tuple(
                    Drawing(p.caption, self.painter.paint([p.caption], [0])[0]) if isinstance(p, Drawing) else p
                    for p in one.parts
                )
            )
            for one in CopyCaption().answer(conversations)
        ]


def test_shares_add_up_exactly(few):
    scores = score_combinations(few, Shy, Smear(), turns_right)
    assert set(scores) == set(combos())
    assert scores[frozenset(MODULES)] == 1
    found = shares(scores)
    assert sum(found.values()) == 1 - scores[frozenset()]  # fractions: no rounding
    assert found["writer"] > 0
    assert found["painter"] > 0  # some wishes have a frame


class Mute:
    """Must not be asked."""

    name = "mute"

    def answer(self, conversations):
        raise AssertionError(f"asked about {len(conversations)} conversations that are known")


def test_known_outcomes_are_not_asked_for_again(few):
    rows = [*suite.reference_rows(few, Smear()), *suite.model_rows(Shy, Smear(), few)]
    outcomes = {row.name: read_outcomes(few, run(few, row)) for row in rows}
    known = suite.already_known(outcomes, "shy")
    assert set(known) == {frozenset(), frozenset({"painter"}), frozenset({"writer"}), frozenset({"writer", "painter"})}
    some = few[1:]
    fresh = score_combinations(some, Shy, Smear(), turns_right)
    assert score_combinations(some, Shy, Smear(), turns_right, known=known) == fresh
    told = {frozenset({"viewer"}): outcomes["shy"], frozenset({"viewer", "painter"}): outcomes["shy"]}
    score_combinations(some, lambda painter: Mute(), Smear(), turns_right, known={**known, **told})
    with pytest.raises(InputError, match=f"lack 1 conversations, the first is '{few[0].id}'"):
        score_combinations(few, Shy, Smear(), turns_right, known={frozenset(): outcomes["shy"][few_replies(few[0]) :]})


def few_replies(item):
    """How many replies an item has; they come first among the outcomes."""
    return len(item.exchanges)


def test_shares_follow_the_six_orders():
    alone = {
        frozenset(): Fraction(1, 10),
        frozenset({"painter"}): Fraction(1, 2),
        frozenset({"writer"}): Fraction(1, 10),
    }
    alone[frozenset({"viewer"})] = Fraction(1, 10)
    pairs = {frozenset(pair): Fraction(1, 2) for pair in (("painter", "writer"), ("painter", "viewer"))}
    scores = {**alone, **pairs, frozenset({"viewer", "writer"}): Fraction(1, 10), frozenset(MODULES): Fraction(1)}
    # viewer and writer gain 1/2 only when both are repaired and the painter is: each is last of all in 2 of 6 orders
    # (second of the two in half of the orders), the painter is last after both in 2 of 6.
    found = shares(scores)
    assert found == {"viewer": Fraction(1, 6), "writer": Fraction(1, 6), "painter": Fraction(17, 30)}
    with pytest.raises(InputError, match="missing are"):
        shares({frozenset(): Fraction(0)})


def test_unknown_module_cannot_be_repaired(few):
    with pytest.raises(InputError, match="'ear'"):
        repaired(few, Shy, Smear(), ["ear"])


def test_rows_of_a_suite_have_names_of_their_own(few, tmp_path):
    rows = [*suite.reference_rows(few, Smear()), *suite.model_rows(Shy, Smear(), few)]
    assert len({row.name for row in rows}) == len(rows) == 10
    results, outcomes = suite.evaluate(rows[:1], few, tmp_path)
    assert set(outcomes) == {"all oracle"}
    assert {r.measure.value for r in results if r.measure.metric == "turn_em"} == {1.0}
    assert len(suite.faults(few[:2], Shy, Smear(), tmp_path / "faults")) == 11
