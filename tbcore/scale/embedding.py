"""Embedding in shards: every worker holds the tower, every shard keeps its vectors, the table is put together after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tbcore.data.embed import Encoder, VectorStore, embed_into
from tbcore.data.pairs import load_picture
from tbcore.scale.shards import Row, shard_of
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.store import read_jsonl, sha256_of, write_json

__all__ = ["EmbedStage"]

_ROWS = 1024
_TABLE_ROWS = 1 << 14


@dataclass(frozen=True, kw_only=True)
class EmbedStage(Stage):
    """Rows {id, picture} to `embedded` and `rejections`, and `vectors.npy`, float16 [n d] in the order of `embedded`.

    The id is the pixel hash, so a picture that comes twice is looked at once.

    Args:
        root: the folder of the pictures.
        encoder: makes the encoder; called once in each worker, and once at the end for its name.
        size: pictures are cut to a square of so many pixels; None leaves that to the encoder.
        batch_size: pictures per call of the encoder.
        decoders: threads of each worker that load pictures.
    """

    root: Path
    encoder: Callable[[], Encoder]
    size: int | None = None
    batch_size: int = 64
    decoders: int = 2

    name = "embed"

    @property
    def settings(self) -> dict[str, Any]:
        """The encoder and the preparation; the folder may move."""
        return {"encoder": self.encoder().name, "size": self.size}

    def ready(self) -> Work:
        """Load the encoder."""
        encoder = self.encoder()

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            store = self._store(desk.kept, encoder)
            left = iter(rows)
            while some := list(islice(left, _ROWS)):
                pictures = [
                    (row["id"], partial(load_picture, self.root / row["picture"], size=self.size)) for row in some
                ]
                done = embed_into(store, pictures, encoder, batch_size=self.batch_size, workers=self.decoders)
                refused = {one.record: one.to_json() for one in done.rejections}
                for row in some:
                    bad = refused.get(row["id"])
                    yield {"embedded": {"id": row["id"]}} if bad is None else {"rejections": bad}

        return work

    def carry(self, old: Sequence[Path], new: Sequence[Path], shards: Sequence[Path]) -> None:
        """Bring every vector there is to the shard that its picture is in now."""
        encoder = self.encoder()
        before = [self._store(one, encoder) for one in old]
        for folder, shard in zip(new, shards, strict=True):
            store = self._store(folder, encoder)
            wanted = dict.fromkeys(line["row"]["id"] for line in read_jsonl(shard))
            for one in before:
                there = [name for name in wanted if name in one and name not in store]
                for start in range(0, len(there), _TABLE_ROWS):
                    some = there[start : start + _TABLE_ROWS]
                    store.add(some, one.table(some))
            store.flush()

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Write the table of all shards, and its manifest."""
        place = folder / "embedded.jsonl"
        ids = [row["id"] for row in read_jsonl(place)] if place.is_file() else []
        if not ids:
            return {"rows": 0}
        encoder = self.encoder()
        stores = [self._store(desk.kept, encoder) for desk in desks]
        width = max(store.width for store in stores)
        target, part = folder / "vectors.npy", folder / ".vectors.npy.part"
        table = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=(len(ids), width))
        for start in range(0, len(ids), _TABLE_ROWS):
            some = ids[start : start + _TABLE_ROWS]
            owner = np.array([shard_of(one, len(desks)) for one in some])
            for number in np.unique(owner).tolist():
                rows = np.flatnonzero(owner == number)
                table[start + rows] = stores[number].table([some[row] for row in rows])
        table.flush()
        del table
        part.replace(target)
        manifest = {**stores[0].about, "rows": len(ids), "width": width, "dtype": "float16"}
        manifest |= {"ids_sha256": hashlib.sha256("\n".join(ids).encode()).hexdigest(), "sha256": sha256_of(target)}
        write_json(folder / "vectors.npy.json", manifest)
        return manifest

    def _store(self, kept: Path, encoder: Encoder) -> VectorStore:
        preparation = "" if self.size is None else f"square-{self.size}"
        return VectorStore(kept / "vectors", encoder, preprocessing=preparation, part_rows=_ROWS)
