"""The training loop of stages 1 and 2: it yields every step; the caller shows, saves and stops.

Batches are a function of the step's number, so a run that was interrupted goes on with exactly what would have come.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.tensor import DTensor

from tbcore.errors import CheckpointError, TbcoreError
from tbcore.model.batch import Batch
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.train.checkpoint import load_state, save_state, whole
from tbcore.train.stages import Budget, Stage, wake

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Batches", "DivergedError", "Step", "Training", "backward", "train"]

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
        seed: of the data's order, for the record.
        accelerator: of the accelerate library, where several processes train together. Each gets its own share of
            every batch (`Corpus.shard`); the gradients are those of one process on the whole. The model may be held
            in parts (`torch.distributed.fsdp.fully_shard`), then the parts' own sums take the place of ours.
        beyond_delta: `save` writes what learns even where a delta has no place for it.
    """

    model: MIMForConditionalGeneration
    stage: Stage
    budget: Budget
    data: str = ""
    steps: int = 0
    seconds: float = 0.0
    seed: int = 0
    accelerator: Accelerator | None = None
    beyond_delta: bool = False
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
        """Write all that `resume` needs. Of several processes all must call it; the first one writes."""
        writes = self.accelerator is None or self.accelerator.is_main_process
        save_state(folder, self.model, self.optimizer, self._facts(), beyond_delta=self.beyond_delta, writes=writes)
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

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
        settings = {key: dict(v) if isinstance(v, Mapping) else v for key, v in asdict(self.stage).items()}
        return {
            "stage": self.stage.name,
            "data": self.data,
            "seed": self.seed,
            "steps": self.steps,
            "seconds": self.seconds,
            "settings": settings,
            "sampler": {"next_step": self.steps},  # batches are a function of seed and step
        }


def backward(run: Training, batch: Batch) -> float:
    """Add the gradients of a batch, over all processes; returns the mean loss over all their supervised columns.

    Each process divides its summed loss by the columns of all, so sums over processes are the mean over everything:
    averaging the means of unequal shares would be wrong.

    Raises:
        ValueError: nothing in the batch teaches anything.
    """
    model, accelerator = run.model, run.accelerator
    if accelerator is None:
        loss = _loss(model, batch.to(model.language.control.device), None)
        loss.backward()
        return loss.item()
    device = accelerator.device  # parameters may wait elsewhere
    count: Any = accelerator.reduce(torch.tensor(batch.n_supervised, device=device), reduction="sum")
    learning = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
    parted = isinstance(learning[0], DTensor)
    # Parts are summed over the processes and divided by their number while the backward pass runs.
    total = count / accelerator.num_processes if parted else count
    with accelerator.autocast():
        loss = _loss(model, batch.to(device), total)
    accelerator.backward(loss)
    if not parted:
        _sum_gradients(accelerator, learning)
    everywhere: Any = accelerator.reduce(loss.detach() * (total / count), reduction="sum")
    return float(everywhere)


def _sum_gradients(accelerator: Accelerator, learning: Sequence[torch.Tensor]) -> None:
    """Add up the gradients of all processes; one that a process does not have counts as zero."""
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in learning]
    summed: Any = accelerator.reduce(torch.nn.utils.parameters_to_vector(own), reduction="sum")
    for parameter, gradient in zip(learning, summed.split([p.numel() for p in learning]), strict=True):
        parameter.grad = gradient.view_as(parameter).clone()


def _loss(model: MIMForConditionalGeneration, batch: Batch, total: Any) -> torch.Tensor:
    loss = model(**batch, num_items_in_batch=total).loss
    if loss is None:
        raise ValueError(f"training: none of {batch.names} teaches anything; every target is ignored.")
    return loss


def train(run: Training, batches: Batches) -> Iterator[Step]:
    """Yield one `Step` per update until the budget is used up. Time between steps, the caller's, does not count.

    Raises:
        DivergedError: the loss or a gradient is not finite; the message names the step and its dialogues.
    """
    stage = run.stage
    learning = [parameter for group in run.optimizer.param_groups for parameter in group["params"]]
    while run.progress < 1:
        start, progress = time.perf_counter(), run.progress
        batch = batches(run.steps, progress)
        rate = stage.set_rate(run.optimizer, progress)
        loss = backward(run, batch)
        norm = whole(torch.nn.utils.clip_grad_norm_(learning, stage.max_norm)).item()
        if not math.isfinite(loss) or not math.isfinite(norm):
            run.optimizer.zero_grad(set_to_none=True)
            raise DivergedError(
                f"step {run.steps} of stage {stage.name!r}: loss {loss}, gradient norm {norm}, on dialogues "
                f"{', '.join(batch.names)}. Lower the learning rate, or look at these dialogues."
            )
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)
        run.steps += 1
        run.seconds += time.perf_counter() - start
        yield Step(run.steps - 1, progress, loss, norm, rate, run.seconds, batch.ids.numel())
