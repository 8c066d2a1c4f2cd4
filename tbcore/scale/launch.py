r"""Stage 1 and stage 2 on many processes: the same loop, the same losses, data in shards, and a run that survives.

    accelerate launch --config_file tbcore/scale/configs/ddp_gpu.yaml -m tbcore.scale.launch \
        --stage 1 --data shards/captions --out runs/align --parts laptop --epochs 2
    accelerate launch --config_file tbcore/scale/configs/fsdp_gpu.yaml -m tbcore.scale.launch \
        --stage 2 --data shards/dialogues --out runs/instruct --parts laptop --start runs/align/checkpoint

The same command, given again, goes on where the last one stopped: `--max_restarts 3` lets Accelerate give it by
itself when a process dies. The folder holds:

    state/        all that going on needs, every `save_every` steps; written by the first process alone
    steps.jsonl   one line per step: loss, gradient norm, rate
    checkpoint/   the result, loaded on one machine by `tbcore.scale.launch_parts.load_trained`
"""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from tbcore.errors import InputError
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.processor import MIMProcessor
from tbcore.scale.launch_batches import Reading, ShardBatches
from tbcore.scale.launch_parts import build_parts
from tbcore.scale.launch_sharding import shard_model, sharding_is_wanted, whole_state
from tbcore.scale.training_shards import TrainingShards
from tbcore.store import append_jsonl, read_jsonl, write_jsonl
from tbcore.train.checkpoint import frozen_hashes, load_delta, recover, save_delta
from tbcore.train.loop import Step, Training, train
from tbcore.train.stages import ALIGN, ALIGN_FULL, INSTRUCT, INSTRUCT_FULL, Budget, Stage, wake

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Launch", "config_folder", "launch", "main", "prepared"]

log = logging.getLogger(__name__)

