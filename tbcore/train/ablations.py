"""What changes when one thing is taken away or let in: what a caption may read of the captions before it.

honest    a caption reads what precedes its picture, and itself (`tbcore.model.masks.visible`)
leaking   it also reads all earlier captions, as in the released code of the method
kept      captions stand in the main sequence, where everything that follows may read them
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.model.batch import Batch, collate
from tbcore.model.masks import visible
from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import IGNORED, encode
from tbcore.model.processor import MIMProcessor
from tbcore.records import Dialogue
from tbcore.train.features import FeatureBank
from tbcore.train.stages import INSTRUCT, Stage, wake

__all__ = [
    "READINGS",
    "CaptionLoss",
    "Reading",
    "caption_loss",
    "column_losses",
    "compare_readings",
    "leaking",
    "practise",
    "read_as",
]

Reading = Literal["honest", "leaking", "kept"]
READINGS: tuple[Reading, ...] = ("honest", "leaking", "kept")

Told = Sequence[tuple[Dialogue, Sequence[NDArray[np.uint8]]]]


def leaking(dialogue: Tensor, segment: Tensor, anchor: Tensor) -> Tensor:
    """The mask of the released code: as `visible`, but a caption also reads all earlier captions of its dialogue.

    Args:
        dialogue: int[... s]; this and the following as in `tbcore.model.masks.visible`.
        segment: int[... s].
        anchor: int[... s].

    Returns:
        bool[... s s]; True: may read.
    Source: SihengLi99/TextBind, `data_utils`: rows of branches begin as ones, and only main columns are written.
    """
    mask = visible(dialogue, segment, anchor)
    branch = segment > 0
    among = branch[..., :, None] & branch[..., None, :] & (dialogue[..., :, None] == dialogue[..., None, :])
    return mask | among.tril()


def read_as(
    dialogues: Told, reading: Reading, *, processor: MIMProcessor, bank: FeatureBank, size: int = 4
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches with a row per dialogue, and the mask bool[b s s] of each.

    Args:
        dialogues: each with one picture uint8[y x 3] per caption.
        reading: what captions may read.
        processor: of the model.
        bank: keeps the features.
        size: dialogues per batch.
    """
    layout = replace(processor.layout, history="keep_caption" if reading == "kept" else "drop_caption")
    for start in range(0, len(dialogues), size):
        found = [(encode(one, layout), pictures) for one, pictures in dialogues[start : start + size]]
        here = [(example, pictures) for example, pictures in found if example is not None]
        if here:
            rows = [bank.add([pictures[k] for k in example.pictures]) for example, pictures in here]
            batch = collate([example for example, _ in here], [bank[each] for each in rows])
            rule = leaking if reading == "leaking" else visible
            yield batch, rule(batch.dialogue, batch.segment, batch.anchor)


