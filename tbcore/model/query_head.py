"""Drawing without words: a query head, the control to captions as the interface.

Where the caption would stand, the branch holds a few learned output tokens. A small transformer maps what the
language model makes of them onto the vectors that the painter's own text encoder gives for the true caption; those are
computed once and kept. The loss is their distance. Nothing of the painter learns.

    caption branch    <start> a red cat <end>  ──► words ──► painter's text encoder ──► told ──► painter
    query branch      <start> t1 t2 ... t8     ──► hidden states ──► small transformer ──► told ──► painter

So both interfaces share data, model and painter, and differ in one thing: whether anybody can read what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.model.masks import visible
from tbcore.model.mim import splice
from tbcore.model.pack import IGNORED, Example
from tbcore.store import read_json, write_json

if TYPE_CHECKING:
    from tbcore.model.batch import Batch
    from tbcore.model.history import History
    from tbcore.model.language import LanguageModel
    from tbcore.model.mim import MIMForConditionalGeneration
    from tbcore.model.painter_port import Painter

__all__ = [
    "QueryHead",
    "QueryOutput",
    "TellablePainter",
    "load_query_head",
    "query_columns",
    "query_example",
    "query_forward",
    "save_query_head",
]

_SETTINGS, _WEIGHTS = "query_head.json", "query_head.safetensors"


@runtime_checkable
class TellablePainter(Protocol):
    """A painter that can be told what to draw in vectors of its own text encoder."""

    def tell(self, captions: Sequence[str]) -> Tensor:
        """What the text encoder makes of captions: float[n k d], frozen."""
        ...

    def paint_told(self, told: Tensor, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """One picture for each float[k d] of told[n k d]: uint8[n y x 3]."""
        ...


class QueryHead(nn.Module):
    """Learned output tokens, and the way from their hidden states to what the painter is told.

    Args:
        text_width: d_lm.
        n_told: k, vectors the painter takes for a picture.
        told_width: d, their width.
        n_tokens: output tokens of a branch.
        width: of the small transformer; a multiple of n_heads.
        n_layers: of the small transformer.
        n_heads: attention heads.
        text_norm: length of the language model's token embeddings; the output tokens start out as long.
    Source: GILL (arXiv:2305.17216), GILLMapper: encoder over the hidden states, decoder with one query per vector.
    """

    def __init__(
        self,
        *,
        text_width: int,
        n_told: int,
        told_width: int,
        n_tokens: int = 8,
        width: int = 256,
        n_layers: int = 2,
        n_heads: int = 4,
        text_norm: float = 1.0,
    ) -> None:
        super().__init__()
        self.settings = {
            "text_width": text_width,
            "n_told": n_told,
            "told_width": told_width,
            "n_tokens": n_tokens,
            "width": width,
            "n_layers": n_layers,
            "n_heads": n_heads,
        }
        self.tokens = nn.Parameter(torch.randn(n_tokens, text_width) * text_norm / text_width**0.5)
        self.enter = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.queries = nn.Parameter(torch.randn(n_told, width) * 0.5)
        sizes: dict[str, Any] = {"dim_feedforward": 2 * width, "dropout": 0.0, "batch_first": True, "norm_first": True}
        self.blocks = nn.ModuleList(nn.TransformerDecoderLayer(width, n_heads, **sizes) for _ in range(n_layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, told_width))

    @property
    def n_tokens(self) -> int:
        """Output tokens of a branch."""
        return len(self.tokens)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states of the output tokens, float[n t d_lm] -> float[n k d]."""
        seen = self.enter(hidden.to(self.queries.dtype))
        asked = self.queries.expand(len(hidden), -1, -1)
        for block in self.blocks:
            asked = block(asked, seen)
        return self.leave(asked)

    @torch.no_grad()
    def paint(
        self, language: LanguageModel, history: History, painter: Painter, seeds: Sequence[int]
    ) -> NDArray[np.uint8]:
        """Feed `<start>` and the output tokens to every row of the history, and paint what comes of it.

        The caller rolls the history back, as it does after captions.

        Raises:
            ValueError: the painter cannot be told in vectors.
        """
        if not isinstance(painter, TellablePainter):
            raise ValueError(
                f"query head: {type(painter).__name__} takes captions only. It needs `tell` and `paint_told` "
                "(tbcore.model.query_head.TellablePainter)."
            )
        start = language.embed(torch.tensor([[language.start_id]], device=language.control.device))
        branch = torch.cat([start, self.tokens.to(start.dtype)[None]], dim=1).expand(len(seeds), -1, -1)
        counts = torch.full((len(seeds),), branch.shape[1], device=branch.device)
        hidden = history.feed_all(branch, counts)
        return painter.paint_told(self(hidden[:, 1:]), seeds)


