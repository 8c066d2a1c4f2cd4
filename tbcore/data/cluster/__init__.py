"""Topics: spherical k-means over picture vectors, sizes put right, and a report on the result.

vectors ─► cluster ─► balance ─► quality
           engine by   split,     sizes, Gini, entropy,
           size        merge,     cohesion, separation
                       drop
"""

from __future__ import annotations

from tbcore.data.cluster.arithmetic import assign
from tbcore.data.cluster.clustering import Clustering, KChoice, choose_k, cluster, purity, spread
from tbcore.data.cluster.engines import Engine
from tbcore.data.cluster.report import Quality, gini, quality
from tbcore.data.cluster.sizes import Balanced, Dropped, balance

__all__ = [
    "Balanced",
    "Clustering",
    "Dropped",
    "Engine",
    "KChoice",
    "Quality",
    "assign",
    "balance",
    "choose_k",
    "cluster",
    "gini",
    "purity",
    "quality",
    "spread",
]
