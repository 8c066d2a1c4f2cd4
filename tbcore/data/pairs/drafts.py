"""What a reader found, before and after it is checked: a Draft becomes a Record or a Rejection, here and only here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbcore.data.pairs.captions import LONGEST_CAPTION, caption_flags, sanitise
from tbcore.data.pairs.pictures import Problem, decode, read_limited, upright
from tbcore.records import Pair, Rejection
from tbcore.store import pixel_hash

__all__ = ["Admission", "Draft", "Guard", "Record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One row of a source, as it stands there.

    Args:
        where: file and line, row or member, for messages.
        id: the row's own id; without one the picture's name stands in.
        picture: a path below `root`, or the bytes of a file, or nothing.
        address: what `Pair.picture` says of bytes that lie in no file of their own.
        caption: whatever stands in the row.
        source: the source's name, for `Pair.source`.
        licence: under which terms the picture came; "" when the source does not say.
        problem: why the row cannot be read at all.
    """

    where: str
    id: str = ""
    picture: str | bytes | None = None
    address: str = ""
    root: Path | None = None
    caption: object = None
    source: str = ""
    topic: str | None = None
    scene: dict[str, object] | None = None
    licence: str = ""
    problem: Problem | None = None


@dataclass(frozen=True)
class Record:
    """A pair that passed, with its decoded picture; use it before asking for the next one.

    Args:
        pair: the pair.
        where: file and line, row or member it came from.
        content: the bytes of the picture's file.
        picture: decoded, not yet turned.
        original: the caption as it came.
        licence: under which terms; "" when unknown.
        flags: what a person should look at: odd captions, pictures of one colour, pictures tiny for a tower.
        in_bytes: the picture lies in no file of its own.
    """

    pair: Pair
    where: str
    content: bytes
    picture: Image.Image
    original: str
    licence: str = ""
    flags: tuple[str, ...] = ()
    in_bytes: bool = False

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The picture, upright, in RGB: uint8 [y x 3]."""
        return upright(self.picture)

    @cached_property
    def image_id(self) -> str:
        """SHA-256 of the pixels, the same in every file format."""
        return pixel_hash(self.pixels)

    def to_json(self) -> dict[str, Any]:
        """What is known of the picture beyond the pair, for a side file."""
        height, width = self.pixels.shape[:2]
        about = {"id": self.pair.id, "image_id": self.image_id, "width": width, "height": height}
        changed = {"caption_sanitised": self.original} if self.original != self.pair.caption else {}
        return {**about, "where": self.where, "licence": self.licence, "flags": list(self.flags), **changed}


class Guard(Protocol):
    """Looks at the bytes of a picture somewhere safe before they are decoded here."""

    def problem(self, content: bytes) -> Problem | None:
        """Why the bytes must not be decoded; None when they may."""
        ...


@dataclass
class Admission:
    """The checks, and which ids were seen; one per source.

    Args:
        added_tokens: of the tokenizer that will read the captions; captions that hold one are flagged.
        guard: looks at each picture before this process decodes it.
    """

    added_tokens: Sequence[str] = ()
    guard: Guard | None = None
    _seen: dict[int, str] = field(default_factory=dict[int, str])

    def decide(self, draft: Draft) -> Record | Rejection:
        """The record, or the first reason against it."""
        name = draft.picture if isinstance(draft.picture, str) else draft.address
        record = draft.id or name or draft.where
        caption = sanitise(draft.caption) if isinstance(draft.caption, str) else ""
        if (problem := draft.problem or self._problem_of_row(draft, record, caption)) is not None:
            return Rejection(record, problem[0], None, problem[1], draft.where)
        content = _content_of(draft)
        if isinstance(content, bytes):
            problem = self.guard.problem(content) if self.guard is not None else None
            picture = problem or decode(content)
        else:
            picture = content
        if isinstance(picture, tuple) or isinstance(content, tuple):
            code, words = picture if isinstance(picture, tuple) else ("unreadable_picture", "no content")
            return Rejection(record, code, None, f"{name}: {words}" if name else words, draft.where)
        flags = caption_flags(caption, added_tokens=self.added_tokens) + _picture_flags(picture)
        pair = Pair(record, name, caption, draft.source, draft.topic, draft.scene)
        in_bytes = isinstance(draft.picture, bytes)
        return Record(pair, draft.where, content, picture, str(draft.caption), draft.licence, flags, in_bytes)

    def _problem_of_row(self, draft: Draft, record: str, caption: str) -> Problem | None:
        if not draft.picture:
            return "no_picture_named", "the picture column is empty"
        # Eight bytes per id instead of its text: ids are the one thing that is remembered of every row.
        if (first := self._seen.setdefault(hash(record), draft.where)) != draft.where:
            return "duplicate_id", f"{first} has the same id"
        if not caption:
            return "empty_caption", "the caption is empty"
        if len(caption) > LONGEST_CAPTION:
            return "caption_too_long", f"{len(caption)} characters, at most {LONGEST_CAPTION}"
        return None


def _content_of(draft: Draft) -> bytes | Problem:
    if isinstance(draft.picture, bytes):
        return draft.picture
    if draft.root is None or draft.picture is None:
        return "outside_folder", "the source holds a path, but there is no folder it may point into"
    return _place_problem(draft.root, draft.picture) or read_limited(draft.root / draft.picture)


def _place_problem(root: Path, name: str) -> Problem | None:
    if "\x00" in name or Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or ":" in name:
        return "outside_folder", "a picture is named by its path inside the folder"
    base = root.resolve()
    if (base / name).resolve() != base / name:
        return "outside_folder", "links are not followed"
    return None


def _picture_flags(picture: Image.Image) -> tuple[str, ...]:
    flags: list[str] = []
    if min(picture.size) < 32:
        flags.append("tiny_picture")
    extrema: Any = picture.getextrema()  # (low, high), or one such pair for each band
    if all(low == high for low, high in (extrema if isinstance(extrema[0], tuple) else (extrema,))):
        flags.append("one_colour")
    return tuple(flags)
