"""k-means for millions on one machine: time beside the bound of its matrix product, and peak memory.

    python -m tests.benchmarks.scale_assign [--full] [--n N --d D --k K]

The bound is measured in the same run: the product of one block of vectors with all centroids, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tbcore.seeds import stream

__all__ = ["assignment", "matrix_flops", "measure"]

_BLOCK = 4096
_CHILD = """
import json, resource, sys, time
import numpy as np
from tbcore.scale.assign import assign_table, fit_part

folder, k, rows, iterations = sys.argv[1], *map(int, sys.argv[2:])
begun = time.perf_counter()
fitted = fit_part(folder + "/v.npy", k, seed=0, rows=rows, iterations=iterations)
fit_s = time.perf_counter() - begun
np.save(folder + "/c.npy", fitted.centroids)
begun = time.perf_counter()
assign_table(folder + "/v.npy", folder + "/c.npy", folder + "/out")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": time.perf_counter() - begun, "fit_s": fit_s, "peak_gb": peak, "engine": fitted.engine}))
"""


def measure(quick: bool = True) -> dict[str, float]:
    """The numbers of `assignment` at the sizes of the target, or at small ones."""
    return assignment(*((20_000, 512, 512) if quick else (1_000_000, 512, 4096)))


def assignment(n: int, d: int, k: int, *, rows_per_centroid: int = 10, iterations: int = 2) -> dict[str, float]:
    """Fit a part, assign all of a table on the disk, and compare with the product alone.

    The fit is short: how good the centroids are does not change what an assignment costs.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_table(Path(folder) / "v.npy", n, d)
        command = [sys.executable, "-c", _CHILD, folder, str(k), str(min(n, rows_per_centroid * k)), str(iterations)]
        before = matrix_flops(d, k)
        done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        after = matrix_flops(d, k)
    # Before and after: a machine that others use may be slower in one of them. The higher one is the stricter bound.
    bound = max(before, after)
    work = 2.0 * n * d * k
    return {
        "assign.million_minutes": done["seconds"] / 60 * 1_000_000 / n,
        "assign.seconds": done["seconds"],
        "assign.peak_gb": done["peak_gb"],
        "assign.flops_per_s": work / done["seconds"],
        "assign.bound_flops_per_s": bound,
        "assign.share_of_bound": work / done["seconds"] / bound,
        "assign.fit_seconds": done["fit_s"],
        "assign.n": n,
        "assign.d": d,
        "assign.k": k,
    }


def matrix_flops(d: int, k: int, times: int = 7) -> float:
    """Operations per second of one block [4096 d] times [d k], the median of some runs after one to warm up."""
    rng = stream(0, "matrix")
    block = rng.standard_normal((_BLOCK, d), dtype=np.float32)
    across = rng.standard_normal((d, k), dtype=np.float32)
    out = np.empty((_BLOCK, k), np.float32)
    np.matmul(block, across, out=out)
    seconds: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        np.matmul(block, across, out=out)
        seconds.append(time.perf_counter() - begun)
    return 2.0 * _BLOCK * d * k / statistics.median(seconds)


def _write_table(path: Path, n: int, d: int) -> None:
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, d))
    rng = stream(1, "table")
    for start in range(0, n, 1 << 14):
        some = rng.standard_normal((min(1 << 14, n - start), d), dtype=np.float32)
        table[start : start + len(some)] = some / np.linalg.norm(some, axis=1, keepdims=True)
    table.flush()


def main() -> None:
    """Print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the sizes of the target; minutes")
    parser.add_argument("--n", type=int)
    parser.add_argument("--d", type=int, default=512)
    parser.add_argument("--k", type=int, default=512)
    chosen = parser.parse_args()
    found = assignment(chosen.n, chosen.d, chosen.k) if chosen.n else measure(quick=not chosen.full)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
