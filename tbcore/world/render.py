"""From a scene to its picture: deterministic, batched, NumPy only."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tbcore.world.backdrops import backdrop_pixels
from tbcore.world.sprites import artwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tbcore.world.scenes import Scene

__all__ = ["FRAME_COLOURS", "FRAME_WIDTH", "JITTER", "SIZE", "SLOT_BOXES", "offsets", "render", "render_many"]

SIZE = 64
"""Side of a postcard in pixels; larger sizes are drawn in proportion."""

FRAME_WIDTH = 2
"""Width of the frame in pixels at `SIZE`."""

FRAME_COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "blue": (35, 80, 220),
    "green": (20, 150, 60),
    "yellow": (250, 210, 20),
    "purple": (140, 50, 180),
    "white": (255, 255, 255),
}

SLOT_BOXES: dict[int, tuple[tuple[int, int, int], ...]] = {
    1: ((12, 15, 40),),
    2: ((4, 24, 27), (33, 24, 27)),
    3: ((3, 29, 18), (23, 29, 18), (43, 29, 18)),
}
"""Number of things -> (x, y, side) of each slot at `SIZE`, before jitter. Slots never overlap."""

JITTER: dict[int, tuple[int, int]] = {1: (1, 1), 2: (1, 1), 3: (1, 1)}
"""Number of things -> largest jitter in x and in y, in pixels."""


def offsets(scene: Scene) -> tuple[tuple[int, int], ...]:
    """Return the jitter (dx, dy) of each thing, a function of the scene's jitter seed and the slot."""
    most_x, most_y = JITTER[len(scene.things)]
    moves: list[tuple[int, int]] = []
    for slot in range(len(scene.things)):
        bits = zlib.crc32(f"{scene.jitter_seed}:{slot}".encode())
        moves.append((bits % (2 * most_x + 1) - most_x, (bits >> 8) % (2 * most_y + 1) - most_y))
    return tuple(moves)


@cache
def _premultiplied(noun: str, side: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return colour * alpha and 255 - alpha, ready to blend with integers."""
    pixels = artwork(noun, side).astype(np.uint16)
    alpha = pixels[..., 3:]
    return pixels[..., :3] * alpha, 255 - alpha


def _paste(picture: NDArray[np.uint8], noun: str, x: int, y: int, side: int) -> None:
    colour, rest = _premultiplied(noun, side)
    window = picture[y : y + side, x : x + side]
    window[...] = (colour + window * rest + 127) // 255


def render(scene: Scene, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw one scene.

    Args:
        scene: what to draw.
        size: side in pixels, a multiple of `SIZE`.

    Returns:
        uint8[size size 3], RGB; the same bytes for the same scene and jitter seed.

    Raises:
        ValueError: size is not a positive multiple of `SIZE`.
    """
    if size <= 0 or size % SIZE:
        raise ValueError(f"render: size must be a positive multiple of {SIZE}; got {size}")
    scale = size // SIZE
    picture = backdrop_pixels(scene.backdrop, size).copy()
    for noun, box, (dx, dy) in zip(scene.things, SLOT_BOXES[len(scene.things)], offsets(scene), strict=True):
        x, y, side = box
        _paste(picture, noun, (x + dx) * scale, (y + dy) * scale, side * scale)
    if scene.frame is not None:
        width = FRAME_WIDTH * scale
        colour = FRAME_COLOURS[scene.frame]
        picture[:width], picture[-width:] = colour, colour
        picture[:, :width], picture[:, -width:] = colour, colour
    return picture


def render_many(scenes: Sequence[Scene]) -> NDArray[np.uint8]:
    """Draw many scenes at `SIZE`: uint8[n 64 64 3]."""
    pictures = np.empty((len(scenes), SIZE, SIZE, 3), dtype=np.uint8)
    for k, scene in enumerate(scenes):
        pictures[k] = render(scene)
    return pictures
