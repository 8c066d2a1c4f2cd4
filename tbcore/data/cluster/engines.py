"""Three ways to the same thing, spherical k-means: which one runs depends on how many vectors there are.

up to 10,000     scikit-learn, the best of four starts
up to 100,000    our own Lloyd iterations, from one careful start
more             faiss on a seeded part of them, then every vector goes to its nearest centroid
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tbcore.data.cluster.arithmetic import assign, nearest, unit_rows
from tbcore.errors import InputError, MissingExtraError
from tbcore.seeds import stream

__all__ = ["FEW", "MANY", "Engine", "engine_for", "fit_faiss", "fit_lloyd", "fit_sklearn"]

Engine = Literal["auto", "scikit-learn", "lloyd", "faiss"]
"""Who does the iterations."""

FEW = 10_000
"""Up to so many vectors scikit-learn tries four starts."""

MANY = 100_000
"""Above so many vectors faiss takes over."""

_BLOCK = 4096
_START_ROWS = 16  # rows per centroid that the careful start looks at
_FAISS_ROWS = 256  # rows per centroid that faiss looks at


def engine_for(n: int, wanted: Engine = "auto") -> Engine:
    """The engine that `n` vectors get.

    Raises:
        InputError: there is no engine of that name.
    """
    if wanted not in ("auto", "scikit-learn", "lloyd", "faiss"):
        raise InputError(f"cluster: engine must be auto, scikit-learn, lloyd or faiss; got {wanted!r}.")
    if wanted != "auto":
        return wanted
    return "scikit-learn" if n <= FEW else "lloyd" if n <= MANY else "faiss"


def fit_sklearn(unit: NDArray[np.float32], k: int, seed: int) -> tuple[NDArray[np.int64], float]:
    """Labels [n] and inertia of scikit-learn's k-means on vectors of length one.

    Raises:
        InputError: k is below 1, or above the number of different vectors.
    """
    from sklearn.cluster import KMeans

    different = len(np.unique(unit, axis=0)) if k > 1 else len(unit)
    if not 1 <= k <= different:
        raise InputError(f"cluster: k must be between 1 and {different}, the number of different vectors; got {k}.")
    state = int(stream(seed, "cluster").integers(2**31))
    means = KMeans(n_clusters=k, n_init=4, random_state=state)  # pyright: ignore[reportArgumentType]
    fitted = means.fit(unit)
    return np.asarray(fitted.labels_, np.int64), float(np.float64(fitted.inertia_))


def fit_lloyd(
    unit: NDArray[np.float32], k: int, seed: int, *, iterations: int = 25
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Labels [n], centroids [k d] of length one, and how many iterations were needed.

    The two moves of k-means, in blocks. After the first rounds few vectors change sides, so the sums behind the
    centroids are mended by those that did. A cluster that loses everything starts anew at the loneliest vector.

    Raises:
        InputError: k is below 1, or above the number of vectors.
    """
    n = len(unit)
    _check_k(k, n)
    centroids = _start(unit, k, stream(seed, "cluster/start"))
    labels = np.full(n, -1, np.int64)
    sums = np.zeros((k, unit.shape[1]), np.float64)
    for done in range(1, iterations + 1):
        fresh, cosines = nearest(unit, centroids)
        changed = np.flatnonzero(fresh != labels)
        if not len(changed):
            return labels, centroids, done
        _move(sums, unit, labels, fresh, changed)
        labels = fresh
        for empty in np.flatnonzero(np.bincount(labels, minlength=k) == 0):
            lonely = int(cosines.argmin())
            cosines[lonely] = 2.0
            before = labels.copy()
            labels[lonely] = empty
            _move(sums, unit, before, labels, np.array([lonely]))
        centroids = unit_rows(sums)
    return nearest(unit, centroids)[0], centroids, iterations


def fit_faiss(
    vectors: NDArray[np.floating], k: int, seed: int, *, iterations: int = 25, rows: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels [n] and centroids [k d]: faiss learns from a seeded part, and all are assigned in blocks.

    Args:
        vectors: [n d], perhaps a memory map.
        k: how many clusters.
        seed: draws the part, and the start.
        iterations: rounds of the two moves.
        rows: size of the part; 256 per centroid when left out.

    Raises:
        MissingExtraError: faiss is not installed.
        InputError: k is below 1, or above the number of vectors.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"cluster: more than {MANY} vectors need faiss: pip install 'tbcore[data]'; or say engine='lloyd' and wait"
        ) from error
    _check_k(k, len(vectors))
    rng = stream(seed, "cluster/faiss")
    wanted = min(len(vectors), _FAISS_ROWS * k if rows is None else max(rows, k))
    chosen = np.sort(rng.permutation(len(vectors))[:wanted])
    means = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=iterations,
        spherical=True,
        seed=int(rng.integers(2**31)),
        min_points_per_centroid=1,
        max_points_per_centroid=wanted,
    )
    part = unit_rows(vectors[chosen])
    means.train(part, init_centroids=_start(part, k, stream(seed, "cluster/start")))
    centroids = unit_rows(np.asarray(means.centroids))
    return assign(vectors, centroids)[0], centroids


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise InputError(f"cluster: k must be between 1 and {n}, the number of vectors; got {k}.")


def _start(unit: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """k-means++ on a part of the vectors: of some candidates, drawn by how far they are, the most useful is next.

    Source: Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding; the greedy variant.
    """
    part = unit[np.sort(rng.permutation(len(unit))[: max(_START_ROWS * k, 1024)])]
    chosen = [int(rng.integers(len(part)))]
    far = _distance(part, part[chosen])[:, 0]
    candidates = 2 + int(np.log(k))
    for _ in range(1, k):
        total = np.cumsum(far, dtype=np.float64)
        # When all that is left equals a chosen one, any will do: empty clusters are mended later.
        drawn = np.searchsorted(total, rng.random(candidates) * total[-1], side="right").clip(max=len(part) - 1)
        after = np.minimum(far[:, None], _distance(part, part[drawn]))
        best = int(after.sum(axis=0, dtype=np.float64).argmin())
        chosen.append(int(drawn[best]))
        far = np.ascontiguousarray(after[:, best])
    return part[chosen].copy()


def _distance(unit: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances [n m] between vectors of length one."""
    return np.maximum(2 - 2 * (unit @ others.T), 0)


def _move(
    sums: NDArray[np.float64],
    unit: NDArray[np.float32],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    changed: NDArray[np.int64],
) -> None:
    """Take the changed vectors out of the sums of their old clusters and add them to their new ones."""
    for start in range(0, len(changed), _BLOCK):
        rows = changed[start : start + _BLOCK]
        moved = unit[rows]
        for labels, sign in ((before[rows], -1.0), (after[rows], 1.0)):
            order = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
            if len(order):
                numbers, starts = np.unique(labels[order], return_index=True)
                sums[numbers] += sign * np.add.reduceat(moved[order], starts, axis=0)
