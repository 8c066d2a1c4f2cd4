"""Clusters of a useful size: large ones are split, tiny ones join a neighbour, what fits nowhere is left out.

k-means has no limits on sizes. A topic of half the pictures is no topic, and one of two pictures makes the same
conversation again and again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.data.cluster.arithmetic import sums_of, unit_rows
from tbcore.data.cluster.clustering import Clustering, by_size
from tbcore.data.cluster.engines import fit_lloyd
from tbcore.errors import InputError

__all__ = ["Balanced", "Dropped", "balance"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A picture that belongs to no topic: its place in the table, a code and a reason in words."""

    place: int
    code: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {"place": self.place, "code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Balanced:
    """The clustering after balancing, what was left out, and what was done, in words and in order."""

    clustering: Clustering
    dropped: tuple[Dropped, ...]
    steps: tuple[str, ...]


@dataclass
class _Work:
    """The state between the steps: unit vectors, labels that still change, and the log."""

    unit: NDArray[np.float32]
    labels: NDArray[np.int64]
    k: int
    dropped: list[Dropped]
    steps: list[str]

    def drop(self, places: NDArray[np.int64], code: str, detail: str) -> None:
        self.labels[places] = -1
        self.dropped += [Dropped(int(place), code, detail) for place in places]


def balance(
    vectors: NDArray[np.floating],
    clustering: Clustering,
    *,
    smallest: int = 4,
    largest: int | None = None,
    loosest: float = 0.0,
    apart: float = -1.0,
    seed: int,
) -> Balanced:
    """Drop junk, split what is too large, merge what is too small; the same input gives the same output.

    Args:
        vectors: [n d], those that were clustered.
        clustering: their clusters.
        smallest: clusters with fewer pictures join their nearest neighbour that has room.
        largest: clusters with more are split; four times the mean size when left out.
        loosest: pictures whose cosine to their own centroid is lower are dropped as `far_from_topic`.
        apart: a tiny cluster whose nearest neighbour has a lower cosine is dropped as `small_and_apart`.
        seed: the run's seed.

    Raises:
        InputError: vectors and labels differ in number, the limits contradict each other, or they leave no picture.
    """
    mean = max(1, round(len(vectors) / max(len(clustering.centroids), 1)))
    limit = 4 * mean if largest is None else largest
    if len(vectors) != len(clustering.labels) or not 1 <= smallest <= limit:
        raise InputError(
            f"balance: needs one label per vector and 1 <= smallest <= largest; got {len(vectors)} vectors, "
            f"{len(clustering.labels)} labels, smallest={smallest}, largest={limit}."
        )
    work = _Work(unit_rows(vectors), clustering.labels.copy(), len(clustering.centroids), [], [])
    _drop_far(work, clustering, loosest)
    _split(work, limit, seed)
    _merge(work, smallest, limit, apart)
    if not (work.labels >= 0).any():
        raise InputError(
            f"balance: with smallest={smallest}, loosest={loosest} and apart={apart} no picture is left. Lower one."
        )
    after = by_size(work.unit, work.labels, work.k, engine=clustering.engine)
    return Balanced(after, tuple(sorted(work.dropped, key=lambda one: one.place)), tuple(work.steps))


def _drop_far(work: _Work, clustering: Clustering, loosest: float) -> None:
    members = np.flatnonzero(work.labels >= 0)
    cosines = np.einsum("nd,nd->n", work.unit[members], clustering.centroids[work.labels[members]])
    for place in members[cosines < loosest]:
        cosine = float(work.unit[place] @ clustering.centroids[work.labels[place]])
        work.drop(np.array([place]), "far_from_topic", f"cosine {cosine:.3f} to its centroid, at least {loosest:.3f}")


def _split(work: _Work, largest: int, seed: int) -> None:
    waiting = [
        int(one) for one in np.flatnonzero(np.bincount(work.labels[work.labels >= 0], minlength=work.k) > largest)
    ]
    while waiting:
        one = waiting.pop(0)
        members = np.flatnonzero(work.labels == one)
        parts = math.ceil(len(members) / largest)
        found, _, _ = fit_lloyd(work.unit[members], parts, seed)
        sizes = np.bincount(found, minlength=parts)
        if sizes.max() > 0.9 * len(members):
            # One dense heap with stragglers, or the same picture many times: cut it along its widest direction.
            found = _slices(work.unit[members], parts)
            sizes = np.bincount(found, minlength=parts)
        numbers = np.concatenate([[one], np.arange(work.k, work.k + parts - 1)])
        work.labels[members] = numbers[found]
        work.k += parts - 1
        work.steps.append(
            f"split cluster {one}: {len(members)} into {', '.join(map(str, sorted(sizes.tolist())[::-1]))}"
        )
        waiting += [int(number) for number, size in zip(numbers, sizes, strict=True) if size > largest]


def _slices(unit: NDArray[np.float32], parts: int) -> NDArray[np.int64]:
    centred = unit - unit.mean(axis=0)
    _, _, directions = np.linalg.svd(centred.T @ centred)
    order = np.argsort(centred @ directions[0], kind="stable")
    found = np.empty(len(unit), np.int64)
    found[order] = np.arange(len(unit)) * parts // len(unit)
    return found


def _merge(work: _Work, smallest: int, largest: int, apart: float) -> None:
    sums = sums_of(work.unit, work.labels, work.k)
    sizes = np.bincount(work.labels[work.labels >= 0], minlength=work.k)
    while ((sizes > 0) & (sizes < smallest)).any():
        tiny = int(np.argmin(np.where(sizes > 0, sizes, np.iinfo(np.int64).max)))
        members = np.flatnonzero(work.labels == tiny)
        cosines = unit_rows(sums) @ unit_rows(sums[tiny : tiny + 1])[0]
        room = (sizes > 0) & (sizes + len(members) <= largest)
        room[tiny] = False
        if not room.any():
            work.drop(members, "no_room", f"{len(members)} pictures, no other cluster has room under {largest}")
        else:
            nearest = int(np.argmax(np.where(room, cosines, -np.inf)))
            if cosines[nearest] < apart:
                detail = f"{len(members)} pictures, cosine {cosines[nearest]:.3f} to the nearest cluster with room"
                work.drop(members, "small_and_apart", detail)
            else:
                work.labels[members] = nearest
                sums[nearest] += sums[tiny]
                sizes[nearest] += sizes[tiny]
                work.steps.append(
                    f"merged cluster {tiny} ({len(members)}) into {nearest}, cosine {cosines[nearest]:.3f}"
                )
        sums[tiny], sizes[tiny] = 0, 0
