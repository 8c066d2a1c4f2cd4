"""Linear probes: they look where the things are, find a linear rule, and find nothing where nothing is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.nn import functional

from tbcore.train.probes import patches_of_slot, probe_fields, ridge_classes
from tbcore.world.render import SLOT_BOXES, offsets, render
from tbcore.world.scenes import Scene

THINGS = ("tiger", "drum", "egg")
OTHERS = ("car", "owl", "strawberry")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_patches_of_a_slot_cover_its_thing_wherever_it_moves(count: int) -> None:
    reached: list[set[int]] = [set() for _ in range(count)]
    moves = set()
    for jitter in range(60):
        scene = Scene("sunset", THINGS[:count], None, jitter)
        picture = render(scene)
        for slot, (dx, dy) in enumerate(offsets(scene)):
            moves.add((dx, dy))
            things = (*THINGS[:slot], OTHERS[slot], *THINGS[slot + 1 : count])
            changed = (picture != render(Scene("sunset", things, None, jitter))).any(-1)
            rows, columns = np.nonzero(changed)
            assert set((8 * (rows // 8) + columns // 8).tolist()) <= set(patches_of_slot(count, slot))
            x, y, side = SLOT_BOXES[count][slot]
            box = np.arange(side)
            reached[slot].update((8 * ((y + dy + box)[:, None] // 8) + (x + dx + box)[None] // 8).ravel().tolist())
    assert len(moves) == 9
    for slot, touched in enumerate(reached):
        assert set(patches_of_slot(count, slot)) == touched


@pytest.mark.parametrize(("n", "d"), [(400, 30), (40, 120)])
def test_ridge_is_ridge_with_few_and_with_many_features(n: int, d: int) -> None:
    noise = torch.Generator().manual_seed(n)
    train, test = torch.randn(n, d, generator=noise) * 3 + 1, torch.randn(50, d, generator=noise) * 3 + 1
    labels = (train[:, :4]).argmax(1)
    got = ridge_classes(train, labels, test, classes=4, ridge=5.0)
    scale = train.std(0) + 1e-3
    wanted = Ridge(alpha=5.0, fit_intercept=False).fit(
        ((train - train.mean(0)) / scale).numpy(), (functional.one_hot(labels, 4) - 0.25).numpy()
    )
    said = wanted.predict(((test - train.mean(0)) / scale).numpy()).argmax(1)
    assert got.tolist() == said.tolist()


def test_a_planted_linear_rule_is_found_and_chance_is_not_beaten_without_one() -> None:
    noise = torch.Generator().manual_seed(3)
    rule = torch.randn(20, 5, generator=noise)
    train, test = torch.randn(600, 20, generator=noise), torch.randn(200, 20, generator=noise)
    right = ridge_classes(train, (train @ rule).argmax(1), test, classes=5, ridge=1.0) == (test @ rule).argmax(1)
    assert right.float().mean() > 0.85
    shuffled = (train @ rule).argmax(1)[torch.randperm(600, generator=noise)]
    lucky = ridge_classes(train, shuffled, test, classes=5, ridge=1.0) == (test @ rule).argmax(1)
    assert lucky.float().mean() < 0.4


class Visual:
    """Gives the pixels of each patch as its features, or nothing at all."""

    output_tokens = False

    def __init__(self, *, blind: bool) -> None:
        self.blind = blind

    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        assert self.output_tokens
        patches = functional.pixel_unshuffle(pixels, 8).flatten(2).transpose(1, 2)
        return patches.mean(1), patches * (0 if self.blind else 1)


def test_a_tower_that_shows_pixels_tells_the_backdrop_and_a_blind_one_does_not() -> None:
    seeing, blind = SimpleNamespace(visual=Visual(blind=False)), SimpleNamespace(visual=Visual(blind=True))
    found = probe_fields(seeing, n_things=1, train=150, test=30, seed=1)
    assert set(found) == {"things", "backdrop", "frame"}
    assert all(total == 30 for _, total in found.values())
    assert found["backdrop"][0] >= 28
    assert found["frame"][0] >= 24
    assert not seeing.visual.output_tokens
    nothing = probe_fields(blind, n_things=1, train=150, test=30, seed=1)
    assert nothing["backdrop"][0] <= 12
    assert nothing["things"][0] <= 3
