"""Connectors side by side: the same frozen features, words and seconds of the processor, then the same examination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import process_time
from typing import Any, cast

import torch

from tbcore.model.config import MIMConfig
from tbcore.model.connectors import build_connector
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.train.features import FeatureBank
from tbcore.train.prealign import PREALIGN, prealign, word_accuracy
from tbcore.train.stages import Budget

__all__ = ["CONNECTORS", "ConnectorScore", "CpuBudget", "Labelled", "compare_connectors"]

CONNECTORS = ("qformer", "pixel_shuffle")
"""The kinds that a small tower can be joined with; `tbcore.model.connectors.build_connector` knows them."""

Labelled = tuple[Sequence[int], Sequence[tuple[int, ...]]]
"""Rows of the feature bank, and for each the telling words of its caption (`tbcore.train.prealign.caption_words`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuBudget(Budget):
    """A budget in seconds that this process spends on the processor, all threads added: neighbours do not count.

    Attributes:
        begun: reading of `time.process_time` at which it begins; the moment it is made.
    """

    begun: float = field(default_factory=lambda: process_time())  # looked up when made

    def progress(self, *, steps: int, seconds: float) -> float:
        """The share that is used up, 0..1; the seconds given are of a clock on the wall and not looked at."""
        del seconds
        return Budget.progress(self, steps=steps, seconds=process_time() - self.begun)


@dataclass(frozen=True, slots=True)
class ConnectorScore:
    """What one connector learned.

    Attributes:
        kind: of the connector.
        parameters: numbers that learn.
        updates: how many it took; a cheap connector takes more in the same time.
        cpu_seconds: spent on training.
        words: share of held-out words named rightly, 0..1.
        captions: share of held-out captions with all their words, 0..1.
        curve: (seconds, loss) of each update.
    """

    kind: str
    parameters: int
    updates: int
    cpu_seconds: float
    words: float
    captions: float
    curve: tuple[tuple[float, float], ...]

    def to_json(self) -> dict[str, Any]:
        """The score as a JSON object."""
        return asdict(self)


def compare_connectors(
    model: MIMForConditionalGeneration,
    bank: FeatureBank,
    practice: Labelled,
    held_out: Labelled,
    *,
    seconds: float,
    kinds: Sequence[str] = CONNECTORS,
    rates: Mapping[str, float] | None = None,
    batch: int = 64,
    seed: int = 0,
) -> list[ConnectorScore]:
    """Pre-align a fresh connector of each kind for the same time, and examine each on the same pictures.

    Every kind gives as many vectors per picture as the model's own connector, so the language model would pay the
    same for each. The model has its own connector back afterwards, untouched, and all of it is frozen.

    Args:
        model: lends its language model's table; nothing else of it runs.
        bank: features of all pictures.
        practice: what they learn from.
        held_out: what they are examined on; at least one picture.
        seconds: of the processor, for each; see `CpuBudget`.
        kinds: which.
        rates: highest learning rate of a kind; those not named take that of pre-alignment.
        batch: pictures per update.
        seed: of the weights and of the order.

    Raises:
        ValueError: a kind is unknown or does not fit the tower, or the time is not positive.
    """
    own = model.connector
    scores: list[ConnectorScore] = []
    try:
        for kind in kinds:
            model.connector = _fresh(model, kind, seed)
            given, budget = (rates or {}).get(kind), CpuBudget(seconds=seconds)
            # A rate of one's own is for all weights alike, so AdamW takes them all.
            stage = PREALIGN if given is None else replace(PREALIGN, learns={"connector.*": given}, orthogonal={})
            steps = list(prealign(model, bank, *practice, budget=budget, stage=stage, batch=batch, seed=seed))
            spent = process_time() - budget.begun
            words, captions = word_accuracy(model, bank, *held_out)
            size = sum(weight.numel() for weight in model.connector.parameters())
            curve = tuple((step.progress * seconds, step.loss) for step in steps)
            scores.append(ConnectorScore(kind, size, len(steps), spent, words, captions, curve))
    finally:
        model.connector = own
        model.requires_grad_(False)
    return scores


def _fresh(model: MIMForConditionalGeneration, kind: str, seed: int) -> torch.nn.Module:
    """An untrained connector of this kind that fits the model."""
    config = MIMConfig(
        vision=model.config.vision,
        qformer=cast(Any, model.config.qformer).to_dict(),
        connector={"kind": kind},
        text=cast(Any, model.config.text).to_dict(),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the library's initialisers know no generator; the state outside is restored
        return build_connector(
            config,
            patch_width=model.vision.width,
            n_patches=model.vision.n_patches,
            text_width=model.language.width,
            text_norm=model.language.embedding_norm(),
        )
