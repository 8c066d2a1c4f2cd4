"""A conversation as a value: turns, the pictures in them, and the captions that drawn pictures came from."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.pictures import check_pixels, from_png, to_png
from tbcore.errors import DialogueError, InputError
from tbcore.records import Part, Picture, Turn

__all__ = ["Drawing", "ReplyPart", "Transcript", "UserPart"]

_FORMAT = "conversation-1"


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture the assistant drew, uint8[y x 3], the caption it drew from, and the painter's seed if it is known."""

    caption: str
    picture: NDArray[np.uint8]
    seed: int | None = None


UserPart: TypeAlias = str | NDArray[np.uint8]
ReplyPart: TypeAlias = str | Drawing


@dataclass(frozen=True, slots=True, eq=False)
class Transcript:
    """A conversation as a value; `Picture.index` in a turn points into `pictures` and `captions`.

    Args:
        turns: user and assistant in turn, beginning with the user.
        pictures: uint8[y x 3] each, in the order they appeared.
        captions: what each was drawn from; empty for a picture that the user showed.
        corrected: numbers of the assistant's turns that a person has written or redrawn, ascending.

    Raises:
        DialogueError: turns do not alternate, marks do not count up from 0, captions and pictures differ in number,
            or a corrected turn is not one of the assistant's.
    """

    turns: tuple[Turn, ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()
    captions: tuple[str, ...] = ()
    corrected: tuple[int, ...] = ()

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
        answers = set(range(1, len(self.turns), 2))
        if not set(self.corrected) <= answers or list(self.corrected) != sorted(set(self.corrected)):
            raise DialogueError(
                f"conversation: corrected turns are the assistant's, each once, ascending; got {list(self.corrected)} "
                f"of {len(self.turns)} turns."
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
        return Transcript((*self.turns, turn), tuple(pictures), tuple(captions), self.corrected)

    def correcting(self, parts: Sequence[ReplyPart]) -> Transcript:
        """The same with one more turn of the assistant's, which a person has written or changed."""
        added = self.adding("assistant", parts)
        return Transcript(added.turns, added.pictures, added.captions, (*self.corrected, len(self.turns)))

    def until(self, n_turns: int) -> Transcript:
        """The first turns only, with their pictures."""
        turns = self.turns[:n_turns]
        count = sum(len(turn.pictures) for turn in turns)
        corrected = tuple(number for number in self.corrected if number < n_turns)
        return Transcript(turns, self.pictures[:count], self.captions[:count], corrected)

    def since(self, n_turns: int) -> Transcript:
        """All but the first turns (an even number), pictures counted afresh."""
        gone = sum(len(turn.pictures) for turn in self.turns[:n_turns])
        turns = tuple(
            Turn(turn.role, tuple(p if isinstance(p, str) else Picture(p.index - gone) for p in turn.parts))
            for turn in self.turns[n_turns:]
        )
        corrected = tuple(number - n_turns for number in self.corrected if number >= n_turns)
        return Transcript(turns, self.pictures[gone:], self.captions[gone:], corrected)

    def message(self, number: int) -> list[UserPart]:
        """What was said and shown in a turn, as it can be said again."""
        return [part if isinstance(part, str) else self.pictures[part.index] for part in self.turns[number].parts]

    def reply(self, number: int) -> list[ReplyPart]:
        """What was said and drawn in one of the assistant's turns."""
        return [
            part if isinstance(part, str) else Drawing(self.captions[part.index], self.pictures[part.index])
            for part in self.turns[number].parts
        ]

    def drawings(self, turn: Turn) -> tuple[Drawing, ...]:
        """The pictures that one of the assistant's turns drew."""
        return tuple(Drawing(self.captions[k], self.pictures[k]) for k in turn.pictures if turn.role == "assistant")

    def to_json(self) -> dict[str, Any]:
        """The conversation as a JSON object, pictures as PNG in base 64."""
        shown = zip(self.pictures, self.captions, strict=True)
        row: dict[str, Any] = {
            "format": _FORMAT,
            "turns": [turn.to_json() for turn in self.turns],
            "pictures": [{"png": base64.b64encode(to_png(p)).decode("ascii"), "caption": c} for p, c in shown],
        }
        return {**row, "corrected": list(self.corrected)} if self.corrected else row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Transcript:
        """The inverse of `to_json`.

        Raises:
            InputError: a field is missing or of another kind, or a picture is no PNG.
            DialogueError: turns and pictures do not fit together.
        """
        if row.get("format") != _FORMAT:
            raise InputError(f"conversation: format must be {_FORMAT!r}; got {row.get('format')!r}. Save it again.")
        turns, shown, corrected = row.get("turns"), row.get("pictures"), row.get("corrected", [])
        if not isinstance(turns, list) or not all(isinstance(one, dict) for one in turns):
            raise InputError("conversation: field 'turns' must be a list of objects. Save it again.")
        if not isinstance(shown, list) or not all(isinstance(one, dict) for one in shown):
            raise InputError("conversation: field 'pictures' must be a list of objects. Save it again.")
        if not isinstance(corrected, list) or not all(type(one) is int for one in corrected):
            raise InputError("conversation: field 'corrected' must be a list of whole numbers. Save it again.")
        pictures = tuple(_picture(number, one) for number, one in enumerate(shown))
        captions = tuple(_plain(str(one.get("caption") or "")) for one in shown)
        return cls(tuple(Turn.from_json(one) for one in turns), pictures, captions, tuple(corrected))


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
