"""Engines agree, sizes are put right without losing a picture, and the report is what one counts by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tbcore.data.cluster import Clustering, assign, balance, cluster, gini, quality
from tbcore.data.cluster.engines import FEW, MANY, engine_for, fit_lloyd
from tbcore.errors import InputError, MissingExtraError
from tbcore.seeds import stream


def heaps(sizes: list[int], d: int = 16, noise: float = 0.05) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors around as many directions at right angles, and which direction."""
    rng = stream(0, "heaps")
    truth = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(d)[truth] + noise * rng.normal(size=(len(truth), d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), truth


VECTORS, TRUTH = heaps([120, 80, 60, 40])


def inertia(vectors: NDArray[np.float32], found: Clustering) -> float:
    return float((2 - 2 * (vectors * found.centroids[found.labels]).sum(axis=1)).sum())


def test_the_number_of_vectors_picks_the_engine() -> None:
    assert [engine_for(n) for n in (1, FEW, FEW + 1, MANY, MANY + 1)] == [
        "scikit-learn",
        "scikit-learn",
        "lloyd",
        "lloyd",
        "faiss",
    ]
    assert engine_for(MANY + 1, "lloyd") == "lloyd"
    with pytest.raises(InputError, match="engine must be auto, scikit-learn, lloyd or faiss; got 'kmeans'"):
        cluster(VECTORS, 2, seed=0, engine="kmeans")  # pyright: ignore[reportArgumentType]


def test_all_engines_find_clear_heaps_and_say_who_they_are() -> None:
    pytest.importorskip("faiss")
    found = {engine: cluster(VECTORS, 4, seed=1, engine=engine) for engine in ("scikit-learn", "lloyd", "faiss")}
    for engine, one in found.items():
        assert one.sizes == (120, 80, 60, 40)
        assert (one.labels == TRUTH).all()
        assert one.engine.startswith({"lloyd": "numpy "}.get(engine, engine))
        assert inertia(VECTORS, one) == pytest.approx(inertia(VECTORS, found["scikit-learn"]), rel=1e-4)
        assert one.similarity == pytest.approx(1 - inertia(VECTORS, one) / 2 / len(VECTORS), abs=1e-5)
        assert cluster(VECTORS, 4, seed=1, engine=engine).digest == one.digest  # pyright: ignore[reportArgumentType]


def test_our_iterations_end_no_worse_than_those_of_scikit_learn() -> None:
    vectors = stream(3, "noise").normal(size=(1500, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ours = cluster(vectors, 20, seed=0, engine="lloyd", iterations=100)
    theirs = cluster(vectors, 20, seed=0, engine="scikit-learn")
    assert inertia(vectors, ours) < 1.02 * inertia(vectors, theirs)


def test_each_round_lowers_inertia_and_the_running_sums_stay_exact() -> None:
    vectors = stream(4, "noise").normal(size=(600, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    spread = []
    for rounds in (1, 2, 4, 8, 200):
        labels, centroids, _ = fit_lloyd(vectors, 7, 0, iterations=rounds)
        spread.append(float((2 - 2 * (vectors * centroids[labels]).sum(axis=1)).sum()))
    assert spread == sorted(spread, reverse=True)
    direct = np.stack([vectors[labels == one].sum(axis=0) for one in range(7)])
    assert np.allclose(centroids, direct / np.linalg.norm(direct, axis=1, keepdims=True), atol=1e-5)


def test_no_cluster_stays_empty_even_among_equal_vectors() -> None:
    vectors = np.concatenate([np.tile(np.eye(3, dtype=np.float32)[:1], (50, 1)), np.eye(3, dtype=np.float32)[1:]])
    labels, _, _ = fit_lloyd(vectors, 3, 0)
    assert set(labels[50:]) != {labels[0]}
    with pytest.raises(InputError, match="k must be between 1 and 52, the number of vectors; got 53"):
        cluster(vectors, 53, seed=0, engine="lloyd")


def test_many_vectors_without_faiss_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"need faiss: pip install 'tbcore\[data\]'; or say engine='lloyd'"):
        cluster(VECTORS, 4, seed=0, engine="faiss")


def test_saved_centroids_sort_later_pictures_from_a_memory_map(tmp_path) -> None:
    found = cluster(VECTORS, 4, seed=0)
    np.save(tmp_path / "v.npy", VECTORS.astype(np.float16))
    labels, cosines = assign(np.load(tmp_path / "v.npy", mmap_mode="r"), found.centroids)
    assert (labels == found.labels).all()
    assert cosines.min() > 0.5
    with pytest.raises(InputError, match=r"must share d; got \(300, 16\) and \(4, 3\)"):
        assign(VECTORS, np.ones((4, 3)))


# balance


def test_large_clusters_are_split_tiny_ones_merged_and_junk_dropped_with_reasons() -> None:
    vectors, _ = heaps([60, 30, 2])
    vectors = np.concatenate([vectors, -vectors[:1]])
    before = Clustering(np.array([0] * 60 + [1] * 30 + [2] * 2 + [0]), np.eye(16, dtype=np.float32)[:3], 1.0)
    found = balance(vectors, before, smallest=4, largest=40, loosest=0.2, seed=0)
    assert [one.to_json() for one in found.dropped] == [
        {"place": 92, "code": "far_from_topic", "detail": found.dropped[0].detail}
    ]
    assert found.dropped[0].detail.startswith("cosine -0.9")
    assert max(found.clustering.sizes) <= 40
    assert min(found.clustering.sizes) >= 4
    assert sum(found.clustering.sizes) == 92
    assert found.clustering.labels[92] == -1
    assert [step.split()[0] for step in found.steps] == ["split", "merged"]
    assert balance(vectors, before, smallest=4, largest=40, loosest=0.2, seed=0).clustering.digest == (
        found.clustering.digest
    )


def test_a_tiny_cluster_that_fits_nowhere_is_left_out_with_its_reason() -> None:
    vectors, truth = heaps([30, 2])
    before = Clustering(truth, np.eye(16, dtype=np.float32)[:2], 1.0)
    assert {one.code for one in balance(vectors, before, smallest=4, apart=0.5, seed=0).dropped} == {"small_and_apart"}
    assert {one.code for one in balance(vectors, before, smallest=4, largest=30, seed=0).dropped} == {"no_room"}
    with pytest.raises(InputError, match="1 <= smallest <= largest"):
        balance(vectors, before, smallest=9, largest=8, seed=0)
    with pytest.raises(InputError, match=r"with smallest=1, loosest=1\.5 and apart=-1\.0 no picture is left"):
        balance(vectors, before, smallest=1, loosest=1.5, seed=0)


def test_equal_pictures_are_split_too() -> None:
    vectors = np.ones((50, 4), np.float32)
    before = Clustering(np.zeros(50, np.int64), np.ones((1, 4), np.float32) / 2, 1.0)
    assert balance(vectors, before, smallest=1, largest=20, seed=0).clustering.sizes == (17, 17, 16)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=8, max_size=120),
    st.integers(1, 6),
    st.integers(6, 30),
    st.floats(-1, 0.99),
)
def test_every_picture_is_in_one_cluster_or_dropped_once(
    labels: list[int], smallest: int, largest: int, loosest: float
) -> None:
    vectors = stream(len(labels), "law").normal(size=(len(labels), 5)).astype(np.float32)
    centroids = np.eye(6, 5, dtype=np.float32)
    before = Clustering(
        np.array(labels), centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1), 0
    )
    try:
        found = balance(vectors, before, smallest=smallest, largest=largest, loosest=loosest, seed=0)
    except InputError:  # nothing was left, which is possible only if something may be dropped
        assert loosest > -1 or smallest > 1
        return
    dropped = [one.place for one in found.dropped]
    assert dropped == np.flatnonzero(found.clustering.labels < 0).tolist()
    assert sum(found.clustering.sizes) + len(dropped) == len(labels)
    assert all(smallest <= size <= largest for size in found.clustering.sizes)
    assert list(found.clustering.sizes) == sorted(found.clustering.sizes, reverse=True)


# quality


def test_the_report_is_what_one_counts_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1], [1, 0]], np.float32)
    found = Clustering(np.array([0, 0, 0, 1, -1]), np.array([[1, 0], [0, 1]], np.float32), 0.9, "by hand")
    report = quality(vectors, found)
    assert report.sizes == (3, 1)
    assert report.dropped == 1
    assert report.cohesion == pytest.approx((2.6 / 3, 1.0))
    assert report.loosest == pytest.approx((0.6, 1.0))
    assert report.separation == pytest.approx((0.0, 0.0))
    assert report.similarity == pytest.approx(3.6 / 4)
    assert report.gini == pytest.approx(0.25)
    assert report.to_json()["digest"] == found.digest


def test_gini_by_hand() -> None:
    assert gini([5, 5, 5]) == 0
    assert gini([0, 0, 12]) == pytest.approx(2 / 3)
    assert gini([]) == 0
