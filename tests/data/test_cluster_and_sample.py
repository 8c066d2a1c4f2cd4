"""Vectors, topics and groups: exact small cases, and the laws of sampling."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tbcore.data.cluster import choose_k, cluster, purity, spread
from tbcore.data.embed import HashingEncoder, embed
from tbcore.data.sample import (
    Coverage,
    Sample,
    SamplingRules,
    coherence,
    digest_of_samples,
    sample_groups,
    sample_nearest,
    sample_random,
)
from tbcore.errors import InputError
from tbcore.seeds import stream


def three_topics(n: int = 30) -> tuple[NDArray[np.float32], list[str]]:
    rng = stream(0, "test")
    names = [["a", "b", "c"][k % 3] for k in range(n)]
    middles = {"a": (1, 0, 0, 0), "b": (0, 1, 0, 0), "c": (0, 0, 1, 0)}
    vectors = np.array([middles[name] for name in names]) + 0.25 * rng.normal(size=(n, 4))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), names


VECTORS, TOPICS = three_topics()


def test_embedding_gives_unit_vectors_in_order() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    pictures = [red, 255 - red, red]
    vectors = embed(pictures, HashingEncoder(), batch_size=2)
    assert vectors.dtype == np.float16
    assert np.allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=1e-2)
    assert (vectors[0] == vectors[2]).all()
    assert not (vectors[0] == vectors[1]).all()


def test_encoders_that_misbehave_are_named() -> None:
    class Bad:
        name = "bad"

        def __init__(self, value: float, rows: int) -> None:
            self.value, self.rows = value, rows

        def encode(self, pictures: object) -> NDArray[np.float32]:
            vectors = np.ones((self.rows, 2), np.float32)
            vectors[-1] = self.value
            return vectors

    pictures = [np.zeros((2, 2, 3), np.uint8)] * 3
    with pytest.raises(InputError, match="no usable vector for picture 2"):
        embed(pictures, Bad(float("nan"), 3))
    with pytest.raises(InputError, match="no usable vector for picture 2"):
        embed(pictures, Bad(0, 3))
    with pytest.raises(InputError, match="one vector per picture; got shape"):
        embed(pictures, Bad(1, 2))
    with pytest.raises(InputError, match="there are no pictures"):
        embed([], HashingEncoder())


def test_clusters_find_topics_and_are_numbered_by_size() -> None:
    uneven = np.concatenate([VECTORS, VECTORS[:3] * [[1], [0], [0]] + VECTORS[:1] * [[0], [1], [1]]])
    found = cluster(uneven, 3, seed=0)
    assert purity(found.labels[:30], TOPICS) == 1
    assert list(found.sizes) == sorted(found.sizes, reverse=True)
    assert found.labels[0] == 0
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-5)
    assert 0.8 < found.similarity <= 1
    assert cluster(uneven, 3, seed=0).digest == found.digest
    assert cluster(uneven * 7, 3, seed=0).labels.tolist() == found.labels.tolist()


def test_silhouette_is_best_at_the_true_number() -> None:
    table = choose_k(VECTORS, [2, 3, 6], seed=0)
    assert max(table, key=lambda row: row.silhouette).k == 3
    assert [row.inertia for row in table] == sorted((row.inertia for row in table), reverse=True)


def test_impossible_clusterings_say_so() -> None:
    with pytest.raises(InputError, match="k must be between 1 and 30, the number of different vectors; got 31"):
        cluster(VECTORS, 31, seed=0)
    with pytest.raises(InputError, match=r"between 1 and 1, .* got 2"):
        cluster(np.ones((5, 2), np.float32), 2, seed=0)
    with pytest.raises(InputError, match="table"):
        cluster(np.ones(3, np.float32), 1, seed=0)


def test_purity_and_spread_by_hand() -> None:
    assert purity(np.array([0, 0, 0, 1]), ["a", "a", "b", "b"]) == 0.75
    assert spread([5, 5]) == pytest.approx(1)
    assert spread([5, 0]) == 0
    with pytest.raises(InputError, match="one topic per label"):
        purity(np.array([0]), [])


LABELS = np.array([["a", "b", "c"].index(topic) for topic in TOPICS])
RULES = SamplingRules(max_similarity=0.999)


def test_groups_keep_to_one_cluster_and_to_the_caps() -> None:
    found = sample_groups(LABELS, VECTORS, 20, seed=1, rules=RULES)
    assert len(found.samples) == 20
    used = np.zeros(30, int)
    for sample in found.samples:
        assert {int(LABELS[m]) for m in sample.members} == {sample.cluster}
        assert 2 <= len(set(sample.members)) == len(sample.members) <= 4
        used[list(sample.members)] += 1
    assert used.max() <= 3
    assert used.tolist() == found.used.tolist()


def test_asking_for_more_extends_the_list() -> None:
    few = sample_groups(LABELS, VECTORS, 5, seed=1, rules=RULES).samples
    assert sample_groups(LABELS, VECTORS, 9, seed=1, rules=RULES).samples[:5] == few
    assert sample_groups(LABELS, VECTORS, 5, seed=2, rules=RULES).samples != few
    assert sample_groups(LABELS, VECTORS, 5, seed=1, rules=RULES, clustering="x").samples != few


def test_an_exhausted_pool_says_so() -> None:
    found = sample_groups(LABELS, VECTORS, 100, seed=1, rules=SamplingRules(max_similarity=1.1, reuse_cap=1))
    assert len(found.samples) < 16
    assert "no cluster has" in found.exhausted
    assert found.used.max() == 1


def test_pictures_too_alike_are_never_together() -> None:
    twins = np.repeat(VECTORS[:6], 5, axis=0)
    found = sample_groups(np.zeros(30, int), twins, 10, seed=0, rules=SamplingRules(reuse_cap=9))
    for sample in found.samples:
        assert len({m // 5 for m in sample.members}) == len(sample.members)


def test_topics_hold_together_better_than_chance() -> None:
    by_topic = coherence(sample_groups(LABELS, VECTORS, 20, seed=0, rules=RULES).samples, VECTORS)
    by_chance = coherence(sample_random(VECTORS, 20, seed=0, rules=RULES).samples, VECTORS)
    assert by_topic > by_chance + 0.3
    assert coherence([Sample(0, 0, (0, 1))], np.array([[1.0, 0], [0, 2]])) == pytest.approx(0)
    with pytest.raises(InputError, match="no group has two pictures"):
        coherence([Sample(0, 0, (0,))], VECTORS)


def test_temperature_zero_takes_the_largest_cluster() -> None:
    labels = np.array([0] * 20 + [1] * 10)
    rules = SamplingRules(temperature=0, max_similarity=1.1, reuse_cap=9)
    found = sample_groups(labels, VECTORS, 10, seed=0, rules=rules)
    assert {sample.cluster for sample in found.samples} == {0}
    with pytest.raises(InputError, match="smallest <= largest"):
        SamplingRules(smallest=3, largest=2)


def test_going_on_behind_earlier_draws_equals_drawing_all_at_once() -> None:
    for draw in (
        lambda n, after: sample_groups(LABELS, VECTORS, n, seed=1, rules=RULES, after=after),
        lambda n, after: sample_random(VECTORS, n, seed=1, rules=RULES, after=after),
        lambda n, after: sample_nearest(VECTORS, n, seed=1, rules=RULES, after=after),
    ):
        whole, first = draw(15, ()), draw(6, ())
        extended = draw(15, first.samples)
        assert extended.samples == whole.samples
        assert extended.used.tolist() == whole.used.tolist()
        assert digest_of_samples(extended.samples) == digest_of_samples(whole.samples)
    with pytest.raises(InputError, match="after= must hold the first draws"):
        sample_groups(LABELS, VECTORS, 9, seed=1, rules=RULES, after=first.samples[2:])


def test_nearest_neighbours_are_the_most_coherent_control_and_keep_the_rules() -> None:
    kinds = {
        "nearest": sample_nearest(VECTORS, 15, seed=0, rules=RULES),
        "topic": sample_groups(LABELS, VECTORS, 15, seed=0, rules=RULES),
        "random": sample_random(VECTORS, 15, seed=0, rules=RULES),
    }
    numbers = {name: coherence(found.samples, VECTORS) for name, found in kinds.items()}
    assert numbers["nearest"] > numbers["topic"] > numbers["random"]
    found = kinds["nearest"]
    assert found.used.max() <= 3
    assert {sample.cluster for sample in found.samples} == {-1}
    first = found.samples[0].members
    cosines = VECTORS @ VECTORS[first[0]]
    cosines[first[0]] = -2
    cosines[cosines > RULES.max_similarity] = -2
    assert first[1] == int(cosines.argmax())
    spent = sample_nearest(VECTORS, 100, seed=0, rules=SamplingRules(max_similarity=1.1, reuse_cap=1))
    assert "no picture has" in spent.exhausted


def test_dropped_pictures_are_never_drawn() -> None:
    labels = np.where(np.arange(30) < 6, -1, LABELS)
    found = sample_groups(labels, VECTORS, 30, seed=0, rules=RULES)
    assert found.used[:6].sum() == 0
    assert found.used[6:].sum() > 0


def test_the_coverage_ledger_counts_pictures_and_pairs() -> None:
    ledger = Coverage.of([Sample(0, 0, (2, 0)), Sample(1, 0, (0, 2, 3))], n=8)
    assert dict(ledger.used) == {0: 2, 2: 2, 3: 1}
    assert dict(ledger.together) == {(0, 2): 2, (0, 3): 1, (2, 3): 1}
    assert (ledger.share, ledger.repeated_pairs) == (3 / 8, 1)
    assert Coverage.from_json(ledger.to_json()) == ledger
    found = sample_groups(LABELS, VECTORS, 20, seed=1, rules=RULES)
    assert [Coverage.of(found.samples, 30).used[place] for place in range(30)] == found.used.tolist()


def test_uncovered_pictures_come_first() -> None:
    found = sample_groups(np.zeros(30, int), VECTORS, 10, seed=0, rules=SamplingRules(max_similarity=1.1, largest=3))
    used = np.zeros(30, int)
    for sample in found.samples:
        others = np.delete(used, list(sample.members))
        assert max(used[list(sample.members)]) <= (others.min() if len(others) else 0) + 1
        used[list(sample.members)] += 1
    assert used.max() <= 1
