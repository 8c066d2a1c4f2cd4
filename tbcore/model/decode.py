"""Writing replies with pictures, for many dialogues at once.

    text ──<start>──► caption ──<end>──► waiting ──painted, rolled back, vectors fed──► text ──stop──► done

When `<end>` comes, the dialogue waits until all others are done or wait too; then all captions are painted together,
the memory goes back to its length before `<start>`, and the picture's vectors are read in place of the words.
Control tokens never reach the user: what could go wrong with them has a defined result.

    a stray `<end>`, a nested `<start>`        cannot be chosen
    an empty caption                           cannot be closed; a blank one paints nothing, and no more is drawn
    a caption that is too long                 is closed where the limit lies
    the reply ends inside a caption            the open caption is dropped whole
    more pictures than allowed                 `<start>` cannot be chosen any more
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tbcore.errors import DialogueError
from tbcore.model.history import History
from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import Layout, prompt_columns
from tbcore.model.painter_port import Painter
from tbcore.records import Turn
from tbcore.seeds import stream

__all__ = ["DecodeSettings", "Drawn", "Prompt", "Reply", "generate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeSettings:
    """How replies are written.

    Attributes:
        max_tokens: of a reply, captions included.
        max_caption: tokens of one caption.
        max_pictures: of one reply.
        top_p: sample from the likeliest tokens that together have this probability; None: always the likeliest.
        seed: of the sampling and of the painter; picture k of a reply is painted with seed + k.
    """

    max_tokens: int = 96
    max_caption: int = 40
    max_pictures: int = 3
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"DecodeSettings: top_p must be in (0, 1] or None; got {self.top_p}")
        if self.max_tokens < 1 or self.max_caption < 1 or self.max_pictures < 0:
            raise ValueError(
                "DecodeSettings: max_tokens and max_caption must be positive and max_pictures not negative; got "
                f"{self.max_tokens}, {self.max_caption} and {self.max_pictures}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A conversation that waits for an answer.

    Attributes:
        turns: the last is the user's; picture marks index `pictures`.
        pictures: uint8[y x 3] each, or features float[p d_vis] where the tower has seen them already.
        captions: of the pictures; needed where the model keeps captions in its history, else may be empty.
    """

    turns: tuple[Turn, ...]
    pictures: Sequence[NDArray[np.uint8] | Tensor] = ()
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture the model drew: the caption it wrote, the picture uint8[y x 3], and the painter's seed."""

    caption: str
    picture: NDArray[np.uint8]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """An answer: texts and drawings in reading order; finish is "length" where the limit of tokens cut it."""

    parts: tuple[str | Drawn, ...]
    finish: Literal["stop", "length"]

    @property
    def text(self) -> str:
        """The texts, joined by spaces; drawings left out."""
        return " ".join(part for part in self.parts if isinstance(part, str))

    @property
    def drawings(self) -> tuple[Drawn, ...]:
        """The drawings alone."""
        return tuple(part for part in self.parts if isinstance(part, Drawn))


@dataclass(slots=True)
class _Writer:
    """One dialogue in the making."""

    number: int
    mode: Literal["text", "caption", "waiting", "done"] = "text"
    words: list[int] = field(default_factory=list)
    caption: list[int] = field(default_factory=list)
    parts: list[str | Drawn] = field(default_factory=list)
    finish: Literal["stop", "length"] = "stop"
    before_caption: int = 0
    state_before: Tensor | None = None  # what led to `<start>`, for a caption that turns out blank
    n_tokens: int = 0
    n_pictures: int = 0
    may_draw: bool = True


def generate(
    model: MIMForConditionalGeneration,
    layout: Layout,
    prompts: Sequence[Prompt],
    *,
    painter: Painter | None,
    settings: DecodeSettings | None = None,
) -> list[Reply]:
    """Answer every prompt. All are written in step; the results are those of writing each alone.

    Args:
        model: in eval mode.
        layout: of the model's processor.
        prompts: conversations that end with the user.
        painter: draws the captions; None: nothing is drawn.
        settings: lengths, sampling, seeds.

    Raises:
        DialogueError: a prompt does not end with the user, or shows a picture that it does not hold.
    """
    if not prompts:
        return []
    chosen = settings or DecodeSettings()
    loop = _Loop(model, layout, chosen, painter, len(prompts))
    loop.read(prompts)
    while loop.active:
        loop.write()
    return [Reply(tuple(writer.parts), writer.finish) for writer in loop.writers]


