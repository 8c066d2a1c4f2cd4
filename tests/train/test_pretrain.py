from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.seeds import stream
from tbcore.train import pretrain_tower
from tbcore.train.postcards import answers_of, fresh_postcards, one_fact_changed
from tbcore.train.pretrain_tower import TowerTraining, caption_tokens
from tbcore.weights.zoo import load_tower, load_tower_tokenizer, save_tower
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


@pytest.fixture(scope="module")
def small():
    """Towers one layer deep, whose table of tokens is found once."""
    kept = caption_tokens()
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 64, "patch_size": 8, "layers": 1, "width": 32, "head_width": 16, "mlp_ratio": 2.0},
        "text_cfg": {"context_length": 48, "vocab_size": 0, "width": 32, "heads": 2, "layers": 1},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_tower, "caption_tokens", lambda: kept)
        patch.setattr(pretrain_tower, "TOWER_CONFIG", config)
        yield kept


def tower(*, seed: int = 1, steps: int = 4, batch: int = 4) -> TowerTraining:
    return TowerTraining(steps=steps, seed=seed, batch=batch, family=2)


@pytest.mark.usefixtures("small")
def test_kill_and_resume_is_the_unbroken_run(tmp_path: Path) -> None:
    def trace(training: TowerTraining, updates: int) -> list[tuple[int, float, float, float]]:
        steps = [training.update() for _ in range(updates)]
        return [(step.number, step.contrastive, step.words, step.rate) for step in steps]

    one, other = tower(), tower()
    unbroken = trace(one, 4)
    before = trace(other, 2)
    other.save(tmp_path)
    resumed = tower()
    resumed.load(tmp_path)
    assert before + trace(resumed, 2) == unbroken
    assert all(torch.equal(a, b) for a, b in zip(one.parameters, resumed.parameters, strict=True))
    for wrong in (tower(seed=2), tower(steps=5), tower(batch=8)):
        with pytest.raises(CheckpointError, match="this run was started with"):
            wrong.load(tmp_path)


@pytest.mark.usefixtures("small")
def test_the_tower_learns() -> None:
    training = tower(steps=40, batch=16)
    losses = [training.update().words for _ in range(40)]
    assert sum(losses[-6:]) < 0.92 * sum(losses[:6])


def test_every_caption_embeds_as_with_the_full_table(small: list[int], tmp_path: Path) -> None:
    training = tower()
    with torch.no_grad():
        for tensor in training.model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())  # the file keeps half precision
    save_tower(training.model, small, training.config, tmp_path)
    full = load_tower(tmp_path)
    rng = stream(4, "test/captions")
    nouns = list(SPRITES)
    told = [write(Scene("sunset", (noun,), "red")) for noun in nouns for write in FAMILIES.values()]
    for k in range(200):
        scene = sample_scene(rng, split=None)
        told.append(caption(scene, rng, held_out=bool(k % 2)))
    ids = load_tower_tokenizer(48)(told)
    rows = training.row_of[ids]
    assert torch.equal(full.token_embedding(ids), training.model.token_embedding(rows))
    with torch.no_grad():
        some = slice(None, None, 25)
        assert torch.equal(full.encode_text(ids[some]), training.model.eval().encode_text(rows[some]))
    unseen = load_tower_tokenizer(48).encode("zebrafish quantum")[0]
    assert unseen not in small
    torch.testing.assert_close(full.token_embedding.weight[unseen], full.token_embedding.weight[small].mean(0))
