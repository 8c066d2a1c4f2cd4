"""A painter small enough for tests."""

from __future__ import annotations

import torch

from tbcore.model.painter.autoencoder import PostcardAutoencoder
from tbcore.model.painter.denoiser import PostcardDenoiser
from tbcore.model.painter.pipeline import PostcardPipeline, painter_scheduler
from tbcore.model.painter.text import CaptionEncoder, build_tokenizer

__all__ = ["small_painter"]


def small_painter(*, untrained: bool = False) -> PostcardPipeline:
    """All parts, 32 wide and one layer deep; gates and last layer are open unless `untrained`."""
    tokenizer = build_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        denoiser = PostcardDenoiser(latent_channels=4, width=32, layers=1, heads=2, summary=16, spare_channels=4)
        if not untrained:
            torch.nn.init.normal_(denoiser.leave.weight, std=0.1)
            torch.nn.init.normal_(denoiser.modulation.weight, std=0.1)
        return PostcardPipeline(
            PostcardAutoencoder(latent_channels=4),
            CaptionEncoder(len(tokenizer), width=32, layers=1),
            denoiser,
            tokenizer,
            painter_scheduler(),
        )
