"""Uploads: what is refused before it is decoded, what is refused after, and what comes out of a good one."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tbcore.demo.pictures import MAX_UPLOAD_BYTES, from_png, read_upload, to_png
from tbcore.errors import InputError


def encoded(kind: str = "PNG", size=(100, 60), **more) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 40)).save(buffer, format=kind, **more)
    return buffer.getvalue()


def huge_header() -> bytes:
    """A PNG of a few bytes whose header claims 60,000 x 60,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(bytes(100)), b"IEND"]
    framed = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_usual_files_become_a_small_square(kind):
    picture = read_upload(f"x.{kind}", encoded(kind))
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    assert abs(int(picture[32, 32, 0]) - 200) < 8


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "does not begin like"),
        (b"<svg onload=alert(1)>", "does not begin like"),
        (encoded()[:60], "cannot be decoded"),
        (huge_header(), r"60000 x 60000|too many pixels"),
        (encoded(size=(4, 4)), "4 x 4 pixels"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "cannot be decoded"),
        (bytes(MAX_UPLOAD_BYTES + 1), "at most 8,388,608 are read"),
    ],
)
def test_bad_files_are_refused_by_name(content, told):
    with pytest.raises(InputError, match=told) as caught:
        read_upload("holiday.png", content)
    assert str(caught.value).startswith("holiday.png: ")
    assert "/tmp" not in str(caught.value)


def test_animations_are_refused():
    frames = [Image.new("RGB", (20, 20), shade) for shade in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="2 frames"):
        read_upload("a.gif", buffer.getvalue())


def test_what_is_written_inside_a_file_is_left_behind():
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "secret place")
    content = encoded(pnginfo=notes)
    assert b"secret" in content
    assert b"secret" not in to_png(read_upload("x.png", content))


def test_a_strange_name_is_tamed():
    with pytest.raises(InputError, match=r"^a b\.png: "):
        read_upload("a\nb\u202e.png", b"no")


def test_png_both_ways_is_exact():
    picture = np.random.default_rng(1).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(from_png(to_png(picture)), picture)
    assert to_png(picture) == to_png(picture.copy())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (encoded("JPEG"), "do not begin like a PNG"),
        (encoded(size=(2000, 3)), "claims 2000 x 3"),
        (encoded()[:60], "cannot be decoded"),
    ],
)
def test_stored_pictures_are_checked_too(content, told):
    with pytest.raises(InputError, match=told):
        from_png(content)
