"""The ten painted backdrops of Postcards: each one is a short program, drawn large and scaled down once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BACKDROPS", "backdrop_pixels"]

_Draw = ImageDraw.ImageDraw
_Colour = tuple[int, int, int]
_SIDE = 512  # drawn at this side, so that edges come out smooth after scaling


def _sky(draw: _Draw, top: _Colour, bottom: _Colour, until: float = 1.0) -> None:
    """Fill rows 0..until with a vertical gradient."""
    rows = int(_SIDE * until)
    for y in range(rows):
        share = y / max(rows - 1, 1)
        colour = tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        draw.line([(0, y), (_SIDE, y)], fill=colour)


def _box(draw: _Draw, x0: float, y0: float, x1: float, y1: float, colour: _Colour) -> None:
    draw.rectangle([x0 * _SIDE, y0 * _SIDE, x1 * _SIDE, y1 * _SIDE], fill=colour)


def _disc(draw: _Draw, x: float, y: float, radius: float, colour: _Colour) -> None:
    draw.ellipse([(x - radius) * _SIDE, (y - radius) * _SIDE, (x + radius) * _SIDE, (y + radius) * _SIDE], fill=colour)


def _wave(draw: _Draw, height: float, swing: float, periods: float, shift: float, colour: _Colour) -> None:
    """Fill everything below a sine line: hills, dunes, drifts, waves."""
    x = np.linspace(0, 1, 129)
    y = height + swing * np.sin(2 * np.pi * (periods * x + shift))
    line = [(float(a) * _SIDE, float(b) * _SIDE) for a, b in zip(x, y, strict=True)]
    draw.polygon([*line, (_SIDE, _SIDE), (0, _SIDE)], fill=colour)


def _cloud(draw: _Draw, x: float, y: float, colour: _Colour) -> None:
    for dx, dy, radius in ((-0.07, 0.01, 0.045), (0.0, -0.015, 0.065), (0.07, 0.01, 0.05)):
        _disc(draw, x + dx, y + dy, radius, colour)


def _green_meadow(draw: _Draw) -> None:
    _sky(draw, (150, 214, 255), (214, 240, 255), 0.6)
    _cloud(draw, 0.22, 0.14, (255, 255, 255))
    _cloud(draw, 0.76, 0.22, (255, 255, 255))
    _wave(draw, 0.52, 0.05, 1.0, 0.1, (139, 205, 96))
    _wave(draw, 0.66, 0.04, 1.5, 0.55, (104, 182, 72))
    for k in range(9):
        _disc(draw, 0.06 + 0.11 * k, 0.93 - 0.04 * (k % 2), 0.014, (255, 236, 120) if k % 3 else (255, 255, 255))


def _sandy_beach(draw: _Draw) -> None:
    _sky(draw, (120, 205, 245), (196, 236, 250), 0.4)
    _disc(draw, 0.84, 0.14, 0.085, (255, 222, 89))
    _box(draw, 0, 0.38, 1, 0.56, (52, 152, 214))
    _wave(draw, 0.54, 0.015, 3.0, 0.0, (240, 250, 252))
    _wave(draw, 0.57, 0.015, 3.0, 0.08, (243, 217, 154))
    _wave(draw, 0.80, 0.02, 1.0, 0.4, (232, 200, 130))


def _starry_night(draw: _Draw) -> None:
    _sky(draw, (12, 16, 56), (52, 44, 110))
    rng = np.random.default_rng(7)  # a fixed sky: the same stars on every machine
    for x, y, radius in zip(rng.random(46), rng.random(46) * 0.8, rng.uniform(0.005, 0.013, 46), strict=True):
        _disc(draw, float(x), float(y), float(radius), (255, 248, 200))
    _disc(draw, 0.83, 0.16, 0.09, (250, 240, 190))
    _disc(draw, 0.79, 0.13, 0.08, (22, 24, 68))
    _wave(draw, 0.88, 0.03, 1.0, 0.3, (18, 20, 44))


def _snowy_hill(draw: _Draw) -> None:
    _sky(draw, (176, 200, 224), (226, 236, 246))
    _wave(draw, 0.50, 0.16, 0.7, 0.62, (236, 243, 250))
    _wave(draw, 0.74, 0.05, 1.2, 0.1, (252, 254, 255))
    for x, y in ((0.07, 0.46), (0.17, 0.42), (0.93, 0.58)):
        for k, half in enumerate((0.05, 0.04, 0.028)):
            base = (y - 0.055 * k) * _SIDE
            draw.polygon(
                [((x - half) * _SIDE, base), ((x + half) * _SIDE, base), (x * _SIDE, base - 0.09 * _SIDE)],
                fill=(58, 110, 92),
            )
    rng = np.random.default_rng(11)  # fixed flakes
    for x, y in zip(rng.random(30), rng.random(30) * 0.62, strict=True):
        _disc(draw, float(x), float(y), 0.01, (255, 255, 255))


def _wooden_table(draw: _Draw) -> None:
    _box(draw, 0, 0, 1, 0.42, (246, 228, 205))
    for k in range(8):
        _box(draw, 0.02 + 0.125 * k, 0, 0.05 + 0.125 * k, 0.42, (238, 214, 186))
    _box(draw, 0, 0.42, 1, 1, (166, 108, 62))
    for k in range(5):
        _box(draw, 0, 0.42 + 0.125 * k, 1, 0.43 + 0.125 * k, (132, 82, 44))
        _box(draw, 0.15 + 0.17 * k, 0.47 + 0.125 * k, 0.38 + 0.17 * k, 0.475 + 0.125 * k, (146, 92, 50))
    _box(draw, 0, 0.42, 1, 0.445, (198, 138, 86))


def _desert(draw: _Draw) -> None:
    _sky(draw, (255, 190, 110), (255, 228, 170), 0.6)
    _disc(draw, 0.2, 0.17, 0.1, (255, 246, 214))
    _wave(draw, 0.50, 0.07, 0.9, 0.2, (226, 150, 76))
    _wave(draw, 0.64, 0.06, 1.2, 0.6, (212, 128, 58))
    _wave(draw, 0.84, 0.04, 0.8, 0.1, (190, 106, 46))


def _open_sea(draw: _Draw) -> None:
    _sky(draw, (186, 226, 244), (226, 244, 250), 0.3)
    for k in range(7):
        shade = k / 6
        colour = (round(40 - 28 * shade), round(140 - 80 * shade), round(190 - 60 * shade))
        _wave(draw, 0.24 + 0.115 * k, 0.018, 4.0, 0.37 * k, colour)


def _city_street(draw: _Draw) -> None:
    _sky(draw, (200, 206, 220), (228, 228, 232), 0.7)
    houses = (
        (0.0, 0.2, 0.24, (150, 84, 78)),
        (0.24, 0.08, 0.46, (98, 112, 140)),
        (0.46, 0.26, 0.7, (176, 136, 96)),
    )
    for x0, top, x1, colour in (*houses, (0.7, 0.12, 1.0, (116, 100, 128))):
        _box(draw, x0, top, x1, 0.68, colour)
        for row in range(int((0.6 - top) / 0.11)):
            for k in range(3):
                x = x0 + (x1 - x0) * (0.16 + 0.28 * k)
                _box(draw, x, top + 0.05 + 0.11 * row, x + 0.035, top + 0.105 + 0.11 * row, (255, 232, 150))
    _box(draw, 0, 0.68, 1, 0.74, (190, 186, 180))
    _box(draw, 0, 0.74, 1, 1, (84, 86, 92))
    for k in range(5):
        _box(draw, 0.02 + 0.22 * k, 0.9, 0.13 + 0.22 * k, 0.925, (240, 236, 220))


def _rainy_day(draw: _Draw) -> None:
    _sky(draw, (92, 102, 116), (150, 160, 170))
    for x in (0.15, 0.5, 0.85):
        _cloud(draw, x, 0.11, (66, 74, 88))
    for k in range(34):
        x, y = (0.03 + 0.31 * k) % 1.0, 0.2 + (0.17 * k) % 0.62
        draw.line([(x * _SIDE, y * _SIDE), ((x - 0.02) * _SIDE, (y + 0.07) * _SIDE)], fill=(196, 214, 232), width=6)
    _box(draw, 0, 0.84, 1, 1, (98, 110, 104))
    for x in (0.2, 0.72):
        draw.ellipse([(x - 0.14) * _SIDE, 0.9 * _SIDE, (x + 0.14) * _SIDE, 0.96 * _SIDE], fill=(150, 170, 186))


def _sunset(draw: _Draw) -> None:
    _sky(draw, (96, 42, 110), (255, 138, 84), 0.66)
    _disc(draw, 0.5, 0.6, 0.2, (255, 214, 110))
    _box(draw, 0, 0.64, 1, 1, (74, 34, 78))
    for k in range(6):
        half = 0.2 - 0.022 * k
        _box(draw, 0.5 - half, 0.67 + 0.055 * k, 0.5 + half, 0.69 + 0.055 * k, (236, 130, 92))


_PAINTERS: MappingProxyType[str, Callable[[_Draw], None]] = MappingProxyType(
    {
        "green meadow": _green_meadow,
        "sandy beach": _sandy_beach,
        "starry night": _starry_night,
        "snowy hill": _snowy_hill,
        "wooden table": _wooden_table,
        "desert": _desert,
        "open sea": _open_sea,
        "city street": _city_street,
        "rainy day": _rainy_day,
        "sunset": _sunset,
    }
)

BACKDROPS: tuple[str, ...] = tuple(_PAINTERS)


@cache
def backdrop_pixels(name: str, size: int = 64) -> NDArray[np.uint8]:
    """Return one empty backdrop.

    Args:
        name: one of `BACKDROPS`.
        size: side in pixels.

    Returns:
        uint8[size size 3], read-only and cached.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in _PAINTERS:
        raise ValueError(f"backdrop_pixels: name must be one of {BACKDROPS}; got {name!r}")
    canvas = Image.new("RGB", (_SIDE, _SIDE))
    _PAINTERS[name](ImageDraw.Draw(canvas))
    pixels = np.asarray(canvas.resize((size, size), Image.Resampling.BOX)).copy()
    pixels.setflags(write=False)
    return pixels
