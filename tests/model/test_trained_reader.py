"""The second reader: from scores to scenes, and to disk and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tbcore.model.trained_reader import TrainedReader, _scene, load_trained_reader, save_trained_reader
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene
from tbcore.world.sprites import SPRITES

NOUNS, NOTHING = tuple(SPRITES), len(SPRITES)


def scores(*named: str | None) -> torch.Tensor:
    """Log-probabilities [3 97] that favour these things from left to right; None favours an empty place."""
    raw = torch.zeros(3, NOTHING + 1)
    for place, noun in enumerate(named):
        raw[place, NOTHING if noun is None else NOUNS.index(noun)] = 5.0
    return raw.log_softmax(-1)


def test_the_likeliest_arrangement_wins() -> None:
    assert _scene(scores(None, "tiger", None), 0, 0) == Scene(BACKDROPS[0], ("tiger",), FRAMES[0])
    assert _scene(scores("owl", None, "egg"), 1, len(FRAMES)) == Scene(BACKDROPS[1], ("owl", "egg"), None)
    assert _scene(scores("owl", "car", "egg"), 2, 1) == Scene(BACKDROPS[2], ("owl", "car", "egg"), FRAMES[1])


def test_two_doubtful_places_cannot_make_an_arrangement_that_does_not_exist() -> None:
    said = scores("owl", "car", None)  # left and middle alone is no layout of the world
    assert _scene(said, 0, 0) is not None
    doubtful = said.clone()
    doubtful[2, NOUNS.index("egg")] = doubtful[2, NOTHING] - 0.5
    assert _scene(doubtful, 0, 0) == Scene(BACKDROPS[0], ("owl", "car", "egg"), FRAMES[0])


def test_one_thing_twice_is_no_scene() -> None:
    assert _scene(scores("owl", "car", "owl"), 0, 0) is None


def test_shapes_and_batches() -> None:
    model = TrainedReader().eval()
    pictures = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    things, backdrop, frame = model(torch.zeros(2, 3, 64, 64))
    assert [list(one.shape) for one in (things, backdrop, frame)] == [
        [2, 3, NOTHING + 1],
        [2, len(BACKDROPS)],
        [2, len(FRAMES) + 1],
    ]
    together = model.read_many(pictures)
    assert len(together) == 5
    assert together == [model.read_many(pictures[k : k + 1])[0] for k in range(5)]


def test_to_disk_and_back(tmp_path: Path) -> None:
    model = TrainedReader()
    with torch.no_grad():
        model(torch.rand(4, 3, 64, 64) * 2 - 1)  # the running means move
    save_trained_reader(model.eval(), tmp_path)
    loaded = load_trained_reader(tmp_path)
    assert not loaded.training
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        for one, other in zip(model(pixels), loaded(pixels), strict=True):
            torch.testing.assert_close(one, other, atol=5e-3, rtol=1e-2)  # stored in half precision
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name].half().float() if tensor.is_floating_point() else tensor)
    first = (tmp_path / "reader.safetensors").read_bytes()
    save_trained_reader(loaded, tmp_path / "again")
    assert (tmp_path / "again" / "reader.safetensors").read_bytes() == first
