"""Hold all conversations in step: every contestant answers turn by turn, from its own history.

    round 0   first questions of all items     -> answers, in batches
    round 1   second questions, each after the contestant's own first answer ...

Several rows of a table can be held together (`run_rows`): a model that sees and the same model blind are asked in one
batch. Every reply goes to disk at once, with its pictures, so a run that stops goes on where it was.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.bench.contestants import Answer, Contestant, Drawing, Sofar, behind, unveiled
from tbcore.bench.items import Item
from tbcore.errors import InputError
from tbcore.records import Part, Picture, Turn
from tbcore.store import read_json, write_json
from tbcore.world.render import SIZE, render

__all__ = ["BATCH", "NO_ANSWER", "Replies", "Row", "items_hash", "read_replies", "run", "run_rows"]

HELD = 64
"""Conversations that a row holds at the same time: what is kept in memory of each is needed until its end."""

BATCH = HELD
"""Conversations asked at once: a step for many costs little more than one for a few."""

NO_ANSWER = "(no answer)"
"""What stands in the history where a reply failed or was empty."""

Replies = dict[tuple[str, int], Answer]
"""(item id, exchange) -> the answer."""


def items_hash(items: Iterable[Item]) -> str:
    """SHA-256 of some conversations, in order."""
    return hashlib.sha256(json.dumps([item.to_json() for item in items], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Row:
    """Some conversations and who holds them.

    Attributes:
        items: the conversations.
        contestant: answers.
        folder: where replies are kept; a run that was begun there goes on. None: nothing is kept.
    """

    items: Sequence[Item]
    contestant: Contestant
    folder: Path | str | None = None


class _Desk:
    """A row while it is held: its replies so far, on disk and at hand."""

    def __init__(self, row: Row, settings: Mapping[str, Any], watch: Callable[[int, int], None] | None) -> None:
        self.contestant, self._watch = row.contestant, watch
        name = row.contestant.name
        self._place = None if row.folder is None else _opened(Path(row.folder), row.items, name, settings)
        self.replies: Replies = {} if self._place is None else read_replies(self._place)
        self._total = sum(len(item.exchanges) for item in row.items)

    def keep(self, fresh: Replies) -> None:
        """Take what was said in one batch."""
        self.replies.update(fresh)
        if self._place is not None:
            _keep(self._place / "replies.jsonl", fresh)
        if self._watch is not None:
            self._watch(len(self.replies), self._total)


@dataclass(slots=True)
class _Talk:
    """One conversation while it is held."""

    item: Item
    desk: _Desk
    turns: list[Turn] = field(default_factory=list[Turn])
    pictures: list[NDArray[np.uint8]] = field(default_factory=list[NDArray[np.uint8]])
    captions: list[str] = field(default_factory=list[str])
    references: list[int | None] = field(default_factory=list[int | None])

    def ask(self, number: int) -> None:
        """Enter what the user says."""
        parts: list[Part] = []
        for part in self.item.exchanges[number].asked:
            parts.append(part if isinstance(part, str) else self._shown(render(self.item.scenes[part.index]), "", part))
        self.turns.append(Turn("user", tuple(parts)))

    def _shown(self, picture: NDArray[np.uint8], caption: str, meant: Picture | None) -> Picture:
        self.pictures.append(picture)
        self.captions.append(caption)
        self.references.append(None if meant is None else meant.index)
        return Picture(len(self.pictures) - 1)

    @property
    def size(self) -> int:
        """How much there is to read, roughly: characters, a picture as many as a caption."""
        return sum(len(part) if isinstance(part, str) else 64 for turn in self.turns for part in turn.parts)

    def sofar(self, number: int) -> Sofar:
        """What the contestant gets."""
        known = tuple(self.captions), tuple(self.references)
        return Sofar(self.item.id, number, tuple(self.turns), tuple(self.pictures), *known)

    def enter(self, number: int, answer: Answer) -> None:
        """Enter what came back; neighbouring texts are joined."""
        wanted = [part for part in self.item.exchanges[number].reply if isinstance(part, Picture)]
        parts: list[Part] = []
        for part in answer.parts:
            if isinstance(part, Drawing):
                parts.append(self._shown(part.picture, part.caption, wanted.pop(0) if wanted else None))
            elif parts and isinstance(parts[-1], str):
                parts[-1] = f"{parts[-1]} {part}"
            elif part:
                parts.append(part)
        self.turns.append(Turn("assistant", tuple(parts) or (NO_ANSWER,)))


def run(
    items: Sequence[Item],
    contestant: Contestant,
    folder: Path | str | None = None,
    *,
    batch: int = BATCH,
    settings: Mapping[str, Any] | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Replies:
    """Hold all conversations with one contestant.

    Args:
        items: the conversations.
        contestant: answers.
        folder: where replies are kept; a run that was begun there goes on. None: nothing is kept.
        batch: most conversations that are asked at once; those of like length are asked together, since a batch is as
            slow as its longest.
        settings: what else decides the replies, such as a seed; a folder holds one setting only.
        watch: called with the number of replies so far and their total.

    Raises:
        InputError: the folder holds replies of another contestant, other items or other settings.
    """
    desk = _Desk(Row(items, contestant, folder), settings or {}, watch)
    _hold_all([(items, desk)], batch)
    return desk.replies


def run_rows(
    rows: Sequence[Row],
    *,
    batch: int = BATCH,
    settings: Mapping[str, Any] | None = None,
    watch: Callable[[str, int, int], None] | None = None,
) -> list[Replies]:
    """Hold several rows in step; those behind whose veils the same contestant answers are asked together.

    A pass for a few conversations costs hardly less than one for many, and after the first exchanges only a few are
    left of any row. So rows that go together cost little more than the longest of them. The replies are those of `run`.

    Args:
        rows: each has its own conversations and folder.
        batch: most conversations that are asked at once, of all rows.
        settings: what else decides the replies, of all rows.
        watch: called with the contestant's name, its replies so far and their total.

    Raises:
        InputError: see `run`.
    """
    told = [None if watch is None else partial(watch, row.contestant.name) for row in rows]
    desks = [_Desk(row, settings or {}, one) for row, one in zip(rows, told, strict=True)]
    _hold_all([(row.items, desk) for row, desk in zip(rows, desks, strict=True)], batch)
    return [desk.replies for desk in desks]


def _hold_all(rows: Sequence[tuple[Sequence[Item], _Desk]], batch: int) -> None:
    for start in range(0, max((len(items) for items, _ in rows), default=0), HELD):
        _hold([_Talk(item, desk) for items, desk in rows for item in items[start : start + HELD]], batch)


def _hold(talks: Sequence[_Talk], batch: int) -> None:
    """Hold some conversations to their end."""
    for number in range(max((len(talk.item.exchanges) for talk in talks), default=0)):
        open_now = [talk for talk in talks if number < len(talk.item.exchanges)]
        waiting: dict[int, list[_Talk]] = {}
        for talk in open_now:
            talk.ask(number)
            if (talk.item.id, number) not in talk.desk.replies:
                waiting.setdefault(id(behind(talk.desk.contestant)), []).append(talk)
        for together in waiting.values():
            together.sort(key=lambda talk: talk.size)
            size = -(-len(together) // -(-len(together) // batch))  # batches of equal size, none larger than allowed
            for start in range(0, len(together), size):
                _round(together[start : start + size], number)
        for talk in open_now:
            talk.enter(number, talk.desk.replies[talk.item.id, number])


def _round(talks: Sequence[_Talk], number: int) -> None:
    """Ask for the replies to one exchange of some conversations, and keep them."""
    answers = _answers([(talk.desk.contestant, talk.sofar(number)) for talk in talks])
    fresh: dict[int, tuple[_Desk, Replies]] = {}
    for talk, answer in zip(talks, answers, strict=True):
        fresh.setdefault(id(talk.desk), (talk.desk, {}))[1][talk.item.id, number] = answer
    for desk, replies in fresh.values():
        desk.keep(replies)


def _keep(place: Path, replies: Replies) -> None:
    """Add a batch of replies and sync them; a torn last line of an earlier crash is closed first."""
    lines = [
        json.dumps(_to_json(item, number, answer), ensure_ascii=False) for (item, number), answer in replies.items()
    ]
    with place.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = size > 0 and file.read(1) != b"\n"
        file.write(("\n" * torn + "".join(f"{line}\n" for line in lines)).encode())
        file.flush()
        os.fsync(file.fileno())


def _answers(asked: Sequence[tuple[Contestant, Sofar]]) -> list[Answer]:
    """Ask all at once, of whom the same one answers; where that fails, ask one by one: a bad reply costs one reply."""
    try:
        contestant = behind(asked[0][0])
        answers = [_checked(answer) for answer in contestant.answer([unveiled(*one) for one in asked])]
        if len(answers) != len(asked):
            raise InputError(f"{contestant.name}: {len(asked)} were asked, but {len(answers)} answers came.")
    except Exception as error:  # whatever a contestant does wrong is a result, kept with its reason
        if len(asked) == 1:
            return [Answer(failure=f"{type(error).__name__}: {error}"[:500])]
        return [answer for one in asked for answer in _answers([one])]
    return answers


def _checked(answer: Answer) -> Answer:
    for drawing in answer.drawings:
        if drawing.picture.dtype != np.uint8 or drawing.picture.shape != (SIZE, SIZE, 3):
            shape = f"{drawing.picture.dtype}{list(drawing.picture.shape)}"
            raise InputError(f"a drawing must be uint8[{SIZE} {SIZE} 3]; got {shape}. Resize it first.")
    return answer


def _opened(folder: Path, items: Sequence[Item], name: str, settings: Mapping[str, Any]) -> Path:
    """Make the folder of a run, or make sure that the one that is there belongs to this run."""
    about = {"contestant": name, "items": items_hash(items), "settings": dict(settings)}
    place = folder / "run.json"
    if place.is_file():
        found = read_json(place)
        for key, value in about.items():
            if found.get(key) != value:
                raise InputError(
                    f"{place}: {key} must be {value!r} to go on with this run; got {found.get(key)!r}. "
                    "Choose another folder, or delete this one."
                )
    else:
        write_json(place, about)
    return folder


def read_replies(folder: Path | str) -> Replies:
    """Read what a run has kept so far; a line that a crash tore is asked again."""
    place = Path(folder) / "replies.jsonl"
    if not place.is_file():
        return {}
    replies: Replies = {}
    for line in place.read_text(encoding="utf-8", errors="replace").splitlines():
        row = _whole(line)
        if row is not None:
            replies[row["item"], row["exchange"]] = _from_json(row)
    return replies


def _whole(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"item", "exchange", "parts", "failure"} <= set(row) else None


def _to_json(item: str, number: int, answer: Answer) -> dict[str, Any]:
    parts = [
        part if isinstance(part, str) else {"caption": part.caption, "png": _png(part.picture)} for part in answer.parts
    ]
    return {"item": item, "exchange": number, "parts": parts, "failure": answer.failure}


def _from_json(row: Mapping[str, Any]) -> Answer:
    parts = tuple(
        part if isinstance(part, str) else Drawing(part["caption"], _pixels(part["png"])) for part in row["parts"]
    )
    return Answer(parts, row["failure"])


def _png(picture: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _pixels(png: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return np.asarray(image.convert("RGB"))
