"""The twelve hand-written examples, and how some of them are chosen."""

from __future__ import annotations

import pytest

from tbcore.data.examples import ExampleSet, choose_fixed, choose_random, load_seed_examples
from tbcore.dialogue import Codec, parse, read_reply, render, render_turns
from tbcore.errors import InputError

NONCE = Codec("7f3a")

SEEDS = load_seed_examples()


def test_the_seeds_keep_the_rules_they_teach() -> None:
    assert len(SEEDS.examples) == 12
    for example in SEEDS.examples:
        assert [turn.role for turn in example.turns] == ["user", "assistant"] * (len(example.turns) // 2)
        assert 2 <= len(example.turns) // 2 <= 4
        assert 2 <= len(example.captions) <= 4
        assert {index for turn in example.turns for index in turn.pictures} == set(range(len(example.captions)))
        assert parse(render(example, NONCE), NONCE, record=example.id, source="seed", group=example.id) == example
        assert read_reply(render_turns(example, NONCE), NONCE).turns() == example.turns


def test_both_sides_show_pictures_in_most_seeds() -> None:
    by_assistant = sum(any(t.role == "assistant" and t.pictures for t in e.turns) for e in SEEDS.examples)
    by_user = sum(any(t.role == "user" and t.pictures for t in e.turns) for e in SEEDS.examples)
    assert by_assistant >= 10
    assert by_user >= 10


def test_random_choices_are_seeded_and_shared_by_blocks() -> None:
    picks = [choose_random(SEEDS, 3, seed=1, draw=draw, block=4) for draw in range(12)]
    assert picks[0] == picks[3] != picks[4]
    assert choose_random(SEEDS, 3, seed=1, draw=9, block=4) == picks[9]
    assert len({example.id for example in picks[0]}) == 3
    assert choose_fixed(SEEDS, 2) == SEEDS.examples[:2]


def test_a_set_is_named_by_its_content() -> None:
    half = ExampleSet(SEEDS.examples[:6])
    grown = half.with_promoted(SEEDS.examples[4:8])
    assert [e.id for e in grown.examples] == [e.id for e in SEEDS.examples[:8]]
    assert grown.parent == half.version != grown.version
    assert half.with_promoted(SEEDS.examples[:2]) is half


def test_impossible_choices_say_so() -> None:
    with pytest.raises(InputError, match=r"between 0 and 12, .* got 13"):
        choose_fixed(SEEDS, 13)
    with pytest.raises(InputError, match="block must be at least 1"):
        choose_random(SEEDS, 1, seed=0, draw=0, block=0)
    with pytest.raises(InputError, match="ids must differ"):
        ExampleSet(SEEDS.examples[:1] * 2)
