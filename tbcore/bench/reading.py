"""The exact reader's own accuracy: every score that comes from a picture stands on it, so it is printed beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.metrics.intervals import Measure, wilson
from tbcore.seeds import stream
from tbcore.world.reader import read_many
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene, sample_scene

__all__ = ["reader_accuracy"]


def _noisy(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Noise of sigma 8 and a shift of at most one pixel, each picture its own."""
    shifted = np.stack(
        [np.roll(picture, tuple(rng.integers(-1, 2, size=2)), axis=(0, 1)) for picture in pictures]
    ).astype(np.float64)
    return np.clip(np.rint(shifted + rng.normal(0, 8, size=shifted.shape)), 0, 255).astype(np.uint8)


def reader_accuracy(n: int = 300, *, seed: int = 0, scenes: Sequence[Scene] | None = None) -> list[Measure]:
    """How often the reader finds the whole scene in clean pictures, and in noisy ones that are shifted by a pixel.

    Args:
        n: pictures, of scenes that nothing trains on, half of them held out.
        seed: chooses them.
        scenes: to read instead.
    """
    rng = stream(seed, "bench reader")
    kinds = ("test", "held-out")
    chosen = [sample_scene(rng, split=kinds[k % 2]) for k in range(n)] if scenes is None else list(scenes)
    clean = render_many(chosen)
    measures: list[Measure] = []
    for name, pictures in (("clean", clean), ("noisy", _noisy(clean, rng))):
        found = [reading.scene for reading in read_many(pictures)]
        right = sum(seen == scene for seen, scene in zip(found, chosen, strict=True))
        measures.append(wilson(f"reader_accuracy/{name}", right, len(chosen)))
    return measures
