"""Topics: spherical k-means over picture vectors, and how to look at a choice of k."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = ["Clustering", "KChoice", "choose_k", "cluster", "purity", "spread"]


@dataclass(frozen=True, slots=True)
class Clustering:
    """Which cluster each picture belongs to; clusters are numbered from the largest to the smallest.

    Args:
        labels: int64 [n].
        centroids: float32 [k d], of length one.
        similarity: mean cosine of a picture to its centroid, at most 1.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]
    similarity: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pictures per cluster."""
        return tuple(np.bincount(self.labels, minlength=len(self.centroids)).tolist())

    @property
    def digest(self) -> str:
        """SHA-256 of the centroids: what reproduces the stages after this one."""
        return hashlib.sha256(np.ascontiguousarray(self.centroids).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class KChoice:
    """What one number of clusters gives: inertia falls always, silhouette (-1 to 1) where clusters are clear."""

    k: int
    inertia: float
    silhouette: float
    smallest: int


def cluster(vectors: NDArray[np.floating], k: int, *, seed: int) -> Clustering:
    """Spherical k-means: vectors [n d] and centroids have length one, so closeness is the cosine.

    The seed fixes the result for one version of scikit-learn; `digest` is what later stages rely on.

    Raises:
        InputError: k is below 1, or above the number of different vectors.
    """
    labels, _ = _fit(_unit(vectors), k, seed)
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)
    labels = rank[labels]
    unit = _unit(vectors)
    sums = np.stack([unit[labels == one].sum(axis=0) for one in range(k)])
    centroids = _unit(sums)
    return Clustering(labels, centroids, float((unit * centroids[labels]).sum(axis=1).mean()))


def choose_k(vectors: NDArray[np.floating], ks: Sequence[int], *, seed: int, sample: int = 2000) -> list[KChoice]:
    """A table to choose k from. Silhouettes are of at most `sample` pictures, drawn by the seed."""
    from sklearn.metrics import silhouette_score

    unit = _unit(vectors)
    chosen = stream(seed, "silhouette").permutation(len(unit))[:sample]
    table: list[KChoice] = []
    for k in ks:
        labels, inertia = _fit(unit, k, seed)
        some = labels[chosen]
        clear = 1 < len(np.unique(some)) < len(some)
        score = float(silhouette_score(unit[chosen], some, metric="cosine")) if clear else float("nan")
        table.append(KChoice(k, inertia, score, int(np.bincount(labels, minlength=k).min())))
    return table


def purity(labels: NDArray[np.integer], topics: Sequence[str]) -> float:
    """Share of pictures, 0 to 1, whose topic is the commonest one of their cluster.

    Raises:
        InputError: labels and topics differ in number, or there are none.
    """
    if len(labels) != len(topics) or not len(topics):
        raise InputError(f"purity: one topic per label is needed; got {len(labels)} labels, {len(topics)} topics.")
    names, numbers = np.unique(np.asarray(topics), return_inverse=True)
    table = np.zeros((int(labels.max()) + 1, len(names)), np.int64)
    np.add.at(table, (labels, numbers), 1)
    return float(table.max(axis=1).sum() / len(topics))


def spread(sizes: Sequence[int]) -> float:
    """Normalised entropy of the cluster sizes: 1 when all are equal, 0 when one cluster holds everything."""
    share = np.asarray([size for size in sizes if size > 0], np.float64)
    share /= share.sum()
    return float(-(share * np.log(share)).sum() / np.log(len(sizes))) if len(sizes) > 1 else 0.0


def _fit(unit: NDArray[np.float32], k: int, seed: int) -> tuple[NDArray[np.int64], float]:
    from sklearn.cluster import KMeans

    different = len(np.unique(unit, axis=0)) if k > 1 else len(unit)
    if not 1 <= k <= different:
        raise InputError(f"cluster: k must be between 1 and {different}, the number of different vectors; got {k}.")
    state = int(stream(seed, "cluster").integers(2**31))
    means = KMeans(n_clusters=k, n_init=4, random_state=state)  # pyright: ignore[reportArgumentType]
    fitted = means.fit(unit)
    return np.asarray(fitted.labels_, np.int64), float(np.float64(fitted.inertia_))


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    plain = np.asarray(vectors, np.float32)
    if plain.ndim != 2 or not len(plain):
        raise InputError(f"cluster: vectors must be a table [n d] with rows; got shape {plain.shape}.")
    length = np.linalg.norm(plain, axis=1, keepdims=True)
    return plain / np.maximum(length, 1e-12)
