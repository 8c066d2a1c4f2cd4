"""Randomness: one seed, one independent stream per purpose.

Adding a purpose disturbs no other stream, so a new figure never changes an old result.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["stream", "torch_stream"]


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return an independent NumPy generator for one purpose, such as "cluster" or "prompt"."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def torch_stream(seed: int, purpose: str) -> torch.Generator:
    """Return the same for torch, on the CPU, so that every device draws the same numbers."""
    import torch

    return torch.Generator().manual_seed(int(stream(seed, purpose).integers(2**63)))
