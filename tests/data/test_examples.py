"""The twelve hand-written examples, and how some of them are chosen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tbcore.data.examples import (
    ExampleSet,
    caption_vectors,
    choose,
    choose_fixed,
    choose_nearest,
    choose_random,
    choose_rotating,
    choose_weighted,
    load_seed_examples,
    without_evaluation,
)
from tbcore.data.prompt import build_prompt
from tbcore.dialogue import Codec, parse, read_reply, render, render_turns
from tbcore.errors import InputError
from tbcore.records import PictureGroup

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


GROUPS = [PictureGroup(f"g{n}", "1", "t", (f"a dog number {n}", "a red ball")) for n in range(9)]


@pytest.mark.parametrize("strategy", ["fixed", "random", "rotating", "weighted"])
def test_within_a_block_prompts_begin_with_the_same_bytes(strategy) -> None:
    def prefix(draw: int) -> bytes:
        found = choose(SEEDS, 3, strategy, seed=1, draw=draw, block=3, scores={SEEDS.examples[0].id: 2.0})
        messages = build_prompt(GROUPS[draw], found.examples, NONCE)
        assert f"number {draw}" in messages[-1].text
        return "\x1e".join(f"{one.role}\x1f{one.text}" for one in messages[:-1]).encode()

    prefixes = [prefix(draw) for draw in range(9)]
    for start in (0, 3, 6):
        assert len(set(prefixes[start : start + 3])) == 1
    assert len(set(prefixes)) == (1 if strategy == "fixed" else 3)


def test_rotation_shows_every_example_equally_often() -> None:
    shown = Counter(one.id for draw in range(16) for one in choose_rotating(SEEDS, 3, draw=draw))
    assert set(shown.values()) == {4}
    assert choose_rotating(SEEDS, 3, draw=3, block=4) == SEEDS.examples[:3]
    assert choose_rotating(SEEDS, 3, draw=4, block=4) == SEEDS.examples[3:6]


def test_the_nearest_examples_share_the_topic_and_the_closest_comes_last() -> None:
    vectors = caption_vectors([" ".join(one.captions) for one in SEEDS.examples])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    for example in SEEDS.examples:
        query = caption_vectors([" ".join(example.captions)])[0]
        assert choose_nearest(SEEDS, 3, query=query, vectors=vectors)[-1] == example
        assert choose(SEEDS, 3, "nearest", seed=0, draw=5, query=query).examples[-1] == example
    by_hand = choose_nearest(ExampleSet(SEEDS.examples[:3]), 2, query=np.array([1.0, 0]), vectors=np.eye(3, 2))
    assert by_hand == (SEEDS.examples[1], SEEDS.examples[0])
    with pytest.raises(InputError, match=r"choose_nearest: needs a query \[d\]"):
        choose_nearest(SEEDS, 1, query=np.ones(3), vectors=np.ones((12, 4)))


def test_well_rated_examples_are_drawn_more_often() -> None:
    best, worst = SEEDS.examples[3].id, SEEDS.examples[5].id
    scores = {best: 20.0, worst: 0.05} | {one.id: 1.0 for one in SEEDS.examples[6:]}
    draws = [choose_weighted(SEEDS, 3, scores=scores, seed=0, draw=draw) for draw in range(200)]
    shown = Counter(one.id for chosen in draws for one in chosen)
    assert shown[best] > 150
    assert shown[worst] < 15
    assert all(len({one.id for one in chosen}) == 3 for chosen in draws)
    with pytest.raises(InputError, match=r"scores must be above 0; got {'x': 0}"):
        choose_weighted(SEEDS, 1, scores={"x": 0}, seed=0, draw=0)


def test_examples_never_come_from_evaluation_groups_and_the_record_says_so() -> None:
    group = SEEDS.examples[0].group or "g"
    marked = ExampleSet(
        (type(SEEDS.examples[0])(**{**vars_of(SEEDS.examples[0]), "group": group}), *SEEDS.examples[1:])
    )
    caption = SEEDS.examples[1].captions[0].upper() + " "
    for strategy in ("fixed", "random", "rotating", "weighted"):
        for draw in range(12):
            found = choose(
                marked,
                4,
                strategy,
                seed=3,
                draw=draw,
                scores={},
                evaluation_groups={group},
                evaluation_captions=[caption],
            )
            assert {marked.examples[0].id, marked.examples[1].id}.isdisjoint(one.id for one in found.examples)
            assert found.left_out == (marked.examples[0].id, marked.examples[1].id)
    told = choose(marked, 2, "rotating", seed=0, draw=5, block=2, evaluation_groups={group}).to_json()
    clean = without_evaluation(marked, groups={group})
    assert told == {
        "examples": clean.version,
        "example_ids": [one.id for one in clean.examples[4:6]],
        "example_strategy": "rotating",
        "example_block": 2,
        "examples_left_out": [marked.examples[0].id],
    }
    assert clean.parent == marked.version
    with pytest.raises(InputError, match=r"nearest \(with query=\) or weighted \(with scores=\); got 'nearest'"):
        choose(SEEDS, 2, "nearest", seed=0, draw=0)


def vars_of(dialogue) -> dict[str, object]:
    return {name: getattr(dialogue, name) for name in dialogue.__dataclass_fields__}
