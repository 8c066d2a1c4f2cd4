"""Several processes learn what one does, survive a kill, and leave a checkpoint for one machine.

Processes are forked from this one, with gloo between them. No `Accelerator` may be made here: the forks would inherit
its state.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import islice

import pytest
import torch

from tbcore.errors import CheckpointError, InputError
from tbcore.model.tiny import tiny_model
from tbcore.scale.launch import Launch, launch, main
from tbcore.scale.launch_batches import ShardBatches
from tbcore.scale.launch_parts import build_parts, load_trained
from tbcore.store import read_json, read_jsonl
from tbcore.train.loop import Training, train
from tests.scale.training_dialogues import some_shards

STEPS = 5


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return some_shards(tmp_path_factory.mktemp("data"))


@pytest.fixture
def settings(shards, tmp_path):
    return Launch(
        stage="1", data=shards.folder, out=tmp_path / "run", parts="tiny", dialogues=4, steps=STEPS, save_every=2
    )


def one_process(settings, shards):
    """The plain loop, without accelerate: losses and the model."""
    model, processor = tiny_model()
    if settings.stage == "2" and not settings.full:
        model.add_lora()
    run = Training(model, settings.recipe, settings.budget(len(shards)))
    batches = ShardBatches(shards, processor, model.vision, settings.reading())
    return [step.loss for step in train(run, batches)], model


def _one_of_several(settings, sharded, killed_at):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    steps = launch(settings, accelerator, sharded=sharded)
    if killed_at is None:
        list(steps)
        return
    list(islice(steps, killed_at))
    if accelerator.process_index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    list(steps)


def together(settings, world, *, sharded=False, killed_at=None):
    from accelerate import debug_launcher

    debug_launcher(_one_of_several, (settings, sharded, killed_at), num_processes=world)


def losses(settings):
    return [row["loss"] for row in read_jsonl(settings.out / "steps.jsonl")]


def same_weights(model, other, *, atol=1e-4):
    """Without the keys' biases: they cannot matter, so their gradients are rounding, which Adam makes large."""
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        if not name.endswith("tell.bias"):
            torch.testing.assert_close(one, two, atol=atol, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("stage", ["1", "2"])
def test_two_processes_have_the_losses_of_one(settings, shards, stage):
    settings = replace(settings, stage=stage)
    expected, model = one_process(settings, shards)
    together(settings, 2)
    assert losses(settings) == pytest.approx(expected, abs=1e-4)
    assert len({round(loss, 3) for loss in expected}) == STEPS
    trained, processor = load_trained(settings.out / "checkpoint")
    same_weights(trained, model)
    assert processor.layout.n_queries == 4
    notes = read_json(settings.out / "checkpoint" / "mim.json")["notes"]
    assert (notes["parts"], notes["steps"]) == ("tiny", STEPS)


@pytest.mark.parametrize("sharded", [False, True])
def test_a_killed_process_costs_no_step(settings, sharded):
    from torch.multiprocessing import ProcessExitedException

    unbroken = replace(settings, stage="2", out=settings.out / "unbroken")
    broken = replace(settings, stage="2", out=settings.out / "broken")
    together(unbroken, 2, sharded=sharded)
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        together(broken, 2, sharded=sharded, killed_at=3)
    assert read_json(broken.out / "state" / "state.json")["steps"] == 2
    assert not (broken.out / "checkpoint").exists()
    together(broken, 2, sharded=sharded)
    assert losses(broken) == losses(unbroken)
    assert [row["step"] for row in read_jsonl(broken.out / "steps.jsonl")] == list(range(STEPS))
    same_weights(*(load_trained(one.out / "checkpoint")[0] for one in (broken, unbroken)), atol=0)


@pytest.mark.parametrize("full", [False, True])
def test_a_model_in_parts_has_the_losses_of_a_whole_one(settings, shards, full):
    settings = replace(settings, stage="2", full=full)
    expected, model = one_process(settings, shards)
    together(settings, 2, sharded=True)
    assert losses(settings) == pytest.approx(expected, abs=1e-4)
    trained, _ = load_trained(settings.out / "checkpoint")
    same_weights(trained, model)


def test_a_run_goes_on_with_another_number_of_processes(settings, shards):
    from torch.multiprocessing import ProcessExitedException

    expected, model = one_process(settings, shards)
    with pytest.raises(ProcessExitedException):
        together(settings, 2, killed_at=3)
    together(settings, 1)
    assert losses(settings) == pytest.approx(expected, abs=1e-4)
    assert [row["world"] for row in read_jsonl(settings.out / "steps.jsonl")] == [2, 2, 1, 1, 1]
    same_weights(load_trained(settings.out / "checkpoint")[0], model)
    with pytest.raises(Exception, match="its data is"):
        together(replace(settings, seed=1), 1)


def test_stage_2_begins_where_stage_1_ended(settings):
    together(settings, 1)
    then = replace(settings, stage="2", out=settings.out / "then", start=settings.out / "checkpoint", steps=1)
    together(then, 1)
    fresh = replace(then, out=settings.out / "fresh", start=None)
    together(fresh, 1)
    assert losses(then)[0] < losses(fresh)[0]


@pytest.mark.long
@pytest.mark.parametrize("sharded", [False, True])
def test_four_processes_have_the_losses_of_one(settings, shards, sharded):
    settings = replace(settings, stage="2")
    expected, model = one_process(settings, shards)
    together(settings, 4, sharded=sharded)
    assert losses(settings) == pytest.approx(expected, abs=1e-4)
    same_weights(load_trained(settings.out / "checkpoint")[0], model)


def test_parts_are_named(tmp_path):
    assert Launch(stage="1", data=tmp_path, out=tmp_path, epochs=2.5).budget(100).steps == 4
    for wrong in ("huge", "", "tower=a,language=b"):
        with pytest.raises(InputError, match="must be 'tiny', 'laptop', a set of the catalogue"):
            build_parts(wrong)
    (tmp_path / "mim.json").write_text('{"config": {}, "notes": {}}')
    with pytest.raises(CheckpointError, match="does not say its parts"):
        load_trained(tmp_path)


def test_deepspeed_is_refused_with_a_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(InputError, match=r"Use fsdp_gpu\.yaml"):
        main(["--stage", "1", "--data", str(tmp_path), "--out", str(tmp_path)])
