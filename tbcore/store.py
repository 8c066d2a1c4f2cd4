"""Files that are either whole or absent: JSON, JSON Lines and bytes, written atomically.

A file is written beside its target, synced to the disk and renamed over it, so a reader sees the old
bytes or the new ones, never a half. `append_jsonl` alone adds to a file: it is for journals.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tbcore.errors import InputError, MissingFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Json",
    "append_jsonl",
    "pixel_hash",
    "read_json",
    "read_jsonl",
    "sha256_of",
    "write_bytes",
    "write_json",
    "write_jsonl",
    "write_text",
]

_CHUNK = 1 << 20

Json: TypeAlias = Any
"""Whatever a JSON file may hold; the reader checks it."""


def read_jsonl(path: Path | str) -> Iterator[dict[str, Any]]:
    """Yield one object per non-empty line.

    Raises:
        MissingFileError: there is no such file.
        InputError: a line is not a JSON object; the message names file and line.
    """
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file. Run the step that writes it first.")
    with place.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(
                    f"{place}:{number}: each line must be one JSON object; {error}. Mend or delete the line."
                ) from error
            if not isinstance(row, dict):
                raise InputError(
                    f"{place}:{number}: each line must be one JSON object; got {type(row).__name__}. "
                    "Mend or delete the line."
                )
            yield row


def read_json(path: Path | str) -> Json:
    """The value that a JSON file holds.

    Raises:
        MissingFileError: there is no such file.
        InputError: the file is not JSON.
    """
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file. Run the step that writes it first.")
    try:
        return json.loads(place.read_bytes())
    except ValueError as error:
        raise InputError(f"{place}: not a JSON file; {error}. Write it again.") from error


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write `content` so that a crash leaves the old file or the new one. Folders are made."""
    _write_parts(Path(path), [content])


def write_text(path: Path | str, content: str) -> None:
    """Write text as UTF-8, atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path | str, value: object) -> None:
    """Write one JSON value, indented, keys in the order given, atomically."""
    write_bytes(path, (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())


def write_jsonl(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically; memory use does not grow with the number of rows."""
    _write_parts(Path(path), (_line(row) for row in rows))


def append_jsonl(path: Path | str, row: Mapping[str, Any]) -> None:
    """Add one line to a journal and sync it; a torn last line of an earlier crash is closed first."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + _line(row))
        file.flush()
        os.fsync(file.fileno())


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of the shape and the pixels uint8[y x 3], in hexadecimal: one picture, whatever file it lies in."""
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def sha256_of(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file, so it has no hash. Run its step.")
    digest = hashlib.sha256()
    with place.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _line(row: Mapping[str, Any]) -> bytes:
    return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write_parts(place: Path, parts: Iterable[bytes]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp makes private files; results are for everybody to read
        Path(name).replace(place)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the rename alone is durable enough
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
