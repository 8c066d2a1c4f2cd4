"""Learning rates as functions of the update's number, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

import torch

__all__ = ["hold_then_fall", "one_cycle", "set_rate"]


def one_cycle(number: int, steps: int, top: float, *, warm: float = 0.06) -> float:
    """Rise from top / 25 over the first `warm` of the updates, then fall to nearly zero, both along a cosine.

    After Smith and Topin, arXiv:1708.07120, with the defaults of torch's OneCycleLR.
    """
    peak = max(1.0, warm * steps - 1)
    if number <= peak:
        low, high, share = top / 25, top, number / peak
    else:
        low, high, share = top, top / 250_000, min(1.0, (number - peak) / max(1.0, steps - 1 - peak))
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


def hold_then_fall(number: int, steps: int, top: float) -> float:
    """Warm up over 2 % of the updates, hold, then fall linearly to zero over the last 40 %."""
    return top * min(1.0, (number + 1) / max(1.0, steps * 0.02), max(0.0, (steps - number) / (steps * 0.4)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
