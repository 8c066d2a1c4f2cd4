"""The files for `accelerate launch`, read by those who will read them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tbcore.scale.launch import Launch, config_folder
from tbcore.scale.launch_batches import ShardBatches
from tbcore.scale.launch_parts import build_parts, load_trained
from tbcore.store import read_jsonl
from tbcore.train.loop import Training, train
from tbcore.train.stages import ALIGN_FULL, INSTRUCT_FULL
from tests.scale.training_dialogues import some_shards

ROOT = Path(__file__).parents[2]

PAPER = {"1": (256, ALIGN_FULL, "connector.*"), "2": (64, INSTRUCT_FULL, "language.*")}
GPUS = 8


def read(name) -> Any:
    from accelerate.commands.config.config_args import load_config_from_file

    return load_config_from_file(str(config_folder() / name))


@pytest.mark.parametrize("name", ["ddp_cpu", "ddp_gpu", "fsdp_cpu", "fsdp_gpu"])
def test_accelerate_reads_its_files(name):
    config = read(f"{name}.yaml")
    assert config.distributed_type == ("FSDP" if name.startswith("fsdp") else "MULTI_GPU")
    assert config.use_cpu == name.endswith("cpu")
    assert (config.num_processes, config.mixed_precision) == ((2, "no") if config.use_cpu else (GPUS, "bf16"))
    if config.distributed_type == "FSDP":
        assert config.fsdp_config["fsdp_version"] == 2
        assert not config.fsdp_config["fsdp_cpu_ram_efficient_loading"]  # the parts are loaded before they are split


@pytest.mark.parametrize("name", ["ddp_cpu", "fsdp_cpu", "fsdp_gpu"])
def test_accelerate_starts_processes_as_they_say(name, monkeypatch):
    from accelerate.commands import launch

    started = []
    monkeypatch.setattr(launch, "multi_gpu_launcher", started.append)
    file = str(config_folder() / f"{name}.yaml")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    parser = launch.launch_command_parser()
    launch.launch_command(parser.parse_args(["--config_file", file, "-m", "tbcore.scale.launch", "--stage", "1"]))
    [args] = started
    assert args.module
    assert args.training_script == "tbcore.scale.launch"
    environment = launch.prepare_multi_gpu_env(args)
    assert environment.get("ACCELERATE_USE_FSDP", "false") == str(name.startswith("fsdp")).lower()
    assert args.num_processes == (2 if name.endswith("cpu") else GPUS)


@pytest.mark.parametrize("stage", ["1", "2"])
def test_deepspeed_files_say_what_the_paper_used(stage):
    from accelerate.utils.deepspeed import HfDeepSpeedConfig

    batch, recipe, pattern = PAPER[stage]
    config: Any = HfDeepSpeedConfig(str(config_folder() / f"deepspeed_zero2_stage{stage}.json"))
    assert config.is_zero2()
    assert not config.is_zero3()
    assert config.is_false("fp16.enabled")
    assert config.is_true("bf16.enabled")
    assert config.get_value("gradient_clipping") == recipe.max_norm == 1.0
    micro, steps = (config.get_value(key) for key in ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps"))
    assert micro * steps * GPUS == config.get_value("train_batch_size") == batch
    adam = config.get_value("optimizer.params")
    assert (adam["betas"], adam["eps"], adam["weight_decay"]) == ([0.9, 0.95], 1e-8, recipe.weight_decay)
    assert adam["lr"] == recipe.learns[pattern]
    assert config.is_offload() == (stage == "2")


def trainer_reader(raw) -> Any:
    """The Trainer's comparison on Accelerate's reader, its base class wherever DeepSpeed is installed."""
    from accelerate.utils.deepspeed import HfDeepSpeedConfig
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    own = {"dtype", "fill_match", "fill_only", "trainer_config_process"}
    methods = {name: value for name, value in vars(HfTrainerDeepSpeedConfig).items() if name in own}
    made: Any = type("Reader", (HfDeepSpeedConfig,), methods | {"_dtype": None})(raw)
    made.mismatches = []
    return made


@pytest.fixture
def fresh_state():
    """Accelerate remembers its processes for good; forks of later tests must not inherit that."""
    yield
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("stage", ["1", "2"])
@pytest.mark.usefixtures("fresh_state")
def test_the_trainer_of_transformers_agrees_with_them(stage, tmp_path, monkeypatch):
    from transformers import TrainingArguments

    batch, recipe, pattern = PAPER[stage]
    raw = json.loads((config_folder() / f"deepspeed_zero2_stage{stage}.json").read_text())
    monkeypatch.setattr(TrainingArguments, "world_size", GPUS)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=raw["train_micro_batch_size_per_gpu"],
        gradient_accumulation_steps=raw["gradient_accumulation_steps"],
        learning_rate=recipe.learns[pattern],
        adam_beta1=0.9,
        adam_beta2=0.95,
        adam_epsilon=1e-8,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_norm,
        bf16=True,
        use_cpu=True,
        report_to=[],
    )
    config = trainer_reader(raw)
    config.trainer_config_process(arguments)
    assert config.mismatches == []
    assert config.dtype() == torch.bfloat16
    assert config.get_value("train_batch_size") == batch
    arguments.learning_rate *= 2
    config.trainer_config_process(arguments)
    assert any("optimizer.params.lr" in one for one in config.mismatches)


def command(name, shards, out, *more):
    words = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    words += ["--config_file", str(config_folder() / f"{name}.yaml"), *more, "-m", "tbcore.scale.launch"]
    words += ["--stage", "2", "--data", str(shards.folder), "--out", str(out), "--parts", "tiny"]
    return [*words, "--dialogues", "4", "--save-every", "2", "--steps"]


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "more"), [("ddp_cpu", ()), ("fsdp_cpu", ()), ("fsdp_cpu", ("--mixed_precision", "bf16"))]
)
def test_the_command_line_runs_goes_on_and_writes_a_checkpoint(name, more, tmp_path):
    words = command(name, some_shards(tmp_path), tmp_path / "run", *more)
    for steps in (2, 3):
        done = subprocess.run([*words, str(steps)], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr
    assert [(row["step"], row["world"]) for row in rows(tmp_path / "run")] == [(0, 2), (1, 2), (2, 2)]
    assert "step 2: loss" in done.stderr
    assert "step 1: loss" not in done.stderr
    model, _ = load_trained(tmp_path / "run" / "checkpoint")
    assert model.config.lora == {"rank": 8, "alpha": 16, "targets": ["q_proj", "v_proj"]}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_launch_that_loses_a_process_starts_again_by_itself(tmp_path):
    shards, out, steps = some_shards(tmp_path), tmp_path / "run", 40
    words = command("ddp_cpu", shards, out, "--max_restarts", "1")
    with subprocess.Popen([*words, str(steps)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as started:
        while started.poll() is None and written(out) < 5:
            time.sleep(0.02)
        workers = psutil.Process(started.pid).children()
        workers[-1].kill()
        told, _ = started.communicate()
    assert started.returncode == 0, told.decode()
    assert [row["step"] for row in rows(out)] == list(range(steps))
    assert b"step 0: loss" in told
    model, processor = build_parts("tiny")
    model.add_lora()
    settings = Launch(stage="2", data=shards.folder, out=out, dialogues=4, steps=steps)
    run = Training(model, settings.recipe, settings.budget(len(shards)))
    batches = ShardBatches(shards, processor, model.vision, settings.reading())
    assert [row["loss"] for row in rows(out)] == pytest.approx([step.loss for step in train(run, batches)], abs=1e-3)


def written(out):
    """Lines of the curve; the last one may just be under way, so they are counted and not read."""
    curve = out / "steps.jsonl"
    return curve.read_bytes().count(b"\n") if curve.is_file() else 0


def rows(out):
    return list(read_jsonl(out / "steps.jsonl"))
