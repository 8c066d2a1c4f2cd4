"""Picture files that nobody vouches for: sniffed, measured from the header, decoded, turned upright."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tbcore.errors import InputError

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "Problem",
    "check_picture",
    "decode",
    "load_picture",
    "read_limited",
    "upright",
]

MAX_PIXELS = 50_000_000
"""Larger pictures are refused from their header, before decoding."""

MAX_BYTES = 64 << 20
"""Larger files are not opened."""

MIN_SIDE = 8
"""Smaller pictures, in pixels, show nothing."""

Problem = tuple[str, str]
"""Why a picture cannot be used: a code, and words."""

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"RIFF")
# Pillow would also try formats whose decoders call other programs or are seldom tested.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


def load_picture(path: Path | str, *, size: int | None = None) -> NDArray[np.uint8]:
    """The picture as uint8 [y x 3], turned upright, in RGB; with `size`, a square cut from its middle.

    Raises:
        InputError: the file is no picture, too large, animated, or damaged; the message names it.
    """
    place = Path(path)
    content = read_limited(place)
    picture = content if isinstance(content, tuple) else decode(content)
    if isinstance(picture, tuple):
        raise InputError(f"{place}: {picture[1]} ({picture[0]}). Leave it out or replace it.")
    return upright(picture, size=size)


def check_picture(path: Path) -> Problem | None:
    """Why a file cannot be used as a picture, as code and words; None when it can. It is decoded fully."""
    content = read_limited(path)
    picture = content if isinstance(content, tuple) else decode(content)
    return picture if isinstance(picture, tuple) else None


def read_limited(path: Path) -> bytes | Problem:
    """The bytes of a file that begins like a picture and is not too large."""
    if not path.is_file():
        return "missing_picture", "there is no such file"
    with path.open("rb") as file:
        if not (start := file.read(16)).startswith(_MAGIC):
            return _not_a_picture()
        content = start + file.read(MAX_BYTES + 1 - len(start))
    if len(content) > MAX_BYTES:
        return "picture_too_large", f"the file has {path.stat().st_size} bytes, at most {MAX_BYTES} are read"
    return content


def decode(content: bytes) -> Image.Image | Problem:
    """The decoded picture, neither turned nor converted yet; or why it cannot be used."""
    if len(content) > MAX_BYTES:
        return "picture_too_large", f"the file has {len(content)} bytes, at most {MAX_BYTES} are read"
    if not content.startswith(_MAGIC):
        return _not_a_picture()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
            if (problem := _header_problem(picture)) is not None:
                return problem
            picture.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        return "picture_too_large", f"its header claims too many pixels: {error}"
    except UnidentifiedImageError:  # its words name an address in memory, another in each run
        return "unreadable_picture", "it begins like a picture, but what follows cannot be decoded"
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        return "unreadable_picture", f"it cannot be decoded: {error}"
    return picture


def upright(picture: Image.Image, *, size: int | None = None) -> NDArray[np.uint8]:
    """Pixels as uint8 [y x 3]: turned as the EXIF tag says, transparency on white, deep grey scaled to 8 bits."""
    turned = ImageOps.exif_transpose(picture)
    if "transparency" in turned.info:
        turned = turned.convert("RGBA")
    if turned.mode in {"RGBA", "LA", "PA"}:
        turned = Image.alpha_composite(Image.new("RGBA", turned.size, "white"), turned.convert("RGBA"))
    plain = _eight_bits(turned).convert("RGB")
    if size is not None:
        plain = ImageOps.fit(plain, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(plain, dtype=np.uint8)


def _not_a_picture() -> Problem:
    return "not_a_picture", "the file does not begin like a PNG, JPEG, GIF, BMP or WebP picture"


def _header_problem(picture: Image.Image) -> Problem | None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        return "picture_too_large", f"its header claims {width} x {height} pixels, at most {MAX_PIXELS} are decoded"
    if min(width, height) < MIN_SIDE:
        return "picture_too_small", f"{width} x {height} pixels, each side needs {MIN_SIDE}"
    # Telephones store a preview as the second frame of an MPO file: that is a photograph, not an animation.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        return "animated_picture", f"{getattr(picture, 'n_frames', 1)} frames, one is wanted"
    return None


def _eight_bits(picture: Image.Image) -> Image.Image:
    if not picture.mode.startswith(("I", "F")):
        return picture
    # Deep greyscale would be clipped by a plain conversion: 16 bits are scaled down to 8.
    values = np.asarray(picture, dtype=np.float64)
    return Image.fromarray(np.clip(values / 257 if values.max(initial=0) > 255 else values, 0, 255).astype(np.uint8))
