"""The painter's autoencoder: a postcard in 64 tokens of 16 numbers, and back.

Working in this latent space instead of on 12,288 pixel values is the first reason why a painter can be trained on a
laptop (Rombach et al. 2022, arXiv:2112.10752). What the autoencoder cannot give back, the painter can never draw.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PostcardAutoencoder"]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a skip connection; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[b width y x] -> the same shape."""
        return x + self.outer(functional.silu(self.inner(functional.silu(self.norm(x)))))


class PostcardAutoencoder(ModelMixin, ConfigMixin):
    """Pixels in -1..1 to latents of mean 0 and variance 1 over the channels of each place, and back.

    Args:
        latent_channels: numbers per place of the 8 x 8 grid.
        width: channels at 16 x 16.
        deep_width: channels at 8 x 8.
    """

    @register_to_config
    def __init__(self, latent_channels: int = 16, width: int = 96, deep_width: int = 192) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, width, 3, padding=1),
            ResidualBlock(width),
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * width, deep_width, 1),
            ResidualBlock(deep_width),
            nn.Conv2d(deep_width, latent_channels, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, deep_width, 3, padding=1),
            ResidualBlock(deep_width),
            ResidualBlock(deep_width),
            nn.Conv2d(deep_width, 4 * width, 1),
            nn.PixelShuffle(2),
            ResidualBlock(width),
            ResidualBlock(width),
            nn.Conv2d(width, 192, 1),
            nn.PixelShuffle(4),
            # A thin convolution over the seams between 4 x 4 blocks.
            nn.Conv2d(12, 3, 3, padding=1),
        )

    def encode(self, pixels: Tensor) -> Tensor:
        """Float[b 3 64 64] in -1..1 -> float[b latent_channels 8 8]."""
        latents = self.encoder(pixels)
        # Normalised over channels, so that the denoiser meets one scale everywhere.
        return functional.layer_norm(latents.movedim(1, -1), latents.shape[1:2]).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Float[b latent_channels 8 8] -> float[b 3 64 64], about -1..1 (not clamped)."""
        return self.decoder(latents)

    def forward(self, pixels: Tensor, *, noise: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Encode and decode; `noise` (standard deviation) on the latents makes the decoder forgiving."""
        latents = self.encode(pixels)
        if noise:
            latents = latents + noise * torch.randn(latents.shape, generator=generator)
        return self.decode(latents)
