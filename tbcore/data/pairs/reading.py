"""One door to all readers, and the file of what they refused."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from tbcore.data.pairs.drafts import Admission, Draft, Guard, Record
from tbcore.data.pairs.folder import CAPTION_FILES, folder_drafts
from tbcore.data.pairs.hub import hub_drafts
from tbcore.data.pairs.llava import llava_drafts
from tbcore.data.pairs.parquet import parquet_drafts
from tbcore.data.pairs.shards import shard_drafts
from tbcore.errors import InputError, MissingFileError
from tbcore.records import Pair, Rejection
from tbcore.store import write_bytes

__all__ = ["Kind", "Options", "Sieve", "kind_of", "read_folder", "read_pairs", "read_records"]

Kind = Literal["folder", "huggingface", "hub", "parquet", "webdataset", "llava"]
"""The forms in which pairs come; "hub" is a data set's name, "huggingface" a folder of `save_to_disk`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a source may need beyond its place.

    Args:
        kind: the form; found by `kind_of` when left out.
        picture, caption: names of columns in parquet and Hugging Face data.
        split: of Hugging Face data.
        root: where paths in parquet and LLaVA files point into.
        added_tokens: of the tokenizer that will read the captions; captions that hold one are flagged.
        guard: looks at each picture before this process decodes it, see `LimitedDecoder`.
    """

    kind: Kind | None = None
    picture: str | None = None
    caption: str | None = None
    split: str = "train"
    root: Path | None = None
    added_tokens: Sequence[str] = ()
    guard: Guard | None = None


class Sieve:
    """Lets pairs through and writes rejections to a file as they come, one per line with code and place.

    The file gets its name when the source is exhausted; before, and after a crash, it ends with .part.

    Args:
        path: of the file of rejections.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._codes: Counter[str] = Counter()

    @property
    def codes(self) -> dict[str, int]:
        """Rejections per code so far, the commonest first."""
        return dict(self._codes.most_common())

    def pairs(self, found: Iterable[Pair | Rejection]) -> Iterator[Pair]:
        """The pairs, in order; at their end the file of rejections is whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f".{self._path.name}.part")
        with part.open("w", encoding="utf-8") as file:
            for one in found:
                if isinstance(one, Rejection):
                    self._codes[one.code] += 1
                    file.write(json.dumps(one.to_json(), ensure_ascii=False) + "\n")
                else:
                    yield one
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


def read_folder(folder: Path | str, *, originals: dict[str, str] | None = None) -> Iterator[Pair | Rejection]:
    """Yield a pair, or the reason why there is none, for each line of the folder's captions file.

    Args:
        folder: holds the pictures and captions.jsonl or captions.csv (the first of them that exists).
        originals: filled with the caption as it came, by pair id, where cleaning changed it.

    Raises:
        MissingFileError: there is no such folder, or no captions file in it.
        InputError: the captions file has no picture or no caption column.
    """
    admission = Admission()
    for draft in folder_drafts(Path(folder)):
        found = admission.decide(draft)
        if isinstance(found, Record) and originals is not None and found.original != found.pair.caption:
            originals[found.pair.id] = found.original
        yield found.pair if isinstance(found, Record) else found


def read_pairs(
    source: Path | str, options: Options | None = None, *, into: Path | None = None
) -> Iterator[Pair | Rejection]:
    """Yield a pair, or the reason why there is none, for each row of any source, in order, one in memory at a time.

    Args:
        source: a folder, file or data set's name, see `kind_of`.
        options: what the source needs beyond its place.
        into: where pictures are copied to as upright RGB PNG files without metadata, named by their pixels;
            `Pair.picture` is then relative to it. Sources that hold pictures as bytes need it.

    Raises:
        MissingFileError: there is nothing at that place.
        InputError: the form of the source is not known, its columns are not, or it holds bytes and `into` is missing.
    """
    for found in read_records(source, options):
        if isinstance(found, Rejection):
            yield found
        elif into is not None:
            yield _stored(found, into)
        elif found.in_bytes:
            raise InputError(
                f"{found.where}: this source holds its pictures as bytes, and a pair names a file. "
                "Say with into= where the pictures shall be written."
            )
        else:
            yield found.pair


def read_records(source: Path | str, options: Options | None = None) -> Iterator[Record | Rejection]:
    """The same with the decoded picture beside each pair: for stages that need pixels and no files.

    Raises:
        MissingFileError: there is nothing at that place.
        InputError: the form of the source is not known, or its columns are not.
    """
    how = options or Options()
    admission = Admission(how.added_tokens, how.guard)
    for draft in _drafts(source, how):
        yield admission.decide(draft)


def kind_of(source: Path | str) -> Kind:
    """In which form pairs stand at a place: told by what is there, never by reading it.

    A text with one slash that is no file, such as "owner/name", is a data set on the hub.

    Raises:
        MissingFileError: there is nothing at that place.
        InputError: nothing there is known.
    """
    place = Path(source)
    if place.is_dir():
        if any((place / name).is_file() for name in CAPTION_FILES):
            return "folder"
        if any((place / name).is_file() for name in ("state.json", "dataset_dict.json")):
            return "huggingface"
        # img2dataset writes a parquet file of facts beside each shard: shards come first.
        endings = {one.suffix for one in place.iterdir()}
        if ".tar" in endings:
            return "webdataset"
        if ".parquet" in endings:
            return "parquet"
    elif place.is_file():
        known: dict[str, Kind] = {".tar": "webdataset", ".parquet": "parquet", ".json": "llava"}
        if (kind := known.get(place.suffix)) is not None:
            return kind
    elif isinstance(source, str) and source.count("/") == 1 and not source.startswith((".", "/", "~")):
        return "hub"
    else:
        raise MissingFileError(f"{source}: there is no such file or folder. Name a source of pairs.")
    raise InputError(
        f"{source}: pairs come as a folder with captions.jsonl or captions.csv, a Hugging Face data set, parquet, "
        "tar shards or LLaVA json; nothing of that is here. Name another place, or say which with kind=."
    )


def _drafts(source: Path | str, how: Options) -> Iterator[Draft]:
    place = Path(source)
    match how.kind or kind_of(source):
        case "folder":
            return folder_drafts(place)
        case "huggingface":
            return hub_drafts(place, split=how.split, picture=how.picture, caption=how.caption)
        case "hub":
            return hub_drafts(str(source), split=how.split, picture=how.picture, caption=how.caption)
        case "parquet":
            return parquet_drafts(_files(place, "parquet"), picture=how.picture, caption=how.caption, root=how.root)
        case "webdataset":
            return shard_drafts(_files(place, "tar"))
        case "llava":
            return llava_drafts(place, root=how.root)


def _files(place: Path, ending: str) -> list[Path]:
    found = sorted(place.glob(f"*.{ending}")) if place.is_dir() else [place]
    if not found or not found[0].is_file():
        raise MissingFileError(f"{place}: there is no .{ending} file. Name a file, or a folder that holds some.")
    return found


def _stored(record: Record, into: Path) -> Pair:
    name = f"{record.image_id[:2]}/{record.image_id}.png"
    if not (into / name).is_file():
        buffer = io.BytesIO()
        Image.fromarray(record.pixels).save(buffer, format="PNG")
        write_bytes(into / name, buffer.getvalue())
    pair = record.pair
    return Pair(pair.id, name, pair.caption, pair.source, pair.topic, pair.scene)