def column_losses(model: MIMForConditionalGeneration, batch: Batch, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of each supervised column under any mask; ids that the head was sliced of are left out.

    Args:
        model: reads.
        batch: its own rule for the mask is not used.
        mask: bool[b s s], who may read whom.

    Returns:
        float[n] in nats, and int[n], which columns, counted over all rows.
    """
    language = model.language
    wanted = batch.targets.flatten()
    columns = ((wanted != IGNORED) & torch.isin(wanted, language.emitted)).nonzero()[:, 0]
    inputs = splice(language.embed(batch.ids), model.vectors(batch.features), batch.slots)
    hidden, _ = language.hidden(inputs, mask, batch.position)
    logits = language.logits(hidden.flatten(0, 1)[columns])
    return nn.functional.cross_entropy(logits, language.columns_of(wanted[columns]), reduction="none"), columns


@dataclass(frozen=True, slots=True)
class CaptionLoss:
    """Mean loss per token of captions, in nats: of the first caption of each dialogue, and of all later ones.

    Attributes:
        first: a first caption has no other to read.
        later: the captions that a leak would help.
        n_first: tokens behind the mean.
        n_later: as above.
        by_dialogue: mean loss of the later captions of each dialogue that has any; for paired comparisons.
    """

    first: float
    later: float
    n_first: int
    n_later: int
    by_dialogue: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """The record as a JSON object."""
        return asdict(self)


@torch.no_grad()
def caption_loss(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    dialogues: Told,
    bank: FeatureBank,
    *,
    reading: Reading = "honest",
) -> CaptionLoss:
    """How surprised the model is by the true captions of dialogues when captions may read this much.

    Args:
        model: in eval mode.
        processor: of the model.
        dialogues: see `read_as`.
        bank: keeps the features.
        reading: what captions may read.

    Raises:
        ValueError: no dialogue has two captions by the assistant, so there is nothing to compare.
    """
    first, later, each = list[float](), list[float](), list[float]()
    start, end = processor.layout.start_id, processor.layout.end_id
    for batch, mask in read_as(dialogues, reading, processor=processor, bank=bank):
        losses, columns = column_losses(model, batch, mask)
        opened = (batch.ids == start).cumsum(dim=1)
        inside = opened > (batch.ids == end).cumsum(dim=1)
        number = torch.where(inside, opened, 0).flatten()[columns]
        row = columns // batch.ids.shape[1]
        first += losses[number == 1].tolist()
        for k in range(len(batch.ids)):
            mine = losses[(number > 1) & (row == k)]
            later += mine.tolist()
            each += [float(mine.mean())] if len(mine) else []
    if not later:
        raise ValueError("caption_loss: no dialogue has two captions by the assistant. Give longer ones.")
    return CaptionLoss(float(np.mean(first)), float(np.mean(later)), len(first), len(later), tuple(each))


def practise(
    model: MIMForConditionalGeneration, batches: Sequence[tuple[Batch, Tensor]], *, stage: Stage = INSTRUCT
) -> list[float]:
    """A few updates under given masks, one per batch; returns their losses. All of the model is frozen afterwards.

    Args:
        model: what the stage names learns.
        batches: with their masks, from `read_as`.
        stage: rates; they rise and fall over these few updates.
    """
    wake(model, stage.learns)
    optimizer = stage.optimizer(model)
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    losses: list[float] = []
    for number, (batch, mask) in enumerate(batches):
        stage.set_rate(optimizer, (number + 0.5) / len(batches))
        loss = column_losses(model, batch, mask)[0].mean()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, stage.max_norm, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    model.requires_grad_(False)
    return losses


def compare_readings(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    bank: FeatureBank,
    *,
    practice: Told,
    test: Told,
    stage: Stage = INSTRUCT,
) -> dict[str, CaptionLoss]:
    """The same held-out captions under every reading; then what a little practice under the leak does to honest ones.

    Args:
        model: trained with the honest mask. What learns is put back afterwards.
        processor: of the model.
        bank: keeps the features.
        practice: one update on each of these dialogues, once with the honest mask and once with the leak.
        test: nothing trained on these; in some the assistant draws twice.
        stage: who learns in practice, and how fast.

    Returns:
        "honest", "leaking", "kept": the model as it is; "practised honest", "practised leaking": read honestly after
        practice under that mask.
    """
    results: dict[str, CaptionLoss] = {}
    for reading in READINGS:
        results[reading] = caption_loss(model, processor, test, bank, reading=reading)
    names = [name for _, group in stage.groups(model) for name, _ in group]
    weights = dict(model.named_parameters())
    before = {name: weights[name].detach().clone() for name in names}
    for reading in READINGS[:2]:
        practise(model, list(read_as(practice, reading, processor=processor, bank=bank, size=1)), stage=stage)
        results[f"practised {reading}"] = caption_loss(model, processor, test, bank)
        with torch.no_grad():
            for name, value in before.items():
                weights[name].copy_(value)
    return results