class _Loop:
    """The writers, what they remember, and the logits of what each may say next."""

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        layout: Layout,
        settings: DecodeSettings,
        painter: Painter | None,
        n_rows: int,
    ) -> None:
        self.model, self.layout, self.settings, self.painter = model, layout, settings, painter
        self.history = History(model.language, n_rows)
        self.writers = [_Writer(number, may_draw=painter is not None) for number in range(n_rows)]
        self.active = list(self.writers)  # parallel to the rows of the history
        self.rngs = [stream(settings.seed, f"decode {number}") for number in range(n_rows)]
        self.state: Tensor = torch.empty(0)  # float[b d_lm], what each row's next token follows from
        self.emitted = model.language.emitted
        special = set(layout.text.tokenizer.all_special_ids) - {layout.text.format.stop}
        barred = torch.tensor(sorted(special | {layout.image_id}), device=self.emitted.device)
        self.barred = torch.isin(self.emitted, barred)

    @torch.no_grad()
    def read(self, prompts: Sequence[Prompt]) -> None:
        """Feed the conversations so far."""
        sheets = [prompt_columns(p.turns, p.captions or _unknown(p.turns), self.layout) for p in prompts]
        width = max(len(sheet) for sheet in sheets)
        ids = torch.zeros(len(sheets), width, dtype=torch.long)
        for row, sheet in enumerate(sheets):
            ids[row, : len(sheet)] = torch.from_numpy(sheet.ids)
        device = self.model.language.control.device
        inputs = self.model.language.embed(ids.to(device))
        slots = [torch.from_numpy(sheet.slots) + row * width for row, sheet in enumerate(sheets) if sheet.pictures]
        if slots:
            seen = [self._features(p, k) for p, sheet in zip(prompts, sheets, strict=True) for k in sheet.pictures]
            vectors = self.model.connector(torch.stack(seen).to(device, torch.float32))
            inputs = splice(inputs, vectors, torch.cat(slots).to(device))
        counts = torch.tensor([len(sheet) for sheet in sheets], device=device)
        self.state = self.history.feed(inputs, counts)

    def _features(self, prompt: Prompt, index: int) -> Tensor:
        if index >= len(prompt.pictures):
            raise DialogueError(
                f"prompt: its text shows picture {index}, but {len(prompt.pictures)} are attached. Attach it."
            )
        picture = prompt.pictures[index]
        return picture if isinstance(picture, Tensor) else self.model.vision.patches(picture[None])[0]

    @torch.no_grad()
    def write(self) -> None:
        """One more token for every row that is not waiting; or, when all wait, their pictures."""
        if all(writer.mode == "waiting" for writer in self.active):
            self._draw()
            return
        talking = [row for row, writer in enumerate(self.active) if writer.mode != "waiting"]
        lengths = self.history.lengths.tolist()
        said = [self.layout.text.format.stop] * len(self.active)
        logits = self.model.language.logits(self.state[talking])
        for row, choice in zip(talking, logits, strict=True):
            writer = self.active[row]
            said[row] = self._choose(writer, choice)
            if said[row] == self.layout.start_id:
                writer.before_caption, writer.state_before = lengths[row], self.state[row]
            self._advance(writer, said[row])
        said = [said[row] for row in self._retire()]
        counts = torch.tensor([writer.mode != "waiting" for writer in self.active], device=self.state.device).long()
        if counts.any():
            inputs = self.model.language.embed(torch.tensor(said, device=self.state.device)[:, None])
            self.state = torch.where(counts[:, None] > 0, self.history.feed(inputs, counts), self.state)

    def _choose(self, writer: _Writer, logits: Tensor) -> int:
        """The next token among those that are allowed here."""
        layout, captioning = self.layout, writer.mode == "caption"
        if captioning and len(writer.caption) >= self.settings.max_caption:
            return layout.end_id
        barred = self.barred.clone()
        if captioning:
            barred |= (self.emitted == layout.start_id) | (self.emitted == layout.text.format.stop)
        if not (captioning and writer.caption):
            barred |= self.emitted == layout.end_id
        if not writer.may_draw or writer.n_pictures >= self.settings.max_pictures:
            barred |= self.emitted == layout.start_id
        logits = logits.masked_fill(barred, -torch.inf)
        if self.settings.top_p is None:
            return int(self.emitted[logits.argmax()])
        return int(self.emitted[_nucleus(logits, self.settings.top_p, self.rngs[writer.number])])

    def _advance(self, writer: _Writer, token: int) -> None:
        """Move the writer's state machine by one token."""
        layout = self.layout
        writer.n_tokens += 1
        if token == layout.start_id:
            self._flush(writer)
            writer.mode = "caption"
        elif token == layout.end_id:
            writer.mode = "waiting"
        elif token == layout.text.format.stop:
            self._flush(writer)
            writer.mode = "done"
        else:
            (writer.caption if writer.mode == "caption" else writer.words).append(token)
        if writer.n_tokens >= self.settings.max_tokens and writer.mode in ("text", "caption"):
            self._flush(writer)
            writer.mode, writer.finish = "done", "length"

    def _flush(self, writer: _Writer) -> None:
        if text := self.layout.text.decode(writer.words).strip():
            writer.parts.append(text)
        writer.words.clear()

    def _draw(self) -> None:
        """Paint the captions of all rows, take them back, and feed the pictures instead."""
        language, device = self.model.language, self.state.device
        captions = [self.layout.text.decode(writer.caption).strip() for writer in self.active]
        vectors = self._paint(captions)
        keeping = self.layout.history == "keep_caption"
        lengths = self.history.lengths.tolist()
        for row, (writer, caption) in enumerate(zip(self.active, captions, strict=True)):
            if not (keeping and caption):
                lengths[row] = writer.before_caption
        self.history.rollback(torch.tensor(lengths, device=device))
        if keeping:
            ends = language.embed(torch.full((len(captions), 1), self.layout.end_id, device=device))
            vectors = torch.cat([ends, vectors], dim=1)
        counts = torch.tensor([vectors.shape[1] if caption else 0 for caption in captions], device=device)
        fresh = self.history.feed(vectors, counts)
        resumed = torch.stack([cast(Tensor, writer.state_before) for writer in self.active])
        self.state = torch.where(counts[:, None] > 0, fresh, resumed)
        for writer in self.active:
            writer.mode = "text"
            writer.caption.clear()
            if writer.n_tokens >= self.settings.max_tokens:
                writer.mode, writer.finish = "done", "length"
        self._retire()

    def _retire(self) -> list[int]:
        """Drop the rows that are done; which rows stay."""
        going = [row for row, writer in enumerate(self.active) if writer.mode != "done"]
        if len(going) < len(self.active):
            self.active = [self.active[row] for row in going]
            rows = torch.tensor(going, device=self.state.device, dtype=torch.long)
            self.state = self.state[rows]
            if going:
                self.history.keep(rows)
        return going

    def _paint(self, captions: list[str]) -> Tensor:
        """Paint what is not blank; float[b q d_lm], zeros where nothing was painted."""
        language, device = self.model.language, self.state.device
        vectors = torch.zeros(len(captions), self.layout.n_queries, language.width, device=device, dtype=language.dtype)
        rows = [row for row, caption in enumerate(captions) if caption]
        for row, writer in enumerate(self.active):
            writer.may_draw = writer.may_draw and row in rows
        if rows:
            assert self.painter is not None
            seeds = [self.settings.seed + self.active[row].n_pictures for row in rows]
            pictures = self.painter.paint([captions[row] for row in rows], seeds)
            seen = self.model.vision.patches(pictures).to(device, torch.float32)
            vectors[rows] = self.model.connector(seen).to(vectors.dtype)
            for row, picture, seed in zip(rows, pictures, seeds, strict=True):
                writer = self.active[row]
                writer.parts.append(Drawn(captions[row], picture, seed))
                writer.n_pictures += 1
        return vectors


def _unknown(turns: Sequence[Turn]) -> tuple[str, ...]:
    """A caption of no meaning for every picture that is shown."""
    return ("-",) * (1 + max((index for turn in turns for index in turn.pictures), default=-1))


def _nucleus(logits: Tensor, top_p: float, rng: np.random.Generator) -> int:
    """Draw one column among the likeliest whose probabilities reach top_p."""
    probabilities, columns = logits.softmax(dim=-1).double().sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    kept = probabilities[before < top_p]
    chosen = rng.choice(len(kept), p=(kept / kept.sum()).cpu().numpy())
    return int(columns[int(chosen)])
