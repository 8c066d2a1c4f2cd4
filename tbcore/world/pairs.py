"""Postcards as image-caption pairs: PNG files with captions.jsonl, the very format a user's own folder has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from tbcore.seeds import stream
from tbcore.store import write_jsonl
from tbcore.world.captions import caption
from tbcore.world.render import render
from tbcore.world.scenes import CLEAR, Scene, sample_scene, topic_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["write_pictures", "write_postcards"]


def write_pictures(folder: Path, scenes: dict[str, Scene]) -> None:
    """Draw each scene as folder/<name>.png; the same scene gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in scenes.items():
        Image.fromarray(render(scene)).save(folder / f"{name}.png", optimize=False)


def write_postcards(folder: Path, *, n: int, seed: int, split: str = "train") -> list[dict[str, Any]]:
    """Write `n` different postcards and their captions: a collection in which most topics have a place of their own.

    Args:
        folder: gets captions.jsonl and the pictures beside it.
        n: number of pairs.
        seed: the run's seed; asking for more extends the list and never changes its start.
        split: as in `tbcore.world.scenes.sample_scene`.

    Returns:
        The rows of captions.jsonl: picture, caption, topic, scene.
    """
    scenes = dict(zip((f"{k:05d}" for k in range(n)), _different(stream(seed, f"pairs/{split}"), split), strict=False))
    write_pictures(folder, scenes)
    words = stream(seed, f"pairs/{split}/captions")
    rows: list[dict[str, Any]] = [
        {
            "picture": f"{name}.png",
            "caption": caption(scene, words),
            "topic": topic_of(scene),
            "scene": scene.to_json(),
        }
        for name, scene in scenes.items()
    ]
    write_jsonl(folder / "captions.jsonl", rows)
    return rows


def _different(rng: np.random.Generator, split: str) -> Iterator[Scene]:
    seen: set[Scene] = set()
    while True:
        scene = sample_scene(rng, split=split, habits=CLEAR)
        if scene not in seen:
            seen.add(scene)
            yield scene
