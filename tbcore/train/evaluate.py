"""Measuring the model on pictures and dialogues that nothing trained on. Every share comes with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.intervals import wilson_interval
from tbcore.model.batch import collate
from tbcore.model.decode import DecodeSettings, Drawn, Prompt, Reply, generate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.pack import IGNORED
from tbcore.model.painter_port import Painter
from tbcore.model.processor import MIMProcessor
from tbcore.records import Picture, Turn
from tbcore.train.corpus import Source
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


@torch.no_grad()
def decisions(
    model: MIMForConditionalGeneration, processor: MIMProcessor, source: Source, bank: FeatureBank, *, batch: int = 8
) -> list[bool]:
    """Talk or draw, forced: does the model open captions exactly where the dialogue has them? One per reply.

    The true history and the true words so far are given; a reply is right if `<start>` is the model's first choice
    at each place where the assistant draws, and nowhere else in that reply.
    """
    start, verdicts = processor.layout.start_id, dict[int, list[bool]]()
    emitted = model.language.emitted
    order = sorted(range(len(source.examples)), key=lambda k: len(source.examples[k]))  # little padding
    for begin in range(0, len(order), batch):
        here = order[begin : begin + batch]
        examples, rows = [source.examples[k] for k in here], [source.rows[k] for k in here]
        features = bank[[row for each in rows for row in each]].split([len(each) for each in rows])
        packed = collate(examples, features)
        sliced_away = (packed.targets != IGNORED) & ~torch.isin(packed.targets, emitted)
        askable = packed.targets.masked_fill(sliced_away, processor.layout.end_id)  # the loss is not looked at
        out = model(**{**packed, "targets": askable})
        assert out.logits is not None
        assert out.columns is not None
        chosen = emitted[out.logits.argmax(dim=-1)]
        main = packed.segment.flatten()[out.columns] == 0
        wanted = packed.targets.flatten()[out.columns]
        agrees = ((chosen == start) == (wanted == start)) | ~main
        width = packed.ids.shape[1]
        for row, number in enumerate(here):
            stop = processor.layout.text.format.stop
            verdicts[number] = _by_reply(agrees, out.columns, wanted, main, stop, row, width)
    return [verdict for number in range(len(order)) for verdict in verdicts[number]]


def _by_reply(
    agrees: Tensor, columns: Tensor, wanted: Tensor, main: Tensor, stop: int, row: int, width: int
) -> list[bool]:
    """Split one row's supervised main columns at the ends of replies; True where all of a reply agree."""
    here = (columns // width == row) & main
    verdicts, good = list[bool](), True
    for fine, word in zip(agrees[here].tolist(), wanted[here].tolist(), strict=True):
        good = good and fine
        if word == stop:
            verdicts.append(good)
            good = True
    return verdicts


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
