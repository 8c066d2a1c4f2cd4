"""What a clustering is like, in numbers: sizes and how even they are, how tight each topic is, how far the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.data.cluster.arithmetic import blocks_of
from tbcore.data.cluster.clustering import Clustering, spread

__all__ = ["Quality", "gini", "quality"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """One report.

    Args:
        engine: who made the clusters.
        digest: SHA-256 of the centroids.
        sizes: pictures per cluster, the largest first.
        dropped: pictures in no cluster.
        gini: of the sizes; 0 when all are equal, near 1 when one holds nearly everything.
        entropy: of the sizes, normalised; 1 when all are equal.
        cohesion: per cluster, mean cosine of its pictures to its centroid.
        loosest: per cluster, the lowest such cosine.
        separation: per cluster, cosine to the nearest other centroid; high means two topics that are one.
        similarity: mean cosine of all pictures to their centroids.
    """

    engine: str
    digest: str
    sizes: tuple[int, ...]
    dropped: int
    gini: float
    entropy: float
    cohesion: tuple[float, ...]
    loosest: tuple[float, ...]
    separation: tuple[float, ...]
    similarity: float

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)


def quality(vectors: NDArray[np.floating], clustering: Clustering) -> Quality:
    """The report on a clustering of these vectors [n d]."""
    k = len(clustering.centroids)
    total, lowest = np.zeros(k), np.ones(k)
    for place, unit in blocks_of(vectors):
        labels = clustering.labels[place]
        inside = labels >= 0
        cosines = np.einsum("nd,nd->n", unit[inside], clustering.centroids[labels[inside]])
        np.add.at(total, labels[inside], cosines)
        np.minimum.at(lowest, labels[inside], cosines)
    between = clustering.centroids @ clustering.centroids.T
    np.fill_diagonal(between, -1.0)
    sizes = np.asarray(clustering.sizes)
    return Quality(
        engine=clustering.engine,
        digest=clustering.digest,
        sizes=clustering.sizes,
        dropped=int((clustering.labels < 0).sum()),
        gini=gini(clustering.sizes),
        entropy=spread(clustering.sizes),
        cohesion=tuple((total / np.maximum(sizes, 1)).tolist()),
        loosest=tuple(lowest.tolist()),
        separation=tuple(between.max(axis=1).tolist()) if k > 1 else (0.0,),
        similarity=float(total.sum() / max(sizes.sum(), 1)),
    )


def gini(sizes: Sequence[int]) -> float:
    """The Gini coefficient: half the mean difference between two sizes, as a share of the mean size; 0 to 1."""
    ordered = np.sort(np.asarray(sizes, np.float64))
    n, total = len(ordered), ordered.sum()
    if n == 0 or total == 0:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
