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

# Fused attention hides its products: (shaped like scores, shaped like the mixture) of one call. The way back does the
# scores once more, one like them for the weights' gradient, and three mixtures for those of query, key and value.
_ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": (1, 1),
    "_scaled_dot_product_flash_attention_for_cpu_backward": (2, 3),
}


def clock() -> float:
    """Time of this process alone where it has one thread, so that neighbours do not count; else the wall's."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


class Products(TorchDispatchMode):
    """Counts matrix products, attention's too, by kind, shapes, strides and precision while a block runs."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _KINDS:
            self.counts[(name, *((tuple(a.shape), a.stride(), a.dtype) for a in args))] += 1
        elif name in _ATTENTION:
            self._attention(_ATTENTION[name], *args[name.endswith("backward") :][:3])
        return func(*args, **(kwargs or {}))

    def _attention(self, products: tuple[int, int], query: Any, key: Any, value: Any) -> None:
        """The products that attention cannot do without, as if each were done alone: rows by columns, and back."""
        b, h, s, d = query.shape
        columns, width, kind = key.shape[-2], value.shape[-1], query.dtype
        scores = (b * h, s, d), (b * h, d, columns)
        mixture = (b * h, s, columns), (b * h, columns, width)
        for count, shapes in zip(products, (scores, mixture), strict=True):
            operands = ((shape, (shape[1] * shape[2], shape[2], 1), kind) for shape in shapes)
            self.counts[("bmm", *operands)] += count

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
