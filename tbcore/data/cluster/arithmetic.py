"""Unit vectors, sums per cluster and nearest centroids, in blocks: memory does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError

__all__ = ["assign", "blocks_of", "nearest", "sums_of", "unit_rows"]

_BLOCK = 4096


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """The vectors [n d] as float32, each of length one; zero stays zero.

    Raises:
        InputError: it is no table, or an empty one.
    """
    plain = np.asarray(vectors, np.float32)
    if plain.ndim != 2 or not len(plain):
        raise InputError(f"cluster: vectors must be a table [n d] with rows; got shape {plain.shape}.")
    length = np.linalg.norm(plain, axis=1, keepdims=True)
    return plain / np.maximum(length, 1e-12)


def blocks_of(vectors: NDArray[np.floating], size: int = _BLOCK) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Unit rows, some thousands at a time, with their places; the table may lie on the disk (np.memmap)."""
    for start in range(0, len(vectors), size):
        place = slice(start, min(start + size, len(vectors)))
        yield place, unit_rows(vectors[place])


def assign(
    vectors: NDArray[np.floating], centroids: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest centroid of each vector, int64 [n], and its cosine, float32 [n].

    Saved centroids name topics once and for all: pictures that come later are given theirs with this.

    Raises:
        InputError: vectors and centroids differ in width.
    """
    if vectors.ndim != 2 or centroids.ndim != 2 or vectors.shape[1] != centroids.shape[1]:
        raise InputError(
            f"assign: vectors [n d] and centroids [k d] must share d; got {vectors.shape} and {centroids.shape}. "
            "Use the encoder that the centroids were made with."
        )
    unit_centroids = unit_rows(centroids)
    labels, cosines = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for place, unit in blocks_of(vectors):
        labels[place], cosines[place] = nearest(unit, unit_centroids)
    return labels, cosines


def nearest(unit: NDArray[np.float32], centroids: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The same for vectors [n d] and centroids [k d] that already have length one."""
    across = np.ascontiguousarray(centroids.T)
    labels, cosines = np.empty(len(unit), np.int64), np.empty(len(unit), np.float32)
    scores = np.empty((_BLOCK, len(centroids)), np.float32)
    for start in range(0, len(unit), _BLOCK):
        some = unit[start : start + _BLOCK]
        part = np.matmul(some, across, out=scores[: len(some)])
        best = part.argmax(axis=1)
        labels[start : start + len(some)] = best
        cosines[start : start + len(some)] = part[np.arange(len(some)), best]
    return labels, cosines


def sums_of(vectors: NDArray[np.floating], labels: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """The sum of the unit vectors of each cluster, float64 [k d]; labels below 0 belong to none."""
    total = np.zeros((k, vectors.shape[1]), np.float64)
    for place, unit in blocks_of(vectors):
        some = labels[place]
        order = np.argsort(some, kind="stable")[np.count_nonzero(some < 0) :]
        if len(order):
            numbers, starts = np.unique(some[order], return_index=True)
            total[numbers] += np.add.reduceat(unit[order], starts, axis=0, dtype=np.float64)
    return total
