"""k-means for millions: centroids from a seeded part, then every vector goes to its nearest one, chunk by chunk.

    vectors.npy ─► fit_part ─► centroids.npy ─► assign_table ─► labels.npy, cosines.npy
    on the disk    a part                       chunks, here
                   in memory                    or on Ray

Memory is one chunk and its scores, whatever the table's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.data.cluster import Clustering, assign, cluster
from tbcore.errors import InputError, MissingFileError
from tbcore.scale.runner import Progress, Report, run_stage
from tbcore.scale.shards import Row
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.seeds import stream
from tbcore.store import read_jsonl, sha256_of, write_jsonl

__all__ = ["CHUNK", "ROWS_PER_CENTROID", "AssignStage", "assign_table", "fit_part"]

CHUNK = 1 << 14
"""Vectors in one chunk: whole blocks of `tbcore.data.cluster.assign`, so chunks change no bit of a result."""

ROWS_PER_CENTROID = 40
"""Vectors per centroid that the fit looks at. faiss warns below 39."""


def fit_part(vectors: Path | str, k: int, *, seed: int, rows: int | None = None, iterations: int = 20) -> Clustering:
    """Centroids of a seeded part of a table on the disk; its labels belong to the part.

    faiss does the iterations where it is installed, our own Lloyd iterations where it is not.

    Args:
        vectors: npy [n d], of any length but zero.
        k: how many clusters.
        seed: draws the part, and the start.
        rows: size of the part; 40 per centroid when left out.
        iterations: rounds of the two moves.

    Raises:
        InputError: k is below 1, or above the number of rows in the part.
        MissingFileError: there is no such file.
    """
    table = _table(vectors)
    wanted = min(len(table), ROWS_PER_CENTROID * k if rows is None else rows)
    if not 1 <= k <= wanted:
        raise InputError(f"fit_part: k must be between 1 and {wanted}, the rows that are looked at; got {k}.")
    chosen = np.sort(stream(seed, "scale/fit").permutation(len(table))[:wanted])
    engine = "lloyd" if find_spec("faiss") is None else "faiss"
    return cluster(np.asarray(table[chosen]), k, seed=seed, engine=engine, iterations=iterations)


def assign_table(
    vectors: Path | str,
    centroids: Path | str,
    folder: Path | str,
    *,
    workers: int = 0,
    chunk: int = CHUNK,
    address: str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """The nearest centroid of each vector of a table: `labels.npy`, int32 [n], and `cosines.npy`, float32 [n].

    The files have the same bytes for any number of workers, as long as the matrix library uses as many threads.

    Args:
        vectors: npy [n d], on the disk.
        centroids: npy [k d].
        folder: for the results; finished chunks are not done again.
        workers: Ray workers; 0 does it in this program.
        chunk: vectors at a time, a multiple of 4,096.
        address: of a Ray cluster.
        progress: called whenever a chunk is done.

    Raises:
        InputError: the widths differ, or the chunk is no multiple of 4,096.
        MissingFileError: one of the tables is not there.
    """
    table = _table(vectors)
    if chunk < 4096 or chunk % 4096:
        raise InputError(f"assign_table: chunk must be a multiple of 4096; got {chunk}.")
    place = Path(folder)
    starts = range(0, len(table), chunk)
    rows = ({"id": f"{start:012d}", "start": start, "stop": min(start + chunk, len(table))} for start in starts)
    write_jsonl(place / "in.chunks", rows)
    stage = AssignStage(vectors=Path(vectors), centroids=Path(centroids))
    # Many more shards than workers: chunks fall into them by chance, and none should wait for the last one.
    shards = max(1, min(len(starts), 16 * max(1, workers)))
    return run_stage(
        stage, place / "in.chunks", place, shards=shards, workers=workers, address=address, progress=progress
    )


@dataclass(frozen=True, kw_only=True)
class AssignStage(Stage):
    """Chunks {start, stop} to their labels and cosines.

    Args:
        vectors: npy [n d].
        centroids: npy [k d].
    """

    vectors: Path
    centroids: Path

    name = "assign"

    @property
    def settings(self) -> dict[str, Any]:
        """The table by its name and shape, the centroids by their bytes: those name the topics."""
        shape = list(_table(self.vectors).shape)
        return {"vectors": str(self.vectors), "shape": shape, "centroids": sha256_of(self.centroids)}

    def ready(self) -> Work:
        """Load the centroids and map the table."""
        table, centroids = _table(self.vectors), np.asarray(_table(self.centroids))

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            for row in rows:
                labels, cosines = assign(table[row["start"] : row["stop"]], centroids)
                np.save(desk.out / f"{row['id']}.labels.npy", labels.astype(np.int32), allow_pickle=False)
                np.save(desk.out / f"{row['id']}.cosines.npy", cosines, allow_pickle=False)
                yield {"chunks": row}

        return work

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Put the chunks together, in files that are mapped and not held."""
        n = len(_table(self.vectors))
        places = {file.name: file for desk in desks for file in desk.out.glob("*.npy")}
        for name, kind in (("labels", np.int32), ("cosines", np.float32)):
            part = folder / f".{name}.npy.part"
            whole = np.lib.format.open_memmap(part, mode="w+", dtype=kind, shape=(n,))
            for row in read_jsonl(folder / "chunks.jsonl"):
                chunk = np.load(places[f"{row['id']}.{name}.npy"], allow_pickle=False)
                whole[row["start"] : row["stop"]] = chunk
            whole.flush()
            del whole
            part.replace(folder / f"{name}.npy")
        return {"rows": n, "centroids": len(_table(self.centroids))}


def _table(path: Path | str) -> NDArray[Any]:
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file. Embed first, or fit the centroids.")
    table = np.load(place, mmap_mode="r", allow_pickle=False)
    if table.ndim != 2 or not len(table):
        raise InputError(f"{place}: must be a table [n d] with rows; got shape {table.shape}.")
    return table
