"""The painter's autoencoder: a postcard in 64 tokens of 32 numbers, and back.

Working in a latent space instead of on 12,288 pixel values is the first reason why a painter can be trained on a
laptop (Rombach et al. 2022, arXiv:2112.10752). Ours is the smallest that works: the principal components of 8 x 8
patches. It is computed in a second, without a single gradient step, and what it cannot give back, the painter can
never draw.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PATCH", "PostcardAutoencoder"]

PATCH = 8
"""Side of a patch in pixels: one latent token each."""


class PostcardAutoencoder(ModelMixin, ConfigMixin):
    """Pixels in -1..1 to latents of mean 0 and average variance 1, and back; both ways are one matrix.

    Args:
        latent_channels: principal components kept per patch, of 192.
    """

    @register_to_config
    def __init__(self, latent_channels: int = 32) -> None:
        super().__init__()
        values = 3 * PATCH * PATCH
        self.mean = nn.Parameter(torch.zeros(values), requires_grad=False)
        self.basis = nn.Parameter(torch.eye(values)[:, :latent_channels].clone(), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(latent_channels), requires_grad=False)

    @torch.no_grad()
    def fit(self, pixels: Tensor) -> Tensor:
        """Set mean, basis and scale from pictures.

        Each component is divided by the square root of its standard deviation: halfway between raw components, where
        the fine ones drown in noise, and whitened ones, where they count as much as the coarse.

        Args:
            pixels: float[n 3 64 64] in -1..1.

        Returns:
            The share of the variance that the kept components hold, a scalar.
        """
        patches = functional.pixel_unshuffle(pixels, PATCH).movedim(1, -1).flatten(0, -2).double()
        mean = patches.mean(0)
        variance, directions = torch.linalg.eigh(torch.cov(patches.T))
        variance, directions = variance.flip(0), directions.flip(1)
        kept = variance[: len(self.scale)]
        # A direction and its opposite are equally principal: the largest entry is made positive, on every machine.
        largest = directions.abs().argmax(0)
        directions = directions * directions.gather(0, largest[None]).sign()
        softened = kept.clamp_min(1e-12).sqrt()
        self.mean.copy_(mean)
        self.basis.copy_(directions[:, : len(self.scale)])
        self.scale.copy_(kept.pow(0.25) * softened.mean().sqrt())
        return kept.sum() / variance.sum()

    def encode(self, pixels: Tensor) -> Tensor:
        """Float[b 3 64 64] in -1..1 -> float[b latent_channels 8 8]."""
        patches = functional.pixel_unshuffle(pixels, PATCH).movedim(1, -1) - self.mean
        return ((patches @ self.basis) / self.scale).movedim(-1, 1)

    def decode(self, latents: Tensor) -> Tensor:
        """Float[b latent_channels 8 8] -> float[b 3 64 64], about -1..1 (not clamped)."""
        patches = (latents.movedim(1, -1) * self.scale) @ self.basis.T + self.mean
        return functional.pixel_shuffle(patches.movedim(-1, 1), PATCH)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(pixels))
