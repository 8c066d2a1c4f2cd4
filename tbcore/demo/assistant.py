"""The trained model behind the chat's port: tower, connector, language model, painter."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tbcore.demo.engine import (
    Answer,
    Ask,
    Captioning,
    Dropped,
    Emerging,
    Event,
    Finish,
    Stopped,
    StreamedParts,
    Usage,
    Watch,
    Words,
    unwatched,
)
from tbcore.demo.inside import Inside
from tbcore.demo.shelf import MemoryShelf
from tbcore.demo.transcript import Drawing, ReplyPart, Transcript
from tbcore.errors import InputError
from tbcore.model.decode import DecodeSettings, Piece, Prompt, generate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.painter_port import Painter
from tbcore.model.processor import MIMProcessor

__all__ = ["MIMAssistant", "load_assistant", "tiny_assistant"]

_PREVIEWS = 4
_ATTEMPT_SEEDS = 10_000


class MIMAssistant:
    """Answers with a trained model; draws what it captions. An engine, and a plain assistant too.

    Args:
        model: in eval mode.
        processor: the model's own.
        painter: draws; None: the assistant only talks.
        settings: lengths, sampling, seed, where a request does not say otherwise.
        max_columns: of the conversation that is read; the oldest exchanges are forgotten first.
        name: what clients call it.
        memory_bytes: for conversations that are kept in memory between turns.

    Attributes:
        shelf: the memories.
    """

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        processor: MIMProcessor,
        painter: Painter | None,
        *,
        settings: DecodeSettings | None = None,
        max_columns: int = 1024,
        name: str = "mim",
        memory_bytes: int = 512 << 20,
    ) -> None:
        self.model, self.processor, self.painter = model, processor, painter
        self.settings = settings or DecodeSettings()
        self.max_columns, self._name = max_columns, name
        self.shelf = MemoryShelf(max_bytes=memory_bytes)

    @property
    def name(self) -> str:
        """What clients call it."""
        return self._name

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """What the model says and draws next; the same conversation gets the same reply.

        Raises:
            InputError: the last message alone is too long to be read.
        """
        return self.answer(history, Ask(), unwatched).parts

    def answer(self, history: Transcript, ask: Ask, watch: Watch) -> Answer:
        """The same, watched; the columns of a conversation with a name stay in memory for its next turn.

        Raises:
            InputError: the last message alone is too long to be read.
        """
        clock, heard = _Clock(), StreamedParts()

        def tell(event: Event) -> None:
            clock.first()
            heard.take(event)
            watch(event)

        read = self.remembered(history)
        pictures = tuple(np.array(self.processor.picture(picture)) for picture in read.pictures)  # torch wants its own
        prompt = Prompt(read.turns, pictures, tuple(caption or "-" for caption in read.captions))
        settings = self._settings(ask, len(history.turns))
        painter = self.painter and _WatchedPainter(self.painter, tell if ask.previews else unwatched, clock)
        kept, finish = self.shelf.take(ask.conversation), cast(Finish, "stop")
        try:
            made = generate(
                self.model,
                self.processor.layout,
                [prompt],
                painter=painter,
                settings=settings,
                watch=_told(tell),
                memory=kept.memory,
            )
            parts: tuple[ReplyPart, ...] = tuple(_part(part) for part in made[0].parts)
            finish = made[0].finish
        except Stopped:
            parts, finish = heard.parts, "stopped"
        usage = self._usage(read, history, kept.surplus(history.turns), kept.memory, parts, clock)
        kept.turns = history.adding("assistant", parts).turns
        kept.columns = len(kept.memory.columns)
        self.shelf.put(ask.conversation, kept)
        return Answer(parts, finish, usage)

    def draw(self, caption: str, *, seed: int) -> NDArray[np.uint8]:
        """Draw a caption: uint8[64 64 3].

        Raises:
            InputError: there is no painter, or the caption is blank.
        """
        if self.painter is None or not caption.strip():
            raise InputError("draw: there is no painter, or the caption is blank. Say what to draw.")
        return self.painter.paint([caption], [seed])[0]

    def forget(self, conversation: str) -> None:
        """Give up what is kept of this conversation."""
        self.shelf.take(conversation)

    def look_inside(self, transcript: Transcript) -> Inside:
        """How sure it was of the last reply, what it looked at, what was really drawn.

        Raises:
            InputError: the conversation does not end with a reply, or is too long.
        """
        from tbcore.demo.looking import look_inside

        if len(transcript.turns) < 2 or len(transcript.turns) % 2:
            raise InputError("look inside: the conversation must end with a reply. Send a message first.")
        last = len(transcript.turns) - 1
        kept = self.remembered(transcript.until(last)).adding("assistant", transcript.reply(last))
        return look_inside(self.model, self.processor, kept)

    def _settings(self, ask: Ask, n_turns: int) -> DecodeSettings:
        """What the request says, within what the model was set up for."""
        mine = self.settings
        # Another seed in each turn: the same words asked twice may be painted in two ways.
        seed = (mine.seed if ask.seed is None else ask.seed % 2**31) + 100 * n_turns + _ATTEMPT_SEEDS * ask.attempt
        settings = replace(
            mine,
            seed=seed,
            max_tokens=ask.max_tokens or mine.max_tokens,
            max_pictures=mine.max_pictures if ask.max_pictures is None else ask.max_pictures,
        )
        if ask.temperature is not None:
            warm = ask.temperature or None
            settings = replace(settings, temperature=warm, top_p=ask.top_p if warm else None)
        elif ask.attempt and not settings.sampling:
            settings = replace(settings, temperature=0.8, top_p=0.95)  # the likeliest reply would only come again
        return settings

    def _usage(
        self,
        read: Transcript,
        history: Transcript,
        surplus: int,
        memory: Any,
        parts: Sequence[ReplyPart],
        clock: _Clock,
    ) -> Usage:
        text = self.processor.layout.text
        written = sum(len(text.encode(part if isinstance(part, str) else part.caption)) for part in parts)
        forgotten = len(read.turns) < len(history.turns)
        return Usage(
            prompt=memory.reused + memory.read,
            reused=memory.reused,
            recomputed=memory.read if forgotten else surplus,
            written=written,
            seconds=clock.seconds(),
        )

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


class _Clock:
    """Seconds of a reply, by part."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: float | None = None
        self.painting = 0.0

    def first(self) -> None:
        if self._first is None:
            self._first = time.perf_counter() - self._started

    def seconds(self) -> dict[str, float]:
        total = time.perf_counter() - self._started
        return {"first": total if self._first is None else self._first, "painting": self.painting, "total": total}


