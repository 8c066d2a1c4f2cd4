"""Our model as a contestant: all conversations are read and written in step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tbcore.bench.contestants import Answer, Drawing, Sofar
from tbcore.bench.controls import Paints
from tbcore.world.render import SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tbcore.model.decode import DecodeSettings, Prompt
    from tbcore.model.mim import MIMForConditionalGeneration
    from tbcore.model.processor import MIMProcessor
    from tbcore.model.query_head import QueryHead

__all__ = ["MIMContestant", "PaintedOnce", "load_contestant", "shipped_painter"]


class MIMContestant:
    """A trained model with a painter.

    Args:
        model: in eval mode.
        processor: the model's own.
        painter: draws the captions; `tbcore.bench.controls.ExactPainter` shows what the writer alone is worth.
        settings: lengths, sampling, seed; None: always the likeliest token.
        name: for tables.
        head: a trained query head, which draws in place of captions; its painter must be one that can be told in
            vectors (`tbcore.model.query_head.TellablePainter`). Its drawings have no captions.

    What was read of a conversation stays in memory for its next exchange. Two that are asked the same at once are
    answered once. What was answered without drawing is not written again for the same history, nor is what was said up
    to a drawing: a run with another painter, see `drawing_with`, costs only what differs.
    """

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        processor: MIMProcessor,
        painter: Paints,
        *,
        settings: DecodeSettings | None = None,
        name: str = "MIM",
        head: QueryHead | None = None,
    ) -> None:
        from tbcore.model.decode import DecodeSettings, PrefixCache

        self.model, self.processor, self.painter, self.name, self.head = model, processor, painter, name, head
        self.settings = settings or DecodeSettings()
        self.cache = PrefixCache()
        self._said: dict[str, Answer] = {}

    def drawing_with(self, painter: Paints, name: str | None = None, *, head: QueryHead | None = None) -> MIMContestant:
        """The same model with another painter; both remember what either has read and said.

        Args:
            painter: draws the captions, or what the head tells it.
            name: for tables; None: the same.
            head: draws in place of captions.
        """
        chosen = name or self.name
        other = MIMContestant(self.model, self.processor, painter, settings=self.settings, name=chosen, head=head)
        other.cache, other._said = self.cache, self._said
        return other

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """What the model says and draws next; another painting seed in each exchange."""
        from tbcore.model.decode import generate

        keys = [self._key(one) for one in conversations]
        alone = self.settings.sampling  # then two who are asked the same may say different things
        first = {k if alone else key: k for k, key in reversed(list(enumerate(keys)))}
        answers = {k: self._said[key] for k, key in enumerate(keys) if key in self._said}
        for number in sorted({one.number for one in conversations}):
            rows = [k for k in sorted(first.values()) if conversations[k].number == number and k not in answers]
            prompts = [self._prompt(conversations[k]) for k in rows]
            settings = replace(self.settings, seed=self.settings.seed + 100 * number)
            replies = generate(
                self.model,
                self.processor.layout,
                prompts,
                painter=self.painter,
                settings=settings,
                memory=self.cache,
                head=self.head,
            )
            for k, reply in zip(rows, replies, strict=True):
                parts = [part if isinstance(part, str) else Drawing(part.caption, part.picture) for part in reply.parts]
                answers[k] = Answer(tuple(parts))
                if not reply.drawings and not settings.sampling:
                    self._said[keys[k]] = answers[k]
        return [answers[k if alone else first[key]] for k, key in enumerate(keys)]

    def _key(self, sofar: Sofar) -> str:
        """What a reply without a drawing depends on."""
        told = repr((sofar.number, sofar.turns, sofar.captions, self.settings)).encode()
        return hashlib.sha256(b"".join([told, *(picture.tobytes() for picture in sofar.pictures)])).hexdigest()

    def _prompt(self, sofar: Sofar) -> Prompt:
        from tbcore.model.decode import Prompt

        captions = tuple(caption or "-" for caption in sofar.captions)
        return Prompt(sofar.turns, tuple(np.array(picture) for picture in sofar.pictures), captions)


class PaintedOnce:
    """A painter that keeps what it has painted: the same caption and seed give the same picture again.

    So a right caption costs nothing where the oracle, or another row, had the same one painted before.

    Args:
        inner: who paints. It may also take vectors (`tbcore.model.query_head.TellablePainter`); those are not kept.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._painted: dict[tuple[str, int], NDArray[np.uint8]] = {}

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """uint8[n 64 64 3]; only what is new is painted."""
        wanted = list(zip(captions, seeds, strict=True))
        fresh = [one for one in dict.fromkeys(wanted) if one not in self._painted]
        if fresh:
            pictures = self.inner.paint([caption for caption, _ in fresh], [seed for _, seed in fresh])
            self._painted.update(zip(fresh, pictures, strict=True))
        return np.array([self._painted[one] for one in wanted], dtype=np.uint8).reshape(-1, SIZE, SIZE, 3)

    def tell(self, captions: Sequence[str]) -> Tensor:
        """What the painter's text encoder makes of captions: float[n k d]."""
        return self.inner.tell(captions)

    def paint_told(self, told: Tensor, seeds: Sequence[int]) -> NDArray[np.uint8]:
        """uint8[n 64 64 3], from vectors."""
        return self.inner.paint_told(told, seeds)


def shipped_painter(steps: int = 16) -> PaintedOnce:
    """The painter that ships with the course; it paints nothing twice.

    Args:
        steps: denoising steps per picture.

    Raises:
        MissingFileError, CheckpointError: its files are not there or damaged.
    """
    from tbcore.model.painter.pipeline import PostcardPainter, load_painter

    return PaintedOnce(PostcardPainter(load_painter(), steps=steps))


def load_contestant(
    checkpoint: Path | str, painter: Paints, *, settings: DecodeSettings | None = None, name: str = "MIM"
) -> MIMContestant:
    """A trained model, ready to be asked.

    Raises:
        MissingFileError, CheckpointError: a part is not there, damaged, or not the one it was trained on.
    """
    from tbcore.train.build import load_model

    model, processor = load_model(checkpoint)
    return MIMContestant(model, processor, painter, settings=settings, name=name)
