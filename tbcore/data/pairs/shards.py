"""Webdataset shards as img2dataset writes them: tar files with 000000012.jpg, .txt and .json side by side."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tbcore.data.pairs.drafts import Draft
from tbcore.data.pairs.pictures import MAX_BYTES

__all__ = ["shard_drafts"]

_PICTURES = ("jpg", "jpeg", "png", "webp", "gif", "bmp")
_TEXTS = ("txt", "caption", "json")
_LONGEST_TEXT = 1 << 20
_Sample = dict[str, bytes]


def shard_drafts(shards: Sequence[Path]) -> Iterator[Draft]:
    """One draft per sample, and one per member that is not taken; nothing is unpacked onto the disk.

    Members of one sample stand next to each other and share their name up to the first dot, as in webdataset.
    """
    for shard in shards:
        yield from _samples(shard)


def _samples(shard: Path) -> Iterator[Draft]:
    key, sample = "", _Sample()
    try:
        with tarfile.open(shard, mode="r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if (words := _unsafe(member)) is not None:
                    yield Draft(where=f"{shard.name}/{member.name}", problem=("unsafe_member", words))
                    continue
                stem, _, ending = PurePosixPath(member.name).name.partition(".")
                name = str(PurePosixPath(member.name).parent / stem)
                if name != key and sample:
                    yield _draft(shard, key, sample)
                    sample = _Sample()
                key = name
                if (kind := ending.lower()) in _PICTURES + _TEXTS and (file := archive.extractfile(member)):
                    sample[kind] = file.read(MAX_BYTES if kind in _PICTURES else _LONGEST_TEXT)
        if not _ends(shard):
            raise tarfile.ReadError("the empty blocks at its end are missing")
    except (tarfile.TarError, OSError, EOFError) as error:
        # The last sample may lack members, so it is not used.
        words = f"the archive breaks off at sample {key!r}: {error}; from there on it was not read"
        yield Draft(where=f"{shard.name}/{key}", problem=("broken_file", words))
        return
    if sample:
        yield _draft(shard, key, sample)


def _ends(shard: Path) -> bool:
    """Whether a plain archive ends as it should; compressed ones have a checksum that tarfile has compared."""
    with shard.open("rb") as file:
        if file.read(512)[257:262] != b"ustar":
            return True
        file.seek(-512, 2)
        return not any(file.read(512))


def _draft(shard: Path, key: str, sample: _Sample) -> Draft:
    where = f"{shard.name}/{key}"
    kind = next((kind for kind in _PICTURES if kind in sample), "")
    about: object = {}
    problem = None
    if "json" in sample:
        try:
            about = json.loads(sample["json"])
        except ValueError as error:
            problem = ("bad_row", f"its .json is not JSON: {error}")
    facts = about if isinstance(about, dict) else {}
    text = next((sample[name].decode("utf-8", "replace") for name in ("txt", "caption") if name in sample), None)
    # The shards of one download count their keys on; those of two downloads may both begin with 0.
    return Draft(
        where=where,
        id=where,
        picture=sample.get(kind),
        address=f"{where}.{kind}",
        caption=facts.get("caption") if text is None else text,
        source=str(facts.get("url") or "webdataset"),
        licence=str(facts.get("licence") or facts.get("license") or ""),
        problem=problem,
    )


def _unsafe(member: tarfile.TarInfo) -> str | None:
    if not member.isreg():
        return "only plain files are read from an archive, no links and no devices"
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        return "a member is named by its path inside the archive"
    if member.size > MAX_BYTES:
        return f"it has {member.size} bytes, at most {MAX_BYTES} are read"
    return None
