"""Clustering beside faiss, and how much memory a stream of small files takes.

    python -m tests.benchmarks.data_pairs [--full]

Both k-means get the same vectors, number of iterations and threads, in the same process, one after the other; each
ends with centroids of length one and a label for every vector. Memory is the peak of a fresh process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tbcore.seeds import stream
from tbcore.store import write_jsonl

__all__ = ["kmeans_beside_faiss", "measure", "peak_of_stream"]

_CHILD = """
import json, resource, sys
from tbcore.data.embed import HashingEncoder, VectorStore, embed_into
from tbcore.data.pairs import read_records
from tbcore.records import Rejection

folder, cache, out = sys.argv[1:]
encoder = HashingEncoder()
store = VectorStore(cache, encoder)
ids, refused = [], 0

def items():
    global refused
    for one in read_records(folder):
        if isinstance(one, Rejection):
            refused += 1
        else:
            ids.append(one.image_id)
            yield one.image_id, lambda pixels=one.pixels: pixels

done = embed_into(store, items(), encoder, workers=1)
store.write(ids, out)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak_mb": peak, "fresh": done.fresh, "reused": done.reused, "refused": refused}))
"""


def measure(quick: bool = True) -> dict[str, float]:
    """The three numbers of this module, and the sizes they belong to."""
    sizes = (20_000, 128, 64) if quick else (100_000, 512, 256)
    # A new program inherits its parent's peak from the kernel: the stream goes first, while this one is small.
    return peak_of_stream(2_000 if quick else 50_000) | kmeans_beside_faiss(*sizes)


def kmeans_beside_faiss(n: int, d: int, k: int, *, iterations: int = 20, threads: int = 2) -> dict[str, float]:
    """Time and inertia of our iterations, as multiples of faiss's."""
    import faiss
    from threadpoolctl import threadpool_limits

    from tbcore.data.cluster.engines import fit_lloyd

    vectors = _vectors(n, d, k)
    faiss.omp_set_num_threads(threads)
    with threadpool_limits(threads):
        begun = time.perf_counter()
        means = faiss.Kmeans(d, k, niter=iterations, spherical=True, seed=1, max_points_per_centroid=n)
        means.train(vectors)
        means.assign(vectors)  # the labels are part of the result
        theirs = time.perf_counter() - begun
        begun = time.perf_counter()
        labels, centroids, rounds = fit_lloyd(vectors, k, 1, iterations=iterations)
        ours = time.perf_counter() - begun
    assert np.allclose(np.linalg.norm(means.centroids, axis=1), 1, atol=1e-3)
    own = _inertia(vectors, centroids, labels)
    other = _inertia(vectors, means.centroids, (vectors @ means.centroids.T).argmax(axis=1))
    return {
        "kmeans.time_ratio_faiss": ours / theirs,
        "kmeans.inertia_ratio_faiss": own / other,
        "kmeans.seconds": ours,
        "kmeans.iterations": rounds,
        "kmeans.n": n,
        "kmeans.d": d,
        "kmeans.k": k,
        "kmeans.threads": threads,
    }


def peak_of_stream(n: int) -> dict[str, float]:
    """Peak memory of a process that reads, checks and embeds n small files; and what a second run embeds again."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        _write_pictures(folder, n)
        command = [sys.executable, "-c", _CHILD, str(folder), f"{place}/cache", f"{place}/vectors.npy"]
        begun = time.perf_counter()
        first, second = (
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(2)
        )
        seconds = time.perf_counter() - begun
    assert (first["fresh"], first["refused"], second["reused"]) == (n, 0, n)
    return {
        "pairs.peak_mb": max(first["peak_mb"], second["peak_mb"]),
        "pairs.files": n,
        "pairs.embedded_again": second["fresh"],
        "pairs.seconds_for_two_runs": seconds,
    }


def _vectors(n: int, d: int, k: int) -> NDArray[np.float32]:
    """Unit vectors like those of a tower: wide heaps of uneven size around more directions than clusters."""
    rng = stream(0, "benchmark")
    middles = rng.normal(size=(2 * k, d)).astype(np.float32)
    share = rng.dirichlet(np.ones(2 * k))
    vectors = middles[rng.choice(2 * k, size=n, p=share)]
    vectors += rng.standard_normal((n, d), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _inertia(vectors: NDArray[np.float32], centroids: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return float((2 - 2 * np.einsum("nd,nd->n", vectors, centroids[labels])).sum(dtype=np.float64))


def _write_pictures(folder: Path, n: int) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    rng = stream(1, "benchmark")
    rows = []
    for number in range(n):
        # A few large cells, so that files are small like thumbnails, and no two are equal.
        cells = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        name = f"{number % 100:02d}/{number:06d}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.kron(cells, np.ones((16, 16, 1), np.uint8))).save(folder / name, compress_level=1)
        rows.append({"picture": name, "caption": f"coloured squares, number {number}"})
    write_jsonl(folder / "captions.jsonl", rows)


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of the targets; minutes instead of seconds")
    print(json.dumps(measure(quick=not parser.parse_args().full), indent=1))


if __name__ == "__main__":
    main()
