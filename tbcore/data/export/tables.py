"""Columns and shards: parquet, Hugging Face datasets, webdataset; pictures travel inside, as bytes.

Each is written in batches, so memory does not grow with the number of dialogues, and each reads back to equal
records with the library that owns the format.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tbcore.data.export.pictures import picture_bytes, picture_kind
from tbcore.errors import InputError, MissingExtraError
from tbcore.records import Dialogue, Picture, Turn

__all__ = ["from_row", "read_parquet", "to_row", "write_huggingface", "write_parquet", "write_webdataset"]

_BATCH = 256


def to_row(dialogue: Dialogue) -> dict[str, Any]:
    """A record as columns: every part has `text` or `picture`, the other one is null."""
    turns = [
        {
            "role": turn.role,
            "parts": [
                {"text": part, "picture": None} if isinstance(part, str) else {"text": None, "picture": part.index}
                for part in turn.parts
            ],
        }
        for turn in dialogue.turns
    ]
    listed = {"captions": list(dialogue.captions), "pictures": list(dialogue.pictures)}
    return {"id": dialogue.id, "turns": turns, **listed, "source": dialogue.source, "group": dialogue.group}


def from_row(row: Mapping[str, Any]) -> Dialogue:
    """The inverse of `to_row`; pictures' bytes, where a row has them, are left out.

    Raises:
        InputError: a part is neither text nor picture, or both.
    """
    turns: list[Turn] = []
    for turn in row["turns"]:
        for part in turn["parts"]:
            if (part["text"] is None) == (part["picture"] is None):
                raise InputError(f"row {row['id']!r}: a part is text or picture, one of them null; got {part!r}.")
        parts = [part["text"] if part["picture"] is None else Picture(int(part["picture"])) for part in turn["parts"]]
        turns.append(Turn(turn["role"], tuple(parts)))
    captions, pictures = tuple(row["captions"]), tuple(row["pictures"])
    return Dialogue(row["id"], tuple(turns), captions, pictures, row["source"], row["group"])


def write_parquet(path: Path | str, dialogues: Iterable[Dialogue], root: Path | str | None = None) -> int:
    """Write one parquet file; how many dialogues it holds.

    Args:
        path: the file.
        dialogues: the records.
        root: the folder of their pictures, whose bytes go into the column `images`; None leaves it empty.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InputError: a picture cannot be read.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError("write_parquet needs pyarrow: pip install 'tbcore[data]'") from error
    part = pa.struct([("text", pa.string()), ("picture", pa.int32())])
    turn = pa.struct([("role", pa.string()), ("parts", pa.list_(part))])
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("turns", pa.list_(turn)),
            ("captions", pa.list_(pa.string())),
            ("pictures", pa.list_(pa.string())),
            ("source", pa.string()),
            ("group", pa.string()),
            ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ]
    )
    written = 0
    with pq.ParquetWriter(str(path), schema, compression="zstd") as writer:
        for batch in _batches(dialogues):
            rows = [{**to_row(one), "images": _images(one, root)} for one in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(rows)
    return written


def read_parquet(path: Path | str) -> Iterator[Dialogue]:
    """The dialogues of a file that `write_parquet` wrote, a batch in memory at a time.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise MissingExtraError("read_parquet needs pyarrow: pip install 'tbcore[data]'") from error
    with pq.ParquetFile(str(path)) as file:
        columns = [name for name in file.schema_arrow.names if name != "images"]
        for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
            for row in batch.to_pylist():
                yield from_row(row)


def write_huggingface(folder: Path | str, dialogues: Iterable[Dialogue], root: Path | str | None = None) -> int:
    """Write a Hugging Face dataset to a folder, for `datasets.load_from_disk`; how many rows it has.

    The column `images` holds pictures in order of index, as `datasets.Image`.

    Raises:
        MissingExtraError: datasets is not installed.
        InputError: a picture cannot be read.
    """
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise MissingExtraError("write_huggingface needs datasets: pip install 'tbcore[data]'") from error
    text = datasets.Value("string")
    parts = [{"text": text, "picture": datasets.Value("int32")}]
    features = datasets.Features(
        {
            "id": text,
            "turns": [{"role": text, "parts": parts}],
            "captions": [text],
            "pictures": [text],
            "source": text,
            "group": text,
            "images": [datasets.Image()],
        }
    )
    rows = [{**to_row(one), "images": _images(one, root)} for one in dialogues]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(str(folder))
    return len(rows)


def write_webdataset(
    folder: Path | str, dialogues: Iterable[Dialogue], root: Path | str | None = None, *, per_shard: int = 1000
) -> list[Path]:
    """Write tar shards `00000.tar`, ... : `KEY.json` per dialogue and `KEY.0.png`, `KEY.1.png`, ... ; their paths.

    Keys are numbers, so no id can lead out of a folder when a shard is unpacked. The bytes depend on the records only.

    Raises:
        InputError: `per_shard` is below 1, or a picture cannot be read.
    """
    if per_shard < 1:
        raise InputError(f"write_webdataset: per_shard must be at least 1; got {per_shard}.")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    shards: list[Path] = []
    for batch in _batches(dialogues, per_shard):
        path = place / f"{len(shards):05d}.tar"
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, one in enumerate(batch):
                key = f"{len(shards) * per_shard + number:08d}"
                _member(tar, f"{key}.json", json.dumps(one.to_json(), ensure_ascii=False).encode())
                for index, image in enumerate(_images(one, root)):
                    _member(tar, f"{key}.{index}.{_ending(image['bytes'])}", image["bytes"])
        shards.append(path)
    return shards


def _member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    tar.addfile(about, io.BytesIO(content))


def _ending(content: bytes) -> str:
    return {"jpeg": "jpg"}.get(kind := picture_kind(content) or "bin", kind)


def _images(dialogue: Dialogue, root: Path | str | None) -> list[dict[str, Any]]:
    if root is None:
        return []
    return [{"bytes": picture_bytes(root, name), "path": name} for name in dialogue.pictures]


def _batches(dialogues: Iterable[Dialogue], size: int = _BATCH) -> Iterator[Sequence[Dialogue]]:
    batch: list[Dialogue] = []
    for one in dialogues:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
