"""Shards of training data: written once, read from any place, and shared out without a rest."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tbcore.errors import InputError, MissingFileError
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Turn
from tbcore.scale.launch_batches import Reading, ShardBatches, with_blank_picture
from tbcore.scale.training_shards import INDEX, Order, TrainingShards, write_training_shards
from tests.scale.training_dialogues import dialogues, some_shards

READING = Reading(dialogues=5, row=200, max_columns=150, seed=7, mix=2)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return some_shards(tmp_path_factory.mktemp("data"))


@pytest.fixture
def own(tmp_path):
    return some_shards(tmp_path)


def share(shards, tiny, rank=0, world=1, **changes):
    model, processor = tiny
    return ShardBatches(shards, processor, model.vision, READING, rank=rank, world=world, **changes)


def test_shards_hold_what_was_written(shards, tmp_path):
    assert shards.sizes == (4, 4, 4)
    told = dialogues()
    for number, one in enumerate(told):
        dialogue, pictures = shards.read(*divmod(number, 4))
        assert dialogue == one
        root = shards.folder.parent / "pictures"
        assert pictures == [(root / name).read_bytes() for name in one.pictures]
    rest = write_training_shards(tmp_path, told[:9], root, per_shard=4)
    assert rest.sizes == (4, 4, 1)
    assert [one.sha256 for one in rest.shards[:2]] == [one.sha256 for one in shards.shards[:2]]
    assert rest.digest != shards.digest


def test_webdataset_streams_the_same(shards):
    webdataset = pytest.importorskip("webdataset")
    urls = [str(shards.folder / one.name) for one in shards.shards]
    found = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [Dialogue.from_json(json.loads(one["json"])) for one in found] == dialogues()
    assert found[1]["1.png"] == shards.read(0, 1)[1][1]


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=9),
    seed=st.integers(0, 99),
    mix=st.integers(1, 4),
    epoch=st.integers(0, 3),
)
def test_every_epoch_meets_every_dialogue_once(sizes, seed, mix, epoch):
    order = Order(sizes, seed=seed, mix=mix)
    met = [order(position) for position in range(epoch * order.total, (epoch + 1) * order.total)]
    assert sorted(met) == [(shard, place) for shard, size in enumerate(sizes) for place in range(size)]
    assert [Order(sizes, seed=seed, mix=mix)(epoch * order.total + k) for k in range(order.total)] == met


def test_epochs_differ_and_a_stretch_touches_few_shards():
    order = Order([10] * 12, seed=0, mix=3)
    first, second = ([order(position) for position in range(start, start + 120)] for start in (0, 120))
    assert first != second
    assert all(len({shard for shard, _ in first[start : start + 30]}) == 3 for start in range(0, 120, 30))
    assert first[:30] != sorted(first[:30])
    with pytest.raises(ValueError, match=r"Order: sizes and mix must be at least 1; got sizes=\[0\]"):
        Order([0], seed=0)


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_what_one_would_read(shards, tiny, world):
    whole, parts = share(shards, tiny), [share(shards, tiny, rank, world) for rank in range(world)]
    assert {part.digest for part in parts} == {whole.digest}
    for step in (0, 1, 40):
        batch, shared = whole(step, 0.0), [part(step, 0.5) for part in parts]
        assert sorted(name for one in shared for name in one.names) == sorted(batch.names)
        assert sum(one.n_supervised for one in shared) == batch.n_supervised
        assert sum(len(one.features) for one in shared) == len(batch.features)
    names = [name for step in range(12) for name in whole(step, 0.0).names]
    assert sorted(names) == sorted(one.id for one in dialogues() * 5)  # 12 steps of 5 are 5 epochs of 12


def test_a_batch_does_not_depend_on_what_was_read_before(shards, tiny):
    fresh, used = share(shards, tiny), share(shards, tiny)
    for step in range(9):
        used(step, 0.0)
    one, other = fresh(4, 0.0), used(4, 0.0)
    for name in one:
        assert torch.equal(one[name], other[name])


def test_pictures_are_those_of_the_dialogue(shards, tiny):
    """The pictures of a batch are those of its dialogues, every one of them, fitted and seen as ever."""
    batch = share(shards, tiny)(0, 0.0)
    told = {one.id: one for one in dialogues()}
    files = [shards.folder.parent / "pictures" / name for one in batch.names for name in told[one].pictures]
    assert files
    expected = tiny[0].vision.patches(np.stack([np.asarray(Image.open(file)) for file in files])).to(torch.float16)
    assert torch.equal(batch.features, expected)


def test_what_does_not_fit_is_replaced_everywhere_alike(tmp_path, tiny):
    long = Dialogue("long", (Turn("user", ("x" * 500,)), Turn("assistant", ("y",))), ())
    chat = [one for one in dialogues() if not one.pictures]
    shards = write_training_shards(tmp_path, [long, *chat])
    names = [name for step in range(4) for name in share(shards, tiny)(step, 0.0).names]
    assert len(names) == 20
    assert set(names) == {one.id for one in chat}
    halves = [share(shards, tiny, rank, 2)(1, 0.0).names for rank in (0, 1)]
    assert sorted(halves[0] + halves[1]) == sorted(names[5:10])
    only = write_training_shards(tmp_path / "only", [long])
    with pytest.raises(InputError, match="100 dialogues in a row do not fit into 150 columns"):
        share(only, tiny)(0, 0.0)


def test_a_blank_picture_teaches_nothing_and_reaches_the_connector(tmp_path):
    shards = write_training_shards(tmp_path, [one for one in dialogues() if not one.pictures])
    model, processor = tiny_model()
    plain = share(shards, (model, processor))(0, 0.0)
    blank = share(shards, (model, processor), every_part=True)(0, 0.0)
    assert plain.features.shape == (0, 16, 24)
    assert blank.features.shape == (1, 16, 24)
    assert blank.slots.tolist() == [list(range(plain.ids.shape[1], plain.ids.shape[1] + 4))]
    model.connector.requires_grad_()
    losses = [model(**batch).loss for batch in (plain, blank)]
    torch.testing.assert_close(*losses)
    assert not losses[0].requires_grad
    losses[1].backward()
    gradients = [p.grad for p in model.connector.parameters()]
    assert all(one is not None and not one.any() for one in gradients)
    again = with_blank_picture(plain, 4)
    assert all(torch.equal(again[name], blank[name]) for name in again)


def test_too_few_dialogues_for_the_processes(shards, tiny):
    with pytest.raises(InputError, match="a step reads 5 dialogues, but 6 processes share them"):
        share(shards, tiny, 0, 6)


def test_nothing_to_write(tmp_path):
    with pytest.raises(InputError, match="there is no dialogue to write"):
        write_training_shards(tmp_path, [])
    with pytest.raises(MissingFileError, match=r"shards\.json is missing"):
        TrainingShards(tmp_path)


def test_pictures_that_were_not_written_along(tmp_path):
    bare = write_training_shards(tmp_path, dialogues()[:1])
    with pytest.raises(InputError, match=r"'d0' has 1 captions and the pictures \[\]"):
        bare.read(0, 0)


def test_a_shard_that_is_not_the_one_of_the_index(own):
    first, second, third = (own.folder / one.name for one in own.shards)
    first.unlink()
    with pytest.raises(MissingFileError, match=r"00000\.tar: the index lists this shard"):
        TrainingShards(own.folder).read(0, 0)
    second.write_bytes(second.read_bytes()[:-512])
    with pytest.raises(InputError, match="bytes, the index says"):
        TrainingShards(own.folder).read(1, 0)
    third.write_bytes(b"x" * third.stat().st_size)
    with pytest.raises(InputError, match="cannot be read as a tar file"):
        TrainingShards(own.folder).read(2, 0)


def test_an_index_that_cannot_be_understood(own):
    index = json.loads((own.folder / INDEX).read_text())
    index["shards"][0]["dialogues"] = 3
    (own.folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match="it holds 4 dialogues, the index says 3"):
        TrainingShards(own.folder).read(0, 0)
    index["shards"][0]["name"] = "../00000.tar"
    (own.folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match="each shard is a file beside it"):
        TrainingShards(own.folder)
    (own.folder / INDEX).write_text("{}")
    with pytest.raises(InputError, match="must list the shards with"):
        TrainingShards(own.folder)


def test_a_picture_that_is_none(tmp_path, tiny):
    (tmp_path / "0-0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"broken")
    shards = write_training_shards(tmp_path / "shards", dialogues()[:1], tmp_path)
    with pytest.raises(InputError, match="a picture of dialogue 'd0' cannot be read"):
        share(shards, tiny)(0, 0.0)
