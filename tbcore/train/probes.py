"""Linear probes: what a straight line through frozen features can tell is what the features say plainly.

For each slot the patches that its box touches are laid end to end, and one ridge regression per field names what
stands there. No hidden layer, no attention: what it misses, a reader of the features has to work for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tbcore.seeds import stream
from tbcore.train.postcards import answers_of, uniform_scene
from tbcore.train.pretrain_tower import normalise
from tbcore.world.render import JITTER, SLOT_BOXES, render_many
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene, sample_scene, slot_names
from tbcore.world.splits import may_train
from tbcore.world.sprites import SPRITES

__all__ = ["patches_of_slot", "probe_fields", "ridge_classes"]

_COLUMN = {"left": 0, "middle": 1, "right": 2}
_PATCH = 8


def patches_of_slot(n_things: int, slot: int) -> list[int]:
    """Numbers (row by row, 8 x 8) of the patches that a slot's thing can touch."""
    x, y, side = SLOT_BOXES[n_things][slot]
    most_x, most_y = JITTER[n_things]
    columns = range((x - most_x) // _PATCH, (x + most_x + side - 1) // _PATCH + 1)
    rows = range((y - most_y) // _PATCH, (y + most_y + side - 1) // _PATCH + 1)
    return [8 * row + column for row in rows for column in columns]


def ridge_classes(train: Tensor, labels: Tensor, test: Tensor, *, classes: int, ridge: float) -> Tensor:
    """Name the class of each test row by ridge regression on one-hot labels.

    Args:
        train: float[n d].
        labels: int[n].
        test: float[m d].
        classes: number of classes.
        ridge: penalty on standardised features.

    Returns:
        int64[m].
    """
    mean, spread = train.mean(0), train.std(0) + 1e-3
    known, new = (train - mean) / spread, (test - mean) / spread
    wanted = functional.one_hot(labels, classes).float() - 1 / classes
    n, d = known.shape
    if d <= n:
        weights = torch.linalg.solve(known.T @ known + ridge * torch.eye(d), known.T @ wanted)
        return (new @ weights).argmax(1)
    return (new @ (known.T @ torch.linalg.solve(known @ known.T + ridge * torch.eye(n), wanted))).argmax(1)


@torch.no_grad()
def _patches(tower: Any, scenes: list[Scene]) -> Tensor:
    """float16[n 64 d_vis]: half the memory, and more than exact enough."""
    tower.visual.output_tokens = True
    parts = [tower.visual(normalise(render_many(scenes[k : k + 128])))[1].half() for k in range(0, len(scenes), 128)]
    tower.visual.output_tokens = False
    return torch.cat(parts)


def probe_fields(tower: Any, *, n_things: int, train: int, test: int, seed: int = 0) -> dict[str, tuple[int, int]]:
    """How many test pictures a linear probe reads right, field by field.

    Args:
        tower: a frozen open_clip model whose vision part gives patch tokens.
        n_things: the number of things on all pictures.
        train: pictures to fit on, of any allowed combination.
        test: pictures of the test split to read.
        seed: of both.

    Returns:
        Field -> (right, of): "things" (all of them, each in its place), "backdrop", "frame".
    """
    rng = stream(seed, f"probe/{n_things}")
    fitted: list[Scene] = []
    while len(fitted) < train:
        scene = uniform_scene(rng, n_things)
        if may_train(scene):
            fitted.append(scene)
    new = list(dict.fromkeys(sample_scene(rng, n_things=n_things, split="test") for _ in range(3 * test)))[:test]
    known, shown = _patches(tower, fitted), _patches(tower, new)
    labels, answers = answers_of(fitted), answers_of(new)
    all_things = torch.ones(len(new), dtype=torch.bool)
    for slot, name in enumerate(slot_names(n_things)):
        where, column = patches_of_slot(n_things, slot), _COLUMN[name]
        said = ridge_classes(
            known[:, where].flatten(1).float(),
            labels[:, column],
            shown[:, where].flatten(1).float(),
            classes=len(SPRITES) + 1,
            ridge=float(train),
        )
        all_things &= said == answers[:, column]
    found = {"things": (int(all_things.sum()), len(new))}
    border = [8 * y + x for y in range(8) for x in range(8) if y in (0, 7) or x in (0, 7)]
    for field, column, classes in (("backdrop", 3, len(BACKDROPS)), ("frame", 4, len(FRAMES) + 1)):
        said = ridge_classes(
            known[:, border].flatten(1).float(),
            labels[:, column],
            shown[:, border].flatten(1).float(),
            classes=classes,
            ridge=float(train),
        )
        found[field] = (int((said == answers[:, column]).sum()), len(new))
    return found
