"""Batches of fresh postcards for pre-training the tower and the painter: never the same picture twice by design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tbcore.seeds import stream
from tbcore.world.captions import caption
from tbcore.world.render import render_many
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene, sample_scene
from tbcore.world.splits import may_train
from tbcore.world.sprites import SPRITES, nouns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["COUNTS", "Postcards", "answers_of", "fresh_postcards", "one_fact_changed", "uniform_scene"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Postcards:
    """A batch: what is shown, the pictures uint8[n 64 64 3], and one caption for each."""

    scenes: tuple[Scene, ...]
    pictures: NDArray[np.uint8]
    captions: tuple[str, ...]


def uniform_scene(rng: np.random.Generator, n_things: int) -> Scene:
    """A scene without the world's habits: any things on any backdrop, so that nothing can be guessed."""
    things = rng.choice(np.array(tuple(SPRITES)), size=n_things, replace=False)
    frame = FRAMES[int(rng.integers(len(FRAMES)))] if rng.random() < 0.4 else None
    return Scene(
        BACKDROPS[int(rng.integers(len(BACKDROPS)))],
        tuple(str(noun) for noun in things),
        frame,
        int(rng.integers(2**31)),
    )


def one_fact_changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """Change one thing, the order, the backdrop or the frame: the hard negatives of contrastive learning."""
    kind = int(rng.integers(10))
    jitter = int(rng.integers(2**31))
    if kind == 0:
        return replace(scene, backdrop=BACKDROPS[int(rng.integers(len(BACKDROPS)))], jitter_seed=jitter)
    if kind == 1:
        frames = [None, *FRAMES]
        return replace(scene, frame=frames[int(rng.integers(len(frames)))], jitter_seed=jitter)
    if kind <= 4 and len(scene.things) > 1:
        order = rng.permutation(len(scene.things))
        return replace(scene, things=tuple(scene.things[int(k)] for k in order), jitter_seed=jitter)
    slot = int(rng.integers(len(scene.things)))
    topic = SPRITES[scene.things[slot]].topic
    pool = nouns_of(topic) if rng.random() < 0.5 else tuple(SPRITES)
    things = list(scene.things)
    others = [noun for noun in pool if noun not in things]
    things[slot] = others[int(rng.integers(len(others)))]
    return replace(scene, things=tuple(things), jitter_seed=jitter)


COUNTS = (1, 2, 2, 3, 3)
"""Numbers of things, one of which is drawn for each scene."""


def _family(rng: np.random.Generator, size: int, counts: tuple[int, ...]) -> list[Scene]:
    """One scene and `size` - 1 others that each differ from it in one fact, all allowed for training."""
    while True:
        n_things = counts[int(rng.integers(len(counts)))]
        first = uniform_scene(rng, n_things) if rng.random() < 0.7 else sample_scene(rng, n_things=n_things)
        if may_train(first):
            break
    scenes, seen = [first], {first}
    while len(scenes) < size:
        other = one_fact_changed(first, rng)
        if other not in seen and may_train(other):
            seen.add(other)
            scenes.append(other)
    return scenes


def answers_of(scenes: Sequence[Scene]) -> Tensor:
    """Return int64[n 5]: thing at left, middle, right (the last class is "nothing"), backdrop, frame."""
    nouns = {noun: k for k, noun in enumerate(SPRITES)}
    nothing = len(SPRITES)
    rows: list[list[int]] = []
    for scene in scenes:
        named = [nouns[noun] for noun in scene.things]
        slots = {1: [nothing, *named, nothing], 2: [named[0], nothing, named[-1]], 3: named}[len(named)]
        frame = FRAMES.index(scene.frame) if scene.frame else len(FRAMES)
        rows.append([*slots, BACKDROPS.index(scene.backdrop), frame])
    return torch.tensor(rows)


def fresh_postcards(
    seed: int, purpose: str, *, batch: int, family: int = 1, start: int = 0, counts: tuple[int, ...] = COUNTS
) -> Iterator[Postcards]:
    """Yield batches for ever; batch `k` depends on (seed, purpose, k) only, so a run can resume anywhere.

    Args:
        seed: the run's seed.
        purpose: the name of the random stream.
        batch: pictures per batch.
        family: size of the groups that share most facts; must divide batch.
        start: number of the first batch.
        counts: numbers of things to choose from, each entry equally often.

    Raises:
        ValueError: family does not divide batch.
    """
    if batch % family:
        raise ValueError(f"fresh_postcards: family must divide batch; got batch={batch}, family={family}")
    while True:
        rng = stream(seed, f"{purpose}/{start}")
        scenes = [scene for _ in range(batch // family) for scene in _family(rng, family, counts)]
        yield _drawn(scenes, rng)
        start += 1


def _drawn(scenes: Sequence[Scene], rng: np.random.Generator) -> Postcards:
    return Postcards(
        scenes=tuple(scenes),
        pictures=render_many(scenes),
        captions=tuple(caption(scene, rng) for scene in scenes),
    )
