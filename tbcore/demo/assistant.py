"""The trained model behind the chat's port: tower, connector, language model, painter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from tbcore.demo.conversation import Drawing, ReplyPart, Transcript
from tbcore.errors import CheckpointError, InputError, MissingFileError
from tbcore.model.config import MIMConfig, QFormerConfig
from tbcore.model.decode import DecodeSettings, Prompt, generate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.painter_port import Painter
from tbcore.model.processor import MIMProcessor
from tbcore.store import read_json

__all__ = ["MIMAssistant", "load_assistant", "load_model"]


class MIMAssistant:
    """Answers with a trained model; draws what it captions.

    Args:
        model: in eval mode.
        processor: the model's own.
        painter: draws; None: the assistant only talks.
        settings: lengths, sampling, seed.
        max_columns: of the conversation that is read; the oldest exchanges are forgotten first.
    """

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        processor: MIMProcessor,
        painter: Painter | None,
        *,
        settings: DecodeSettings | None = None,
        max_columns: int = 1024,
    ) -> None:
        self.model, self.processor, self.painter = model, processor, painter
        self.settings = settings or DecodeSettings()
        self.max_columns = max_columns

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """What the model says and draws next; the same conversation gets the same reply.

        Raises:
            InputError: the last message alone is too long to be read.
        """
        read = self.remembered(history)
        pictures = tuple(
            np.array(self.processor.picture(picture)) for picture in read.pictures
        )  # torch wants to own them
        prompt = Prompt(read.turns, pictures, tuple(caption or "-" for caption in read.captions))
        # Another seed in each turn: the same words asked twice may be painted in two ways.
        settings = replace(self.settings, seed=self.settings.seed + 100 * len(history.turns))
        reply = generate(self.model, self.processor.layout, [prompt], painter=self.painter, settings=settings)[0]
        return [part if isinstance(part, str) else Drawing(part.caption, part.picture) for part in reply.parts]

    def remembered(self, history: Transcript) -> Transcript:
        """The part of a conversation that still fits, in whole exchanges, the latest last.

        Raises:
            InputError: the last message alone does not fit.
        """
        for first in range(0, len(history.turns), 2):
            kept = history.since(first)
            size = len(self.processor.prompt(kept.turns, tuple(caption or "-" for caption in kept.captions)))
            if size <= self.max_columns:
                return kept
        raise InputError(
            f"message: it is too long to be read, more than {self.max_columns} tokens and picture columns. Shorten it."
        )


def load_model(checkpoint: Path | str) -> tuple[MIMForConditionalGeneration, MIMProcessor]:
    """Put tower, connector and language model together as a checkpoint says, and load what was learned.

    Raises:
        MissingFileError, CheckpointError: as `tbcore.train.checkpoint.load_delta`.
    """
    from tbcore.train.build import assemble
    from tbcore.train.checkpoint import load_delta

    place = Path(checkpoint) / "mim.json"
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no checkpoint here. Run the training notebook (06) first.")
    saved = MIMConfig(**{k: v for k, v in _object(place, "config").items() if k != "model_type"})
    model, processor = assemble(qformer=cast(QFormerConfig, saved.qformer), history=saved.history)
    load_delta(model, checkpoint)
    return model.eval(), processor


def load_assistant(
    checkpoint: Path | str, *, painter_steps: int = 16, settings: DecodeSettings | None = None
) -> MIMAssistant:
    """The model that notebook 06 trained, on the shipped tower, painter and language model.

    Args:
        checkpoint: folder that `tbcore.train.checkpoint.save_delta` wrote.
        painter_steps: denoising steps per drawing.
        settings: of the replies.

    Raises:
        MissingFileError, CheckpointError: a part is not there, damaged, or not the one it was trained on.
    """
    from tbcore.model.painter.pipeline import PostcardPainter, load_painter

    model, processor = load_model(checkpoint)
    return MIMAssistant(model, processor, PostcardPainter(load_painter(), steps=painter_steps), settings=settings)


def _object(path: Path, field: str) -> dict[str, Any]:
    """One field, an object, of a JSON file."""
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get(field), dict):
        raise CheckpointError(f"{path}: must hold a JSON object with the field {field!r}. Write it again.")
    return cast("dict[str, Any]", value[field])
