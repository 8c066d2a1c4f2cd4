"""The denoiser: what is zero at first changes nothing and still learns; captions and noise levels count."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tbcore.model.painter.denoiser import PostcardDenoiser
from tests.model.painter.small import small_painter


def inputs(n: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(4)
    latents, caption = torch.randn(n, 4, 8, 8, generator=noise), torch.randn(n, 8, 32, generator=noise)
    return latents, torch.rand(n, generator=noise), caption


def test_spare_channels_change_nothing_until_they_learn() -> None:
    denoiser = small_painter().denoiser
    spare = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(9))
    without, with_them = denoiser(*inputs()), denoiser(*inputs(), spare)
    assert torch.equal(without, with_them)
    with_them.square().mean().backward()
    assert denoiser.enter_spare.weight.grad is not None
    assert denoiser.enter_spare.weight.grad.abs().max() > 0
    with torch.no_grad():
        denoiser.enter_spare.weight -= denoiser.enter_spare.weight.grad
        assert not torch.allclose(denoiser(*inputs(), spare), without)
        assert torch.equal(denoiser(*inputs()), without)
        assert torch.equal(denoiser(*inputs(), torch.zeros_like(spare)), without)


def test_a_new_denoiser_predicts_nothing() -> None:
    denoiser = PostcardDenoiser(latent_channels=4, width=32, layers=2, heads=2)
    assert denoiser(*inputs()).shape == (2, 4, 8, 8)
    assert not denoiser(*inputs()).any()


def test_caption_and_noise_level_reach_the_output() -> None:
    denoiser = small_painter().denoiser
    latents, sigma, caption = inputs()
    before = denoiser(latents, sigma, caption)
    assert (denoiser(latents, sigma, caption.flip(0)) - before).abs().max() > 1e-4
    assert (denoiser(latents, sigma.flip(0), caption) - before).abs().max() > 1e-4


def test_pictures_of_a_batch_do_not_mix() -> None:
    denoiser = small_painter().denoiser
    latents, sigma, caption = inputs(3)
    together = denoiser(latents, sigma, caption)
    alone = denoiser(latents[1:2], sigma[1:2], caption[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("width", [32, 64])
def test_waves_tell_levels_apart(width: int) -> None:
    waves = PostcardDenoiser._waves(torch.tensor([0.0, 0.001, 0.5, 1.0]), width)
    assert waves.shape == (4, width)
    assert torch.pdist(waves).min() > 0.1
