"""From patches to vectors a language model can read: the Q-Former and its projection."""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from tbcore.model.config import MIMConfig, QFormerConfig

__all__ = ["Connector", "PixelShuffleConnector", "QFormer", "QFormerConnector", "build_connector", "grid_distance"]


class Connector(Protocol):
    """What turns features of pictures into vectors for the language model."""

    def __call__(self, patches: Tensor) -> Tensor:
        """float[i p d_vis] -> float[i q d_lm]."""
        ...


def grid_distance(n_queries: int, n_patches: int) -> Tensor:
    """Squared distance from each query's region to each patch, in sides of the picture: float[q p].

    Queries and patches lie on square grids, row by row; a number that is no square goes on the next larger grid.
    """

    def centres(count: int) -> Tensor:
        side = math.ceil(math.sqrt(count))
        at = torch.arange(count)
        return torch.stack(((at // side + 0.5) / side, (at % side + 0.5) / side), dim=1)

    return torch.cdist(centres(n_queries), centres(n_patches)).square()


class QFormer(nn.Module):
    """A few learned queries ask the patches of a picture what is on it.

    Args:
        config: sizes.
        patch_width: d_vis.
        n_patches: p.
    Source: BLIP-2 (arXiv:2301.12597), Fig. 2, without its text branch; the starting places are ours: a query that
        looks everywhere at first finds its work slowly.
    """

    def __init__(self, config: QFormerConfig, *, patch_width: int, n_patches: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.n_queries, config.width) * 0.5)
        self.enter = nn.Sequential(nn.LayerNorm(patch_width), nn.Linear(patch_width, config.width))
        near = -config.prior * grid_distance(config.n_queries, n_patches) * config.n_queries
        self.blocks = nn.ModuleList(_Block(config, near) for _ in range(config.n_layers))
        self.leave = nn.LayerNorm(config.width)

    def forward(self, patches: Tensor) -> Tensor:
        """float[i p d_vis] -> float[i q width]."""
        seen = self.enter(patches)
        asked = self.queries.expand(len(patches), -1, -1)
        for block in self.blocks:
            asked = block(asked, seen)
        return self.leave(asked)


class _Block(nn.Module):
    """Queries talk to one another, look at the patches, and think."""

    def __init__(self, config: QFormerConfig, near: Tensor) -> None:
        super().__init__()
        width, inner = config.width, config.width * config.expansion
        self.talk = _Attention(width, config.n_heads)
        self.look = _Attention(width, config.n_heads)
        self.near = nn.Parameter(near.repeat(config.n_heads, 1, 1))  # h q p, added to the scores; it may unlearn
        self.think = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, asked: Tensor, seen: Tensor) -> Tensor:
        rested = self.norms[0](asked)
        asked = asked + self.talk(rested, rested)
        asked = asked + self.look(self.norms[1](asked), seen, self.near)
        return asked + self.think(self.norms[2](asked))


class _Attention(nn.Module):
    """Multi-head attention from queries to keys, with an optional bias on the scores (h q p)."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.ask = nn.Linear(width, width)
        self.tell = nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)

    def forward(self, asking: Tensor, telling: Tensor, bias: Tensor | None = None) -> Tensor:
        queries = self.ask(asking).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        keys, values = self.tell(telling).unflatten(-1, (2, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        return self.merge(mixed.transpose(1, 2).flatten(2))


class QFormerConnector(nn.Module):
    """The default connector: Q-Former, then one linear layer to the language model's width.

    Args:
        config: the Q-Former's sizes.
        patch_width: d_vis.
        n_patches: p.
        text_width: d_lm.
        text_norm: length of the language model's token embeddings; the outputs start out about as long.
    """

    def __init__(
        self, config: QFormerConfig, *, patch_width: int, n_patches: int, text_width: int, text_norm: float = 1.0
    ) -> None:
        super().__init__()
        self.patch_width = patch_width
        self.qformer = QFormer(config, patch_width=patch_width, n_patches=n_patches)
        self.projection = nn.Linear(config.width, text_width)
        nn.init.normal_(self.projection.weight, std=text_norm / math.sqrt(config.width * text_width))
        nn.init.zeros_(self.projection.bias)

    def forward(self, patches: Tensor) -> Tensor:
        """Turn the patches of each picture into a few vectors the language model can read.

        Args:
            patches: float[i p d_vis], output of the frozen vision tower; no fixed scale.

        Returns:
            float[i q d_lm], starting out with about the length of the language model's token embeddings.

        Raises:
            ValueError: d_vis is not the width this connector was built for.
        """
        if patches.shape[-1] != self.patch_width:
            raise ValueError(
                f"QFormerConnector: patches must have width {self.patch_width}; got {patches.shape[-1]}. "
                "Build the connector for the tower that made them."
            )
        return self.projection(self.qformer(patches))


class PixelShuffleConnector(nn.Module):
    """A control without queries: neighbouring patches are folded into one, then one linear layer.

    Args:
        patch_width: d_vis.
        n_patches: p, a square number.
        n_queries: q; p must be q times a square number.
        text_width: d_lm.
        text_norm: length the outputs start out with.
    Source: huggingface/nanoVLM, `modality_projector.py` (idea).
    """

    def __init__(
        self, *, patch_width: int, n_patches: int, n_queries: int, text_width: int, text_norm: float = 1.0
    ) -> None:
        super().__init__()
        self.side, self.kept = math.isqrt(n_patches), math.isqrt(n_queries)
        if self.side**2 != n_patches or self.kept**2 != n_queries or self.side % self.kept:
            raise ValueError(
                f"PixelShuffleConnector: a square grid of patches must divide into the grid of queries; "
                f"got {n_patches} patches and {n_queries} queries"
            )
        folded = patch_width * (self.side // self.kept) ** 2
        self.norm = nn.LayerNorm(folded)
        self.projection = nn.Linear(folded, text_width)
        nn.init.normal_(self.projection.weight, std=text_norm / math.sqrt(folded * text_width))
        nn.init.zeros_(self.projection.bias)

    def forward(self, patches: Tensor) -> Tensor:
        """float[i p d_vis] -> float[i q d_lm]."""
        fold, width = self.side // self.kept, patches.shape[-1]
        grid = patches.view(-1, self.kept, fold, self.kept, fold, width).transpose(2, 3)
        return self.projection(self.norm(grid.reshape(len(patches), self.kept**2, fold * fold * width)))


def build_connector(
    config: MIMConfig, *, patch_width: int, n_patches: int, text_width: int, text_norm: float
) -> nn.Module:
    """A fresh connector of the kind that the config names.

    Raises:
        ValueError: the kind is unknown, or its sizes do not fit the tower.
    """
    sizes = {"patch_width": patch_width, "n_patches": n_patches, "text_width": text_width}
    match (settings := config.connector or {"kind": "qformer"}).get("kind"):
        case "qformer":
            return QFormerConnector(cast(QFormerConfig, config.qformer), **sizes, text_norm=text_norm)
        case "pixel_shuffle":
            return PixelShuffleConnector(**sizes, n_queries=config.n_queries, text_norm=text_norm)
        case "blip2":
            from tbcore.model.blip2 import Blip2Connector

            return Blip2Connector(settings, text_width=text_width, text_norm=text_norm)
        case kind:
            raise ValueError(f"MIMConfig: connector must be 'qformer', 'pixel_shuffle' or 'blip2'; got {kind!r}")
