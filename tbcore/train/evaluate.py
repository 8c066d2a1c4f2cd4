"""Measuring the model on pictures and dialogues that nothing trained on. Every share comes with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.intervals import wilson_interval
from tbcore.model.decode import DecodeSettings, Drawn, Piece, Prompt, Reply, generate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.painter_port import Painter, SolidPainter
from tbcore.model.processor import MIMProcessor
from tbcore.records import Dialogue, Picture, Turn
from tbcore.train.features import FeatureBank

__all__ = [
    "Share",
    "answer_all",
    "blank_pictures",
    "decisions",
    "describe",
    "drawings",
    "linear_probe",
    "text_perplexity",
    "wilson",
]

DESCRIBE = "What is in this picture?"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with the 95 % interval of Wilson; `value`, `low` and `high` are shares, 0..1."""

    right: int
    total: int
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """The record as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.right} of {self.total}; {self.low:.1%} to {self.high:.1%})"


def wilson(right: int, total: int) -> Share:
    """The 95 % interval of a share.

    Raises:
        ValueError: no items, or more right than there are.
    """
    low, high = wilson_interval(right, total)
    return Share(right, total, right / total, low, high)


def blank_pictures(count: int, *, size: int = 64, grey: int = 128) -> NDArray[np.uint8]:
    """Pictures of nothing, for what the model says blind: uint8[n size size 3]."""
    return np.full((count, size, size, 3), grey, dtype=np.uint8)


def answer_all(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    prompts: Sequence[Prompt],
    *,
    painter: Painter | None = None,
    settings: DecodeSettings | None = None,
    batch: int = 48,
    watch: Callable[[int], None] | None = None,
) -> list[Reply]:
    """Answer many prompts, a batch at a time, those of like length together.

    Args:
        model: answers.
        processor: of the model.
        prompts: conversations that end with the user.
        painter: draws; None: nothing is drawn.
        settings: lengths, sampling, seeds.
        batch: how many are written in step.
        watch: called with the number of answers so far.
    """
    order = sorted(range(len(prompts)), key=lambda k: sum(len(turn.parts) for turn in prompts[k].turns))
    replies: dict[int, Reply] = {}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        answers = generate(model, processor.layout, [prompts[k] for k in chosen], painter=painter, settings=settings)
        replies.update(zip(chosen, answers, strict=True))
        if watch is not None:
            watch(len(replies))
    return [replies[k] for k in range(len(prompts))]


def describe(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    features: Tensor,
    *,
    question: str = DESCRIBE,
    max_tokens: int = 40,
    watch: Callable[[int], None] | None = None,
) -> list[str]:
    """What the model says it sees, one picture at a time: float[n p d_vis] -> n texts."""
    turns = (Turn("user", (Picture(0), question)),)
    prompts = [Prompt(turns, (seen,)) for seen in features]
    settings = DecodeSettings(max_tokens=max_tokens, max_pictures=0)
    replies = answer_all(model, processor, prompts, settings=settings, watch=watch)
    return [reply.text for reply in replies]


def drawings(replies: Sequence[Reply]) -> list[Drawn | None]:
    """The first drawing of each reply, or None where nothing was drawn."""
    return [next(iter(reply.drawings), None) for reply in replies]


def decisions(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    talks: Iterable[tuple[Dialogue, Sequence[NDArray[np.uint8]]]],
    bank: FeatureBank,
    *,
    n: int,
    longest: int = 24,
    batch: int = 48,
) -> list[bool]:
    """Talk or draw, freely: does the model open a caption in its reply where the dialogue's own reply has a picture?

    The true history is given and nothing of the reply: "Here it is: [picture]" and "[picture] Here it is." are both
    right where a picture is due, and "Sure." followed by nothing is wrong.

    Args:
        model: in eval mode.
        processor: of the model.
        talks: dialogues, each with one picture uint8[y x 3] per caption.
        bank: keeps the pictures' features.
        n: replies that count; those of the first dialogues, in order.
        longest: tokens within which a caption must be opened.
        batch: how many replies are written in step.
    """
    prompts: list[Prompt] = []
    due: list[bool] = []
    for dialogue, pictures in talks:
        if len(due) >= n:
            break
        seen = list(bank[bank.add(pictures)]) if len(pictures) else []
        for number, turn in enumerate(dialogue.turns[: 2 * (n - len(due))]):
            if turn.role == "assistant":
                prompts.append(Prompt(dialogue.turns[:number], seen, dialogue.captions))
                due.append(bool(turn.pictures))
    order = sorted(range(len(prompts)), key=lambda k: sum(map(_length, prompts[k].turns)))  # little padding
    settings, opened = DecodeSettings(max_tokens=longest, max_pictures=1), set[int]()
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]

        def watch(piece: Piece, chosen: list[int] = chosen) -> None:
            if piece.kind in ("caption", "drawing", "dropped"):
                opened.add(chosen[piece.dialogue])

        some = [prompts[k] for k in chosen]
        generate(model, processor.layout, some, painter=SolidPainter(), settings=settings, watch=watch)
    return [(k in opened) == wanted for k, wanted in enumerate(due)]


def _length(turn: Turn) -> int:
    """About how many columns a turn takes; a picture as many as a short sentence."""
    return len(turn.text) // 4 + 16 * len(turn.pictures)


@torch.no_grad()
def text_perplexity(
    model: MIMForConditionalGeneration, processor: MIMProcessor, texts: Sequence[str], *, with_adapters: bool = True
) -> float:
    """How surprised the language model is by plain text, per token; the whole vocabulary counts, however it is sliced.

    Args:
        model: measured.
        processor: of the model.
        texts: plain text.
        with_adapters: False measures the language model as it was before training.
    """
    language = model.language
    kept = language.kept
    scales = {} if with_adapters else _silence_adapters(language)
    language.slice_head(None)
    total, count = 0.0, 0
    try:
        for text in texts:
            ids = torch.tensor([processor.layout.text.encode(text)], device=language.control.device)
            size = ids.shape[1]
            mask = torch.ones(1, size, size, dtype=torch.bool, device=ids.device).tril()
            hidden, _ = language.hidden(language.embed(ids), mask, torch.arange(size, device=ids.device)[None])
            logits = language.logits(hidden[0, :-1])[:, : language.vocab_size]
            total += nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
            count += size - 1
    finally:
        language.slice_head(None if kept is None else kept.tolist())
        for module, scale in scales.items():
            module.scaling["default"] = scale  # type: ignore[index,operator]
    return math.exp(total / count)


def _silence_adapters(language: nn.Module) -> dict[nn.Module, float]:
    """Set the adapters' scale to zero; which modules, and their scales."""
    found = {module: module.scaling["default"] for module in language.modules() if hasattr(module, "lora_A")}  # type: ignore[index,operator]
    for module in found:
        module.scaling["default"] = 0.0  # type: ignore[index,operator]
    return found  # type: ignore[return-value]


def linear_probe(
    train: Tensor, train_labels: NDArray[np.bool_], test: Tensor, *, penalty: float = 0.03
) -> NDArray[np.float32]:
    """What a linear reader finds in frozen features: a score for each label, above 0 where it says yes.

    Ridge regression, solved exactly over pairs of pictures, for there are more features than pictures.

    Args:
        train: float[n p d_vis].
        train_labels: bool[n k], such as "a tiger is on the picture".
        test: float[m p d_vis].
        penalty: on the length of the weights, in mean squared lengths of a picture's features.

    Returns:
        float32[m k].
    """
    mean, spread = train.flatten(1).float().mean(dim=0), train.flatten(1).float().std(dim=0) + 1e-3
    seen, unseen = ((part.flatten(1).float() - mean) / spread for part in (train, test))
    labels = torch.from_numpy(train_labels).float()
    base = labels.mean(dim=0)
    alike = seen @ seen.T
    alike.diagonal().add_(penalty * alike.diagonal().mean())
    mixture = torch.linalg.solve(alike, labels - base)
    return (unseen @ (seen.T @ mixture) + base - 0.5).numpy()
