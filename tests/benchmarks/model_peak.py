"""Which matrix products a step is made of, and how fast this computer does each of them alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Products", "best_seconds", "clock"]

_KINDS = ("mm", "addmm", "bmm", "baddbmm")


def clock() -> float:
    """Time of this process alone where it has one thread, so that neighbours do not count; else the wall's."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


class Products(TorchDispatchMode):
    """Counts matrix products by kind, shapes, strides and precision while a block runs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _KINDS:
            self.counts[(name, *((tuple(a.shape), a.stride(), a.dtype) for a in args))] += 1
        return func(*args, **(kwargs or {}))

    def flops(self) -> float:
        """Of all products: two for each multiplication and addition."""
        total = 0.0
        for (_, *operands), count in self.counts.items():
            left, right = (operand[0] for operand in operands[-2:])
            batch = left[0] if len(left) == 3 else 1
            total += 2.0 * count * batch * left[-2] * left[-1] * right[-1]
        return total

    def seconds(self, *, repeats: int) -> float:
        """What all of them would take, each as fast as it goes alone."""
        return sum(count * _alone(key, repeats) for key, count in self.counts.items())


def _alone(key: tuple[Any, ...], repeats: int) -> float:
    name, *operands = key
    tensors = [torch.empty_strided(shape, stride, dtype=dtype).normal_() for shape, stride, dtype in operands]
    product = getattr(torch, name)
    begun = clock()
    product(*tensors)
    times = max(1, int(0.002 / max(clock() - begun, 1e-7)))  # short ones several times, against the clock's grain

    def run() -> None:
        for _ in range(times):
            product(*tensors)

    return best_seconds(run, repeats) / times


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """The shortest of several runs."""
    found = []
    for _ in range(repeats):
        begun = clock()
        run()
        found.append(clock() - begun)
    return min(found)
