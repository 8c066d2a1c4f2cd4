"""The training loop of stages 1 and 2: it yields every step; the caller shows, saves and stops.

Batches are a function of the step's number, so a run that was interrupted goes on with exactly what would have come.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tbcore.errors import CheckpointError, TbcoreError
from tbcore.model.batch import Batch
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.train.checkpoint import load_state, save_state
from tbcore.train.stages import Budget, Stage, wake

__all__ = ["Batches", "DivergedError", "Step", "Training", "train"]

Batches = Callable[[int, float], Batch]
"""(number of the step, share of the budget used) -> what it learns from."""


class DivergedError(TbcoreError):
    """The loss or a gradient is not a finite number."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one update did.

    Attributes:
        number: from 0.
        progress: share of the budget used before it, 0..1.
        loss: mean over the supervised columns.
        grad_norm: before clipping.
        rate: factor on the highest learning rates.
        seconds: of training, since the first step.
        columns: columns of the sequence that it read.
    """

    number: int
    progress: float
    loss: float
    grad_norm: float
    rate: float
    seconds: float
    columns: int


@dataclass(slots=True)
class Training:
    """A run that can stop and go on: model, stage, optimizer, and what was used of the budget.

    Args:
        model: the parts that the stage names are woken, all others frozen.
        stage: who learns, and how fast.
        budget: when to end.
        data: hash of the data it learns from; a run only resumes on the same.
    """

    model: MIMForConditionalGeneration
    stage: Stage
    budget: Budget
    data: str = ""
    steps: int = 0
    seconds: float = 0.0
    woken: dict[str, int] = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.woken = wake(self.model, self.stage.learns)
        self.optimizer = self.stage.optimizer(self.model)

    @property
    def progress(self) -> float:
        """The share of the budget that is used up, 0..1."""
        return self.budget.progress(steps=self.steps, seconds=self.seconds)

    def save(self, folder: Path | str) -> None:
        """Write all that `resume` needs."""
        save_state(folder, self.model, self.optimizer, self._facts())

    def resume(self, folder: Path | str) -> None:
        """Go on where `save` was called, if that was this stage on this data; the budget may have grown since.

        Raises:
            MissingFileError: nothing was saved there.
            CheckpointError: it was another stage, other data, or another model.
        """
        facts = load_state(folder, self.model, self.optimizer)
        for name, wanted in (("stage", self.stage.name), ("data", self.data)):
            if facts[name] != wanted:
                raise CheckpointError(
                    f"checkpoint {folder}: its {name} is {facts[name]!r}, this run's is {wanted!r}. "
                    "Delete the folder to start afresh."
                )
        self.steps, self.seconds = int(facts["steps"]), float(facts["seconds"])

    def _facts(self) -> dict[str, Any]:
        return {"stage": self.stage.name, "data": self.data, "steps": self.steps, "seconds": self.seconds}


def train(run: Training, batches: Batches) -> Iterator[Step]:
    """Yield one `Step` per update until the budget is used up. Time between steps, the caller's, does not count.

    Raises:
        DivergedError: the loss or a gradient is not finite; the message names the step and its dialogues.
    """
    model, stage = run.model, run.stage
    learning = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
    while run.progress < 1:
        start, progress = time.perf_counter(), run.progress
        batch = batches(run.steps, progress)
        rate = stage.set_rate(run.optimizer, progress)
        loss = model(**batch).loss
        if loss is None:
            raise ValueError(f"step {run.steps}: none of {batch.names} teaches anything; every target is ignored.")
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learning, stage.max_norm).item()
        if not math.isfinite(loss.item()) or not math.isfinite(norm):
            run.optimizer.zero_grad(set_to_none=True)
            raise DivergedError(
                f"step {run.steps} of stage {stage.name!r}: loss {loss.item()}, gradient norm {norm}, on dialogues "
                f"{', '.join(batch.names)}. Lower the learning rate, or look at these dialogues."
            )
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)
        run.steps += 1
        run.seconds += time.perf_counter() - start
        yield Step(run.steps - 1, progress, loss.item(), norm, rate, run.seconds, batch.ids.numel())
