"""From shards to batches: what each process reads at each step, whatever the number of processes."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tbcore.errors import InputError
from tbcore.model.batch import Batch, collate
from tbcore.model.masks import PADDING
from tbcore.model.pack import IGNORED, Example
from tbcore.model.processor import MIMProcessor
from tbcore.model.vision import VisionTower
from tbcore.scale.training_shards import Order, TrainingShards
from tbcore.seeds import stream

__all__ = ["Reading", "ShardBatches", "with_blank_picture"]

_TRIES = 100
_Taken = tuple[Example, list[NDArray[np.uint8]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How shards become batches.

    Attributes:
        dialogues: that one step reads, over all processes together.
        row: columns of a packed row.
        max_columns: longer dialogues lose whole trailing exchanges.
        seed: of the order.
        mix: shards that are shuffled together.
    """

    dialogues: int
    row: int
    max_columns: int = 768
    seed: int = 0
    mix: int = 8


class ShardBatches:
    """Batches as a function of the step: step n reads the positions n * dialogues and up of one endless order.

    Process r of w takes every w-th of them. So the step learns from the same dialogues with one process or eight, a
    run goes on at any step without reading what came before, and may go on with another number of processes.

    Args:
        shards: the data.
        processor: makes columns.
        tower: sees the pictures; frozen, on the device it should work on.
        reading: sizes and seed.
        rank: number of this process, from 0.
        world: how many there are.
        every_part: let even a share without pictures pass through the connector, see `with_blank_picture`.

    Raises:
        InputError: a step reads fewer dialogues than there are processes.
    """

    def __init__(
        self,
        shards: TrainingShards,
        processor: MIMProcessor,
        tower: VisionTower,
        reading: Reading,
        *,
        rank: int = 0,
        world: int = 1,
        every_part: bool = False,
    ) -> None:
        if reading.dialogues < world:
            raise InputError(
                f"a step reads {reading.dialogues} dialogues, but {world} processes share them. Read at least one each."
            )
        self.shards, self.processor, self.tower, self.reading = shards, processor, tower, reading
        self.rank, self.world, self.every_part = rank, world, every_part
        self.order = Order(shards.sizes, seed=reading.seed, mix=reading.mix)
        self._reader = ThreadPoolExecutor(1, "shards")  # one thread: shards and order remember what they saw last
        self._ahead: tuple[int, Future[list[_Taken]]] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what a step reads; the number of processes does not."""
        return hashlib.sha256(f"{self.shards.digest}|{self.reading}".encode()).hexdigest()

    def __call__(self, step: int, progress: float) -> Batch:  # noqa: ARG002 - the loop passes both
        """What this process learns from at a step; the next step is read from the disk meanwhile."""
        here = self._ahead[1] if self._ahead and self._ahead[0] == step else self._reader.submit(self._read, step)
        self._ahead = step + 1, self._reader.submit(self._read, step + 1)
        taken = here.result()
        pictures = [picture for _, shown in taken for picture in shown]
        counts = [len(shown) for _, shown in taken]
        batch = collate([example for example, _ in taken], self._seen(pictures).split(counts), columns=self.reading.row)
        return with_blank_picture(batch, self.processor.n_queries) if self.every_part and not pictures else batch

    def _read(self, step: int) -> list[_Taken]:
        first = step * self.reading.dialogues
        return [self._fitting(first + k) for k in range(self.rank, self.reading.dialogues, self.world)]

    def _seen(self, pictures: list[NDArray[np.uint8]]) -> torch.Tensor:
        if not pictures:
            return torch.zeros(0, self.tower.n_patches, self.tower.width, dtype=torch.float16)
        return self.tower.patches(np.stack(pictures)).to(torch.float16).cpu()

    def _fitting(self, position: int) -> _Taken:
        """What stands at a position, or where its first exchange is too long, what is drawn in its place."""
        draws = stream(self.reading.seed, f"instead of {position}")
        where = self.order(position)
        for _ in range(_TRIES):
            dialogue, contents = self.shards.read(*where)
            example = self.processor.example(dialogue, max_columns=self.reading.max_columns)
            if example is not None:
                return example, [self._picture(dialogue.id, contents[index]) for index in example.pictures]
            where = self.order(int(draws.integers(len(self.shards))))
        raise InputError(
            f"training shards {self.shards.folder}: {_TRIES} dialogues in a row do not fit into "
            f"{self.reading.max_columns} columns. Allow more, or write shards of shorter dialogues."
        )

    def _picture(self, name: str, content: bytes) -> NDArray[np.uint8]:
        from PIL import Image

        try:
            return self.processor.picture(Image.open(io.BytesIO(content)))
        except (OSError, Image.DecompressionBombError) as error:
            raise InputError(
                f"training shards {self.shards.folder}: a picture of dialogue {name!r} cannot be read ({error}). "
                "Leave the dialogue out and write the shards again."
            ) from error


def with_blank_picture(batch: Batch, n_queries: int) -> Batch:
    """A batch without pictures and, in columns of padding that nobody reads, one blank picture.

    Sharded training adds up gradients part by part, over all processes at once. A process whose share shows no picture
    would have none for the connector, and the others would wait for it. So it looks at nothing, and learns nothing.

    Args:
        batch: without pictures.
        n_queries: columns of a picture.
    """
    fills = {"ids": 0, "targets": IGNORED, "position": 0, "dialogue": PADDING, "segment": 0, "anchor": 0}
    wider = {name: torch.nn.functional.pad(batch[name], (0, n_queries), value=fill) for name, fill in fills.items()}
    width = batch.ids.shape[1]
    slots = torch.arange(width, width + n_queries)[None]
    blank = batch.features.new_zeros(1, *batch.features.shape[1:])
    return replace(batch, **wider, slots=slots, features=blank)
