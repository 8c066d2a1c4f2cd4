"""Pictures at the border of the chat: uploads are checked before they are decoded; what is shown is our own PNG."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.data.pairs import load_picture, sanitise
from tbcore.errors import InputError

__all__ = ["MAX_SIDE", "MAX_UPLOAD_BYTES", "PICTURE_SIZE", "check_pixels", "from_png", "read_upload", "to_png"]

PICTURE_SIZE = 64
"""Side of a picture in the chat, in pixels: what the tower sees and the painter paints."""

MAX_UPLOAD_BYTES = 8 << 20
"""Larger uploads are refused unread."""

MAX_SIDE = 1024
"""Largest side of a picture in a saved conversation, in pixels."""

_PNG = b"\x89PNG\r\n\x1a\n"


def check_pixels(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture itself, if it is uint8[y x 3] of a sensible size.

    Raises:
        InputError: another type or shape.
    """
    found = np.asarray(picture)
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or min(found.shape[:2]) < 1:
        raise InputError(f"picture: must be uint8[y x 3]; got {found.dtype}{list(found.shape)}. Convert it to RGB.")
    if max(found.shape[:2]) > MAX_SIDE:
        raise InputError(f"picture: sides of at most {MAX_SIDE} pixels; got {list(found.shape[:2])}. Make it smaller.")
    return found


def read_upload(name: str, content: bytes, *, size: int = PICTURE_SIZE) -> NDArray[np.uint8]:
    """A file from outside as a square picture: uint8[size size 3].

    The number of bytes, the first bytes and the header are looked at before anything is decoded. Only pixels go on:
    names, places and comments inside the file are left behind.

    Args:
        name: what the file is called, for messages only.
        content: the whole file.
        size: side in pixels; the middle of the picture is cut to a square.

    Raises:
        InputError: too large, no picture, animated, or damaged; the message names the file.
    """
    shown = sanitise(name)[:80] or "upload"
    if len(content) > MAX_UPLOAD_BYTES:
        raise InputError(
            f"{shown}: the file has {len(content):,} bytes, at most {MAX_UPLOAD_BYTES:,} are read. Make it smaller."
        )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "upload"
        place.write_bytes(content)
        try:
            return load_picture(place, size=size)
        except InputError as error:
            raise InputError(str(error).replace(str(place), shown)) from error
        except (OSError, SyntaxError, ValueError, MemoryError) as error:
            raise InputError(f"{shown}: it cannot be decoded ({error}). Save it as PNG or JPEG.") from error


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """The bytes of a PNG file that holds these pixels and nothing else; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(check_pixels(picture)).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(content: bytes) -> NDArray[np.uint8]:
    """The inverse of `to_png`.

    Raises:
        InputError: no PNG, damaged, or with sides above `MAX_SIDE`.
    """
    if not content.startswith(_PNG):
        raise InputError("picture: the bytes do not begin like a PNG file. Save the conversation again.")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            if max(opened.size) > MAX_SIDE:
                raise InputError(
                    f"picture: its header claims {opened.width} x {opened.height} pixels, sides of at most "
                    f"{MAX_SIDE} are decoded. Make it smaller."
                )
            return np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"picture: the PNG cannot be decoded ({error}). Save the conversation again.") from error
