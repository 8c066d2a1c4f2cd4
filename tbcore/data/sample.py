"""Topic-aware sampling: which pictures one conversation is about.

Each group comes from one cluster. Pictures too alike are not put together, none is used too often, and the
least used go first. Draw i depends on the seed, the clustering, i and the draws before it: asking for more
groups extends the list and never reshuffles it.

Two controls answer whether topics are worth their trouble: groups by chance, and groups of nearest neighbours.
`coherence` puts a number on each, `Coverage` says which pictures and pairs of pictures were used.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = [
    "Coverage",
    "Sample",
    "Sampling",
    "SamplingRules",
    "coherence",
    "digest_of_samples",
    "sample_groups",
    "sample_nearest",
    "sample_random",
]


@dataclass(frozen=True, slots=True)
class Sample:
    """One group: its number, its cluster (-1 for the controls), and places of its pictures."""

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


@dataclass
class Coverage:
    """The ledger of what was drawn: how often each picture, and how often each two of them together.

    Args:
        n: pictures in the pool.
        used: groups per picture, by its place; pictures never drawn are not listed.
        together: groups per pair of places, the smaller place first.
    """

    n: int
    used: Counter[int] = field(default_factory=Counter[int])
    together: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])

    @classmethod
    def of(cls, samples: Iterable[Sample], n: int) -> Coverage:
        """The ledger of these groups over a pool of n pictures."""
        ledger = cls(n)
        for sample in samples:
            ledger.used.update(sample.members)
            ledger.together.update(combinations(sorted(sample.members), 2))
        return ledger

    @property
    def share(self) -> float:
        """Share of the pool that was drawn at least once, 0 to 1."""
        return len(self.used) / self.n if self.n else 0.0

    @property
    def repeated_pairs(self) -> int:
        """Pairs of pictures that are together in more than one group."""
        return sum(count > 1 for count in self.together.values())

    def to_json(self) -> dict[str, Any]:
        """The ledger as a JSON object."""
        together = [[a, b, count] for (a, b), count in sorted(self.together.items())]
        return {"n": self.n, "used": sorted(self.used.items()), "together": together}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Coverage:
        """The inverse of `to_json`."""
        together = Counter({(int(a), int(b)): int(count) for a, b, count in row["together"]})
        return cls(int(row["n"]), Counter({int(place): int(count) for place, count in row["used"]}), together)


def sample_groups(
    labels: NDArray[np.integer],
    vectors: NDArray[np.floating],
    n_groups: int,
    *,
    seed: int,
    rules: SamplingRules | None = None,
    clustering: str = "",
    after: Sequence[Sample] = (),
) -> Sampling:
    """Draw groups, each from one cluster.

    Args:
        labels: [n] cluster of each picture; pictures with a label below 0 are never drawn.
        vectors: [n d] of length one.
        n_groups: how many groups in all, those of `after` among them.
        seed: the run's seed.
        rules: sizes, caps and guards.
        clustering: digest of the centroids; other centroids give other draws.
        after: groups that an earlier call with the same arguments drew; the list goes on behind them.

    Raises:
        InputError: labels and vectors differ in number, or `after` is not a list of first draws.
    """
    pool = _Pool(np.asarray(labels), vectors, rules or SamplingRules(), after)
    return _draw(pool, n_groups, seed, clustering)


def sample_random(
    vectors: NDArray[np.floating],
    n_groups: int,
    *,
    seed: int,
    rules: SamplingRules | None = None,
    after: Sequence[Sample] = (),
) -> Sampling:
    """The first control: the same rules without topics, as if all pictures were one cluster."""
    pool = _Pool(np.zeros(len(vectors), np.int64), vectors, rules or SamplingRules(), after, names=(-1,))
    return _draw(pool, n_groups, seed, "random")


def sample_nearest(
    vectors: NDArray[np.floating],
    n_groups: int,
    *,
    seed: int,
    rules: SamplingRules | None = None,
    after: Sequence[Sample] = (),
) -> Sampling:
    """The second control: a picture that was used least, and its nearest neighbours that the rules allow.

    No clusters are needed, and no group can be more alike; but popular neighbours are used up first, and a group
    may have nothing to talk about but small differences.
    """
    kept = rules or SamplingRules()
    pool = _Pool(np.zeros(len(vectors), np.int64), vectors, kept, after, names=(-1,))
    samples = list(after)
    for draw in range(len(samples), n_groups):
        rng = stream(seed, f"sample/nearest/{draw}")
        size = int(rng.integers(kept.smallest, kept.largest + 1))
        free = pool.free(0)
        # Whoever is asked first may have no neighbours left: then the next one is.
        order = rng.permutation(free)
        for first in order[np.argsort(pool.used[order], kind="stable")].tolist():
            cosines = pool.unit[free] @ pool.unit[first]
            nearest = free[np.argsort(-cosines, kind="stable")]
            members = _different([first, *(one for one in nearest.tolist() if one != first)], pool, size)
            if len(members) == size:
                samples.append(Sample(draw, -1, members))
                pool.take(members)
                break
        else:
            why = f"draw {draw}: no picture has {size - 1} different neighbours left under reuse_cap={kept.reuse_cap}"
            return Sampling(tuple(samples), pool.used, why)
    return Sampling(tuple(samples), pool.used)


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


class _Pool:
    """What is left: members of each cluster once, and counts that follow the draws."""

    def __init__(
        self,
        labels: NDArray[np.integer],
        vectors: NDArray[np.floating],
        rules: SamplingRules,
        after: Sequence[Sample],
        names: Sequence[int] = (),
    ) -> None:
        if len(labels) != len(vectors):
            raise InputError(f"sample: one label per vector is needed; got {len(labels)} and {len(vectors)}.")
        if [sample.draw for sample in after] != list(range(len(after))):
            raise InputError("sample: after= must hold the first draws, in order, without gaps. Pass all of them.")
        self.rules, self.after = rules, tuple(after)
        self.unit = np.asarray(vectors, np.float32)
        topics, self.cluster_of = np.unique(labels, return_inverse=True)
        self.names = list(names) or topics.tolist()
        order = np.argsort(self.cluster_of, kind="stable")
        self.members = np.split(order, np.cumsum(np.bincount(self.cluster_of, minlength=len(topics)))[:-1])
        self.left = np.array([0 if name < 0 and not names else len(one) for name, one in self._rows()], np.int64)
        self.used = np.zeros(len(labels), np.int64)
        for sample in after:
            self.take(sample.members)

    def _rows(self) -> Iterable[tuple[int, NDArray[np.int64]]]:
        return zip(self.names, self.members, strict=True) if self.names else ()

    def free(self, cluster: int) -> NDArray[np.int64]:
        """Pictures of a cluster that may be used once more, in the order of their places."""
        members = self.members[cluster]
        return members[self.used[members] < self.rules.reuse_cap]

    def take(self, members: Sequence[int]) -> None:
        """Count one use of each, and one picture less for clusters whose picture reached the cap."""
        chosen = np.asarray(members, np.int64)
        self.used[chosen] += 1
        np.subtract.at(self.left, self.cluster_of[chosen[self.used[chosen] == self.rules.reuse_cap]], 1)

    def clusters_in_order(self, rng: np.random.Generator) -> list[int]:
        """Clusters with free pictures, in a random order that prefers large ones."""
        some = np.flatnonzero(self.left > 0)
        sizes = self.left[some]
        if self.rules.temperature == 0:
            return some[np.argsort(-sizes, kind="stable")].tolist()
        # The largest of weight/temperature plus Gumbel noise is a draw by weight; the full order comes with it.
        scores = np.log(sizes) / self.rules.temperature + rng.gumbel(size=len(some))
        return some[np.argsort(-scores, kind="stable")].tolist()


def _draw(pool: _Pool, n_groups: int, seed: int, clustering: str) -> Sampling:
    rules = pool.rules
    samples = list(pool.after)
    for draw in range(len(samples), n_groups):
        rng = stream(seed, f"sample/{clustering}/{draw}")
        size = int(rng.integers(rules.smallest, rules.largest + 1))
        for cluster in pool.clusters_in_order(rng):
            shuffled = rng.permutation(pool.free(cluster))
            least_first = shuffled[np.argsort(pool.used[shuffled], kind="stable")]
            if len(members := _different(least_first.tolist(), pool, size)) == size:
                samples.append(Sample(draw, int(pool.names[cluster]), members))
                pool.take(members)
                break
        else:
            why = f"draw {draw}: no cluster has {size} different pictures left under reuse_cap={rules.reuse_cap}"
            return Sampling(tuple(samples), pool.used, why)
    return Sampling(tuple(samples), pool.used)


def _different(places: Iterable[int], pool: _Pool, size: int) -> tuple[int, ...]:
    """The first `size` pictures of which no two are too alike; fewer when there are not so many."""
    members: list[int] = []
    for place in places:
        if not members or float((pool.unit[members] @ pool.unit[place]).max()) <= pool.rules.max_similarity:
            members.append(place)
            if len(members) == size:
                break
    return tuple(members)
