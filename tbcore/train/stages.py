"""Which parts learn, how fast, and for how long."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import nn

__all__ = ["ALIGN", "ALIGN_FULL", "INSTRUCT", "INSTRUCT_FULL", "Budget", "Stage", "wake"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """How long to train: a number of steps, of seconds, or both; the first that is used up ends it."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("Budget: give steps, seconds or both; got neither, and training would never end.")
        if (self.steps is not None and self.steps < 1) or (self.seconds is not None and self.seconds <= 0):
            raise ValueError(f"Budget: must be positive; got steps={self.steps}, seconds={self.seconds}")

    def progress(self, *, steps: int, seconds: float) -> float:
        """The share that is used up, from 0 to 1."""
        by_steps = steps / self.steps if self.steps is not None else 0.0
        by_time = seconds / self.seconds if self.seconds is not None else 0.0
        return min(1.0, max(by_steps, by_time))


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stage of training.

    Attributes:
        name: for streams of randomness, files and curves.
        learns: patterns of parameter names and their highest learning rates; everything else is frozen.
        warm_up: share of the budget over which the rates rise.
        decay: how they fall to zero afterwards.
        max_norm: gradients are clipped to this length.
        weight_decay: of AdamW.
        columns: columns of the sequence that one step reads, about.
        row: columns that one packed row holds.
        orthogonal: patterns of matrices that learn by Muon, which makes each update of a matrix orthogonal, and their
            highest rates; all else learns by AdamW. `optimizers` heeds it.
        mixture: name of a source -> how often it is drawn from; it overrides the sources' own shares, and is saved
            with every state. A source it does not name keeps its own.
    """

    name: str
    learns: Mapping[str, float] = field(hash=False)
    warm_up: float = 0.05
    decay: Literal["cosine", "linear"] = "cosine"
    max_norm: float = 1.0
    weight_decay: float = 0.01
    columns: int = 768
    row: int = 256
    orthogonal: Mapping[str, float] = field(default_factory=dict, hash=False)
    mixture: Mapping[str, float] = field(default_factory=dict, hash=False)

    def factor(self, progress: float) -> float:
        """What the highest rates are multiplied with at this share (0..1) of the budget."""
        if progress < self.warm_up:
            return max(progress, 0.1 * self.warm_up) / self.warm_up
        left = (1 - progress) / (1 - self.warm_up)
        return left if self.decay == "linear" else 0.5 - 0.5 * math.cos(math.pi * left)

    def groups(self, model: nn.Module) -> list[tuple[float, list[tuple[str, nn.Parameter]]]]:
        """The parameters of each pattern with their rate; a parameter belongs to the first pattern it matches."""
        rest = dict(model.named_parameters())
        found: list[tuple[float, list[tuple[str, nn.Parameter]]]] = []
        for pattern, rate in self.learns.items():
            names = [name for name in rest if fnmatchcase(name, pattern)]
            found.append((rate, [(name, rest.pop(name)) for name in names]))
        return found

    def optimizers(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        """AdamW, and before it Muon over the matrices that `orthogonal` names, if the model has any.

        Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/
        """
        groups: list[dict[str, object]] = []
        taken: set[str] = set()
        for pattern, rate in self.orthogonal.items():
            named = [(name, one) for name, one in model.named_parameters() if one.ndim == 2 and one.requires_grad]
            chosen = {name: one for name, one in named if fnmatchcase(name, pattern) and name not in taken}
            taken |= set(chosen)
            if chosen:
                groups.append({"params": list(chosen.values()), "lr": rate, "highest": rate})
        adamw = self.optimizer(model, without=taken)
        if not groups:
            return [adamw]
        return [torch.optim.Muon(groups, weight_decay=self.weight_decay, adjust_lr_fn="match_rms_adamw"), adamw]

    def optimizer(self, model: nn.Module, *, without: Collection[str] = ()) -> torch.optim.AdamW:
        """AdamW over what learns, but for these names; vectors such as biases and norms do not decay."""
        groups: list[dict[str, object]] = []
        for rate, every in self.groups(model):
            named = [(name, parameter) for name, parameter in every if name not in without]
            for decays in (True, False):
                chosen = [parameter for _, parameter in named if (parameter.ndim > 1) == decays]
                decay = self.weight_decay if decays else 0.0
                if chosen:
                    groups.append({"params": chosen, "lr": rate, "highest": rate, "weight_decay": decay})
        return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)

    def set_rate(self, optimizer: torch.optim.Optimizer, progress: float) -> float:
        """Set the rates for this share of the budget; returns the factor."""
        factor = self.factor(progress)
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * factor
        return factor


ALIGN = Stage(name="align", learns={"connector.*": 1e-3})
"""Stage 1: picture to caption; only the connector learns."""

ALIGN_FULL = Stage(
    name="align-full", learns={"connector.*": 1e-4}, warm_up=0.025, weight_decay=0.001, columns=65536, row=1024
)
"""Stage 1 on GPUs, as in the paper: 256 captions of at most 256 columns a step, a fortieth of the steps to warm up."""

INSTRUCT = Stage(name="instruct", learns={"connector.*": 5e-4, "language.control": 3e-3, "language.*lora_*": 1e-3})
"""Stage 2 on a laptop: conversations; connector, control tokens and low-rank adapters learn."""

INSTRUCT_FULL = Stage(
    name="instruct-full", learns={"connector.*": 1e-4, "language.*": 1e-5}, weight_decay=0.001, columns=8192, row=1024
)
"""Stage 2 on a GPU, as in the paper: the whole language model learns."""


def wake(model: nn.Module, learns: Mapping[str, float]) -> dict[str, int]:
    """Freeze all, then wake what matches.

    Args:
        model: changed in place. It is left in eval mode: our parts have no dropout, and frozen towers must not.
        learns: patterns of parameter names, e.g. {"connector.*": 1e-4, "language.*lora_*": 2e-4}.

    Returns:
        How many numbers each pattern woke.

    Raises:
        ValueError: a pattern matches nothing.
    """
    model.requires_grad_(False)
    woken: dict[str, int] = {}
    for pattern in learns:
        hits = [parameter for name, parameter in model.named_parameters() if fnmatchcase(name, pattern)]
        if not hits:
            parts = [name for name, _ in model.named_children()]
            raise ValueError(
                f"wake: pattern {pattern!r} matches no parameter; the parts are {parts}. "
                "For adapters call model.add_lora() first."
            )
        woken[pattern] = sum(parameter.requires_grad_().numel() for parameter in hits)
    return woken
