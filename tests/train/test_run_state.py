"""A run on disk: what was saved comes back, and a write that was cut off costs the last stretch only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tbcore.errors import CheckpointError
from tbcore.train import run_state
from tbcore.train.run_state import load_run, parts_of, restore, save_run, saved_run

SETTINGS = {"seed": 3, "rate": 1e-3, "logit_normal": True}


def learner() -> tuple[nn.Linear, torch.optim.Optimizer]:
    model = nn.Linear(3, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> float:
    loss = model(torch.full((1, 3), float(number + 1))).square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def keep(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    tensors = parts_of("model", model.state_dict())
    save_run(folder, tensors=tensors, optimizers=[optimizer], number=number, settings=SETTINGS)


def test_a_resumed_run_is_the_unbroken_one(tmp_path: Path) -> None:
    model, optimizer = learner()
    unbroken = [learn(model, optimizer, number) for number in range(4)]
    model, optimizer = learner()
    losses = [learn(model, optimizer, number) for number in range(2)]
    assert not saved_run(tmp_path / "run")
    keep(tmp_path / "run", model, optimizer, 2)
    assert saved_run(tmp_path / "run")
    model, optimizer = learner()
    number, tensors = load_run(tmp_path / "run", optimizers=[optimizer], settings=SETTINGS)
    assert number == 2
    assert set(tensors) == {"model/weight", "model/bias"}
    restore(model, "model", tensors)
    assert losses + [learn(model, optimizer, k) for k in (2, 3)] == unbroken


@pytest.mark.parametrize("changed", [{"seed": 4}, {"rate": 2e-3}, {"logit_normal": False}, {"batch": 64}])
def test_other_settings_are_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    model, optimizer = learner()
    learn(model, optimizer, 0)
    keep(tmp_path, model, optimizer, 1)
    with pytest.raises(CheckpointError, match=f"this run was started with .*{next(iter(changed))}"):
        load_run(tmp_path, optimizers=[optimizer], settings=SETTINGS | changed)


def test_a_write_cut_off_before_the_numbers_leaves_the_older_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = learner()
    learn(model, optimizer, 0)
    keep(tmp_path, model, optimizer, 1)
    kept = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    learn(model, optimizer, 1)

    def cut_off(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt(f"{path.name}, {len(data)} bytes")

    with monkeypatch.context() as patch:
        patch.setattr(run_state, "write_bytes", cut_off)
        with pytest.raises(KeyboardInterrupt, match=r"state\.json"):
            keep(tmp_path, model, optimizer, 2)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    fresh, optimizer = learner()
    number, tensors = load_run(tmp_path, optimizers=[optimizer], settings=SETTINGS)
    restore(fresh, "model", tensors)
    assert number == 1
    assert all(torch.equal(fresh.state_dict()[key], tensor) for key, tensor in kept.items())
    keep(tmp_path, fresh, optimizer, 2)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["2.state.safetensors"]


def test_a_write_cut_off_amid_the_tensors_leaves_the_older_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = learner()
    learn(model, optimizer, 0)
    keep(tmp_path, model, optimizer, 1)

    def cut_off(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt(f"{len(tensors)} tensors")

    for number in (1, 2):  # the same number again: a run that is resumed and stopped at once
        with monkeypatch.context() as patch:
            patch.setattr(run_state, "save_file", cut_off)
            with pytest.raises(KeyboardInterrupt, match="tensors"):
                keep(tmp_path, model, optimizer, number)
        assert load_run(tmp_path, optimizers=[optimizer], settings=SETTINGS)[0] == 1


def test_parts_are_named_by_key_or_place() -> None:
    one, two = torch.zeros(1), torch.ones(2, requires_grad=True)
    assert list(parts_of("a", {"x": one, "y": two})) == ["a/x", "a/y"]
    named = parts_of("b", [one, two])
    assert list(named) == ["b/0", "b/1"]
    assert not named["b/1"].requires_grad
