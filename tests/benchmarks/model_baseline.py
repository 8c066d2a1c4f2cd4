"""A training step as the released code of the method takes it, written anew: the yardstick of the model's benchmark.

Each dialogue becomes lists: ids, labels, positions, and a visibility matrix as rows of a list, padded per batch. The
branches stand behind the main sequence, see what precedes their picture and, by the rows that are filled with ones,
every earlier branch too; what is too long is cut from the end. The tower looks at every picture in every step, each
dialogue has a row of its own, and the head speaks for every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import Layout
from tbcore.records import Dialogue, Picture

__all__ = ["Lists", "baseline_batch", "baseline_lists", "baseline_loss"]

_IGNORED = -100


@dataclass
class Lists:
    """One dialogue, label k being what the column before k must predict."""

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    mask: list[list[int]] = field(default_factory=list)
    slots: list[list[int]] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)


def baseline_lists(dialogue: Dialogue, layout: Layout, *, limit: int = 768) -> Lists:
    """Ids, labels, positions and the dense mask of a dialogue, cut at `limit` columns."""
    made, branches = Lists(), []
    marks, text = layout.text.format, layout.text

    def put(ids: Sequence[int], labels: Sequence[int]) -> None:
        made.ids += ids
        made.labels += labels

    for number, turn in enumerate(dialogue.turns):
        drawn = turn.role == "assistant"
        before = marks.to_assistant if drawn else marks.to_user[1:] if number else marks.before
        put(before, [_IGNORED] * len(before))
        for part in turn.parts:
            if isinstance(part, Picture):
                if drawn:
                    branches.append((len(made.ids), text.encode(dialogue.captions[part.index])))
                made.slots.append(list(range(len(made.ids), len(made.ids) + layout.n_queries)))
                made.pictures.append(part.index)
                first = layout.start_id if drawn else _IGNORED
                put([layout.image_id] * layout.n_queries, [first] + [_IGNORED] * (layout.n_queries - 1))
            else:
                words = text.encode(part)
                put(words, words if drawn else [_IGNORED] * len(words))
        if drawn:
            put([marks.stop], [marks.stop])
    main = len(made.ids)
    made.position = list(range(main))
    for anchor, caption in branches:
        put([layout.start_id, *caption, layout.end_id], [_IGNORED, *caption, layout.end_id])
        made.position += range(anchor, anchor + len(caption) + 2)
    anchors = [anchor for anchor, caption in branches for _ in range(len(caption) + 2)]
    size = len(made.ids)
    for row in range(size):
        ones = [1] * (row + 1) + [0] * (size - row - 1)
        if row >= main:
            for column in range(anchors[row - main], main):
                ones[column] = 0
        made.mask.append(ones)
    made.ids, made.labels, made.position = made.ids[:limit], made.labels[:limit], made.position[:limit]
    made.mask = [row[:limit] for row in made.mask[:limit]]
    whole = [place for place, slot in enumerate(made.slots) if slot[-1] < limit]
    made.slots, made.pictures = [made.slots[k] for k in whole], [made.pictures[k] for k in whole]
    return made


def baseline_batch(lists: Sequence[Lists]) -> dict[str, Tensor]:
    """Every list padded to the longest, then made a tensor."""
    width = max(len(one.ids) for one in lists)
    ids, labels, position, mask = [], [], [], []
    for one in lists:
        missing = width - len(one.ids)
        ids.append(one.ids + [0] * missing)
        labels.append(one.labels + [_IGNORED] * missing)
        position.append(one.position + [0] * missing)
        rows = [row + [0] * missing for row in one.mask]
        for k in range(missing):
            rows.append([0] * (width - missing + k) + [1] + [0] * (missing - k - 1))
        mask.append(rows)
    slots = [[column + row * width for column in slot] for row, one in enumerate(lists) for slot in one.slots]
    return {
        "ids": torch.tensor(ids),
        "labels": torch.tensor(labels),
        "position": torch.tensor(position),
        "mask": torch.tensor(mask, dtype=torch.bool),
        "slots": torch.tensor(slots, dtype=torch.long),
    }


def baseline_loss(
    model: MIMForConditionalGeneration,
    layout: Layout,
    dialogues: Sequence[tuple[Dialogue, Sequence[NDArray[np.uint8]]]],
    *,
    limit: int = 768,
) -> Tensor:
    """From dialogues and pixels to the loss, everything in the step; the head must not be sliced."""
    lists = [baseline_lists(dialogue, layout, limit=limit) for dialogue, _ in dialogues]
    batch = baseline_batch(lists)
    inputs = model.language.embed(batch["ids"])
    shown = [pictures[k] for one, (_, pictures) in zip(lists, dialogues, strict=True) for k in one.pictures]
    if shown:
        seen = model.vision.patches(np.stack(shown))
        inputs = splice(inputs, model.vectors(seen), batch["slots"])
    hidden, _ = model.language.hidden(inputs, batch["mask"], batch["position"])
    logits = model.language.logits(hidden.flatten(0, 1)).view(*batch["ids"].shape, -1)
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten())
