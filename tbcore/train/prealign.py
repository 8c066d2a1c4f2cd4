"""Step 0: teach the connector to write captions in the language model's own words, without running it.

Each query's vector is drawn towards the embedding of one word of the caption, and must name that word through the tied
head. The language model has not been touched, and afterwards it reads some pictures as if they were words.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.tokens import ChatText
from tbcore.seeds import stream
from tbcore.train.features import FeatureBank
from tbcore.train.stages import Budget, Stage, wake

__all__ = ["PREALIGN", "WORDS", "PrealignStep", "Prealignment", "caption_words", "prealign", "word_accuracy"]

PREALIGN = Stage(
    name="prealign",
    learns={"connector.*": 2e-3},
    orthogonal={"connector.qformer.blocks.*": 8e-3, "connector.qformer.enter.*": 8e-3},
    weight_decay=0.0,
)
"""Step 0: the Q-Former's matrices learn by Muon, which needs about half as many steps here as AdamW."""
_NOTHING = -100

WORDS = 7
"""Words of a caption that pre-alignment teaches. The few that tell pictures apart are learned far sooner than whole
sentences: with every word, each place depends on how long all words before it are."""


@dataclass(frozen=True, slots=True)
class PrealignStep:
    """What one update did: loss in all, share of words named rightly (0..1), seconds since the first step."""

    number: int
    progress: float
    loss: float
    words_right: float
    seconds: float


def caption_words(
    captions: Sequence[str], text: ChatText, *, most: int = WORDS, among: Sequence[str] | None = None
) -> list[tuple[int, ...]]:
    """The words of each caption that its queries learn, in order: all, or where they are more than `most` the rarest.

    Words that stand in most captions ("a", "on", ",") say little, so they are left out first.

    Args:
        captions: whose words are wanted.
        text: pieces of the language model's words.
        most: words of one caption.
        among: captions that tell which words are rare; None: these same.
    """
    encoded = [text.encode(caption) for caption in captions]
    counted = encoded if among is None else [text.encode(caption) for caption in among]
    common = Counter(word for words in counted for word in set(words))
    chosen: list[tuple[int, ...]] = []
    for words in encoded:
        order = sorted(range(len(words)), key=lambda at, words=words: (common[words[at]], at))
        chosen.append(tuple(words[at] for at in sorted(order[:most])))
    return chosen


def prealign(
    model: MIMForConditionalGeneration,
    bank: FeatureBank,
    rows: Sequence[int],
    words: Sequence[tuple[int, ...]],
    *,
    budget: Budget,
    stage: Stage = PREALIGN,
    batch: int = 64,
    seed: int = 0,
) -> Iterator[PrealignStep]:
    """Yield one step per update.

    Args:
        model: only its connector learns.
        bank: features of the pictures.
        rows: row of each picture in the bank.
        words: of each caption, from `caption_words`; at most one per query.
        budget: when to end.
        stage: rates.
        batch: pictures per step.
        seed: of the order.
    """
    lesson = Prealignment(model, words, stage=stage)
    steps, seconds = 0, 0.0
    places = np.asarray(rows)
    while (progress := budget.progress(steps=steps, seconds=seconds)) < 1:
        start = time.perf_counter()
        chosen = stream(seed, f"prealign {steps}").integers(len(places), size=batch)
        features = bank[places[chosen].tolist()].float()
        loss, right = lesson.update(features, torch.from_numpy(chosen), progress=progress)
        seconds += time.perf_counter() - start
        yield PrealignStep(steps, progress, loss, right, seconds)
        steps += 1


class Prealignment:
    """One update at a time: the connector, its optimizers, and the words it is to name.

    Args:
        model: only its connector learns.
        words: of each caption, from `caption_words`; at most one per query.
        stage: rates.
    """

    def __init__(
        self, model: MIMForConditionalGeneration, words: Sequence[tuple[int, ...]], *, stage: Stage = PREALIGN
    ) -> None:
        wake(model, stage.learns)
        self.model, self.stage = model, stage
        self.optimizers = stage.optimizers(model)
        self._learning = [one for each in self.optimizers for group in each.param_groups for one in group["params"]]
        self._table, self._wanted = _targets(model, words)

    def update(self, features: Tensor, chosen: Tensor, *, progress: float) -> tuple[float, float]:
        """Learn from some pictures.

        Args:
            features: float[i p d_vis] of them.
            chosen: int[i], the places of their captions among the words.
            progress: share of the budget used (0..1), for the rates.

        Returns:
            The loss before this update, and the share of words named rightly (0..1).
        """
        for optimizer in self.optimizers:
            self.stage.set_rate(optimizer, progress)
        loss, right = _loss(self.model.connector(features), self._wanted[chosen], self._table)
        loss.backward()
        nn.utils.clip_grad_norm_(self._learning, self.stage.max_norm, error_if_nonfinite=True)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item(), right


def _targets(model: MIMForConditionalGeneration, words: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """The embeddings of the words in use float[v d_lm], and each caption's words as rows of it, int[n q]."""
    used = torch.tensor(sorted({word for caption in words for word in caption}))
    table = model.language.table.detach()[used].float()
    place = {int(word): row for row, word in enumerate(used)}
    targets = torch.full((len(words), model.config.n_queries), _NOTHING)
    for row, caption in enumerate(words):
        targets[row, : len(caption)] = torch.tensor([place[word] for word in caption])
    return table, targets


def _loss(vectors: Tensor, targets: Tensor, table: Tensor) -> tuple[Tensor, float]:
    """Regression to the words' embeddings plus naming them; queries without a word are drawn to zero, gently."""
    named = targets != _NOTHING
    wanted = table[targets.clamp(min=0)] * named[..., None]
    scale = table.square().sum(dim=-1).mean()
    apart = (vectors - wanted).square().sum(dim=-1) / scale
    regression = (apart * torch.where(named, 1.0, 0.1)).mean()
    logits = vectors @ table.T
    naming = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_NOTHING)
    right = (logits.argmax(dim=-1) == targets)[named].float().mean().item()
    return regression + naming, right


@torch.no_grad()
def word_accuracy(
    model: MIMForConditionalGeneration, bank: FeatureBank, rows: Sequence[int], words: Sequence[tuple[int, ...]]
) -> tuple[float, float]:
    """How well the connector alone reads pictures: share of words, and share of whole captions, named rightly (0..1).

    Words count as named when they are the nearest among the words of these captions.
    """
    table, targets = _targets(model, words)
    logits = model.connector(bank[rows].float()) @ table.T
    named = targets != _NOTHING
    right = (logits.argmax(dim=-1) == targets) | ~named
    return right[named].float().mean().item(), right.all(dim=1).float().mean().item()