_STAGES: dict[tuple[str, bool], Stage] = {
    ("1", False): ALIGN,
    ("1", True): ALIGN_FULL,
    ("2", False): INSTRUCT,
    ("2", True): INSTRUCT_FULL,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What one launch trains.

    Attributes:
        stage: "1" (alignment) or "2" (instruction following).
        data: folder of `tbcore.scale.training_shards`.
        out: folder of the run.
        parts: of the model, see `tbcore.scale.launch_parts.build_parts`.
        full: the paper's rates; in stage 2 the whole language model learns instead of low-rank adapters.
        dialogues: that one step reads, over all processes together; the paper's are 256 and 64.
        epochs: how often each dialogue is read.
        steps: in place of `epochs`.
        max_columns: longer dialogues lose whole trailing exchanges.
        seed: of the order.
        mix: shards that are shuffled together.
        save_every: steps between two states.
        start: a checkpoint whose connector it begins with: stage 2 goes on from stage 1.
    """

    stage: Literal["1", "2"]
    data: Path
    out: Path
    parts: str = "laptop"
    full: bool = False
    dialogues: int = 64
    epochs: float = 1.0
    steps: int | None = None
    max_columns: int = 768
    seed: int = 0
    mix: int = 8
    save_every: int = 100
    start: Path | None = None

    @property
    def recipe(self) -> Stage:
        """Who learns, and how fast."""
        return _STAGES[self.stage, self.full]

    def reading(self) -> Reading:
        """How its shards become batches."""
        row = max(self.recipe.row, self.max_columns)
        return Reading(dialogues=self.dialogues, row=row, max_columns=self.max_columns, seed=self.seed, mix=self.mix)

    def budget(self, dialogues: int) -> Budget:
        """The steps it takes on this many dialogues."""
        return Budget(steps=self.steps or max(1, math.ceil(self.epochs * dialogues / self.dialogues)))


def config_folder() -> Path:
    """Where the files for `accelerate launch --config_file` lie."""
    return Path(__file__).parent / "configs"


def prepared(
    settings: Launch, accelerator: Accelerator, *, sharded: bool
) -> tuple[Training, ShardBatches, MIMProcessor]:
    """The run in front of its first step, with its batches and its processor.

    Args:
        settings: the same in every process.
        accelerator: of this process.
        sharded: split the model over the processes, see `tbcore.scale.launch_sharding`.
    """
    shards = TrainingShards(settings.data)
    model, processor = build_parts(settings.parts, full=settings.full)
    if settings.start is not None:
        load_delta(model, settings.start)
    if settings.stage == "2" and not settings.full and model.config.lora is None:
        model.add_lora()
    model.config.parts = frozen_hashes(model)  # while every process still has all of it, and before it learns
    wake(model, settings.recipe.learns)
    if sharded:
        shard_model(model, accelerator)
    else:
        model.to(accelerator.device)  # type: ignore[arg-type]
    rank, world = accelerator.process_index, accelerator.num_processes
    batches = ShardBatches(
        shards, processor, model.vision, settings.reading(), rank=rank, world=world, every_part=sharded
    )
    run = Training(
        model,
        settings.recipe,
        settings.budget(len(shards)),
        data=batches.digest,
        seed=settings.seed,
        accelerator=accelerator,
        beyond_delta=settings.full,
    )
    return run, batches, processor


def launch(settings: Launch, accelerator: Accelerator, *, sharded: bool = False) -> Iterator[Step]:
    """Train, and yield every step in every process; it goes on by itself where an earlier launch stopped.

    Args:
        settings: the same in every process.
        accelerator: of this process.
        sharded: FSDP instead of a whole model in each process.

    Raises:
        MissingFileError, InputError: the shards are not there, damaged, or too few.
        CheckpointError: the folder holds a run of another stage, of other data, or of other parts.
    """
    run, batches, processor = prepared(settings, accelerator, sharded=sharded)
    _go_on(run, settings.out, accelerator)
    for step in train(run, batches):
        if accelerator.is_main_process:
            row = {"step": step.number, "loss": step.loss, "grad_norm": step.grad_norm, "rate": step.rate}
            append_jsonl(settings.out / "steps.jsonl", row | {"world": accelerator.num_processes})
        if run.steps % settings.save_every == 0:
            run.save(settings.out / "state")
        yield step
    _finish(run, settings, accelerator, processor)


def _go_on(run: Training, out: Path, accelerator: Accelerator) -> None:
    """Take up the last state, and forget the steps that came after it: they will come again."""
    state, curve = out / "state", out / "steps.jsonl"
    if accelerator.is_main_process:
        recover(state)
    accelerator.wait_for_everyone()
    if state.is_dir():
        run.resume(state)
    if accelerator.is_main_process and curve.is_file():
        write_jsonl(curve, [row for row in read_jsonl(curve) if row["step"] < run.steps])
    accelerator.wait_for_everyone()


def _finish(run: Training, settings: Launch, accelerator: Accelerator, processor: MIMProcessor) -> None:
    model, folder, first = run.model, settings.out / "checkpoint", accelerator.is_main_process
    run.save(settings.out / "state")
    notes = {"parts": settings.parts, "stage": run.stage.name, "steps": run.steps, "data": run.data}
    if settings.full and settings.stage == "2":
        _save_whole(model, folder, processor, writes=first)
    else:
        save_delta(model, folder, notes=notes, writes=first)
    accelerator.wait_for_everyone()


def _save_whole(model: MIMForConditionalGeneration, folder: Path, processor: MIMProcessor, *, writes: bool) -> None:
    state = whole_state(model, keep=writes)
    if writes:
        model.save_pretrained(folder, state_dict=state)
        processor.save_pretrained(folder)


def _settings(arguments: Sequence[str] | None) -> Launch:
    parser = argparse.ArgumentParser(prog="python -m tbcore.scale.launch", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stage", choices=("1", "2"), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of shards")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; the same one goes on")
    parser.add_argument("--parts", default="laptop", help="tiny, laptop, a set of the catalogue, or a parts file")
    parser.add_argument("--full", action="store_true", help="the paper's rates; stage 2 trains the language model")
    parser.add_argument("--dialogues", type=int, default=64, help="that a step reads, over all processes")
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--steps", type=int, help="in place of --epochs")
    parser.add_argument("--max-columns", type=int, default=768)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mix", type=int, default=8, help="shards that are shuffled together")
    parser.add_argument("--save-every", type=int, default=100, help="steps")
    parser.add_argument("--start", type=Path, help="checkpoint of stage 1")
    return Launch(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one process of a launch; `accelerate launch` starts as many as its file says.

    Raises:
        InputError: the launch asks for DeepSpeed.
    """
    from accelerate import Accelerator

    settings = _settings(arguments)
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise InputError(
            "launch: DeepSpeed takes over the optimizer, which this loop keeps. Use fsdp_gpu.yaml, which splits the "
            "same tensors; the DeepSpeed files are for the Trainer of transformers."
        )
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    logging.basicConfig(level=logging.INFO if accelerator.is_main_process else logging.WARNING, format="%(message)s")
    for step in launch(settings, accelerator, sharded=sharding_is_wanted()):
        log.info("step %d: loss %.4f, %.1f s", step.number, step.loss, step.seconds)
    if accelerator.num_processes > 1:
        accelerator.end_training()


if __name__ == "__main__":
    main()
