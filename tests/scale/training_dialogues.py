"""A dozen small dialogues in shards: with pictures of the user's, of the assistant's, and with none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tbcore.records import Dialogue, Picture, Turn
from tbcore.scale.training_shards import TrainingShards, write_training_shards

COLOURS = ("red", "green", "blue", "white", "black", "grey")


def dialogues(n: int = 12) -> list[Dialogue]:
    """Every third is plain chat; each picture is another."""
    told: list[Dialogue] = []
    for k in range(n):
        colour = COLOURS[k % len(COLOURS)]
        if k % 3 == 2:
            turns = (Turn("user", (f"say {colour}",)), Turn("assistant", (f"{colour}, as you wish" + "!" * k,)))
            told.append(Dialogue(f"d{k}", turns, ()))
            continue
        turns = (
            Turn("user", (Picture(0), "and?")),
            Turn("assistant", (f"it is {colour}", Picture(1)) if k % 3 else (f"{colour} and {k}",)),
        )
        captions = (f"a {colour} cat", f"the {colour} one of {k}")[: 1 + (k % 3 > 0)]
        told.append(Dialogue(f"d{k}", turns, captions, tuple(f"{k}-{j}.png" for j in range(len(captions)))))
    return told


def draw(told: list[Dialogue], root: Path) -> None:
    """Write the pictures that the dialogues name."""
    rng = np.random.default_rng(3)
    for one in told:
        for name in one.pictures:
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(root / name)


def some_shards(folder: Path, *, n: int = 12, per_shard: int = 4) -> TrainingShards:
    """The dialogues as shards below a folder."""
    told, root = dialogues(n), folder / "pictures"
    root.mkdir()
    draw(told, root)
    return write_training_shards(folder / "shards", told, root, per_shard=per_shard)