def save_query_head(head: QueryHead, folder: Path | str) -> None:
    """Write a head's sizes and weights into a folder, which is made when missing."""
    from safetensors.torch import save_file

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in head.state_dict().items()}, place / _WEIGHTS)
    write_json(place / _SETTINGS, head.settings)


def load_query_head(folder: Path | str) -> QueryHead:
    """The head that `save_query_head` wrote, frozen.

    Raises:
        MissingFileError: there is no head in this folder.
        CheckpointError: its weights are damaged or do not fit its sizes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    place = Path(folder)
    if not (place / _SETTINGS).is_file() or not (place / _WEIGHTS).is_file():
        raise MissingFileError(f"{place}: there is no query head here. Train one first (notebook 06).")
    head = QueryHead(**read_json(place / _SETTINGS))
    try:
        head.load_state_dict(load_file(place / _WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{place}: weights must be those of its {_SETTINGS}; {error}. Train it again.") from error
    return head.requires_grad_(False).eval()


def query_example(example: Example, *, n_tokens: int, end_id: int) -> Example:
    """The same dialogue with output tokens in place of the captions.

    The main sequence and all its targets stay, `<start>` among them: when to draw is learned as before. The columns
    of output tokens have `<end>` for an id; `query_forward` puts the learned tokens there, and no target.

    Args:
        example: with caption branches (history "drop_caption").
        n_tokens: of the head.
        end_id: of the language model.
    """
    main = int((example.segment == 0).sum())
    firsts = np.flatnonzero(np.diff(example.segment, prepend=0) > 0)
    names = ("ids", "targets", "position", "segment", "anchor")
    columns = {name: list(getattr(example, name)[:main]) for name in names}
    for number, first in enumerate(firsts, start=1):
        anchor, size = int(example.anchor[first]), n_tokens + 1
        columns["ids"] += [int(example.ids[first]), *[end_id] * n_tokens]
        columns["targets"] += [IGNORED] * size
        columns["position"] += range(anchor, anchor + size)
        columns["segment"] += [number] * size
        columns["anchor"] += [anchor] * size
    return replace(example, **{name: np.asarray(values, dtype=np.int64) for name, values in columns.items()})


def query_columns(batch: Batch, *, n_tokens: int, start_id: int) -> Tensor:
    """Columns of the output tokens of each branch, in reading order: int[j t], counted over all rows."""
    firsts = ((batch.ids == start_id) & (batch.segment > 0)).flatten().nonzero()
    return firsts + 1 + torch.arange(n_tokens, device=firsts.device)


@dataclass(frozen=True, slots=True, eq=False)
class QueryOutput:
    """What a forward pass with a query head gives.

    Attributes:
        loss: loss of the words plus `weight` times the distance.
        words: next-token loss of text and decisions to draw; None where nothing is supervised.
        distance: mean squared distance to what the painter should be told.
        told: float[j k d], what it would be told.
    """

    loss: Tensor
    words: Tensor | None
    distance: Tensor
    told: Tensor


def query_forward(
    model: MIMForConditionalGeneration, head: QueryHead, batch: Batch, wanted: Tensor, *, weight: float = 1.0
) -> QueryOutput:
    """One pass of model and head over a batch of `query_example`s.

    Args:
        model: reads text and pictures.
        head: learns; the model may learn with it.
        batch: as collated.
        wanted: float[j k d], the painter's encoding of the true captions, branch by branch in the batch's order.
        weight: of the distance in the loss.

    Raises:
        ValueError: `wanted` does not have one entry for each branch.
    """
    language = model.language
    places = query_columns(batch, n_tokens=head.n_tokens, start_id=language.start_id)
    if len(places) != len(wanted):
        raise ValueError(f"query_forward: the batch has {len(places)} branches, but {len(wanted)} were told. One each.")
    inputs = splice(language.embed(batch.ids), model.vectors(batch.features), batch.slots)
    inputs = splice(inputs, head.tokens.expand(len(places), -1, -1), places)
    mask = visible(batch.dialogue, batch.segment, batch.anchor)
    hidden = language.hidden(inputs, mask, batch.position)[0].flatten(0, 1)
    told = head(hidden[places])
    distance = nn.functional.mse_loss(told, wanted.to(told)) if len(places) else told.sum()
    columns = (batch.targets.flatten() != IGNORED).nonzero()[:, 0]
    words = None
    if len(columns):
        right = language.columns_of(batch.targets.flatten()[columns])
        words = nn.functional.cross_entropy(language.logits(hidden[columns]), right)
    return QueryOutput(weight * distance + (0 if words is None else words), words, distance, told)
