"""Hold all conversations in step: every contestant answers turn by turn, from its own history.

    round 0   first questions of all items     -> answers, in batches
    round 1   second questions, each after the contestant's own first answer ...

Every reply goes to disk at once, with its pictures, so a run that stops goes on where it was.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.bench.contestants import Answer, Contestant, Drawing, Sofar
from tbcore.bench.items import Item
from tbcore.errors import InputError
from tbcore.records import Part, Picture, Turn
from tbcore.store import read_json, write_json
from tbcore.world.render import SIZE, render

__all__ = ["BATCH", "NO_ANSWER", "Replies", "items_hash", "read_replies", "run"]

HELD = 64
"""Conversations held at the same time: what a contestant keeps in memory of each is needed until its end."""

BATCH = HELD
"""Conversations asked at once: a step for many costs little more than one for a few."""

NO_ANSWER = "(no answer)"
"""What stands in the history where a reply failed or was empty."""

Replies = dict[tuple[str, int], Answer]
"""(item id, exchange) -> the answer."""


def items_hash(items: Iterable[Item]) -> str:
    """SHA-256 of some conversations, in order."""
    return hashlib.sha256(json.dumps([item.to_json() for item in items], sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class _Talk:
    """One conversation while it is held."""

    item: Item
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
    place = None if folder is None else _opened(Path(folder), items, contestant.name, settings or {})
    replies: Replies = {} if place is None else read_replies(place)
    total = sum(len(item.exchanges) for item in items)

    def keep(fresh: Replies) -> None:
        replies.update(fresh)
        if place is not None:
            _keep(place / "replies.jsonl", fresh)
        if watch is not None:
            watch(len(replies), total)

    for start in range(0, len(items), HELD):
        _hold(items[start : start + HELD], contestant, replies, keep, batch=batch)
    return replies


def _hold(
    items: Sequence[Item], contestant: Contestant, replies: Replies, keep: Callable[[Replies], None], *, batch: int
) -> None:
    """Hold some conversations to their end; `keep` takes what is said in each batch."""
    talks = [_Talk(item) for item in items]
    for number in range(max((len(item.exchanges) for item in items), default=0)):
        open_now = [talk for talk in talks if number < len(talk.item.exchanges)]
        for talk in open_now:
            talk.ask(number)
        waiting = [talk for talk in open_now if (talk.item.id, number) not in replies]
        waiting.sort(key=lambda talk: talk.size)
        for start in range(0, len(waiting), batch):
            keep(_round(contestant, waiting[start : start + batch], number))
        for talk in open_now:
            talk.enter(number, replies[talk.item.id, number])


def _round(contestant: Contestant, talks: Sequence[_Talk], number: int) -> Replies:
    """Ask for the replies to one exchange of some conversations."""
    answers = _answers(contestant, [talk.sofar(number) for talk in talks])
    return {(talk.item.id, number): answer for talk, answer in zip(talks, answers, strict=True)}


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


def _answers(contestant: Contestant, conversations: Sequence[Sofar]) -> list[Answer]:
    """Ask all at once; where that fails, ask one by one, so that one bad reply costs one reply."""
    try:
        answers = [_checked(answer) for answer in contestant.answer(conversations)]
        if len(answers) != len(conversations):
            raise InputError(f"{contestant.name}: {len(conversations)} were asked, but {len(answers)} answers came.")
    except Exception as error:  # whatever a contestant does wrong is a result, kept with its reason
        if len(conversations) == 1:
            return [Answer(failure=f"{type(error).__name__}: {error}"[:500])]
        return [answer for one in conversations for answer in _answers(contestant, [one])]
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
