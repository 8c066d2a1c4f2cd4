"""Our model as a contestant: all conversations are read and written in step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tbcore.bench.contestants import Answer, Drawing, Sofar
from tbcore.bench.controls import Paints

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tbcore.model.decode import DecodeSettings, Prompt
    from tbcore.model.mim import MIMForConditionalGeneration
    from tbcore.model.processor import MIMProcessor

__all__ = ["MIMContestant", "load_contestant", "shipped_painter"]


class MIMContestant:
    """A trained model with a painter.

    Args:
        model: in eval mode.
        processor: the model's own.
        painter: draws the captions; `tbcore.bench.controls.ExactPainter` shows what the writer alone is worth.
        settings: lengths, sampling, seed; None: always the likeliest token.
        name: for tables.

    Each picture is looked at once. What was answered once without drawing is not written again for the same history:
    a run with another painter, see `drawing_with`, differs from this one only after its first drawing.
    """

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        processor: MIMProcessor,
        painter: Paints,
        *,
        settings: DecodeSettings | None = None,
        name: str = "MIM",
    ) -> None:
        from tbcore.model.decode import DecodeSettings

        self.model, self.processor, self.painter, self.name = model, processor, painter, name
        self.settings = settings or DecodeSettings()
        self._features: dict[bytes, Tensor] = {}
        self._said: dict[str, Answer] = {}

    def drawing_with(self, painter: Paints, name: str | None = None) -> MIMContestant:
        """The same model with another painter; both remember what either has seen and said.

        Args:
            painter: draws the captions.
            name: for tables; None: the same.
        """
        other = MIMContestant(self.model, self.processor, painter, settings=self.settings, name=name or self.name)
        other._features, other._said = self._features, self._said
        return other

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """What the model says and draws next; another painting seed in each exchange."""
        from tbcore.model.decode import generate

        keys = [self._key(one) for one in conversations]
        answers = {k: self._said[key] for k, key in enumerate(keys) if key in self._said}
        for number in sorted({one.number for one in conversations}):
            rows = [k for k, one in enumerate(conversations) if one.number == number and k not in answers]
            prompts = [self._prompt(conversations[k]) for k in rows]
            settings = replace(self.settings, seed=self.settings.seed + 100 * number)
            replies = generate(self.model, self.processor.layout, prompts, painter=self.painter, settings=settings)
            for k, reply in zip(rows, replies, strict=True):
                parts = [part if isinstance(part, str) else Drawing(part.caption, part.picture) for part in reply.parts]
                answers[k] = Answer(tuple(parts))
                if not reply.drawings and not settings.sampling:
                    self._said[keys[k]] = answers[k]
        return [answers[k] for k in range(len(conversations))]

    def _key(self, sofar: Sofar) -> str:
        """What a reply without a drawing depends on."""
        told = repr((sofar.number, sofar.turns, sofar.captions, self.settings)).encode()
        return hashlib.sha256(b"".join([told, *(picture.tobytes() for picture in sofar.pictures)])).hexdigest()

    def _prompt(self, sofar: Sofar) -> Prompt:
        from tbcore.model.decode import Prompt

        captions = tuple(caption or "-" for caption in sofar.captions)
        return Prompt(sofar.turns, tuple(self._look(picture) for picture in sofar.pictures), captions)

    def _look(self, picture: NDArray[np.uint8]) -> Tensor:
        key = picture.tobytes()
        if key not in self._features:
            self._features[key] = self.model.vision.patches(np.array(picture)[None])[0]
        return self._features[key]


def shipped_painter(steps: int = 16) -> Paints:
    """The painter that ships with the course.

    Args:
        steps: denoising steps per picture.

    Raises:
        MissingFileError, CheckpointError: its files are not there or damaged.
    """
    from tbcore.model.painter.pipeline import PostcardPainter, load_painter

    return PostcardPainter(load_painter(), steps=steps)


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
