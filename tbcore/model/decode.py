"""Writing replies with pictures, for many dialogues at once.

    text ──<start>──► caption ──<end>──► waiting ──painted, rolled back, vectors fed──► text ──stop──► done

When `<end>` comes, the dialogue steps aside until all others are done or wait too; then all captions are painted
together, the memory goes back to its length before `<start>`, and the picture's vectors are read in place of the words.
Control tokens never reach the user: what could go wrong with them has a defined result.

    a stray `<end>`, a nested `<start>`        cannot be chosen
    an empty caption                           cannot be closed; a blank one paints nothing, and no more is drawn
    a caption that is too long                 is closed where the limit lies
    the reply ends inside a caption            the open caption is dropped whole
    more pictures than allowed                 `<start>` cannot be chosen any more

The words, captions and pictures can be watched as they come (`Piece`), and what was read stays in a `Memory`, or for
many dialogues in a `PrefixCache`, for the next turn.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tbcore.errors import DialogueError
from tbcore.model.memory import (
    Memory,
    PrefixCache,
    column_keys,
    empty_history,
    feed_by_length,
    lay_together,
    picture_key,
    take_row,
)
from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import Example, Layout, prompt_columns
from tbcore.model.painter_port import Painter
from tbcore.model.replies import DecodeSettings, Drawn, Piece, Prompt, Reply, Watch
from tbcore.model.writer import Writer
from tbcore.records import Turn
from tbcore.seeds import stream

if TYPE_CHECKING:
    from transformers import LogitsProcessor

    from tbcore.model.query_head import QueryHead

__all__ = ["DecodeSettings", "Drawn", "Memory", "Piece", "PrefixCache", "Prompt", "Reply", "generate"]


def generate(
    model: MIMForConditionalGeneration,
    layout: Layout,
    prompts: Sequence[Prompt],
    *,
    painter: Painter | None,
    settings: DecodeSettings | None = None,
    watch: Watch | None = None,
    memory: Memory | PrefixCache | None = None,
    processors: Sequence[LogitsProcessor] = (),
    head: QueryHead | None = None,
) -> list[Reply]:
    """Answer every prompt. All are written in step; the results are those of writing each alone.

    Args:
        model: in eval mode.
        layout: of the model's processor.
        prompts: conversations that end with the user.
        painter: draws the captions; None: nothing is drawn.
        settings: lengths, sampling, seeds.
        watch: is called with every piece of every reply as soon as it is sure.
        memory: of one conversation, for its single prompt, or a cache for any number of them; what it holds already is
            not read again.
        processors: of transformers, run before the settings' own. With a sliced head they see columns of the logits
            for ids, in scores and in what was said; without one the two are the same.
        head: draws without words, see `tbcore.model.query_head`; its painter must paint what it tells.

    Raises:
        DialogueError: a prompt does not end with the user, or shows a picture that it does not hold.
        ValueError: a memory came with several prompts, or a query head with a history that keeps captions.
    """
    if not prompts:
        return []
    if isinstance(memory, Memory) and len(prompts) != 1:
        raise ValueError(
            f"generate: a memory is of one conversation; got {len(prompts)} prompts. Give each its own, "
            "or all a PrefixCache."
        )
    if head is not None and layout.history == "keep_caption":
        raise ValueError("generate: a query head writes no captions to keep. Use history='drop_caption'.")
    loop = _Loop(model, layout, settings or DecodeSettings(), painter, len(prompts), watch=watch, head=head)
    loop.processors.extend([*processors, *loop.settings.processors()])
    loop.repeatable = layout.history == "drop_caption" and not (loop.settings.sampling or processors or head)
    loop.read(prompts, memory)
    while loop.active or loop.aside:
        loop.write()
    if isinstance(memory, Memory):
        memory.columns = loop.writers[0].columns
    return [writer.reply for writer in loop.writers]


class _Loop:
    """The writers, what they remember, and the logits of what each may say next."""

    def __init__(
        self,
        model: MIMForConditionalGeneration,
        layout: Layout,
        settings: DecodeSettings,
        painter: Painter | None,
        n_rows: int,
        *,
        watch: Watch | None,
        head: QueryHead | None,
    ) -> None:
        self.model, self.layout, self.settings, self.painter, self.head = model, layout, settings, painter, head
        self.writers = [
            Writer(k, layout, settings, may_draw=painter is not None, wordless=head is not None, watch=watch)
            for k in range(n_rows)
        ]
        self.active = list(self.writers)  # parallel to the rows of the history
        self.aside: list[tuple[Writer, Tensor]] = []  # who waits for a picture while others write, and what they see
        self.cache: PrefixCache | None = None
        self.prompts: list[list[Hashable]] = []  # columns of each, where there is a cache
        self.repeatable = False  # whether the same prompt is always answered with the same tokens
        self.rngs = [stream(settings.seed, f"decode {number}") for number in range(n_rows)]
        self.processors: list[Any] = []
        self.state: Tensor = torch.empty(0)  # float[b d_lm], what each row's next token follows from
        self.states_before: dict[int, Tensor] = {}  # what led to `<start>`, for a caption that turns out blank
        self.emitted = model.language.emitted
        special = set(layout.text.tokenizer.all_special_ids) - {layout.text.format.stop}
        barred = torch.tensor(sorted(special | {layout.image_id}), device=self.emitted.device)
        self.barred = torch.isin(self.emitted, barred).nonzero()[:, 0]
        marks = (layout.start_id, layout.end_id, layout.text.format.stop)
        self.column_of = {mark: (self.emitted == mark).nonzero()[:, 0] for mark in marks}

    @torch.no_grad()
    def read(self, prompts: Sequence[Prompt], memory: Memory | PrefixCache | None) -> None:
        """Feed the conversations so far, or what a memory lacks of them."""
        language = self.model.language
        sheets = [prompt_columns(p.turns, p.captions or _unknown(p.turns), self.layout) for p in prompts]
        for prompt, sheet in zip(prompts, sheets, strict=True):
            _check_pictures(prompt, sheet)
        begun = self._recall(prompts, sheets, memory)
        rows = [[*sheet.ids.tolist(), *text] for sheet, (text, _) in zip(sheets, begun, strict=True)]
        known, device = self.history.lengths, language.control.device
        sizes = torch.tensor([len(row) for row in rows], device=device)
        width = int(sizes.max())
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=device)
        inputs = language.embed(ids)
        slots, seen = self._unread(prompts, sheets, width=width, known=known.tolist())
        if seen:
            inputs = splice(inputs, self.model.vectors(torch.stack(seen)), torch.stack(slots).to(device))
        counts = sizes - known
        at = known[:, None] + torch.arange(int(counts.max()), device=device)
        fresh = inputs.take_along_dim(at.clamp(max=width - 1)[..., None], dim=1)
        self.history, self.state = feed_by_length(self.history, fresh, counts)
        for row, (writer, (_, said)) in enumerate(zip(self.active, begun, strict=True)):
            writer.before_caption, self.states_before[writer.number] = len(rows[row]), self.state[row]
            for token in said:
                writer.take(token)
        self._step_aside()

    def _recall(
        self, prompts: Sequence[Prompt], sheets: Sequence[Example], memory: Memory | PrefixCache | None
    ) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Start from what is in memory; of each reply, the words before its first picture and all that was said so far.

        Both are () where the reply was not begun before.
        """
        begun: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())] * len(prompts)
        if memory is None:
            self.history = empty_history(self.model.language, len(prompts))
            return begun
        columns = [column_keys(sheet, p.pictures) for sheet, p in zip(sheets, prompts, strict=True)]
        if isinstance(memory, Memory):
            self.history, _ = memory.recall(self.model.language, columns[0])
            self.active[0].columns = memory.columns = columns[0]
            return begun
        self.cache, self.prompts = memory, [list(row) for row in columns]
        if self.repeatable:
            said = [memory.begun(row, self._conditions) for row in columns]
            begun = [(one[: one.index(self.layout.start_id)] if one else (), one) for one in said]
        for writer, row, (text, _) in zip(self.active, columns, begun, strict=True):
            writer.columns = [*row, *text]
        self.history, _ = memory.recall(self.model.language, [writer.columns for writer in self.active])
        return begun

    @property
    def _conditions(self) -> Hashable:
        """What a repeatable reply depends on besides its prompt, as far as its first picture."""
        return replace(self.settings, seed=0), self.painter is None

    def _unread(
        self, prompts: Sequence[Prompt], sheets: Sequence[Example], *, width: int, known: Sequence[int]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Slots and features of the pictures that are not in memory whole."""
        slots: list[Tensor] = []
        seen: list[Tensor] = []
        for row, (prompt, sheet) in enumerate(zip(prompts, sheets, strict=True)):
            for index, places in zip(sheet.pictures, sheet.slots, strict=True):
                if places[-1] >= known[row]:
                    picture = prompt.pictures[index]
                    found = picture if isinstance(picture, Tensor) else self.model.vision.patches(picture[None])[0]
                    seen.append(found.to(self.model.language.control.device, torch.float32))
                    slots.append(torch.from_numpy(places) + row * width)
        return slots, seen

    @torch.no_grad()
    def write(self) -> None:
        """One more token for every row; or, when all wait, their pictures."""
        if all(writer.mode == "waiting" for writer in self.active):
            self._draw()
            return
        lengths = self.history.lengths.tolist()
        said = self._choose(self.active, self.model.language.logits(self.state))
        for row, (writer, token) in enumerate(zip(self.active, said, strict=True)):
            if token == self.layout.start_id:
                writer.before_caption, self.states_before[writer.number] = lengths[row], self.state[row]
            writer.take(token)
            first = token == self.layout.end_id and not writer.n_pictures and writer.caption
            if first and self.cache is not None and self.repeatable:
                self.cache.begin(self.prompts[writer.number], self._conditions, writer.said)
        said = [said[row] for row in self._step_aside()]
        if self.active and self.active[0].mode != "waiting":
            device = self.state.device
            inputs = self.model.language.embed(torch.tensor(said, device=device)[:, None])
            self.state = self.history.feed(inputs, torch.ones(len(said), dtype=torch.long, device=device))
            for writer, token in zip(self.active, said, strict=True):
                writer.columns.append(token)

    def _choose(self, writers: Sequence[Writer], logits: Tensor) -> list[int]:
        """The next token of each, among those that are allowed there."""
        scores = logits.index_fill(1, self.barred, -torch.inf)
        for row, writer in enumerate(writers):
            for mark in writer.barred():
                scores[row, self.column_of[mark]] = -torch.inf
            if self.processors:
                before = torch.tensor([writer.said], dtype=torch.long, device=scores.device)
                before = self.model.language.columns_of(before)
                for rule in self.processors:
                    scores[row] = rule(before, scores[row : row + 1])[0]
        best = self.emitted[scores.argmax(dim=1)].tolist()
        if self.settings.sampling:
            best = [self._sample(writer, row) for writer, row in zip(writers, scores, strict=True)]
        return [self.layout.end_id if w.must_close else token for w, token in zip(writers, best, strict=True)]

    def _sample(self, writer: Writer, scores: Tensor) -> int:
        """Draw one token by its probability."""
        likely = scores.double().softmax(dim=-1).cumsum(0).cpu().numpy()
        column = int(np.searchsorted(likely, self.rngs[writer.number].random() * likely[-1], side="right"))
        return int(self.emitted[min(column, len(likely) - 1)])

    def _draw(self) -> None:
        """Paint for all rows, take the captions back, and feed the pictures instead."""
        language, device = self.model.language, self.model.language.control.device
        if self.aside:
            here = [(writer, take_row(self.history, row)) for row, writer in enumerate(self.active)]
            waiting = sorted([*here, *self.aside], key=lambda one: one[0].number)
            self.active, self.aside = [writer for writer, _ in waiting], []
            self.history = lay_together(language, [(row, row.shape[2]) for _, row in waiting])
        lengths = self.history.lengths.tolist()
        drawings = self._paint()
        keeping = self.layout.history == "keep_caption"
        for row, (writer, drawing) in enumerate(zip(self.active, drawings, strict=True)):
            if not (keeping and drawing):
                del writer.columns[len(writer.columns) - (lengths[row] - writer.before_caption) :]
                lengths[row] = writer.before_caption
        self.history.rollback(torch.tensor(lengths, device=device))
        vectors = self._look(drawings)
        if keeping:
            ends = language.embed(torch.full((len(drawings), 1), self.layout.end_id, device=device))
            vectors = torch.cat([ends, vectors], dim=1)
        counts = torch.tensor([vectors.shape[1] if drawing else 0 for drawing in drawings], device=device)
        fresh = self.history.feed(vectors, counts)
        resumed = torch.stack([self.states_before[writer.number] for writer in self.active])
        self.state = torch.where(counts[:, None] > 0, fresh, resumed)
        for writer, drawing in zip(self.active, drawings, strict=True):
            if drawing is not None:
                name = picture_key(drawing.picture)
                writer.columns += [self.layout.end_id] if keeping else []
                writer.columns += [(name, number) for number in range(self.layout.n_queries)]
            writer.drawn(drawing)
        self._step_aside()

    def _step_aside(self) -> list[int]:
        """Take out the rows that are done and, while others write, those that wait; which rows stay."""
        writing = any(writer.mode in ("text", "caption") for writer in self.active)
        staying: list[int] = []
        for row, writer in enumerate(self.active):
            if writer.mode == "done":
                if self.cache is not None:
                    self.cache.keep(self.history, row, writer.columns)
            elif writer.mode == "waiting" and writing:
                self.aside.append((writer, take_row(self.history, row)))
            else:
                staying.append(row)
        if len(staying) < len(self.active):
            self.active = [self.active[row] for row in staying]
            rows = torch.tensor(staying, device=self.state.device, dtype=torch.long)
            self.state = self.state[rows]
            if staying:
                self.history.keep(rows)
        return staying

    def _paint(self) -> list[Drawn | None]:
        """Paint what is not blank."""
        captions = [writer.caption for writer in self.active]
        rows = [row for row, caption in enumerate(captions) if caption or self.head is not None]
        drawings: list[Drawn | None] = [None] * len(captions)
        if rows:
            assert self.painter is not None
            seeds = [self.settings.seed + self.active[row].n_pictures for row in rows]
            if self.head is None:
                pictures = self.painter.paint([captions[row] for row in rows], seeds)
            else:
                pictures = self.head.paint(self.model.language, self.history, self.painter, seeds)
            for row, picture, seed in zip(rows, pictures, seeds, strict=True):
                drawings[row] = Drawn(captions[row], picture, seed)
        return drawings

    def _look(self, drawings: Sequence[Drawn | None]) -> Tensor:
        """What the model sees of its drawings: float[b q d_lm], zeros where there is none."""
        language = self.model.language
        shape = (len(drawings), self.layout.n_queries, language.width)
        vectors = torch.zeros(shape, device=language.control.device, dtype=language.dtype)
        rows = [row for row, drawing in enumerate(drawings) if drawing is not None]
        if rows:
            seen = self.model.vision.patches(np.stack([drawn.picture for drawn in drawings if drawn is not None]))
            vectors[rows] = self.model.vectors(seen).to(vectors)
        return vectors


def _unknown(turns: Sequence[Turn]) -> tuple[str, ...]:
    """A caption of no meaning for every picture that is shown."""
    return ("-",) * (1 + max((index for turn in turns for index in turn.pictures), default=-1))


def _check_pictures(prompt: Prompt, sheet: Example) -> None:
    for index in sheet.pictures:
        if index >= len(prompt.pictures):
            raise DialogueError(
                f"prompt: its text shows picture {index}, but {len(prompt.pictures)} are attached. Attach it."
            )
