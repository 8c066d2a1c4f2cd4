"""Twelve photographs that scikit-image and scikit-learn bring along, with captions of ours: the real-picture pairs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from tbcore.errors import MissingFileError
from tbcore.store import write_jsonl

__all__ = ["PHOTOS", "Photo", "photo_path", "write_photos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One bundled photograph.

    Attributes:
        name: our short name, also the file name without its ending.
        package: the importable package that holds the file.
        file: path inside the package.
        caption: what it shows, in our words.
        topic: a rough topic, for colouring maps; nothing is learned from it.
        credit: who made it and under which terms, as the package states.
    """

    name: str
    package: str
    file: str
    caption: str
    topic: str
    credit: str


def _skimage(name: str, file: str, topic: str, caption: str, credit: str) -> Photo:
    return Photo(name=name, package="skimage", file=f"data/{file}", caption=caption, topic=topic, credit=credit)


def _sklearn(name: str, topic: str, caption: str, credit: str) -> Photo:
    file = f"datasets/images/{name}.jpg"
    return Photo(name=name, package="sklearn", file=file, caption=caption, topic=topic, credit=credit)


PHOTOS: tuple[Photo, ...] = (
    _skimage(
        "astronaut",
        "astronaut.png",
        "space",
        "a smiling astronaut in an orange space suit with a helmet in front of her "
        "and a model of a space shuttle behind",
        "NASA, public domain",
    ),
    _skimage(
        "rocket",
        "rocket.jpg",
        "space",
        "a white rocket on its launch pad at dusk, lit by floodlights",
        "SpaceX, CC0",
    ),
    _skimage(
        "hubble",
        "hubble_deep_field.jpg",
        "space",
        "hundreds of small bright galaxies on a black sky",
        "NASA, public domain",
    ),
    _skimage(
        "moon",
        "moon.png",
        "space",
        "the grey surface of the moon with craters of many sizes",
        "NASA, public domain",
    ),
    _skimage(
        "cat",
        "chelsea.png",
        "home",
        "the face of a tabby cat with green eyes, seen from close by",
        "S. van der Walt, CC0",
    ),
    _skimage(
        "coffee",
        "coffee.png",
        "home",
        "a red cup of espresso on a saucer with a spoon, on a wooden table",
        "R. Michetti, CC0",
    ),
    _skimage(
        "coins",
        "coins.png",
        "home",
        "four rows of ancient coins on a dark cloth",
        "Brooklyn Museum, no known restrictions",
    ),
    _skimage(
        "page",
        "page.png",
        "home",
        "a photographed page of a textbook about dividing pictures into regions",
        "scikit-image, CC0",
    ),
    _skimage(
        "motorcycle",
        "motorcycle_left.png",
        "outdoors",
        "a red motorcycle in a garage in front of shelves full of boxes",
        "D. Scharstein (Middlebury stereo data), CC0",
    ),
    _skimage(
        "camera",
        "camera.png",
        "outdoors",
        "a man in a dark coat looking through a camera on a tripod in a park, in black and white",
        "L. Varshney, CC0",
    ),
    _sklearn(
        "china",
        "outdoors",
        "a pagoda with several roofs above a lake, between green trees",
        "danielbuechele, CC BY 2.0",
    ),
    _sklearn(
        "flower",
        "outdoors",
        "an orange dahlia in full bloom in front of dark leaves",
        "vultilion, CC BY 2.0",
    ),
)
"""The photographs, with captions of ours."""


def photo_path(photo: Photo) -> Path:
    """Find a photograph among the installed files, without importing its package.

    Raises:
        MissingFileError: the package is not installed or lacks the file.
    """
    spec = find_spec(photo.package)
    remedy = "Install scikit-image and scikit-learn (`make run` does)."
    if spec is None or spec.origin is None:
        raise MissingFileError(f"photograph {photo.name!r}: the package {photo.package!r} is not installed. {remedy}")
    path = Path(spec.origin).parent / photo.file
    if not path.is_file():
        raise MissingFileError(f"{path}: photograph {photo.name!r} is missing. {remedy}")
    return path


def write_photos(folder: Path, *, side: int = 256) -> list[dict[str, Any]]:
    """Write the photographs, cut to a centred square, with captions.jsonl beside them.

    Args:
        folder: made when missing.
        side: pixels of the written squares.

    Returns:
        The rows of captions.jsonl: picture, caption, topic.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for photo in PHOTOS:
        with Image.open(photo_path(photo)) as stored:
            square = ImageOps.fit(stored.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        square.save(folder / f"{photo.name}.png")
        rows.append({"picture": f"{photo.name}.png", "caption": photo.caption, "topic": photo.topic})
    write_jsonl(folder / "captions.jsonl", rows)
    return rows
