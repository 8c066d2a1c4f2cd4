"""A memory for replies that costs a few bytes each: what was seen is kept as a digest, never as text."""

from __future__ import annotations

import hashlib

__all__ = ["Seen"]

_DIGEST = 16
_EMPTY = bytes(_DIGEST)
_FIRST = 64
_FULL = 0.75


class Seen:
    """A set of texts that only tells whether it has met one: at most 54 bytes a text, whatever its length.

    Digests (128 bits of BLAKE2b) lie in one block of memory with open addressing. Two different texts of the same
    digest would be taken for one; among a thousand million texts the odds are about one in 10**20.
    """

    def __init__(self) -> None:
        self._slots = _FIRST
        self._table = bytearray(_FIRST * _DIGEST)
        self._count = 0
        self._last: tuple[str, bytes] = "", _digest("")

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and self._place(self._digest_of(text))[1]

    @property
    def nbytes(self) -> int:
        """Bytes of memory the table takes."""
        return len(self._table)

    def add(self, text: str) -> None:
        """Remember a text."""
        digest = self._digest_of(text)
        place, known = self._place(digest)
        if known:
            return
        self._table[place : place + _DIGEST] = digest
        self._count += 1
        if self._count > _FULL * self._slots:
            self._grow()

    def _digest_of(self, text: str) -> bytes:
        # A reply is looked for and then added: the digest is made once.
        if text is not self._last[0]:
            self._last = text, _digest(text)
        return self._last[1]

    def _place(self, digest: bytes) -> tuple[int, bool]:
        slot = int.from_bytes(digest[:8], "little") % self._slots
        table = self._table
        while True:
            place = slot * _DIGEST
            there = bytes(table[place : place + _DIGEST])
            if there == digest:
                return place, True
            if there == _EMPTY:
                return place, False
            slot = slot + 1 if slot + 1 < self._slots else 0

    def _grow(self) -> None:
        old = self._table
        self._slots += self._slots // 2
        self._table = bytearray(self._slots * _DIGEST)
        for start in range(0, len(old), _DIGEST):
            digest = bytes(old[start : start + _DIGEST])
            if digest != _EMPTY:
                place, _ = self._place(digest)
                self._table[place : place + _DIGEST] = digest


def _digest(text: str) -> bytes:
    # A reply may hold half a surrogate pair; it is a text all the same.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
