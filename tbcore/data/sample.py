"""Topic-aware sampling: which pictures one conversation is about.

Each group comes from one cluster. Pictures too alike are not put together, none is used too often, and the
least used go first. Draw i depends on the seed, the clustering, i and the draws before it: asking for more
groups extends the list and never reshuffles it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = ["Sample", "Sampling", "SamplingRules", "coherence", "digest_of_samples", "sample_groups", "sample_random"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One group: its number, its cluster (-1 for the random control), and places of its pictures."""

    draw: int
    cluster: int
    members: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """The record as a JSON object."""
        return {"draw": self.draw, "cluster": self.cluster, "members": list(self.members)}


@dataclass(frozen=True, slots=True)
class Sampling:
    """The groups drawn, and how often each picture was used, int64 [n].

    `exhausted` says why there are fewer groups than asked for; empty when there are not.
    """

    samples: tuple[Sample, ...]
    used: NDArray[np.int64]
    exhausted: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingRules:
    """How groups are drawn.

    Args:
        smallest, largest: pictures in a group.
        temperature: 1 draws clusters by their size; larger evens them out, 0 always takes the largest.
        max_similarity: cosine above which two pictures are too alike for one group.
        reuse_cap: in how many groups a picture may be.
    """

    smallest: int = 2
    largest: int = 4
    temperature: float = 1.0
    max_similarity: float = 0.98
    reuse_cap: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.smallest <= self.largest or self.reuse_cap < 1 or self.temperature < 0:
            raise InputError(f"SamplingRules: needs 1 <= smallest <= largest, reuse_cap >= 1; got {self!r}.")


def sample_groups(
    labels: NDArray[np.integer],
    vectors: NDArray[np.floating],
    n_groups: int,
    *,
    seed: int,
    rules: SamplingRules | None = None,
    clustering: str = "",
) -> Sampling:
    """Draw groups, each from one cluster.

    Args:
        labels: [n] cluster of each picture.
        vectors: [n d] of length one.
        n_groups: how many groups.
        seed: the run's seed.
        rules: sizes, caps and guards.
        clustering: digest of the centroids; other centroids give other draws.

    Raises:
        InputError: labels and vectors differ in number.
    """
    if len(labels) != len(vectors):
        raise InputError(f"sample: one label per vector is needed; got {len(labels)} and {len(vectors)}.")
    kept = rules or SamplingRules()
    unit = np.asarray(vectors, np.float32)
    used = np.zeros(len(labels), np.int64)
    samples: list[Sample] = []
    for draw in range(n_groups):
        rng = stream(seed, f"sample/{clustering}/{draw}")
        size = int(rng.integers(kept.smallest, kept.largest + 1))
        for topic in _clusters_in_order(labels, used, kept, rng):
            free = np.flatnonzero((labels == topic) & (used < kept.reuse_cap))
            if len(members := _pick(free, used, unit, size, kept.max_similarity, rng)) == size:
                samples.append(Sample(draw, int(topic), members))
                used[list(members)] += 1
                break
        else:
            why = f"draw {draw}: no cluster has {size} different pictures left under reuse_cap={kept.reuse_cap}"
            return Sampling(tuple(samples), used, why)
    return Sampling(tuple(samples), used)


def sample_random(
    vectors: NDArray[np.floating], n_groups: int, *, seed: int, rules: SamplingRules | None = None
) -> Sampling:
    """The control: the same rules without topics, as if all pictures were one cluster."""
    everything = np.full(len(vectors), -1, np.int64)
    return sample_groups(everything, vectors, n_groups, seed=seed, rules=rules, clustering="random")


def coherence(samples: Sequence[Sample], vectors: NDArray[np.floating]) -> float:
    """Mean cosine between pictures of the same group, -1 to 1; every group counts once.

    Raises:
        InputError: no group has two pictures.
    """
    means: list[float] = []
    for sample in samples:
        if (n := len(sample.members)) > 1:
            some = np.asarray(vectors, np.float32)[list(sample.members)]
            some = some / np.linalg.norm(some, axis=1, keepdims=True)
            means.append(float(((some @ some.T).sum() - n) / (n * (n - 1))))
    if not means:
        raise InputError("coherence: no group has two pictures. Draw groups of two or more.")
    return float(np.mean(means))


def digest_of_samples(samples: Sequence[Sample]) -> str:
    """SHA-256 of the draws, to compare two runs."""
    return hashlib.sha256(repr([(s.cluster, s.members) for s in samples]).encode()).hexdigest()


def _clusters_in_order(
    labels: NDArray[np.integer], used: NDArray[np.int64], rules: SamplingRules, rng: np.random.Generator
) -> NDArray[np.integer]:
    """Clusters with free pictures, in a random order that prefers large ones."""
    topics, sizes = np.unique(labels[used < rules.reuse_cap], return_counts=True)
    if rules.temperature == 0:
        return topics[np.argsort(-sizes, kind="stable")]
    # The largest of weight/temperature plus Gumbel noise is a draw by weight; the full order comes with it.
    return topics[np.argsort(-(np.log(sizes) / rules.temperature + rng.gumbel(size=len(topics))), kind="stable")]


def _pick(
    free: NDArray[np.int64],
    used: NDArray[np.int64],
    unit: NDArray[np.float32],
    size: int,
    max_similarity: float,
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """Up to `size` pictures, least used first, no two of them too alike."""
    shuffled = rng.permutation(free)
    shuffled = shuffled[np.argsort(used[shuffled], kind="stable")]
    members: list[int] = []
    for place in shuffled.tolist():
        if not members or float((unit[members] @ unit[place]).max()) <= max_similarity:
            members.append(place)
            if len(members) == size:
                break
    return tuple(members)
