"""k-means for tables on the disk: chunks change no bit, the part is seeded, memory is one chunk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tbcore.data.cluster import assign, purity
from tbcore.errors import InputError, MissingFileError
from tbcore.scale.assign import assign_table, fit_part
from tbcore.seeds import stream


def heaps(path: Path, n: int, *, d: int = 16, k: int = 8) -> np.ndarray:
    rng = stream(0, "heaps")
    truth = rng.integers(0, k, n)
    vectors = rng.normal(size=(k, d))[truth] * 4 + rng.normal(size=(n, d))
    np.save(path, vectors.astype(np.float16))
    return truth


def test_chunks_give_the_labels_and_cosines_of_one_call(tmp_path: Path) -> None:
    heaps(tmp_path / "v.npy", 9000)
    centroids = fit_part(tmp_path / "v.npy", 8, seed=1).centroids
    np.save(tmp_path / "c.npy", centroids)
    report = assign_table(tmp_path / "v.npy", tmp_path / "c.npy", tmp_path / "out", chunk=4096)
    labels, cosines = assign(np.load(tmp_path / "v.npy"), centroids)
    found = np.load(tmp_path / "out" / "labels.npy")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, labels)
    assert np.load(tmp_path / "out" / "cosines.npy").tobytes() == cosines.tobytes()
    assert report.beside == {"rows": 9000, "centroids": 8}
    assert (report.rows, report.written) == (3, {"chunks": 3})


def test_a_part_finds_the_heaps_and_the_seed_fixes_it(tmp_path: Path) -> None:
    truth = heaps(tmp_path / "v.npy", 4000)
    first, again = (fit_part(tmp_path / "v.npy", 8, seed=1, rows=800) for _ in range(2))
    other = fit_part(tmp_path / "v.npy", 8, seed=2, rows=800)
    assert first.digest == again.digest
    assert len(first.labels) == 800
    assert other.digest != first.digest
    labels, _ = assign(np.load(tmp_path / "v.npy"), first.centroids)
    assert purity(labels, [str(one) for one in truth]) > 0.85


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    heaps(tmp_path / "v.npy", 50)
    np.save(tmp_path / "narrow.npy", np.ones((3, 4), np.float32))
    np.save(tmp_path / "flat.npy", np.ones(3, np.float32))
    with pytest.raises(InputError, match="k must be between 1 and 50"):
        fit_part(tmp_path / "v.npy", 51, seed=0)
    with pytest.raises(InputError, match="multiple of 4096; got 5000"):
        assign_table(tmp_path / "v.npy", tmp_path / "narrow.npy", tmp_path / "out", chunk=5000)
    with pytest.raises(InputError, match="must share d"):
        assign_table(tmp_path / "v.npy", tmp_path / "narrow.npy", tmp_path / "out")
    with pytest.raises(InputError, match="must be a table"):
        fit_part(tmp_path / "flat.npy", 1, seed=0)
    with pytest.raises(MissingFileError, match=r"none\.npy: there is no such file"):
        fit_part(tmp_path / "none.npy", 1, seed=0)
