"""Picture-caption pairs from a folder: pictures, and a captions.jsonl or captions.csv that names them.

    my_pictures/
      captions.csv        picture,caption,topic       (`file` or `file_name` do as well; topic, id are optional)
      beach.jpg

Nothing in the folder is trusted: paths stay inside it, a file must begin like a picture, its header is read
before it is decoded, and what cannot be used becomes a rejection that names file and line. The rest goes on.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tbcore.errors import InputError, MissingFileError
from tbcore.records import Pair, Rejection

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "check_picture",
    "load_picture",
    "read_folder",
    "sanitise",
]

MAX_PIXELS = 50_000_000
"""Larger pictures are refused from their header, before decoding."""

MAX_BYTES = 64 << 20
"""Larger files are not opened."""

MIN_SIDE = 8
"""Smaller pictures, in pixels, show nothing."""

_NAMES = ("captions.jsonl", "captions.csv")
_PICTURE_COLUMNS = ("picture", "file", "file_name")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"RIFF")
_LONGEST_CAPTION = 2000
_SPACES = re.compile(r"\s+")
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a captions file: its values, or why there are none."""

    line: int
    values: Mapping[str, Any]
    problem: str = ""


def read_folder(folder: Path | str, *, originals: dict[str, str] | None = None) -> Iterator[Pair | Rejection]:
    """Yield a pair, or the reason why there is none, for each line of the folder's captions file.

    Args:
        folder: holds the pictures and captions.jsonl or captions.csv (the first of them that exists).
        originals: filled with the caption as it came, by pair id, where cleaning changed it.

    Raises:
        MissingFileError: there is no such folder, or no captions file in it.
        InputError: the captions file has no picture or no caption column.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MissingFileError(f"{root}: there is no such folder. Name a folder with pictures and captions.")
    table = next((root / name for name in _NAMES if (root / name).is_file()), None)
    if table is None:
        raise MissingFileError(
            f"{root}: neither captions.jsonl nor captions.csv is there. Write one line per picture, with the "
            "columns picture and caption."
        )
    seen: dict[str, int] = {}
    for row in _csv_rows(table) if table.suffix == ".csv" else _jsonl_rows(table):
        yield _pair(root, table.name, row, seen, originals)


def load_picture(path: Path | str, *, size: int | None = None) -> NDArray[np.uint8]:
    """The picture as uint8 [y x 3], turned upright, in RGB; with `size`, a square cut from its middle.

    Raises:
        InputError: the file is no picture, too large, animated, or damaged; the message names it.
    """
    place = Path(path)
    if (problem := check_picture(place)) is not None:
        raise InputError(f"{place}: {problem[1]} ({problem[0]}). Leave it out or replace it.")
    with Image.open(place) as opened:
        upright = ImageOps.exif_transpose(opened)
        picture = upright.convert("RGBA") if "transparency" in upright.info else upright
        if picture.mode in {"RGBA", "LA", "PA"}:
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture.convert("RGBA"))
        picture = _eight_bits(picture).convert("RGB")
    if size is not None:
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture, dtype=np.uint8)


def check_picture(path: Path) -> tuple[str, str] | None:
    """Why a file cannot be used as a picture, as code and words; None when it can. It is decoded fully."""
    if not path.is_file():
        return "missing_picture", "there is no such file"
    if path.stat().st_size > MAX_BYTES:
        return "picture_too_large", f"the file has {path.stat().st_size} bytes, at most {MAX_BYTES} are read"
    with path.open("rb") as file:
        if not file.read(16).startswith(_MAGIC):
            return "not_a_picture", "the file does not begin like a PNG, JPEG, GIF, BMP or WebP picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if (problem := _header_problem(picture)) is not None:
                    return problem
                picture.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        return "picture_too_large", f"its header claims too many pixels: {error}"
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        return "unreadable_picture", f"it cannot be decoded: {error}"
    return None


def sanitise(caption: str) -> str:
    """The caption in Unicode NFC, one line, without control, tag and direction characters.

    Joiners between letters stay, as some scripts need them; markup stays too: the codec makes it harmless.
    """
    composed = unicodedata.normalize("NFC", caption)
    kept = (
        " " if character in "\t\n\r\v\f\x85\u2028\u2029" else character
        for character in composed
        if character in _JOINERS
        or character in "\t\n\r\v\f\x85\u2028\u2029"
        or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return _SPACES.sub(" ", "".join(kept)).strip().strip(_JOINERS)


def _pair(
    root: Path, table: str, row: _Row, seen: dict[str, int], originals: dict[str, str] | None
) -> Pair | Rejection:
    where = f"{table}:{row.line}"
    name = str(next((row.values[c] for c in _PICTURE_COLUMNS if row.values.get(c)), ""))
    record = str(row.values.get("id") or name or where)
    if row.problem:
        return Rejection(record, "bad_row", None, row.problem, where)
    if not name:
        return Rejection(record, "no_picture_named", None, "the picture column is empty", where)
    if record in seen:
        return Rejection(record, "duplicate_id", None, f"line {seen[record]} has the same id", where)
    seen[record] = row.line
    said = row.values.get("caption")
    caption = sanitise(said) if isinstance(said, str) else ""
    if not caption:
        return Rejection(record, "empty_caption", None, "the caption is empty", where)
    if len(caption) > _LONGEST_CAPTION:
        return Rejection(record, "caption_too_long", _LONGEST_CAPTION, f"{len(caption)} characters", where)
    if (problem := _place_problem(root, name) or check_picture(root / name)) is not None:
        return Rejection(record, problem[0], None, f"{name}: {problem[1]}", where)
    if originals is not None and caption != said:
        originals[record] = str(said)
    scene, topic = row.values.get("scene"), row.values.get("topic")
    return Pair(
        id=record,
        picture=name,
        caption=caption,
        source=str(row.values.get("source") or "folder"),
        topic=str(topic) if topic else None,
        scene=scene if isinstance(scene, dict) else None,
    )


def _place_problem(root: Path, name: str) -> tuple[str, str] | None:
    if "\x00" in name or Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or ":" in name:
        return "outside_folder", "a picture is named by its path inside the folder"
    base = root.resolve()
    if (base / name).resolve() != base / name:
        return "outside_folder", "links are not followed"
    return None


def _header_problem(picture: Image.Image) -> tuple[str, str] | None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        return "picture_too_large", f"its header claims {width} x {height} pixels, at most {MAX_PIXELS} are decoded"
    if min(width, height) < MIN_SIDE:
        return "picture_too_small", f"{width} x {height} pixels, each side needs {MIN_SIDE}"
    if getattr(picture, "n_frames", 1) > 1:
        return "animated_picture", f"{getattr(picture, 'n_frames', 1)} frames, one is wanted"
    return None


def _eight_bits(picture: Image.Image) -> Image.Image:
    if not picture.mode.startswith(("I", "F")):
        return picture
    # Deep greyscale would be clipped by a plain conversion: 16 bits are scaled down to 8.
    values = np.asarray(picture, dtype=np.float64)
    return Image.fromarray(np.clip(values / 257 if values.max(initial=0) > 255 else values, 0, 255).astype(np.uint8))


def _jsonl_rows(table: Path) -> Iterator[_Row]:
    with table.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                yield _Row(number, {}, f"not a JSON object: {error}")
                continue
            yield _Row(number, row) if isinstance(row, dict) else _Row(number, {}, "not a JSON object")


def _csv_rows(table: Path) -> Iterator[_Row]:
    with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        columns = [name.strip().lower() for name in reader.fieldnames or []]
        if "caption" not in columns or not set(columns) & set(_PICTURE_COLUMNS):
            raise InputError(
                f"{table}:1: the first line must name the columns picture and caption; got {columns}. Add it."
            )
        reader.fieldnames = columns
        try:
            for row in reader:
                extra = "more values than columns" if None in row else ""
                yield _Row(reader.line_num, {k: v for k, v in row.items() if k is not None}, extra)
        except csv.Error as error:
            yield _Row(reader.line_num, {}, f"not a CSV line: {error}; the lines after it were not read")
