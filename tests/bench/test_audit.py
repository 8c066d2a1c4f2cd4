"""Leaks that were put there are found, and the paper's measures miss what they are said to miss."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.bench.audit import balance, guessable, near_duplicates, recorded_scenes, template, template_overlap
from tbcore.bench.contestants import Answer, Drawing
from tbcore.bench.controls import NeverDraw
from tbcore.bench.items import load_items
from tbcore.bench.paper import (
    Compared,
    ask_recorded,
    held_out_recordings,
    picture_similarity,
    text_scores,
    what_they_miss,
)
from tbcore.errors import InputError
from tbcore.world.captions import parse_caption
from tbcore.world.dialogues import simulate
from tbcore.world.reader import read_many
from tbcore.world.render import render
from tbcore.world.scenes import Scene
from tbcore.world.splits import may_train


@pytest.fixture(scope="module")
def items():
    return load_items()


def test_templates_leave_names_open():
    assert template("Is there  an apple on a sandy beach, in a blue frame?") == "Is there T P, in a C frame?"
    assert template("Remove the hot dog.") == "Remove the T."


def test_template_overlap_counts_what_training_says(items):
    words = [turn.text for one in simulate(0, 300) for turn in one.dialogue.turns if turn.role == "user"]
    shares = template_overlap(items, words)
    assert shares["iid"] > 0.5  # the phrasing is shared there, on purpose
    assert shares["phrasing"] < shares["iid"]
    assert template_overlap(items[:1], [str(part) for part in items[0].exchanges[0].asked])["iid"] > 0


def test_near_duplicates_see_noise_as_the_same_and_another_thing_as_another():
    fox = render(Scene("desert", ("fox",)))
    noise = np.random.default_rng(0).normal(0, 8, fox.shape)
    noisy = np.clip(fox + noise, 0, 255).astype(np.uint8)
    other = render(Scene("desert", ("tiger",)))
    assert near_duplicates(np.stack([noisy, other]), fox[None]) == [0]


def test_items_keep_away_from_the_recordings_that_train(items):
    recorded = set(recorded_scenes())
    assert len(recorded) > 100
    assert all(may_train(scene) for scene in recorded)
    assert [scene for item in items for scene in item.scenes if scene in recorded] == []


def test_answers_are_balanced(items):
    found = balance(items)
    assert found["yes in probes"] == 0.5
    assert 0.4 < found["yes"] < 0.6
    assert 0.25 < found["with a picture"] < 0.6


def test_words_alone_do_not_solve_the_questions(items):
    found = guessable(items, folds=3)
    assert found["n"] > 300
    assert found["accuracy"] < found["chance"] + 0.1
    with pytest.raises(InputError, match="need at least 3"):
        guessable(items[:1], folds=3)


def test_paper_measures_by_hand():
    scores = text_scores(["the fox is on the left"], ["the fox is on the left"])
    assert scores["bleu_2"] == pytest.approx(100)
    assert scores["bleu_4"] == pytest.approx(100)
    assert scores["rouge_l"] == pytest.approx(1)
    # two of three words, one of two pairs, smoothed by nothing: sqrt(2/3 * 1/2)
    assert text_scores(["a fox here"], ["a fox there"])["bleu_2"] == pytest.approx(100 * (2 / 3 / 2) ** 0.5)
    assert text_scores(["a fox here"], ["a fox there"])["rouge_l"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="one reference for each reply"):
        text_scores(["a"], [])


def test_equal_ngrams_and_one_reply_wrong():
    right, wrong, free = what_they_miss()
    assert [one["right"] for one in (right, wrong, free)] == [True, False, True]
    for name in ("bleu_2", "bleu_4", "rouge_l"):
        assert right[name] == wrong[name]
        assert free[name] < wrong[name]


def compared(turn, given, dialogue="a"):
    parts = () if given is None else (Drawing("", given),)
    return Compared(dialogue, turn, "words", (render(Scene("desert", ("fox",))),), Answer(parts))


def test_picture_similarity_by_turn_counts_missing_pictures_as_nothing():
    fox, grey = render(Scene("desert", ("fox",))), np.full((64, 64, 3), 128, np.uint8)

    def embed(pictures):
        flat = pictures.reshape(len(pictures), -1).astype(np.float32) - 128
        return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)

    found = picture_similarity([compared(0, fox), compared(0, None, "b"), compared(1, grey)], embed)
    assert [(one.metric, one.n) for one in found] == [
        ("clip_similarity", 3),
        ("clip_similarity/turn 1", 2),
        ("clip_similarity/turn 2", 1),
    ]
    assert [one.value for one in found] == pytest.approx([1 / 3, 1 / 2, 0.0], abs=1e-5)
    assert picture_similarity([], embed)[0].value is None


def test_recorded_replies_are_asked_for_after_the_recorded_history():
    recordings = held_out_recordings(splits=("test",))
    assert recordings
    asked = ask_recorded(recordings[:3], NeverDraw())
    replies = [turn for dialogue, _ in recordings[:3] for turn in dialogue.turns if turn.role == "assistant"]
    assert [one.recorded for one in asked] == [turn.text for turn in replies]
    assert [len(one.pictures) for one in asked] == [len(turn.pictures) for turn in replies]
    dialogue, pictures = recordings[0]
    assert [reading.scene for reading in read_many(pictures)] == [parse_caption(text) for text in dialogue.captions]
