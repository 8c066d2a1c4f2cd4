"""Many examples side by side: the tensors that the model's forward pass takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tbcore.model.masks import PADDING
from tbcore.model.pack import IGNORED, Example, pack_rows

__all__ = ["Batch", "collate"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch(Mapping[str, Any]):
    """Rows of packed dialogues. It is also a mapping of its fields, so `model(**batch)` works.

    Attributes:
        ids, targets, position: int[b s].
        dialogue: int[b s], number of the dialogue within its row; padding has `PADDING`.
        segment, anchor: int[b s]; see `tbcore.model.masks.visible`. Anchors count columns of the row.
        slots: int[i q], the columns each picture fills, counted over all rows (row * s + column).
        features: float[i p d_vis], what the tower saw on each picture.
        names: the dialogues' ids, for messages.
    """

    ids: Tensor
    targets: Tensor
    position: Tensor
    dialogue: Tensor
    segment: Tensor
    anchor: Tensor
    slots: Tensor
    features: Tensor
    names: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        if key not in _KEYS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(*(getattr(self, key).to(device) for key in _KEYS), names=self.names)

    @property
    def n_supervised(self) -> int:
        """Columns that learn something."""
        return int((self.targets != IGNORED).sum())


_KEYS = tuple(entry.name for entry in fields(Batch) if entry.name != "names")


def collate(examples: Sequence[Example], features: Sequence[Tensor], *, columns: int = 0) -> Batch:
    """Pack examples into rows and pad the rows to the longest.

    Args:
        examples: at least one.
        features: for each example float[i p d_vis], its pictures in the order of `Example.pictures`.
        columns: pack rows up to this many columns; 0 puts each example into a row of its own.

    Raises:
        ValueError: no examples, or features that do not fit them.
    """
    _check(examples, features)
    sizes = [len(example) for example in examples]
    rows = pack_rows(sizes, columns=columns) if columns else [[index] for index in range(len(examples))]
    width = max(sum(sizes[index] for index in row) for row in rows)
    sheet = {name: np.zeros((len(rows), width), dtype=np.int64) for name in _COLUMNS}
    sheet["targets"].fill(IGNORED)
    sheet["dialogue"].fill(PADDING)
    slots: list[np.ndarray] = []
    order: list[int] = []
    for number, row in enumerate(rows):
        start = 0
        for place, index in enumerate(row):
            example, here = examples[index], slice(start, start + sizes[index])
            for name in ("ids", "targets", "position", "segment"):
                sheet[name][number, here] = getattr(example, name)
            sheet["anchor"][number, here] = example.anchor + start
            sheet["dialogue"][number, here] = place
            slots.append(example.slots + (number * width + start))
            order.append(index)
            start += sizes[index]
    tensors = {name: torch.from_numpy(values) for name, values in sheet.items()}
    return Batch(
        **tensors,
        slots=torch.from_numpy(np.concatenate(slots)),
        features=torch.cat([features[index] for index in order]),
        names=tuple(examples[index].id for index in order),
    )


_COLUMNS = ("ids", "targets", "position", "dialogue", "segment", "anchor")


def _check(examples: Sequence[Example], features: Sequence[Tensor]) -> None:
    if not examples:
        raise ValueError("collate: got no examples; a batch needs at least one.")
    if len(features) != len(examples):
        raise ValueError(f"collate: got {len(examples)} examples and features of {len(features)}; give one each.")
    for example, seen in zip(examples, features, strict=True):
        if len(seen) != len(example.pictures):
            raise ValueError(
                f"collate: dialogue {example.id!r} shows {len(example.pictures)} pictures, but features of "
                f"{len(seen)} came. Give them in the order of Example.pictures."
            )
