"""Shards: a row's place in the list is remembered, its id's hash says which shard it belongs to.

A shard is a file of JSON Lines, {"place": 7, "row": {...}}. Places rise inside every shard, so a merge by place
needs one row of each in memory and gives the order of the list, whatever the number of shards.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from tbcore.errors import InputError, MissingFileError

__all__ = ["Row", "ShardWriter", "merge_shards", "shard_name", "shard_of", "split_rows"]

Row = dict[str, Any]
"""One JSON object."""

_HEAD = b'{"place": '
_BODY = b', "row": '
_DECODER = json.JSONDecoder()


def shard_of(key: str, shards: int) -> int:
    """The shard of a key: the first 8 bytes of its SHA-256, modulo the number of shards; stable for all time."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") % shards


def shard_name(number: int) -> str:
    """What the files of a shard are called."""
    return f"{number:05d}"


def split_rows(source: Path | str, folder: Path | str, shards: int, key: str) -> int:
    """Write each row of a JSON Lines file into its shard, `folder`/00000.jsonl and on; how many rows there are.

    The folder appears when all of it is written.

    Args:
        source: one JSON object per line.
        folder: made; what was there before is replaced.
        shards: how many.
        key: the field that is hashed.

    Raises:
        MissingFileError: there is no such file.
        InputError: a line is not a JSON object or lacks the field; the message names it.
    """
    place, target = Path(source), Path(folder)
    if shards < 1:
        raise InputError(f"split_rows: shards must be at least 1; got {shards}.")
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file. Run the step that writes it first.")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    n = 0
    with ExitStack() as stack:
        lines = stack.enter_context(place.open("rb"))
        files = [stack.enter_context((part / f"{shard_name(one)}.jsonl").open("wb")) for one in range(shards)]
        for number, line in enumerate(lines, start=1):
            if bare := line.strip():
                shard = shard_of(_key(bare, key, place, number), shards) if shards > 1 else 0
                files[shard].write(b"%b%d%b%b}\n" % (_HEAD, n, _BODY, bare))
                n += 1
    shutil.rmtree(target, ignore_errors=True)
    part.replace(target)
    return n


class ShardWriter:
    """Writes what one shard makes: a file of JSON Lines for each name, in a folder that appears when it is whole.

    Args:
        folder: where the files will be. They are written beside it, so whoever is killed leaves no half folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        self.written: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self._files: dict[str, IO[bytes]] = {}

    def write(self, place: int, found: Mapping[str, Row]) -> None:
        """Add what came of the row at this place: at most one object for each name."""
        for name, row in found.items():
            if name not in self._files:
                self._files[name] = (self.part / f"{name}.jsonl").open("wb")
            text = json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
            self._files[name].write(b"%b%d%b%b}\n" % (_HEAD, place, _BODY, text))
            self.written[name] += 1
            if name == "rejections":
                self.codes[row["code"]] += 1

    def close(self) -> None:
        """Sync the files and let the folder appear."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self.abandon()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.part.replace(self.folder)

    def abandon(self) -> None:
        """Close the files and leave them where they are."""
        for file in self._files.values():
            file.close()


def merge_shards(folders: Sequence[Path], name: str, path: Path) -> int:
    """Merge one file of all shards by place: the rows, one a line, in the order of the list; how many there are."""
    part = path.with_name(f".{path.name}.part")
    n = 0
    with ExitStack() as stack, part.open("wb") as merged:
        there = [one / f"{name}.jsonl" for one in folders]
        files = [stack.enter_context(one.open("rb")) for one in there if one.is_file()]
        for _, row in heapq.merge(*map(_placed, files)):
            merged.write(row)
            n += 1
        merged.flush()
        os.fsync(merged.fileno())
    part.replace(path)
    return n


def _placed(lines: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    for line in lines:
        middle = line.index(_BODY)
        yield int(line[len(_HEAD) : middle]), line[middle + len(_BODY) : -2] + b"\n"


def _key(line: bytes, key: str, place: Path, number: int) -> str:
    try:
        found = _quick(line, key)
        return str(json.loads(line)[key]) if found is None else found
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place}:{number}: each line must be a JSON object with a field {key!r}; got {type(error).__name__}: "
            f"{error}. Mend or delete the line."
        ) from error


def _quick(line: bytes, key: str) -> str | None:
    """The field without reading all of the line, which is most of the work of splitting; None where that is unsure.

    A quote inside a text has a backslash before it, so `"key":` without one is a key; with one brace before it, it is
    a key of the row itself.
    """
    mark = b'"%b":' % key.encode()
    at = line.find(mark)
    start = at + len(mark)
    if at < 1 or line[at - 1 : at] == b"\\" or line.find(mark, start) >= 0:
        return None
    if line[:1] != b"{" or line[-1:] != b"}" or line.count(b"{", 0, at) > 1:
        return None
    rest = line[start:].decode("utf-8", "surrogatepass").lstrip(" ")
    return str(_DECODER.raw_decode(rest)[0])
