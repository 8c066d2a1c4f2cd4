"""How close several processes come to one, step by step, on the same order of data.

python -m tests.benchmarks.scale_train --out runs/bench/scale_train.json [--quick]

train.two_process_loss_gap   largest difference of a step's loss between two processes and one, both stages
train.four_process_loss_gap  the same for four processes (not with --quick)
train.fsdp_loss_gap          the same for two processes that hold a part of the model each; adapters, then all of it
train.resume_after_kill_gap  largest difference of a step's loss between a run of which one process was killed and that
                             went on, and one that nobody touched
train.resume_trials          kills at different steps, with whole models and with models in parts
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tbcore.model.tiny import tiny_model
from tbcore.scale.launch import Launch, launch
from tbcore.scale.launch_batches import ShardBatches
from tbcore.scale.training_shards import TrainingShards
from tbcore.seeds import stream
from tbcore.store import read_jsonl, write_json
from tbcore.train.loop import Training, train
from tests.scale.training_dialogues import some_shards

__all__ = ["main", "measure"]


def _plain(settings: Launch) -> list[float]:
    """One process, without accelerate."""
    shards = TrainingShards(settings.data)
    model, processor = tiny_model()
    if settings.stage == "2" and not settings.full:
        model.add_lora()
    run = Training(model, settings.recipe, settings.budget(len(shards)))
    batches = ShardBatches(shards, processor, model.vision, settings.reading())
    return [step.loss for step in train(run, batches)]


def _process(settings: Launch, sharded: bool, killed_at: int | None) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    steps = launch(settings, accelerator, sharded=sharded)
    list(islice(steps, killed_at))
    if killed_at is not None and accelerator.process_index == accelerator.num_processes - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    list(steps)


def _together(settings: Launch, world: int, *, sharded: bool = False, killed_at: int | None = None) -> list[float]:
    from accelerate import debug_launcher

    debug_launcher(_process, (settings, sharded, killed_at), num_processes=world)
    return [float(row["loss"]) for row in read_jsonl(settings.out / "steps.jsonl")]


def _gap(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _kills(settings: Launch, trials: int) -> float:
    """Kill a process at a random step, go on, and compare with a run that was left alone."""
    from torch.multiprocessing import ProcessExitedException

    rng, gap, steps = stream(settings.seed, "kills"), 0.0, settings.steps or 1
    for sharded in (False, True):
        calm = _together(replace(settings, out=settings.out / f"calm-{sharded}"), 2, sharded=sharded)
        for trial in range(trials):
            hurt = replace(settings, out=settings.out / f"hurt-{sharded}-{trial}")
            try:
                _together(hurt, 2, sharded=sharded, killed_at=int(rng.integers(1, steps)))
            except ProcessExitedException:
                gap = max(gap, _gap(calm, _together(hurt, 2, sharded=sharded)))
            else:
                raise AssertionError("the killed process did not end its launch")
    return gap


def measure(quick: bool) -> dict[str, float]:
    """The numbers that this module's docstring names.

    Args:
        quick: few steps, one kill, no run of four processes.
    """
    steps, trials = (4, 1) if quick else (20, 3)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        data = some_shards(root, n=24, per_shard=5).folder
        both = [
            Launch(stage=stage, data=data, out=root, parts="tiny", dialogues=6, steps=steps, save_every=2)
            for stage in ("1", "2")
        ]
        alone = [_plain(one) for one in both]
        for world, word in ((2, "two"),) if quick else ((2, "two"), (4, "four")):
            found[f"train.{word}_process_loss_gap"] = max(
                _gap(_together(replace(one, out=root / f"{word}-{one.stage}"), world), losses)
                for one, losses in zip(both, alone, strict=True)
            )
        full = replace(both[1], full=True)
        found["train.fsdp_loss_gap"] = max(
            _gap(_together(replace(one, out=root / f"parts-{one.full}"), 2, sharded=True), losses)
            for one, losses in ((both[1], alone[1]), (full, _plain(full)))
        )
        found["train.resume_after_kill_gap"] = _kills(replace(both[1], out=root / "kills"), trials)
        found["train.resume_trials"] = 2 * trials
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Measure, write and return the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args(argv)
    found = measure(chosen.quick)
    if chosen.out is not None:
        write_json(chosen.out, found)
    return found


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
