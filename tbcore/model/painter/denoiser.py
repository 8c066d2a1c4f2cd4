"""The painter's denoiser: a small diffusion transformer over 64 latent tokens and the caption's vectors.

It learns the velocity of a straight path from noise to picture (rectified flow, arXiv:2209.03003; the transformer
follows DiT, arXiv:2212.09748, with its time modulation and zero-initialised gates).
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PostcardDenoiser"]


class Block(nn.Module):
    """Attention and feed-forward, both scaled, shifted and gated by the time and by the caption.

    The time's modulation is computed once for all blocks; each adds its own learned table (PixArt-alpha,
    arXiv:2310.00426), and its own view of the caption's summary. A caption that can multiply teaches a small network
    faster than one that can only be attended to.
    """

    def __init__(self, width: int, heads: int, summary: int) -> None:
        super().__init__()
        self.heads = heads
        self.attend = nn.Linear(width, 3 * width, bias=False)
        self.join = nn.Linear(width, width, bias=False)
        self.query_norm = nn.RMSNorm(width // heads)
        self.key_norm = nn.RMSNorm(width // heads)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.table = nn.Parameter(torch.zeros(6 * width))
        self.told = nn.Linear(summary, 6 * width, bias=False)
        nn.init.zeros_(self.told.weight)

    def forward(self, x: Tensor, modulation: Tensor, summary: Tensor) -> Tensor:
        """X [b s width], modulation [b 6*width], summary [b summary] -> [b s width]."""
        parts = modulation + self.table + self.told(summary)
        shift, scale, gate, shift2, scale2, gate2 = parts[:, None].chunk(6, dim=-1)
        width = x.shape[-1:]
        attended = self._attention(functional.layer_norm(x, width) * (1 + scale) + shift)
        x = x + gate * attended
        hidden = functional.layer_norm(x, width) * (1 + scale2) + shift2
        return x + gate2 * self.narrow(functional.gelu(self.widen(hidden), approximate="tanh"))

    def _attention(self, x: Tensor) -> Tensor:
        b, s, width = x.shape
        query, key, value = self.attend(x).view(b, s, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(self.query_norm(query), self.key_norm(key), value)
        return self.join(mixed.transpose(1, 2).reshape(b, s, width))


class PostcardDenoiser(ModelMixin, ConfigMixin):
    """Noisy latents, noise level and caption vectors to a velocity.

    Args:
        latent_channels: channels of the latents, 8 x 8 places.
        width: width of the tokens.
        layers: number of blocks.
        heads: attention heads.
        n_queries: caption vectors.
        summary: numbers that sum the caption up for the blocks' modulation.
        spare_channels: further input channels whose weights are zero: nothing uses them yet, and a painter that edits
            (source picture in, changed picture out) can be trained from this one without starting over.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        width: int = 256,
        layers: int = 6,
        heads: int = 4,
        n_queries: int = 8,
        summary: int = 192,
        spare_channels: int = 32,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(latent_channels, width)
        self.enter_spare = nn.Linear(spare_channels, width, bias=False)
        nn.init.zeros_(self.enter_spare.weight)
        self.sum_up = nn.Sequential(nn.Linear(n_queries * width, summary), nn.SiLU())
        self.places = nn.Parameter(torch.randn(64, width) * 0.02)
        self.condition = nn.Linear(width, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList(Block(width, heads, summary) for _ in range(layers))
        self.leave = nn.Linear(width, latent_channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, latents: Tensor, sigma: Tensor, caption: Tensor, spare: Tensor | None = None) -> Tensor:
        """Predict noise minus picture.

        Args:
            latents: float[b latent_channels 8 8], (1 - sigma) * picture + sigma * noise.
            sigma: float[b] noise level in 0..1.
            caption: float[b n_queries width] of `CaptionEncoder`.
            spare: float[b spare_channels 8 8] of a painter that was trained to use them, or None.

        Returns:
            float[b latent_channels 8 8].
        """
        b, channels, y, x = latents.shape
        tokens = self.enter(latents.flatten(2).transpose(1, 2)) + self.places
        if spare is not None:
            tokens = tokens + self.enter_spare(spare.flatten(2).transpose(1, 2))
        summary = self.sum_up(caption.flatten(1))
        tokens = torch.cat([self.condition(caption), tokens], dim=1)
        modulation = self.modulation(self.time(self._waves(sigma, tokens.shape[-1])))
        for block in self.blocks:
            tokens = block(tokens, modulation, summary)
        velocity = self.leave(functional.layer_norm(tokens[:, -y * x :], tokens.shape[-1:]))
        return velocity.transpose(1, 2).reshape(b, channels, y, x)

    @staticmethod
    def _waves(sigma: Tensor, width: int) -> Tensor:
        """Sines and cosines of the noise level: float[b] -> float[b width]."""
        rates = torch.exp(torch.linspace(0, math.log(1000), width // 2, device=sigma.device))
        angles = sigma[:, None] * rates
        return torch.cat([angles.sin(), angles.cos()], dim=-1)
