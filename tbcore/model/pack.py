"""From a dialogue to columns: ids, targets, slots, and who may read whom. Then many dialogues to one batch.

column  word      target     position  segment
...     sure      <start>    5         0        the column before a picture learns to open a caption
6       <image>   -          6         0        slots of the picture, filled with vectors
9       <image>   then       9         0        the last slot learns the text that follows
...
19      <start>   a          6         1        the caption branch: starts again at its picture's position,
20      a         cat        7         1        sees what precedes the picture (its anchor, column 6), and itself
21      cat       <end>      8         1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tbcore.errors import DialogueError
from tbcore.model.tokens import ChatText
from tbcore.records import Dialogue, Picture, Turn

__all__ = ["IGNORED", "Example", "Layout", "encode", "pack_rows", "prompt_columns"]

IGNORED = -100
"""The target of a column that learns nothing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns depend on besides the dialogue.

    Attributes:
        text: tokenises.
        n_queries: columns per picture.
        image_id, start_id, end_id: control tokens of the language model.
        history: where captions go: "drop_caption" into branches, "keep_caption" into the main sequence.
    """

    text: ChatText
    n_queries: int
    image_id: int
    start_id: int
    end_id: int
    history: Literal["drop_caption", "keep_caption"] = "drop_caption"


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One dialogue as columns; every array but slots is int64[s].

    Attributes:
        id: of the dialogue.
        slots: int64[i q], the columns that each picture fills.
        pictures: which picture fills them: indices into the dialogue's captions, in reading order.
        targets: the id each column must predict, or `IGNORED`.
        anchor: for branch columns, the column of the first slot of their picture; else 0.
        dropped: exchanges left out because they did not fit.
    """

    id: str
    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    position: NDArray[np.int64]
    segment: NDArray[np.int64]
    anchor: NDArray[np.int64]
    slots: NDArray[np.int64]
    pictures: tuple[int, ...]
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_supervised(self) -> int:
        """Columns that learn something."""
        return int((self.targets != IGNORED).sum())

    def drawings(self, layout: Layout) -> dict[int, tuple[int, ...]]:
        """The assistant's own pictures: place in `pictures` -> ids of the caption, from a branch or from the text."""
        found: dict[int, tuple[int, ...]] = {}
        for place, first in enumerate(self.slots[:, 0].tolist()):
            branch = np.flatnonzero((self.segment > 0) & (self.anchor == first))
            if len(branch):
                found[place] = tuple(self.ids[branch[1:-1]].tolist())
            elif self.ids[first - 1] == layout.end_id:
                start = first - 2 - int(np.argmax(self.ids[first - 2 :: -1] == layout.start_id))
                found[place] = tuple(self.ids[start + 1 : first - 1].tolist())
        return found


@dataclass(slots=True)
class _Sheet:
    """Columns in the making: the main sequence, and the branches that will stand behind it."""

    layout: Layout
    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)  # first slot of each picture
    pictures: list[int] = field(default_factory=list)
    branches: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)  # anchor, caption ids

    def say(self, ids: Sequence[int], *, learn: bool) -> None:
        if learn and ids:
            self.targets[-1:] = (*ids, IGNORED)  # each word is what the column before it must predict
        else:
            self.targets += (IGNORED,) * len(ids)
        self.ids += ids

    def show(self, picture: int, caption: tuple[int, ...] | None) -> None:
        """Slots of a picture; with a caption, the assistant drew it and learns to."""
        layout = self.layout
        if caption is not None and layout.history == "keep_caption":
            self.say((layout.start_id, *caption, layout.end_id), learn=True)
        elif caption is not None:
            self.targets[-1] = layout.start_id
            self.branches.append((len(self.ids), caption))
        self.slots.append(len(self.ids))
        self.pictures.append(picture)
        self.say((layout.image_id,) * layout.n_queries, learn=False)

    def turn(self, turn: Turn, captions: Sequence[str]) -> None:
        drawn = turn.role == "assistant"
        for part in turn.parts:
            if isinstance(part, Picture):
                self.show(part.index, self.layout.text.encode(captions[part.index]) if drawn else None)
            else:
                self.say(self.layout.text.encode(part), learn=drawn)
        if drawn:
            self.say((self.layout.text.format.stop,), learn=True)

    def size(self) -> int:
        return len(self.ids) + sum(len(caption) + 2 for _, caption in self.branches)

    def mark(self) -> tuple[int, int, int]:
        return len(self.ids), len(self.slots), len(self.branches)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        words, pictures, branches = mark
        del self.ids[words:], self.targets[words:], self.slots[pictures:], self.pictures[pictures:]
        del self.branches[branches:]


