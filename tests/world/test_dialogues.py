from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tbcore.records import Dialogue
from tbcore.world.captions import parse_caption
from tbcore.world.dialogue_chat import PLAIN_CHAT
from tbcore.world.dialogue_phrases import UNKNOWN_PLACES, UNKNOWN_THINGS
from tbcore.world.dialogues import (
    MOVES,
    SPLITS,
    SimulatedDialogue,
    captioning,
    plain_chat,
    simulate,
)
from tbcore.world.scenes import Scene
from tbcore.world.splits import held_out, may_train, split_of
from tbcore.world.sprites import SPRITES


@pytest.fixture(scope="module")
def told() -> list[SimulatedDialogue]:
    return simulate(0, 500)


def test_asking_for_more_extends_the_list(told: list[SimulatedDialogue]) -> None:
    assert simulate(0, 5) == told[:5]
    assert simulate(1, 5) != told[:5]
    assert len({one.dialogue.id for one in told}) == 500


def test_training_sees_training_scenes_only(told: list[SimulatedDialogue]) -> None:
    assert all(may_train(scene) for one in told for scene in one.scenes)


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_splits_are_disjoint_from_training(split: str) -> None:
    for one in simulate(0, 60, split=split):
        assert all(split_of(scene) == split and not held_out(scene) for scene in one.scenes)


def test_held_out_scenes_have_a_reason() -> None:
    assert all(held_out(scene) for one in simulate(0, 60, split="held-out") for scene in one.scenes)


def test_turns_captions_and_expectations_fit(told: list[SimulatedDialogue]) -> None:
    for one in told:
        turns = one.dialogue.turns
        assert [turn.role for turn in turns] == ["user", "assistant"] * len(one.expects)
        assert 1 <= len(one.expects) <= 4
        assert len(one.scenes) == len(one.owners) == len(one.dialogue.captions)
        assert tuple(parse_caption(words) for words in one.dialogue.captions) == one.scenes
        shown = [(index, turn.role) for turn in turns for index in turn.pictures]
        assert shown == list(enumerate(one.owners))
        for turn, expected in zip(turns[1::2], one.expects, strict=True):
            assert len(turn.pictures) == int(expected.draws)
            assert [one.scenes[index] for index in turn.pictures] == ([expected.scene] if expected.draws else [])


def test_every_kind_occurs_and_none_rules(told: list[SimulatedDialogue]) -> None:
    kinds = Counter(expected.kind for one in told for expected in one.expects)
    assert set(kinds) == set(MOVES)
    assert max(kinds.values()) < 0.4 * kinds.total()
    yes = [e.facts["yes"] for one in told for e in one.expects if "yes" in e.facts]
    assert 0.35 < sum(map(bool, yes)) / len(yes) < 0.65


def test_wording_varies_and_replies_are_short(told: list[SimulatedDialogue]) -> None:
    replies = [turn.text for one in told for turn in one.dialogue.turns if turn.role == "assistant"]
    assert max(len(reply.split()) for reply in replies) <= 32
    assert sum(len(reply.split()) for reply in replies) / len(replies) < 10
    asked = [turn.text for one in told for turn in one.dialogue.turns if turn.role == "user"]
    assert len(set(asked)) > 0.7 * len(asked)


def test_undo_brings_the_picture_before_back() -> None:
    undone = 0
    for one in simulate(0, 150, weights={"draw": 1, "edit": 3, "undo": 3}, exchanges=(3, 4)):
        kinds = [expected.kind for expected in one.expects]
        for k, expected in enumerate(one.expects):
            if expected.kind == "undo":
                undone += 1
                assert kinds[k - 1] == "edit"
                assert expected.scene == one.expects[k - 2].scene
    assert undone > 30


def test_weights_and_length_are_obeyed() -> None:
    one = simulate(2, 30, weights={"describe": 1, "chat": 1}, exchanges=(2, 2))
    assert {expected.kind for told in one for expected in told.expects} == {"describe", "chat"}
    assert {len(told.expects) for told in one} == {2}


def test_the_held_out_phrasing_is_for_requests_only() -> None:
    for one in simulate(0, 20, weights={"draw": 1}, held_out_phrasing=True):
        assert all(" with " in turn.text for turn in one.dialogue.turns[::2])
    for one in simulate(0, 20, weights={"draw": 1}):
        assert all(" with " not in turn.text for turn in one.dialogue.turns[::2])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"split": "all"}, "split must be one of"),
        ({"weights": {"sing": 1}}, r"unknown kinds \['sing'\]"),
        ({"weights": {}}, "one must be above zero"),
        ({"weights": {"undo": 1}}, "can open a conversation"),
        ({"exchanges": (0, 2)}, "fewest <= most"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        simulate(0, 1, **arguments)  # type: ignore[arg-type]


def test_dialogues_survive_json(told: list[SimulatedDialogue]) -> None:
    assert all(Dialogue.from_json(one.dialogue.to_json()) == one.dialogue for one in told[:50])


def test_captioning_is_one_exchange() -> None:
    scene = Scene("sandy beach", ("tiger", "apple"))
    prompts: set[str] = set()
    for seed in range(60):
        one = captioning(scene, np.random.default_rng(seed))
        asked, answered = one.turns
        assert (asked.pictures, answered.pictures) == ((0,), ())
        assert parse_caption(answered.text) == scene
        prompts.add(asked.text.strip())
    assert len(prompts) > 12


def test_plain_chat_has_no_pictures() -> None:
    talks = [plain_chat(np.random.default_rng(seed)) for seed in range(50)]
    assert {len(talk.turns) for talk in talks} == {2, 4, 6}
    assert not any(talk.captions for talk in talks)
    assert len(PLAIN_CHAT) >= 60
    assert all(word in answer.lower() for _, answer, words in PLAIN_CHAT for word in words)


def test_the_unknown_is_unknown() -> None:
    for known, other in (UNKNOWN_THINGS, UNKNOWN_PLACES):
        assert not set(known) & set(other)
    assert not set(SPRITES) & {*UNKNOWN_THINGS[0], *UNKNOWN_THINGS[1]}
    assert SPLITS[0] == "train"
