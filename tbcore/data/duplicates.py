"""Duplicates in three ways: the same pixels, nearly the same picture, nearly the same content.

    exact        equal pixel hashes, whatever the file format
    perceptual   hashes of what the eye sees differ in a few of 64 bits: resized, recompressed, slightly cropped
    semantic     vectors in the same cluster point the same way (SemDeDup, arXiv 2303.09540)

Nothing is deleted. Every loser points to its winner, and a winner never loses to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.errors import InputError

__all__ = [
    "Duplicate",
    "difference_hash",
    "find_exact",
    "find_perceptual",
    "find_semantic",
    "keep_winners",
    "perception_hash",
]

_BITS = 64
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A picture that another one stands for.

    Args:
        loser: its place.
        winner: the place of the one that stays.
        kind: exact, perceptual or semantic.
        distance: 0 for exact; bits that differ; or 1 - cosine.
    """

    loser: int
    winner: int
    kind: Literal["exact", "perceptual", "semantic"]
    distance: float

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {"loser": self.loser, "winner": self.winner, "kind": self.kind, "distance": self.distance}


def difference_hash(picture: NDArray[np.uint8]) -> int:
    """The dHash of a picture [y x 3], 64 bits: is each cell of a 9 x 8 grid darker than its right neighbour?"""
    grey = np.asarray(Image.fromarray(picture).convert("L").resize((9, 8), Image.Resampling.LANCZOS))
    return _packed(grey[:, 1:] > grey[:, :-1])


def perception_hash(picture: NDArray[np.uint8]) -> int:
    """The pHash of a picture [y x 3], 64 bits: are its 8 x 8 lowest frequencies above their median?

    Changes of brightness, size and compression move few of them.
    """
    from scipy.fft import dct

    grey = np.asarray(Image.fromarray(picture).convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    low = np.asarray(dct(np.asarray(dct(grey, axis=0)), axis=1))[:8, :8]
    return _packed(low > np.median(low))


def find_exact(image_ids: Sequence[str]) -> list[Duplicate]:
    """Pictures whose pixel hash came before; the first of them wins."""
    first: dict[str, int] = {}
    found: list[Duplicate] = []
    for place, one in enumerate(image_ids):
        if (winner := first.setdefault(one, place)) != place:
            found.append(Duplicate(place, winner, "exact", 0.0))
    return found


def find_perceptual(
    hashes: Sequence[int], *, most: int = 6, priority: Sequence[float] | None = None
) -> list[Duplicate]:
    """Pictures whose 64-bit hash differs from a winner's in at most `most` bits.

    If two hashes differ in `most` bits, one of `most` + 1 pieces of them is equal: only such pairs are compared.

    Args:
        hashes: of `difference_hash` or `perception_hash`, one per picture.
        most: bits that may differ.
        priority: higher wins, such as the number of pixels; among equals, and without it, the earlier one.

    Raises:
        InputError: `most` is not from 0 to 31, or hashes and priorities differ in number.
    """
    if not 0 <= most < _BITS // 2:
        raise InputError(f"find_perceptual: most must be from 0 to {_BITS // 2 - 1} bits; got {most}.")
    edges = np.linspace(0, _BITS, most + 2).astype(int).tolist()
    pieces = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
    tables: list[dict[int, list[int]]] = [{} for _ in pieces]
    found: list[Duplicate] = []
    for place in _in_order(len(hashes), priority, "find_perceptual"):
        value = hashes[place]
        near = {
            one for (low, mask), table in zip(pieces, tables, strict=True) for one in table.get(value >> low & mask, ())
        }
        best = min(((hashes[one] ^ value).bit_count(), one) for one in near) if near else (most + 1, -1)
        if best[0] <= most:
            found.append(Duplicate(place, best[1], "perceptual", float(best[0])))
            continue
        for (low, mask), table in zip(pieces, tables, strict=True):
            table.setdefault(value >> low & mask, []).append(place)
    return sorted(found, key=lambda one: one.loser)


def find_semantic(
    vectors: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    least: float = 0.95,
    priority: Sequence[float] | None = None,
) -> list[Duplicate]:
    """Pictures whose vector has a cosine above `least` with a winner's in the same cluster.

    Looking only inside clusters makes a million pictures possible: work grows with the square of a cluster.

    Args:
        vectors: [n d] of length one; may be half precision or a memory map.
        labels: [n] cluster of each; pictures with a label below 0 are not compared.
        least: cosine above which two pictures show the same.
        priority: higher wins; among equals, and without it, the earlier one.

    Raises:
        InputError: vectors, labels and priorities differ in number.
    """
    if len(vectors) != len(labels):
        raise InputError(f"find_semantic: one label per vector is needed; got {len(vectors)} and {len(labels)}.")
    order = np.asarray(_in_order(len(vectors), priority, "find_semantic"), np.int64)
    found: list[Duplicate] = []
    for label in np.unique(labels[labels >= 0]):
        members = order[labels[order] == label]
        found += _in_cell(np.asarray(vectors[members], np.float32), members, least)
    return sorted(found, key=lambda one: one.loser)


def keep_winners(n: int, found: Sequence[Duplicate]) -> NDArray[np.int64]:
    """Places, from 0 to n - 1, that lost to no other."""
    lost = np.zeros(n, np.bool_)
    lost[[one.loser for one in found]] = True
    return np.flatnonzero(~lost)


def _in_cell(unit: NDArray[np.float32], members: NDArray[np.int64], least: float) -> list[Duplicate]:
    """Greedy, in order of priority: who is near a winner loses to the nearest one, everybody else wins."""
    found: list[Duplicate] = []
    winners = np.empty(0, np.int64)  # rows of `unit`, from the blocks before
    for start in range(0, len(unit), _BLOCK):
        block = unit[start : start + _BLOCK]
        among = block @ block.T
        earlier = block @ unit[winners].T if len(winners) else np.full((len(block), 1), -np.inf, np.float32)
        won = np.zeros(len(block), np.bool_)
        for row in range(len(block)):
            best = int(earlier[row].argmax())
            cosine, winner = float(earlier[row, best]), int(winners[best]) if len(winners) else -1
            beside = np.where(won[:row], among[row, :row], -np.inf)
            if row and float(beside.max()) > cosine:
                cosine, winner = float(beside.max()), start + int(beside.argmax())
            if cosine > least:
                found.append(Duplicate(int(members[start + row]), int(members[winner]), "semantic", 1 - cosine))
            else:
                won[row] = True
        winners = np.concatenate([winners, start + np.flatnonzero(won)])
    return found


def _in_order(n: int, priority: Sequence[float] | None, name: str) -> list[int]:
    if priority is None:
        return list(range(n))
    if len(priority) != n:
        raise InputError(f"{name}: one priority per picture is needed; got {len(priority)} for {n} pictures.")
    return np.argsort(-np.asarray(priority, np.float64), kind="stable").tolist()


def _packed(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