class _WatchedPainter:
    """A painter whose time is taken, and whose pictures are shown while they emerge if its pipeline can do that."""

    def __init__(self, painter: Painter, tell: Watch, clock: _Clock) -> None:
        self.painter, self.tell, self.clock = painter, tell, clock

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> NDArray[np.uint8]:
        started = time.perf_counter()
        painter: Any = self.painter
        try:
            if self.tell is unwatched or not hasattr(getattr(painter, "pipeline", None), "preview"):
                return painter.paint(captions, seeds)
            made = painter.pipeline(
                list(captions),
                num_inference_steps=painter.steps,
                guidance_scale=painter.guidance,
                generator=[torch.Generator().manual_seed(seed) for seed in seeds],
                output_type="np",
                callback_on_step_end=lambda step, latents: self._show(step, latents),
            )
            return np.asarray(made.images)
        finally:
            self.clock.painting += time.perf_counter() - started

    def _show(self, step: int, latents: torch.Tensor) -> None:
        painter: Any = self.painter
        every = max(1, painter.steps // _PREVIEWS)
        if (step + 1) % every == 0 and step + 1 < painter.steps:
            for picture in painter.pipeline.preview(latents):
                self.tell(Emerging(picture, (step + 1) / painter.steps))


def _told(tell: Watch) -> Callable[[Piece], None]:
    """The decoder's pieces as events."""

    def watch(piece: Piece) -> None:
        match piece.kind:
            case "text":
                tell(Words(piece.text))
            case "caption":
                tell(Captioning(piece.text))
            case "dropped":
                tell(Dropped())
            case "drawing":
                tell(_part(piece.drawn))
            case "end":
                return

    return watch


def _part(part: Any) -> Any:
    """A part of the decoder's reply as a part of ours."""
    return part if isinstance(part, str) else Drawing(part.caption, part.picture, part.seed)


def load_assistant(
    checkpoint: Path | str,
    *,
    painter_steps: int = 16,
    settings: DecodeSettings | None = None,
    memory_bytes: int = 512 << 20,
) -> MIMAssistant:
    """The model that notebook 06 trained, on the shipped tower, painter and language model.

    Args:
        checkpoint: folder that `tbcore.train.checkpoint.save_delta` wrote.
        painter_steps: denoising steps per drawing.
        settings: of the replies.
        memory_bytes: for conversations that are kept in memory between turns.

    Raises:
        MissingFileError, CheckpointError: a part is not there, damaged, or not the one it was trained on.
    """
    from tbcore.model.painter.pipeline import PostcardPainter, load_painter
    from tbcore.train.build import load_model

    model, processor = load_model(checkpoint)
    painter = PostcardPainter(load_painter(), steps=painter_steps)
    return MIMAssistant(model, processor, painter, settings=settings, memory_bytes=memory_bytes)


def tiny_assistant(
    *, settings: DecodeSettings | None = None, memory_bytes: int = 512 << 20, seed: int = 0
) -> MIMAssistant:
    """All the real parts in miniature with random weights and a painter of plain colours: nonsense, but at once."""
    from tbcore.model.painter_port import SolidPainter
    from tbcore.model.tiny import tiny_model

    model, processor = tiny_model(seed=seed)
    chosen = settings or DecodeSettings(max_tokens=24, max_caption=6)
    return MIMAssistant(model, processor, SolidPainter(), settings=chosen, name="mim-tiny", memory_bytes=memory_bytes)
