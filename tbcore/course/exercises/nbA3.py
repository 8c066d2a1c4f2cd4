"""Checks of appendix A3: shards by hash, counted hours, the weight of a process."""

from __future__ import annotations

from typing import Any

import numpy as np

from tbcore.course.exercises import Hint, exercise
from tbcore.scale.shards import shard_of

__all__: list[str] = []

_KEYS = ("a kite", "", "café", "postcards-animals-1", "狗")


@exercise("A3.1")
def check_a3_1(my_shard: Any) -> None:
    """The first eight bytes of the SHA-256, big-endian, modulo the number of shards."""
    got = [my_shard(key, 1000) for key in _KEYS]
    if any(isinstance(one, float) for one in got):
        raise Hint("a shard is a whole number: use %, not /")
    if got == [hash(key) % 1000 for key in _KEYS]:
        raise Hint("Python's hash() is salted anew in every program; use hashlib.sha256")
    digests = [_digest(key) for key in _KEYS]
    if got == [int.from_bytes(one[:8], "little") % 1000 for one in digests]:
        raise Hint("the bytes are read from the wrong end: int.from_bytes(..., 'big')")
    if got == [int.from_bytes(one, "big") % 1000 for one in digests]:
        raise Hint("take the first 8 bytes of the digest only, digest[:8]")
    if got != [shard_of(key, 1000) for key in _KEYS]:
        raise Hint(f"'a kite' belongs to shard {shard_of('a kite', 1000)} of 1000; got {got[0]}")
    if my_shard("a kite", 1) != 0:
        raise Hint(f"with one shard everything is in shard 0; got {my_shard('a kite', 1)}")


def _digest(key: str) -> bytes:
    import hashlib

    return hashlib.sha256(key.encode("utf-8")).digest()


@exercise("A3.2")
def check_a3_2(hours_to_assign: Any) -> None:
    """2 n k d operations, over the rate, the workers and 3,600."""
    sizes = (3_300_000, 4096, 768, 1e12)
    right = 2 * 3_300_000 * 4096 * 768 / 1e12 / 3600
    got = hours_to_assign(*sizes)
    for factor, hint in (
        (0.5, "a product and a sum: two operations for each number"),
        (3600.0, "that is in seconds; an hour has 3,600 of them"),
        (60.0, "that is in minutes; an hour has 60 of them"),
    ):
        if np.isclose(got, right * factor):
            raise Hint(hint)
    if not np.isclose(got, right):
        raise Hint(f"3.3 million vectors, 4,096 centroids, 768 numbers, 1e12 a second: {right:.4f} h; got {got}")
    several = hours_to_assign(*sizes, workers=4)
    if np.isclose(several, right * 4):
        raise Hint("more workers need less time, not more: divide by their number")
    if not np.isclose(several, right / 4):
        raise Hint(f"four workers need a quarter of the time: {right / 4:.4f} h; got {several}")


@exercise("A3.3")
def check_a3_3(process_weights: Any) -> None:
    """Tokens over all tokens, times the number of processes."""
    got = np.asarray(process_weights([300, 20]), dtype=float)
    if got.shape != (2,):
        raise Hint(f"one factor for each process: two here; got the shape {got.shape}")
    if np.allclose(got, [300 / 320, 20 / 320]):
        raise Hint("averaging divides by the number of processes: multiply by it, or every step is too short")
    if np.allclose(got, [1, 1]):
        raise Hint("with equal weights a token of the short conversation counts fifteen times as much")
    if np.allclose(got, [320 / 300, 320 / 20]) or got[0] < got[1]:
        raise Hint("upside down: who has more tokens weighs more")
    if not np.allclose(got, [1.875, 0.125]):
        raise Hint(f"300 and 20 tokens: 1.875 and 0.125, which average to 1; got {got.tolist()}")
    if not np.allclose(process_weights([5, 0, 5]), [1.5, 0, 1.5]):
        raise Hint("a process without a token weighs 0, and the others share what is left")
