"""The conversation: a state machine without widgets, and the port to whoever answers.

    waiting for the user ──send──► the assistant replies ──► waiting for the user
                 ◄──undo, edit, reset──

A message either gets its reply or leaves no trace: when the assistant fails, the conversation is what it was before.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.pictures import check_pixels, from_png, to_png
from tbcore.errors import DialogueError, InputError
from tbcore.records import Part, Picture, Turn
from tbcore.store import read_json, write_json

__all__ = ["Assistant", "Conversation", "Drawing", "Limits", "ReplyPart", "ScriptedAssistant", "Transcript", "UserPart"]

_FORMAT = "conversation-1"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture the assistant drew, uint8[y x 3], and the caption it drew from."""

    caption: str
    picture: NDArray[np.uint8]


UserPart: TypeAlias = str | NDArray[np.uint8]
ReplyPart: TypeAlias = str | Drawing


@dataclass(frozen=True, slots=True, eq=False)
class Transcript:
    """A conversation as a value; `Picture.index` in a turn points into `pictures` and `captions`.

    Args:
        turns: user and assistant in turn, beginning with the user.
        pictures: uint8[y x 3] each, in the order they appeared.
        captions: what each was drawn from; empty for a picture that the user showed.

    Raises:
        DialogueError: turns do not alternate, marks do not count up from 0, or captions and pictures differ in number.
    """

    turns: tuple[Turn, ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for number, turn in enumerate(self.turns):
            if turn.role != ("assistant" if number % 2 else "user"):
                raise DialogueError(f"conversation, turn {number}: turns alternate from the user; got {turn.role!r}.")
        marks = [index for turn in self.turns for index in turn.pictures]
        if marks != list(range(len(self.pictures))) or len(self.captions) != len(self.pictures):
            raise DialogueError(
                f"conversation: marks count the pictures in reading order; got marks {marks} for "
                f"{len(self.pictures)} pictures and {len(self.captions)} captions."
            )

    def adding(self, role: str, parts: Sequence[str | Drawing | NDArray[np.uint8]]) -> Transcript:
        """The same with one more turn; neighbouring texts are joined, blank ones left out."""
        pictures, captions = list(self.pictures), list(self.captions)
        made: list[Part] = []
        for part in parts:
            if isinstance(part, str):
                _add_text(made, part)
                continue
            made.append(Picture(len(pictures)))
            pictures.append(check_pixels(part.picture if isinstance(part, Drawing) else part))
            captions.append(_plain(part.caption) if isinstance(part, Drawing) else "")
        turn = Turn(cast(Any, role), tuple(made))
        return Transcript((*self.turns, turn), tuple(pictures), tuple(captions))

    def until(self, n_turns: int) -> Transcript:
        """The first turns only, with their pictures."""
        turns = self.turns[:n_turns]
        count = sum(len(turn.pictures) for turn in turns)
        return Transcript(turns, self.pictures[:count], self.captions[:count])

    def since(self, n_turns: int) -> Transcript:
        """All but the first turns (an even number), pictures counted afresh."""
        gone = sum(len(turn.pictures) for turn in self.turns[:n_turns])
        turns = tuple(
            Turn(turn.role, tuple(p if isinstance(p, str) else Picture(p.index - gone) for p in turn.parts))
            for turn in self.turns[n_turns:]
        )
        return Transcript(turns, self.pictures[gone:], self.captions[gone:])

    def drawings(self, turn: Turn) -> tuple[Drawing, ...]:
        """The pictures that one of the assistant's turns drew."""
        return tuple(Drawing(self.captions[k], self.pictures[k]) for k in turn.pictures if turn.role == "assistant")

    def to_json(self) -> dict[str, Any]:
        """The conversation as a JSON object, pictures as PNG in base 64."""
        shown = zip(self.pictures, self.captions, strict=True)
        return {
            "format": _FORMAT,
            "turns": [turn.to_json() for turn in self.turns],
            "pictures": [{"png": base64.b64encode(to_png(p)).decode("ascii"), "caption": c} for p, c in shown],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Transcript:
        """The inverse of `to_json`.

        Raises:
            InputError: a field is missing or of another kind, or a picture is no PNG.
            DialogueError: turns and pictures do not fit together.
        """
        if row.get("format") != _FORMAT:
            raise InputError(f"conversation: format must be {_FORMAT!r}; got {row.get('format')!r}. Save it again.")
        turns, shown = row.get("turns"), row.get("pictures")
        if not isinstance(turns, list) or not all(isinstance(one, dict) for one in turns):
            raise InputError("conversation: field 'turns' must be a list of objects. Save it again.")
        if not isinstance(shown, list) or not all(isinstance(one, dict) for one in shown):
            raise InputError("conversation: field 'pictures' must be a list of objects. Save it again.")
        pictures = tuple(_picture(number, one) for number, one in enumerate(shown))
        captions = tuple(_plain(str(one.get("caption") or "")) for one in shown)
        return cls(tuple(Turn.from_json(one) for one in turns), pictures, captions)


class Assistant(Protocol):
    """Whoever answers: the trained model, a script, anything with this method."""

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """What is said and drawn after this conversation, whose last turn is the user's."""
        ...


class ScriptedAssistant:
    """Says and draws what it was given, in order, and remembers what it was asked; an exception is raised instead.

    Args:
        replies: each a text, a list of parts, or an exception.
    """

    def __init__(self, *replies: str | Sequence[ReplyPart] | Exception) -> None:
        self.replies = deque(replies)
        self.asked: list[Transcript] = []

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """The next reply.

        Raises:
            InputError: the script is at its end.
        """
        self.asked.append(history)
        if not self.replies:
            raise InputError(f"ScriptedAssistant: nothing left to say after {len(self.asked) - 1} replies. Add one.")
        said = self.replies.popleft()
        if isinstance(said, Exception):
            raise said
        return [said] if isinstance(said, str) else said


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How large one message may be."""

    words: int = 200
    characters: int = 4000
    pictures: int = 4


class Conversation:
    """Who said and drew what so far, and the assistant who answers.

    Args:
        assistant: answers.
        limits: of one message.
    """

    def __init__(self, assistant: Assistant, *, limits: Limits | None = None) -> None:
        self.assistant = assistant
        self.limits = limits or Limits()
        self.transcript = Transcript()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns so far: none, or an even number."""
        return self.transcript.turns

    def send(self, parts: Sequence[UserPart] | str) -> Turn:
        """Say and show something; returns the reply's turn. `transcript.drawings(turn)` gives what it drew.

        Raises:
            InputError: the message is empty or too large. As after any exception, nothing has changed.
        """
        asked = self.transcript.adding("user", [parts] if isinstance(parts, str) else parts)
        self._check(asked.turns[-1])
        answered = asked.adding("assistant", self.assistant.reply(asked))
        self.transcript = answered
        return answered.turns[-1]

    def undo(self) -> list[UserPart]:
        """Take the last message and its reply back; returns the message, empty when there is none."""
        if not self.turns:
            return []
        last = self.turns[-2]
        message = [part if isinstance(part, str) else self.transcript.pictures[part.index] for part in last.parts]
        self.transcript = self.transcript.until(len(self.turns) - 2)
        return message

    def edit(self, number: int, parts: Sequence[UserPart] | str) -> Turn:
        """Say something else in the user's turn `number`, and go on from there; what came later is forgotten.

        Raises:
            InputError: there is no such turn, or it is not the user's.
        """
        if not 0 <= number < len(self.turns) or number % 2:
            raise InputError(f"edit: turn {number} is not one of the user's {len(self.turns) // 2}. Count 0, 2, 4, ...")
        before = self.transcript
        self.transcript = before.until(number)
        try:
            return self.send(parts)
        except BaseException:
            self.transcript = before
            raise

    def reset(self) -> None:
        """Begin anew."""
        self.transcript = Transcript()

    def save(self, path: Path | str) -> None:
        """Write the conversation as JSON, atomically."""
        write_json(path, self.transcript.to_json())

    def load(self, path: Path | str) -> None:
        """Take up a saved conversation; when it cannot be read, this one stays as it is.

        Raises:
            InputError, DialogueError: the file is not a whole conversation; the message names it.
        """
        row = read_json(path)
        if not isinstance(row, dict):
            raise InputError(f"{path}: must hold a JSON object. Save the conversation again.")
        try:
            found = Transcript.from_json(row)
        except (InputError, DialogueError) as error:
            raise type(error)(f"{path}: {error}") from error
        if len(found.turns) % 2:
            raise DialogueError(f"{path}: the conversation ends without a reply. Save it again.")
        self.transcript = found

    def _check(self, turn: Turn) -> None:
        words, most = turn.text.split(), self.limits
        if not turn.parts:
            raise InputError("message: it is empty. Write something, or pick a picture.")
        if len(words) > most.words or len(turn.text) > most.characters:
            raise InputError(
                f"message: at most {most.words} words and {most.characters} characters; got {len(words)} and "
                f"{len(turn.text)}. Say it in two messages."
            )
        if len(turn.pictures) > most.pictures:
            raise InputError(f"message: at most {most.pictures} pictures; got {len(turn.pictures)}. Show them in turn.")


def _plain(words: str) -> str:
    """Text that can be stored and shown: lone surrogates and controls become spaces, and so do broken line ends."""
    whole = words.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c if c == "\n" or (c >= " " and not "\x7f" <= c <= "\x9f") else " " for c in whole).strip()


def _add_text(made: list[Part], words: str) -> None:
    plain = _plain(words)
    if not plain:
        return
    if made and isinstance(made[-1], str):
        made[-1] = f"{made[-1]} {plain}"
    else:
        made.append(plain)


def _picture(number: int, row: Mapping[str, Any]) -> NDArray[np.uint8]:
    try:
        return from_png(base64.b64decode(str(row.get("png") or ""), validate=True))
    except (binascii.Error, InputError) as error:
        raise InputError(f"picture {number}: {error}") from error
