"""The painter's port: captions in, pictures out; and a fake that paints one colour."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Painter", "SolidPainter"]


@runtime_checkable
class Painter(Protocol):
    """Draws pictures from words; frozen, and outside the language model's graph and checkpoint."""

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """One picture per caption, uint8[n 64 64 3]; the same caption and seed give the same picture."""
        ...


class SolidPainter:
    """Paints each caption as one colour of its own, and remembers what it was asked."""

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self.asked: list[tuple[str, int]] = []

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """uint8[n y x 3], each picture one colour."""
        self.asked += zip(captions, seeds, strict=True)
        pictures = np.empty((len(captions), self.size, self.size, 3), dtype=np.uint8)
        for picture, caption, seed in zip(pictures, captions, seeds, strict=True):
            bits = zlib.crc32(f"{seed}:{caption}".encode())
            picture[:] = (bits & 255, bits >> 8 & 255, bits >> 16 & 255)
        return pictures
