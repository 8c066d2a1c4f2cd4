"""The painter in training: resumable bit by bit, averaged, and steered by its captions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.model.painter.text import word_ids
from tbcore.train.painter_updates import PAINTER_COUNTS, PainterStep, PainterTraining
from tbcore.train.postcards import Postcards, fresh_postcards
from tests.model.painter.small import small_painter

CAPTIONS = ["a tiger at sunset", "a drum in the desert"]


def training(*, seed: int = 7, steps: int = 4, batch: int = 4, logit_normal: bool = True) -> PainterTraining:
    return PainterTraining(small_painter(), steps=steps, seed=seed, batch=batch, logit_normal=logit_normal)


def trace(steps: list[PainterStep]) -> list[tuple[int, float, float, float]]:
    return [(step.number, step.loss, step.names, step.rate) for step in steps]


def test_kill_and_resume_is_the_unbroken_run(tmp_path: Path) -> None:
    one = training()
    unbroken = [one.update() for _ in range(4)]
    other = training()
    before = [other.update() for _ in range(2)]
    other.save(tmp_path)
    resumed = training()
    resumed.load(tmp_path)
    assert trace(before + [resumed.update() for _ in range(2)]) == trace(unbroken)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), resumed.parameters(), strict=True))
    pairs = zip(one.average.shadow_params, resumed.average.shadow_params, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_other_settings_are_refused_but_more_steps_are_not(tmp_path: Path) -> None:
    one = training()
    one.update()
    one.save(tmp_path)
    for wrong in (training(seed=8), training(batch=8), training(logit_normal=False)):
        with pytest.raises(CheckpointError, match="this run was started with"):
            wrong.load(tmp_path)
    longer = training(steps=40)
    longer.load(tmp_path)
    assert longer.number == 1


def test_the_seed_decides_everything() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        one = training().update()
        torch.manual_seed(2)
        two = training().update()
    assert (one.loss, one.names) == (two.loss, two.names)
    assert training(seed=8).update().loss != one.loss


def test_noise_levels_differ_between_the_two_distributions() -> None:
    assert training().update().loss != training(logit_normal=False).update().loss


def drawn(one: PainterTraining) -> torch.Tensor:
    """Velocities for the same noise under two captions: float[2 channels 8 8]."""
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).expand(2, -1, -1, -1)
    with torch.no_grad():
        told = one.text(word_ids(one.pipeline.tokenizer, CAPTIONS))
        return one.denoiser(noise, torch.full((2,), 0.7), told)


def test_the_caption_begins_to_count() -> None:
    one = PainterTraining(small_painter(untrained=True), steps=8, seed=0, batch=4)
    assert not drawn(one).any()  # every gate is closed, so a new painter predicts nothing
    one.update()
    first = drawn(one)
    assert first.any()
    torch.testing.assert_close(first[0], first[1])
    for _ in range(2):  # gradients pass the gates once the last layer has moved, and the words once the gates have
        one.update()
    later = drawn(one)
    assert (later[0] - later[1]).abs().max() > 1e-6


def test_averaging_is_a_context() -> None:
    one = training()
    one.update()
    one.update()
    own = [parameter.detach().clone() for parameter in one.parameters()]
    with one.averaged():
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), one.average.shadow_params, strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), own, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), own, strict=True))


def test_every_weight_has_one_optimizer() -> None:
    one = training()
    groups = [group["params"] for optimizer in one.optimizers for group in optimizer.param_groups]
    owned = [id(parameter) for group in groups for parameter in group]
    assert len(owned) == len(set(owned))
    assert set(owned) == {id(p) for p in [*one.parameters(), *one.heads.parameters()]}


def test_a_gradient_that_is_no_number_stops_the_run() -> None:
    one = training()
    with torch.no_grad():
        one.denoiser.leave.weight.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="non-finite"):
        one.update()


def test_batches_of_ones_own() -> None:
    asked: list[int] = []

    def cards(number: int) -> Postcards:
        asked.append(number)
        return next(fresh_postcards(7, "painter", batch=4, start=number, counts=PAINTER_COUNTS))

    own = PainterTraining(small_painter(), steps=4, seed=7, batch=4, cards=cards)
    usual = training()
    assert [own.update().loss for _ in range(2)] == [usual.update().loss for _ in range(2)]
    assert asked == [0, 1]
