"""What a model costs before anybody trains it: floating-point operations of each part, and the memory of an update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tbcore.model.batch import Batch
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.train.stages import wake

__all__ = ["StepMemory", "count_flops", "step_memory"]

_ADAM_STATES = 2  # running means of the gradient and of its square, each as large as what learns


def count_flops(run: Callable[[], object]) -> int:
    """Floating-point operations of all matrix products and convolutions while `run` runs, two per multiply and add.

    Normalisations, activations and look-ups are left out; they are a few in a hundred.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused layers hide their products from the counter
    try:
        with _Operations() as counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.total


class _Operations(TorchDispatchMode):
    """Adds up torch's own formulas; torch's counter follows modules too, and stumbles over parameters as inputs."""

    def __init__(self) -> None:
        super().__init__()
        from torch.utils.flop_counter import flop_registry

        attention: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        backward: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
        self.rules: dict[Any, Any] = {**flop_registry, attention: _attention, backward: _attention_backward}
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = self.rules.get(func.overloadpacket)
        if rule is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = func(*args, **kwargs)
        if rule is not None:
            self.total += int(rule(*args, **kwargs, out_val=out))
        return out


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Scores and mixture of (b h s d)."""
    b, h, s, d = query.shape
    return 2 * b * h * s * key.shape[-2] * (d + value.shape[-1])


def _attention_backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
    """The scores once more, and two products for each of the two products forward."""
    b, h, s, d = query.shape
    return 2 * b * h * s * key.shape[-2] * (3 * d + 2 * value.shape[-1])


@dataclass(frozen=True, slots=True)
class StepMemory:
    """Bytes that one update holds at its fullest, by what they are for.

    Attributes:
        weights: of all parts, learning or not.
        gradients: one for each number that learns.
        optimizer: AdamW's two running means of each number that learns.
        kept: what the forward pass keeps for the way back, measured.
    """

    weights: int
    gradients: int
    optimizer: int
    kept: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.kept

    def to_json(self) -> dict[str, int]:
        """The record as a JSON object."""
        return {**asdict(self), "total": self.total}


def step_memory(model: MIMForConditionalGeneration, batch: Batch, learns: Mapping[str, float]) -> StepMemory:
    """Memory of one update on this batch; one forward pass is run, no weight changes, and all is frozen afterwards.

    Args:
        model: measured.
        batch: read once.
        learns: who would learn, as in `tbcore.train.stages.Stage`; no pattern: nobody, so nothing is kept.

    Raises:
        ValueError: a pattern matches nothing.
    """
    wake(model, learns)
    try:
        waking = sum(_bytes(weight) for weight in model.parameters() if weight.requires_grad)
        kept = _kept_bytes(model, lambda: model(**batch).loss)
    finally:
        model.requires_grad_(False)
    return StepMemory(sum(map(_bytes, model.parameters())), waking, _ADAM_STATES * waking, kept)


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()


def _kept_bytes(model: nn.Module, run: Callable[[], object]) -> int:
    """Bytes of the distinct memory that autograd holds on to while `run` runs, the model's own weights left out."""
    own = {weight.untyped_storage().data_ptr() for weight in [*model.parameters(), *model.buffers()]}
    held: dict[int, Tensor] = {}  # the tensors stay alive while they are counted, so that no address is used twice

    def note(value: Tensor) -> Tensor:
        place = value.untyped_storage().data_ptr()
        if place not in own:
            held[place] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        run()
    return sum(value.untyped_storage().nbytes() for value in held.values())
