"""Near-duplicates of whole conversations by MinHash, found by locality-sensitive hashing.

Source: Broder, On the resemblance and containment of documents (1997); banding after Indyk and Motwani (1998).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tbcore.seeds import stream

__all__ = ["NearDuplicates"]

_WORD = re.compile(r"\w+")
_SHINGLE = 3
_BANDS, _ROWS = 16, 4
_PRIME = np.uint64((1 << 31) - 1)


class NearDuplicates:
    """Conversations met so far, so that one much like an earlier one is noticed.

    A conversation is the set of its runs of three words; resemblance is the share of runs that two have in common.
    Sixty-four hashes estimate it; pairs above 0.6 are nearly always compared, pairs below 0.3 seldom.
    """

    def __init__(self) -> None:
        rng = stream(0, "near_duplicates")
        n = _BANDS * _ROWS
        self._factor = rng.integers(1, int(_PRIME), (n, 1), dtype=np.uint64)
        self._offset = rng.integers(0, int(_PRIME), (n, 1), dtype=np.uint64)
        self._names: list[str] = []
        self._signatures: list[NDArray[np.uint32]] = []
        self._buckets: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self._names)

    def signature(self, texts: Iterable[str]) -> NDArray[np.uint32] | None:
        """The least value of each hash over all runs of three words; None for texts shorter than that."""
        runs: set[int] = set()
        for text in texts:
            words = _WORD.findall(text.lower())
            for n in range(len(words) - _SHINGLE + 1):
                run = " ".join(words[n : n + _SHINGLE])
                runs.add(zlib.crc32(run.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF)
        if not runs:
            return None
        values = np.fromiter(sorted(runs), np.uint64, len(runs))
        return ((self._factor * values + self._offset) % _PRIME).min(axis=1).astype(np.uint32)

    def nearest(self, signature: NDArray[np.uint32]) -> tuple[str, float] | None:
        """The earlier conversation that resembles this one most, and how much (0 to 1)."""
        near = {place for key in self._keys(signature) for place in self._buckets.get(key, ())}
        if not near:
            return None
        scored = [(float((self._signatures[place] == signature).mean()), -place) for place in near]
        resemblance, place = max(scored)
        return self._names[-place], resemblance

    def add(self, name: str, signature: NDArray[np.uint32] | None) -> None:
        """Remember a conversation."""
        if signature is None:
            return
        for key in self._keys(signature):
            self._buckets.setdefault(key, []).append(len(self._names))
        self._names.append(name)
        self._signatures.append(signature)

    def _keys(self, signature: NDArray[np.uint32]) -> list[bytes]:
        return [bytes([band]) + signature[band * _ROWS : (band + 1) * _ROWS].tobytes() for band in range(_BANDS)]
