"""What the frozen tower saw, kept: each distinct picture is looked at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tbcore.model.vision import VisionTower

__all__ = ["FeatureBank"]


class FeatureBank:
    """Features of pictures as float16, a row for each distinct one. Legal because the tower never changes.

    Args:
        tower: the frozen tower.
        batch: pictures it looks at together.
    """

    def __init__(self, tower: VisionTower, *, batch: int = 64) -> None:
        self.tower, self.batch = tower, batch
        self._row_of: dict[bytes, int] = {}
        self._blocks: list[Tensor] = []
        self._table: Tensor | None = None

    def __len__(self) -> int:
        return len(self._row_of)

    def add(self, pictures: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> list[int]:
        """The row of each picture; those not seen before go through the tower.

        Args:
            pictures: uint8[n y x 3].
        """
        rows: list[int] = []
        fresh: list[NDArray[np.uint8]] = []
        for picture in pictures:
            key = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=16).digest()
            if key not in self._row_of:
                self._row_of[key] = len(self._row_of)
                fresh.append(picture)
            rows.append(self._row_of[key])
        for start in range(0, len(fresh), self.batch):
            self._blocks.append(self.tower.patches(np.stack(fresh[start : start + self.batch])).to(torch.float16).cpu())
        if fresh:
            self._table = None
        return rows

    def __getitem__(self, rows: Sequence[int] | Tensor) -> Tensor:
        """float16[i p d_vis] of these rows."""
        if self._table is None:
            empty = torch.zeros(0, self.tower.n_patches, self.tower.width, dtype=torch.float16)
            self._table = torch.cat(self._blocks) if self._blocks else empty
            self._blocks = [self._table]
        return self._table[torch.as_tensor(rows, dtype=torch.long)]
