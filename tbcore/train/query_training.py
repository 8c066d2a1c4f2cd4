"""Teaching a query head to tell the painter what to draw, and measuring it beside captions as the interface.

The language model stays frozen, and so do the output tokens: then what it makes of them is the same at every update, is
computed once and kept, and only the small transformer behind it learns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.model.batch import collate
from tbcore.model.masks import visible
from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import IGNORED, Example
from tbcore.model.processor import MIMProcessor
from tbcore.model.query_head import QueryHead, TellablePainter
from tbcore.records import Dialogue
from tbcore.seeds import stream, torch_stream
from tbcore.train.evaluate import Share, wilson
from tbcore.train.rates import one_cycle
from tbcore.train.stages import Budget
from tbcore.world.dialogues import simulate
from tbcore.world.reader import read_many
from tbcore.world.scenes import Scene

__all__ = [
    "HeadStep",
    "Interface",
    "branch_states",
    "compare_interfaces",
    "draw_requests",
    "fresh_head",
    "score_interface",
    "train_query_head",
]


def draw_requests(seed: int, n: int, *, split: str = "train") -> tuple[list[Dialogue], list[Scene]]:
    """Requests to draw with their replies, and the scenes they ask for: those of `tbcore.train.wishes.draw_wishes`."""
    told = simulate(seed, n, split=split, weights={"draw": 1}, exchanges=(1, 1))
    return [one.dialogue for one in told], [one.scenes[-1] for one in told]


def fresh_head(
    model: MIMForConditionalGeneration, painter: TellablePainter, *, n_tokens: int = 8, width: int = 128, seed: int = 0
) -> QueryHead:
    """An untrained head between this language model and this painter.

    Args:
        model: whose hidden states it reads.
        painter: whose text condition, float[k d] per caption, it learns to give.
        n_tokens: output tokens of a branch.
        width: of the small transformer.
        seed: of the weights.
    """
    n_told, told_width = painter.tell(["-"]).shape[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the library's initialisers know no generator; the state outside is restored
        return QueryHead(
            text_width=model.language.width,
            n_told=n_told,
            told_width=told_width,
            n_tokens=n_tokens,
            width=width,
            text_norm=model.language.embedding_norm(),
        )


@torch.no_grad()
def branch_states(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    head: QueryHead,
    dialogues: Sequence[Dialogue],
    *,
    batch: int = 16,
) -> Tensor:
    """What the language model makes of the output tokens where each dialogue's first drawing begins.

    It reads the true conversation up to there, then `<start>` and the tokens, and nothing that comes later.

    Args:
        model: in eval mode.
        processor: of the model; its history must be "drop_caption".
        head: has the tokens.
        dialogues: in each the assistant draws, and no picture is shown before.
        batch: dialogues read together.

    Returns:
        float32[n t d_lm].

    Raises:
        ValueError: a dialogue has no drawing, or shows a picture before it.
    """
    language, found = model.language, list[Tensor]()
    for begin in range(0, len(dialogues), batch):
        opened = [_opened(one, processor, head.n_tokens) for one in dialogues[begin : begin + batch]]
        packed = collate(opened, [torch.zeros(0, model.vision.n_patches, model.vision.width)] * len(opened))
        width = packed.ids.shape[1]
        firsts = torch.tensor([k * width + len(one) - head.n_tokens for k, one in enumerate(opened)])
        places = firsts[:, None] + torch.arange(head.n_tokens)
        inputs = splice(language.embed(packed.ids), head.tokens.expand(len(opened), -1, -1), places)
        mask = visible(packed.dialogue, packed.segment, packed.anchor)
        hidden, _ = language.hidden(inputs, mask, packed.position)
        found.append(hidden.flatten(0, 1)[places].float())
    return torch.cat(found)


def _opened(dialogue: Dialogue, processor: MIMProcessor, n_tokens: int) -> Example:
    """The columns of a dialogue up to its first drawing, `<start>`, and room for the output tokens."""
    example = processor.example(dialogue)
    if example is None or not (example.segment > 0).any():
        raise ValueError(f"dialogue {dialogue.id!r}: the assistant draws nothing in it. Give requests to draw.")
    anchor = int(example.anchor[example.segment > 0][0])
    if (example.slots < anchor).any():
        raise ValueError(f"dialogue {dialogue.id!r}: shows a picture before its first drawing. Give requests in words.")
    ids = np.concatenate([example.ids[:anchor], [processor.layout.start_id], [processor.layout.end_id] * n_tokens])
    size, nothing = len(ids), np.zeros(len(ids), dtype=np.int64)
    none = example.slots[:0]
    targets = np.full(size, IGNORED, dtype=np.int64)
    return Example(dialogue.id, ids.astype(np.int64), targets, np.arange(size), nothing, nothing, none, ())


@dataclass(frozen=True, slots=True)
class HeadStep:
    """One update: its number, the share of the budget before it, and the mean squared distance."""

    number: int
    progress: float
    loss: float


def train_query_head(
    head: QueryHead,
    states: Tensor,
    wanted: Tensor,
    *,
    budget: Budget,
    rate: float = 2e-3,
    batch: int = 64,
    seed: int = 0,
) -> Iterator[HeadStep]:
    """Yield one step per update of all but the output tokens, which the kept states belong to.

    Args:
        head: learns.
        states: float[n t d_lm], from `branch_states` with this head.
        wanted: float[n k d], what the painter's text encoder makes of the true captions.
        budget: when to end.
        rate: highest learning rate of AdamW; it rises and falls (one cycle).
        batch: requests per update.
        seed: of the order.

    Raises:
        ValueError: there are not as many states as wanted conditions.
    """
    if len(states) != len(wanted):
        raise ValueError(f"query head: {len(states)} states, but {len(wanted)} conditions. Give one each.")
    learning = [weight for name, weight in head.named_parameters() if name != "tokens"]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=0.05)
    steps, order = 0, torch_stream(seed, "query head")
    while (progress := budget.progress(steps=steps, seconds=0.0)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(int(1000 * progress), 1000, rate)
        chosen = torch.randint(len(states), (batch,), generator=order)
        loss = nn.functional.mse_loss(head(states[chosen]), wanted[chosen])
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield HeadStep(steps, progress, loss.item())
        steps += 1


@dataclass(frozen=True, slots=True)
class Interface:
    """How well a painter was told what to draw.

    Attributes:
        error: squared distance to what it is told for the true captions, in units of their variance: 0 is perfect,
            1 is as good as always telling the mean.
        exact: pictures that an exact reader finds to be the scene that was asked for.
        pictures: uint8[n y x 3].
    """

    error: float
    exact: Share
    pictures: NDArray[np.uint8]

    def to_json(self) -> dict[str, Any]:
        """The numbers as a JSON object, without the pictures."""
        return {"error": self.error, "exact": asdict(self.exact)}


@torch.no_grad()
def score_interface(painter: Any, told: Tensor, wanted: Tensor, scenes: Sequence[Scene], *, seed: int = 0) -> Interface:
    """Paint what the painter is told, and read the pictures.

    Args:
        painter: a `TellablePainter`.
        told: float[n k d].
        wanted: float[n k d], what it is told for the true captions.
        scenes: asked for.
        seed: of the painter; picture k takes a number that depends on it and k alone.
    """
    error = float((told - wanted).square().mean() / wanted.var(dim=0, unbiased=False).mean())
    seeds = stream(seed, "interface").integers(2**31, size=len(told)).tolist()
    pictures = painter.paint_told(told, seeds)
    right = sum(reading.scene == scene for reading, scene in zip(read_many(pictures), scenes, strict=True))
    return Interface(error, wilson(right, len(scenes)), pictures)


def compare_interfaces(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    painter: Any,
    *,
    written: Mapping[str, str],
    n_practice: int,
    n_exam: int,
    budget: Budget,
    seed: int = 0,
) -> tuple[QueryHead, dict[str, Interface]]:
    """Train a head on requests of the practice heap; let it draw the same held-out requests as the model's captions.

    The captions were written freely, and a request that none was written for tells the painter nothing. The head is
    handed the true reply up to its drawing, so it need not decide when to draw: where they differ, it is favoured.

    Args:
        model: trained to draw by captions; stays as it is.
        processor: of the model.
        painter: a `TellablePainter`.
        written: the user's words -> the caption that the model wrote for them.
        n_practice: requests the head learns from.
        n_exam: held-out requests.
        budget: of the head's updates.
        seed: of requests, head and painter.

    Returns:
        The head, and "captions" and "query head".
    """
    practice, _ = draw_requests(seed, n_practice)
    asked, scenes = draw_requests(seed, n_exam, split="test")
    head = fresh_head(model, painter, seed=seed)
    states = branch_states(model, processor, head, practice)
    known = painter.tell([one.captions[-1] for one in practice])
    for _ in train_query_head(head, states, known, budget=budget, seed=seed):
        pass
    head.requires_grad_(False).eval()
    wanted = painter.tell([one.captions[-1] for one in asked])
    told = {
        "captions": painter.tell([written.get(one.turns[0].text, "") for one in asked]),
        "query head": head(branch_states(model, processor, head, asked)),
    }
    return head, {name: score_interface(painter, one, wanted, scenes, seed=seed) for name, one in told.items()}