def encode(dialogue: Dialogue, layout: Layout, *, max_columns: int | None = None) -> Example | None:
    """Columns of a dialogue for training.

    Whole trailing exchanges are left out, with their pictures and branches, until the rest fits; nothing is ever cut
    in the middle. A last user turn without an answer teaches nothing and is left out too.

    Args:
        dialogue: what to encode.
        layout: how.
        max_columns: most columns, main sequence and branches together; None: no limit.

    Returns:
        The example, or None if not even the first exchange fits (or there is none).

    Raises:
        DialogueError: turns do not alternate from the user, or an assistant's picture has an empty caption.
    """
    _check(dialogue, layout.text)
    sheet = _Sheet(layout)
    pairs = list(zip(dialogue.turns[::2], dialogue.turns[1::2], strict=False))
    fitted = 0
    for number, (asked, answered) in enumerate(pairs):
        mark = sheet.mark()
        sheet.say(layout.text.format.to_user[1:] if number else layout.text.format.before, learn=False)
        sheet.turn(asked, dialogue.captions)
        sheet.say(layout.text.format.to_assistant, learn=False)
        sheet.turn(answered, dialogue.captions)
        if max_columns is not None and sheet.size() > max_columns:
            sheet.back_to(mark)
            break
        fitted += 1
    return _example(dialogue.id, sheet, dropped=len(pairs) - fitted) if fitted else None


def prompt_columns(turns: Sequence[Turn], captions: Sequence[str], layout: Layout) -> Example:
    """Columns of a conversation that waits for the assistant's answer; captions matter with "keep_caption" only.

    Raises:
        DialogueError: turns do not alternate, or the last is not the user's.
    """
    if not turns or turns[-1].role != "user":
        raise DialogueError("prompt: the last turn must be the user's, for the assistant to answer.")
    _check(Dialogue("prompt", tuple(turns), tuple(captions)), layout.text, drawn=layout.history == "keep_caption")
    sheet = _Sheet(layout)
    for number, turn in enumerate(turns):
        marks = layout.text.format
        before = marks.to_assistant if number % 2 else marks.to_user[1:] if number else marks.before
        sheet.say(before, learn=False)
        sheet.turn(turn, captions)
    sheet.say(layout.text.format.to_assistant, learn=False)
    sheet.branches.clear()
    return _example("prompt", sheet, dropped=0)


def _check(dialogue: Dialogue, text: ChatText, *, drawn: bool = True) -> None:
    for number, turn in enumerate(dialogue.turns):
        wanted = "assistant" if number % 2 else "user"
        if turn.role != wanted:
            raise DialogueError(
                f"dialogue {dialogue.id!r}, turn {number}: turns must alternate from the user; got {turn.role!r} "
                f"where {wanted!r} is due. The filter rule 'invalid_turns' removes such drafts."
            )
        for index in turn.pictures if drawn and turn.role == "assistant" else ():
            if not text.encode(dialogue.captions[index]):
                raise DialogueError(
                    f"dialogue {dialogue.id!r}, turn {number}: picture {index} has an empty caption, so nothing can be "
                    "learned about drawing it. Write one or drop the picture."
                )


def _example(name: str, sheet: _Sheet, *, dropped: int) -> Example:
    """Put the branches behind the main sequence."""
    layout, main = sheet.layout, len(sheet.ids)
    ids, targets, position = list(sheet.ids), list(sheet.targets), list(range(main))
    segment, anchor = [0] * main, [0] * main
    for number, (first_slot, caption) in enumerate(sheet.branches, start=1):
        words = (layout.start_id, *caption, layout.end_id)
        ids += words
        targets += [*words[1:], IGNORED]
        position += range(first_slot, first_slot + len(words))
        segment += [number] * len(words)
        anchor += [first_slot] * len(words)
    slots = np.asarray(sheet.slots, dtype=np.int64)[:, None] + np.arange(layout.n_queries)
    columns = (np.asarray(values, dtype=np.int64) for values in (ids, targets, position, segment, anchor))
    return Example(name, *columns, slots=slots, pictures=tuple(sheet.pictures), dropped=dropped)


def pack_rows(sizes: Sequence[int], *, columns: int) -> list[list[int]]:
    """Put examples into as few rows of at most `columns` columns as go, all about equally full: padding costs too.

    Args:
        sizes: columns of each example.
        columns: of a row. An example larger than that gets a row of its own.

    Returns:
        Indices of the examples in each row.
    """
    order = sorted(range(len(sizes)), key=lambda k: (-sizes[k], k))
    for n_rows in range(max(1, -(-sum(sizes) // columns)), len(sizes) + 1):
        rows: list[list[int]] = [[] for _ in range(n_rows)]
        filled = [0] * n_rows
        for index in order:
            place = filled.index(min(filled))
            rows[place].append(index)
            filled[place] += sizes[index]
        if all(full <= columns or len(row) == 1 for full, row in zip(filled, rows, strict=True)):
            return [row for row in rows if row]
    return [[index] for index in order]
