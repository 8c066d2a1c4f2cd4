from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tbcore.seeds import stream
from tbcore.world.backdrops import BACKDROPS, backdrop_pixels
from tbcore.world.reader import LEAST_CONFIDENCE, MOST_DISTANCE, nearest_many, read, read_many
from tbcore.world.render import render, render_many
from tbcore.world.scenes import FRAMES, Scene, sample_scene


def _scenes(n: int, purpose: str, split: str | None = None) -> list[Scene]:
    rng = stream(0, purpose)
    return [sample_scene(rng, split=split) for _ in range(n)]


def _blurred(pictures: np.ndarray, sigma: float) -> np.ndarray:
    reach = np.arange(-3, 4)
    kernel = np.exp(-(reach**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    soft = np.pad(pictures.astype(np.float64), ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    soft = sum(w * soft[:, k : k + 64] for k, w in enumerate(kernel))
    soft = sum(w * soft[:, :, k : k + 64] for k, w in enumerate(kernel))
    return np.rint(soft).astype(np.uint8)


def _noisy(pictures: np.ndarray, sigma: float) -> np.ndarray:
    noise = stream(0, "noise").normal(0, sigma, pictures.shape)
    return np.clip(np.rint(pictures + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("split", [None, "held-out"])
def test_reading_inverts_rendering(split: str | None) -> None:
    scenes = _scenes(150, f"clean {split}", split)
    readings = read_many(render_many(scenes))
    assert [reading.scene for reading in readings] == scenes
    assert max(reading.distance for reading in readings) < 1
    assert {reading.reason for reading in readings} == {""}


def test_every_frame_on_every_backdrop() -> None:
    scenes = [Scene(b, ("drum", "fox"), frame) for b in BACKDROPS for frame in (None, *FRAMES)]
    assert [reading.scene for reading in read_many(render_many(scenes))] == scenes


def test_noise_and_a_shift_of_one_pixel() -> None:
    scenes = _scenes(150, "shifted")
    pictures = render_many(scenes)
    for k, (dy, dx) in enumerate(stream(0, "shifts").integers(-1, 2, (len(scenes), 2))):
        padded = np.pad(pictures[k], ((1, 1), (1, 1), (0, 0)), mode="edge")
        pictures[k] = padded[1 + dy : 65 + dy, 1 + dx : 65 + dx]
    readings = read_many(_noisy(pictures, 8))
    right = [reading.scene == scene for reading, scene in zip(readings, scenes, strict=True)]
    assert sum(right) >= 0.99 * len(scenes)


def test_soft_pictures_are_accepted() -> None:
    scenes = _scenes(150, "soft")
    readings = read_many(_noisy(_blurred(render_many(scenes), 0.7), 4))
    assert sum(r.scene == s for r, s in zip(readings, scenes, strict=True)) >= 149
    assert min(reading.distance for reading in readings) > 2


def test_half_faded_mixtures_are_rejected() -> None:
    firsts, others = _scenes(100, "first"), _scenes(100, "second")
    others[:50] = [replace(b, backdrop=a.backdrop, frame=a.frame) for a, b in zip(firsts, others[:50], strict=False)]
    differ = [k for k in range(100) if firsts[k] != others[k]]
    mixed = (render_many(firsts).astype(int) + render_many(others)) // 2
    readings = read_many(mixed[differ].astype(np.uint8))
    assert len(differ) >= 98
    assert [reading.scene for reading in readings if reading.scene is not None] == []
    assert all(reading.reason for reading in readings)


def test_noise_flat_colour_and_empty_backdrops_are_rejected() -> None:
    rng = stream(0, "junk")
    noise = rng.integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    flat = np.broadcast_to(rng.integers(0, 256, (20, 1, 1, 3), dtype=np.uint8), (20, 64, 64, 3))
    empty = np.stack([backdrop_pixels(name) for name in BACKDROPS])
    readings = read_many(np.concatenate([noise, flat, empty]))
    assert all(reading.scene is None for reading in readings)
    assert "holds nothing" in readings[-1].reason


def test_one_thing_twice_is_no_scene() -> None:
    picture = render(Scene("desert", ("car", "key"))).copy()
    picture[20:56, 33:62] = render(Scene("desert", ("key", "car")))[20:56, 33:62]
    reading = read(picture)
    assert reading.scene is None
    assert "the same thing stands there twice: car, car" in reading.reason


def test_nearest_keeps_what_read_rejects() -> None:
    scene = Scene("desert", ("car", "key"))
    half = ((render(scene).astype(int) + 255) // 2).astype(np.uint8)
    (nearest,) = nearest_many(half[None])
    assert nearest.distance > MOST_DISTANCE or nearest.confidence < LEAST_CONFIDENCE
    assert read(half).scene is None


def test_reading_one_or_many_is_the_same() -> None:
    pictures = render_many(_scenes(11, "chunks"))  # more than one chunk
    apart = [read(picture) for picture in pictures]
    together = read_many(pictures)
    assert [r.scene for r in apart] == [r.scene for r in together]
    np.testing.assert_allclose([r.confidence for r in apart], [r.confidence for r in together], atol=1e-3)
    assert read_many(pictures[:0]) == []


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be uint8\[n 64 64 3\]; got float64\[1, 8, 8, 3\]"):
        read(np.zeros((8, 8, 3)))
