"""The second reader in training: resumable, repeatable, and it learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.train.pretrain_reader import ReaderTraining


def test_kill_and_resume_is_the_unbroken_run(tmp_path: Path) -> None:
    one = ReaderTraining(steps=4, seed=3, batch=4)
    unbroken = [one.update() for _ in range(4)]
    other = ReaderTraining(steps=4, seed=3, batch=4)
    before = [other.update() for _ in range(2)]
    other.save(tmp_path)
    resumed = ReaderTraining(steps=4, seed=3, batch=4)
    resumed.load(tmp_path)
    assert before + [resumed.update() for _ in range(2)] == unbroken
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])
    for wrong in ({"steps": 5, "seed": 3}, {"steps": 4, "seed": 4}):
        with pytest.raises(CheckpointError, match="this run was started with"):
            ReaderTraining(**wrong, batch=4).load(tmp_path)


def test_the_reader_learns() -> None:
    training = ReaderTraining(steps=12, seed=1, batch=8)
    losses = [training.update() for _ in range(12)]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
