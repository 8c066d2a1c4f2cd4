"""Topics: spherical k-means over picture vectors, and how to look at a choice of k."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbcore.data.cluster.arithmetic import sums_of, unit_rows
from tbcore.data.cluster.engines import Engine, engine_for, fit_faiss, fit_lloyd, fit_sklearn
from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = ["Clustering", "KChoice", "by_size", "choose_k", "cluster", "purity", "spread"]


@dataclass(frozen=True, slots=True)
class Clustering:
    """Which cluster each picture belongs to; clusters are numbered from the largest to the smallest.

    Args:
        labels: int64 [n]; -1 for a picture that belongs to none.
        centroids: float32 [k d], of length one.
        similarity: mean cosine of a picture to its centroid, at most 1.
        engine: which library did the iterations, with its version.
    """

    labels: NDArray[np.int64]
    centroids: NDArray[np.float32]
    similarity: float
    engine: str = ""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pictures per cluster."""
        return tuple(np.bincount(self.labels[self.labels >= 0], minlength=len(self.centroids)).tolist())

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


def cluster(
    vectors: NDArray[np.floating], k: int, *, seed: int, engine: Engine = "auto", iterations: int = 25
) -> Clustering:
    """Spherical k-means: vectors [n d] and centroids have length one, so closeness is the cosine.

    The seed fixes the result for one version of the library that does the work, which `engine` of the result
    names; `digest` is what later stages rely on.

    Args:
        vectors: [n d], of any length but zero; perhaps a memory map.
        k: how many clusters.
        seed: the run's seed.
        engine: who does the work; by the number of vectors when left at "auto".
        iterations: at most so many rounds (scikit-learn has its own limit).

    Raises:
        InputError: k is below 1, or above the number of (different) vectors.
        MissingExtraError: there are very many vectors and faiss is not installed.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise InputError(f"cluster: vectors must be a table [n d] with rows; got shape {vectors.shape}.")
    match chosen := engine_for(len(vectors), engine):
        case "faiss":
            labels, _ = fit_faiss(vectors, k, seed, iterations=iterations)
            return by_size(vectors, labels, k, engine=_version(chosen))
        case "lloyd":
            labels, _, _ = fit_lloyd(unit_rows(vectors), k, seed, iterations=iterations)
            return by_size(vectors, labels, k, engine=_version("numpy"))
        case _:
            return _small(unit_rows(vectors), k, seed)


def by_size(vectors: NDArray[np.floating], labels: NDArray[np.int64], k: int, *, engine: str) -> Clustering:
    """The clustering that these labels [n] make, renumbered from the largest cluster to the smallest.

    Labels below 0 stay out; clusters without pictures vanish.
    """
    counts = np.bincount(labels[labels >= 0], minlength=k)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    rank = np.full(k + 1, -1, np.int64)
    rank[order] = np.arange(len(order))
    renumbered = rank[labels]  # -1 picks the last place, which says -1
    sums = sums_of(vectors, renumbered, len(order))
    # Unit vectors point along their sum by as much as the sum is long: no second look at them is needed.
    similarity = float(np.linalg.norm(sums, axis=1).sum() / max(counts.sum(), 1))
    return Clustering(renumbered, unit_rows(sums), similarity, engine)


def choose_k(vectors: NDArray[np.floating], ks: Sequence[int], *, seed: int, sample: int = 2000) -> list[KChoice]:
    """A table to choose k from. Silhouettes are of at most `sample` pictures, drawn by the seed."""
    from sklearn.metrics import silhouette_score

    unit = unit_rows(vectors)
    chosen = stream(seed, "silhouette").permutation(len(unit))[:sample]
    table: list[KChoice] = []
    for k in ks:
        labels, inertia = fit_sklearn(unit, k, seed)
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


def _small(unit: NDArray[np.float32], k: int, seed: int) -> Clustering:
    labels, _ = fit_sklearn(unit, k, seed)
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    rank = np.empty(k, np.int64)
    rank[order] = np.arange(k)
    labels = rank[labels]
    sums = np.stack([unit[labels == one].sum(axis=0) for one in range(k)])
    centroids = unit_rows(sums)
    similarity = float((unit * centroids[labels]).sum(axis=1).mean())
    return Clustering(labels, centroids, similarity, _version("scikit-learn"))


def _version(package: str) -> str:
    from importlib.metadata import version

    return f"{package} {version({'faiss': 'faiss-cpu'}.get(package, package))}"
