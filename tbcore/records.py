"""The records that stages hand to one another: frozen values, JSON both ways.

A dialogue holds its captions once; a turn is text and picture marks that point at them by index.

    Dialogue.captions   ("a brown dog on a lawn", "a red ball")
    Turn("user",        (Picture(0), "What does he want?"))
    Turn("assistant",   ("To play. Throw this: ", Picture(1)))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from tbcore.errors import DialogueError, InputError

__all__ = [
    "Dialogue",
    "Pair",
    "Part",
    "Picture",
    "PictureGroup",
    "Rejection",
    "Role",
    "Turn",
    "Verdict",
]

Role = Literal["user", "assistant"]
_ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and what it shows.

    `picture` is a path relative to the folder of the record's file; only drawn pictures have topic and scene.
    """

    id: str
    picture: str
    caption: str
    source: str
    topic: str | None = None
    scene: dict[str, object] | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; unknown topic and scene are null."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Pair:
        """The inverse of `to_json`; InputError names the field that does not fit."""
        _only(row, "Pair", ("id", "picture", "caption", "source", "topic", "scene"))
        scene = row.get("scene")
        if scene is not None and not isinstance(scene, dict):
            raise _misfit("Pair", "scene", "an object or null", cast(object, scene))
        return cls(
            id=_text(row, "Pair", "id"),
            picture=_text(row, "Pair", "picture"),
            caption=_text(row, "Pair", "caption"),
            source=_text(row, "Pair", "source"),
            topic=_text_or_none(row, "Pair", "topic"),
            scene=cast("dict[str, object] | None", scene),
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """A place in a turn where the picture with this index (from 0) stands."""

    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise DialogueError(f"Picture: index counts from 0; got {self.index}. Use a position in captions.")


Part = str | Picture


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says at once: text and pictures in reading order.

    Text parts are not empty and two never stand side by side, so equal turns are written one way only.
    """

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise DialogueError(f"Turn: role must be 'user' or 'assistant'; got {self.role!r}.")
        before: Part | None = None
        for place, part in enumerate(self.parts):
            if part == "":
                raise DialogueError(f"Turn: part {place} is an empty text. Leave it out.")
            if isinstance(part, str) and isinstance(before, str):
                raise DialogueError(f"Turn: parts {place - 1} and {place} are both text. Join them.")
            before = part

    @property
    def text(self) -> str:
        """The text parts joined, pictures left out."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> tuple[int, ...]:
        """Indices of the pictures shown, in reading order."""
        return tuple(part.index for part in self.parts if isinstance(part, Picture))

    def to_json(self) -> dict[str, Any]:
        """Text parts as strings, pictures as {"picture": index}."""
        parts = [part if isinstance(part, str) else {"picture": part.index} for part in self.parts]
        return {"role": self.role, "parts": parts}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Turn:
        """The inverse of `to_json`."""
        _only(row, "Turn", ("role", "parts"))
        parts: list[Part] = []
        for part in _list(row, "Turn", "parts"):
            if isinstance(part, str):
                parts.append(part)
            elif isinstance(part, dict) and set(cast("dict[str, object]", part)) == {"picture"}:
                index = cast("dict[str, object]", part)["picture"]
                if not isinstance(index, int) or isinstance(index, bool):
                    raise _misfit("Turn", "parts", "picture indices that are whole numbers", index)
                parts.append(Picture(index))
            else:
                raise _misfit("Turn", "parts", 'texts and {"picture": index}', cast(object, part))
        return cls(cast(Role, _text(row, "Turn", "role")), tuple(parts))


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation; `Picture.index` points into `captions` and, when attached, `pictures`.

    Args:
        pictures: paths relative to the folder of the file the record stands in; empty, or one per caption.
        source: who wrote it, for example 'recorded' or 'simulated'.
        group: the picture group it draws on; a split by group keeps its dialogues together.

    Raises:
        DialogueError: a mark points nowhere or occurs twice, or pictures and captions differ in number.
    """

    id: str
    turns: tuple[Turn, ...]
    captions: tuple[str, ...]
    pictures: tuple[str, ...] = ()
    source: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if self.pictures and len(self.pictures) != len(self.captions):
            raise DialogueError(
                f"dialogue {self.id!r}: {len(self.captions)} captions, but {len(self.pictures)} pictures are "
                "attached. Attach one picture per caption, or none."
            )
        seen: set[int] = set()
        for number, turn in enumerate(self.turns):
            for index in turn.pictures:
                if index >= len(self.captions):
                    raise DialogueError(
                        f"dialogue {self.id!r}, turn {number}: it shows picture {index}, but there are "
                        f"{len(self.captions)} captions. Add the caption or drop the mark."
                    )
                if index in seen:
                    raise DialogueError(
                        f"dialogue {self.id!r}, turn {number}: picture {index} is shown twice. "
                        "Show it once, or give the second picture its own caption."
                    )
                seen.add(index)

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        turns = [turn.to_json() for turn in self.turns]
        listed = {"captions": list(self.captions), "pictures": list(self.pictures)}
        return {"id": self.id, "turns": turns, **listed, "source": self.source, "group": self.group}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Dialogue:
        """The inverse of `to_json`; pictures, source and group may be left out."""
        _only(row, "Dialogue", ("id", "turns", "captions", "pictures", "source", "group"))
        turns = _list(row, "Dialogue", "turns")
        if not all(isinstance(turn, dict) for turn in turns):
            raise _misfit("Dialogue", "turns", "objects", turns)
        return cls(
            id=_text(row, "Dialogue", "id"),
            turns=tuple(Turn.from_json(cast("dict[str, Any]", turn)) for turn in turns),
            captions=_texts(row, "Dialogue", "captions"),
            pictures=_texts(row, "Dialogue", "pictures") if "pictures" in row else (),
            source=_text(row, "Dialogue", "source") if "source" in row else "",
            group=_text(row, "Dialogue", "group") if "group" in row else "",
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter rule says of one reply; `offset` counts characters from the start of the reply."""

    rule: str
    passed: bool
    code: str | None = None
    offset: int | None = None
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`."""
        _only(row, "Verdict", ("rule", "passed", "code", "offset", "detail"))
        passed = row.get("passed")
        if not isinstance(passed, bool):
            raise _misfit("Verdict", "passed", "true or false", passed)
        return cls(
            rule=_text(row, "Verdict", "rule"),
            passed=passed,
            code=_text_or_none(row, "Verdict", "code"),
            offset=_count_or_none(row, "Verdict", "offset"),
            detail=_text(row, "Verdict", "detail"),
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something left out, and why: which record, a code, the offset in its text, and file or stage."""

    record: str
    code: str
    offset: int | None = None
    detail: str = ""
    where: str = ""

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Rejection:
        """The inverse of `to_json`."""
        _only(row, "Rejection", ("record", "code", "offset", "detail", "where"))
        return cls(
            record=_text(row, "Rejection", "record"),
            code=_text(row, "Rejection", "code"),
            offset=_count_or_none(row, "Rejection", "offset"),
            detail=_text(row, "Rejection", "detail"),
            where=_text(row, "Rejection", "where"),
        )


@dataclass(frozen=True, slots=True)
class PictureGroup:
    """A versioned group of pictures that one conversation is written about.

    Order matters: recorded conversations are found by the hash of the ordered captions.
    """

    id: str
    version: str
    topic: str
    captions: tuple[str, ...]
    scenes: tuple[dict[str, object], ...] | None = None
    files: tuple[str, ...] | None = None
    split: str = "train"

    def __post_init__(self) -> None:
        for name, values in (("scenes", self.scenes), ("files", self.files)):
            if values is not None and len(values) != len(self.captions):
                raise InputError(
                    f"picture group {self.id!r}: {len(self.captions)} captions, but {len(values)} {name}. "
                    "Give one per caption, or none."
                )

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        listed = {name: value and list(value) for name, value in (("scenes", self.scenes), ("files", self.files))}
        head = {"id": self.id, "version": self.version, "topic": self.topic}
        return {**head, "captions": list(self.captions), **listed, "split": self.split}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> PictureGroup:
        """The inverse of `to_json`; scenes, files and split may be left out."""
        _only(row, "PictureGroup", ("id", "version", "topic", "captions", "scenes", "files", "split"))
        scenes = None
        if row.get("scenes") is not None:
            listed = _list(row, "PictureGroup", "scenes")
            if not all(isinstance(scene, dict) for scene in listed):
                raise _misfit("PictureGroup", "scenes", "objects", listed)
            scenes = tuple(cast("list[dict[str, object]]", listed))
        return cls(
            id=_text(row, "PictureGroup", "id"),
            version=_text(row, "PictureGroup", "version"),
            topic=_text(row, "PictureGroup", "topic"),
            captions=_texts(row, "PictureGroup", "captions"),
            scenes=scenes,
            files=None if row.get("files") is None else _texts(row, "PictureGroup", "files"),
            split=_text(row, "PictureGroup", "split") if "split" in row else "train",
        )


def _misfit(kind: str, field: str, wanted: str, got: object) -> InputError:
    return InputError(f"{kind}: field {field!r} must be {wanted}; got {got!r}. Mend the record.")


def _only(row: Mapping[str, Any], kind: str, fields: tuple[str, ...]) -> None:
    if extra := sorted(set(row) - set(fields)):
        raise InputError(f"{kind}: unknown field {extra[0]!r}; known: {', '.join(fields)}. Mend the record.")


def _text(row: Mapping[str, Any], kind: str, field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str):
        raise _misfit(kind, field, "text", value)
    return value


def _text_or_none(row: Mapping[str, Any], kind: str, field: str) -> str | None:
    return None if row.get(field) is None else _text(row, kind, field)


def _count_or_none(row: Mapping[str, Any], kind: str, field: str) -> int | None:
    value = row.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise _misfit(kind, field, "a whole number or null", value)
    return value


def _list(row: Mapping[str, Any], kind: str, field: str) -> list[object]:
    value = row.get(field)
    if not isinstance(value, list | tuple):
        raise _misfit(kind, field, "a list", value)
    return list(cast("list[object]", value))


def _texts(row: Mapping[str, Any], kind: str, field: str) -> tuple[str, ...]:
    values = _list(row, kind, field)
    if not all(isinstance(value, str) for value in values):
        raise _misfit(kind, field, "a list of texts", values)
    return tuple(cast("list[str]", values))
