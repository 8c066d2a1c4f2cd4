from __future__ import annotations

from itertools import islice

import pytest

from tbcore.seeds import stream
from tbcore.train.postcards import fresh_postcards, one_fact_changed
from tbcore.train.pretrain_tower import answers_of, caption_tokens, pretrain_tower
from tbcore.weights.zoo import load_tower_tokenizer
from tbcore.world.backdrops import BACKDROPS
from tbcore.world.captions import FAMILIES, caption, parse_caption
from tbcore.world.scenes import FRAMES, Scene, sample_scene
from tbcore.world.splits import HELD_OUT_PHRASING, may_train
from tbcore.world.sprites import SPRITES


def test_batches_can_start_anywhere_and_hold_nothing_held_out() -> None:
    first = list(islice(fresh_postcards(5, "t", batch=16, family=4), 4))
    later = next(fresh_postcards(5, "t", batch=16, family=4, start=3))
    assert first[3].captions == later.captions
    assert (first[3].pictures == later.pictures).all()
    assert first[2].captions != first[3].captions
    for cards in first:
        assert all(may_train(scene) for scene in cards.scenes)
        assert [parse_caption(words) for words in cards.captions] == list(cards.scenes)
        held = {FAMILIES[HELD_OUT_PHRASING](scene) for scene in cards.scenes}
        assert not held & set(cards.captions)
    with pytest.raises(ValueError, match="family must divide batch"):
        next(fresh_postcards(0, "t", batch=10, family=4))


def test_one_fact_changes() -> None:
    rng = stream(0, "test/facts")
    for _ in range(200):
        scene = sample_scene(rng)
        other = one_fact_changed(scene, rng)
        same_things = sorted(other.things) == sorted(scene.things)
        differs = [other.backdrop != scene.backdrop, other.frame != scene.frame, other.things != scene.things]
        assert sum(differs) <= 1
        assert same_things or len(set(other.things) - set(scene.things)) == 1


def test_answers_fill_five_places() -> None:
    scenes = (Scene("green meadow", ("tiger",)), Scene("sunset", ("owl", "egg"), "white"))
    nothing, nouns = len(SPRITES), list(SPRITES)
    assert answers_of(scenes).tolist() == [
        [nothing, nouns.index("tiger"), nothing, 0, len(FRAMES)],
        [nouns.index("owl"), nothing, nouns.index("egg"), BACKDROPS.index("sunset"), FRAMES.index("white")],
    ]


def test_the_kept_tokens_cover_every_caption() -> None:
    tokenizer, kept = load_tower_tokenizer(48), set(caption_tokens())
    rng = stream(0, "test/tokens")
    for _ in range(300):
        scene = sample_scene(rng, split=None)
        for held_out in (False, True):
            words = caption(scene, rng, held_out=held_out)
            ids = tokenizer.encode(words)
            assert set(ids) <= kept
            assert len(ids) <= 46


def _word_losses(steps: int) -> list[float]:
    _, _, updates = pretrain_tower(steps=steps, seed=1, batch=8, family=2)
    return [step.words for step in updates]


def test_the_tower_learns() -> None:
    losses = _word_losses(24)
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])


def test_the_tower_repeats_itself() -> None:
    assert _word_losses(3) == pytest.approx(_word_losses(3), abs=1e-4)
