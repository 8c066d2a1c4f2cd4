"""Chat formats others train on: LLaVA, ShareGPT, and OpenAI messages with images.

Marks and pictures are equal in number, the list of pictures is always a list, and each record comes back equal: what
a format has no place for (captions, order, group) travels beside it under the key `tbcore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tbcore.data.export.pictures import data_url, picture_bytes
from tbcore.errors import InputError
from tbcore.records import Dialogue, Part, Picture, Role, Turn

__all__ = ["from_llava", "from_openai", "from_sharegpt", "to_llava", "to_openai", "to_sharegpt"]

_MARK = "<image>"
_START, _END = "<start>", "<end>"
_SPEAKERS: dict[Role, str] = {"user": "human", "assistant": "gpt"}
_ROLES: dict[str, Role] = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


def to_llava(dialogue: Dialogue) -> dict[str, Any]:
    """A record as LLaVA's json has them: `image`, and `conversations` of human and gpt with `<image>` marks.

    Raises:
        InputError: a text holds `<image>` itself.
    """
    return {
        "id": dialogue.id,
        "image": _files(dialogue),
        "conversations": [{"from": _SPEAKERS[turn.role], "value": text} for turn, text in _marked(dialogue)],
        "tbcore": _beside(dialogue),
    }


def from_llava(record: Mapping[str, Any]) -> Dialogue:
    """The inverse of `to_llava`; a foreign record's pictures are numbered as they are shown.

    Raises:
        InputError: marks and pictures differ in number, or a speaker is unknown.
    """
    images = record.get("image", [])
    files = [images] if isinstance(images, str) else list(images)
    return _read(record, record["conversations"], files, "from", "value")


def to_sharegpt(dialogue: Dialogue) -> dict[str, Any]:
    """A record in ShareGPT's form with pictures: `messages` of role and content, and `images`.

    Raises:
        InputError: a text holds `<image>` itself.
    """
    return {
        "id": dialogue.id,
        "messages": [{"role": turn.role, "content": text} for turn, text in _marked(dialogue)],
        "images": _files(dialogue),
        "tbcore": _beside(dialogue),
    }


def from_sharegpt(record: Mapping[str, Any]) -> Dialogue:
    """The inverse of `to_sharegpt`; raises as `from_llava` does."""
    return _read(record, record["messages"], list(record.get("images", [])), "role", "content")


def to_openai(dialogue: Dialogue, root: Path | str | None = None) -> dict[str, Any]:
    """Messages as the OpenAI chat format has them, text and image parts interleaved.

    That format lets only users show images, so a picture of the assistant is its caption between `<start>` and
    `<end>`, as the model of this course writes it.

    Args:
        dialogue: the record.
        root: the folder of its pictures, whose bytes are put in; None writes their paths instead.

    Raises:
        InputError: a text holds `<start>` or `<end>`, or a picture cannot be read.
    """
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(dialogue.turns):
        content: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, str):
                _refuse(dialogue, number, part, (_START, _END))
                content.append({"type": "text", "text": part})
            elif turn.role == "user":
                content.append({"type": "image_url", "image_url": {"url": _address(dialogue, part.index, root)}})
            else:
                _refuse(dialogue, number, dialogue.captions[part.index], (_START, _END))
                content.append({"type": "text", "text": f"{_START}{dialogue.captions[part.index]}{_END}"})
        messages.append({"role": turn.role, "content": content})
    return {"messages": messages, "tbcore": {"id": dialogue.id, **_beside(dialogue)}}


def from_openai(record: Mapping[str, Any]) -> Dialogue:
    """The inverse of `to_openai`, from the messages and what stands beside them.

    Raises:
        InputError: the record was not written by `to_openai`.
    """
    beside = record.get("tbcore")
    if beside is None:
        raise InputError("from_openai: the key 'tbcore' is missing; captions cannot be known. Use to_openai's records.")
    shown = iter(beside["shown"])
    turns: list[Turn] = []
    for message in record["messages"]:
        parts: list[Part] = []
        for one in message["content"]:
            drawn = one["type"] == "text" and message["role"] == "assistant" and one["text"].startswith(_START)
            parts.append(Picture(next(shown)) if one["type"] == "image_url" or drawn else one["text"])
        turns.append(Turn(message["role"], tuple(parts)))
    return _dialogue(beside["id"], turns, beside)


def _beside(dialogue: Dialogue) -> dict[str, Any]:
    return {
        "captions": list(dialogue.captions),
        "pictures": list(dialogue.pictures),
        "shown": [index for turn in dialogue.turns for index in turn.pictures],
        "source": dialogue.source,
        "group": dialogue.group,
    }


def _files(dialogue: Dialogue) -> list[str]:
    shown = [index for turn in dialogue.turns for index in turn.pictures]
    return [dialogue.pictures[index] if dialogue.pictures else "" for index in shown]


def _marked(dialogue: Dialogue) -> list[tuple[Turn, str]]:
    found: list[tuple[Turn, str]] = []
    for number, turn in enumerate(dialogue.turns):
        for part in turn.parts:
            if isinstance(part, str):
                _refuse(dialogue, number, part, (_MARK,))
        found.append((turn, "".join(part if isinstance(part, str) else _MARK for part in turn.parts)))
    return found


def _refuse(dialogue: Dialogue, number: int, text: str, marks: tuple[str, ...]) -> None:
    for mark in marks:
        if mark in text:
            raise InputError(
                f"dialogue {dialogue.id!r}, turn {number}: its text holds {mark!r}, which this format uses for "
                "pictures. Leave the dialogue out or reword the turn."
            )


def _address(dialogue: Dialogue, index: int, root: Path | str | None) -> str:
    if not dialogue.pictures:
        raise InputError(f"dialogue {dialogue.id!r}: no pictures are attached. Attach them, or use another format.")
    name = dialogue.pictures[index]
    return name if root is None else data_url(picture_bytes(root, name))


def _read(
    record: Mapping[str, Any], messages: Any, files: list[str], speaker: Literal["from", "role"], text: str
) -> Dialogue:
    name = str(record.get("id", ""))
    beside = record.get("tbcore")
    marks = sum(str(message[text]).count(_MARK) for message in messages)
    shown = list(beside["shown"]) if beside else list(range(len(files)))
    if not marks == len(files) == len(shown):
        raise InputError(
            f"record {name!r}: {marks} {_MARK} marks and {len(files)} pictures. They must be equal in number."
        )
    order = iter(shown)
    turns: list[Turn] = []
    for message in messages:
        role = _ROLES.get(message[speaker])
        if role is None:
            raise InputError(f"record {name!r}: unknown speaker {message[speaker]!r}; known are {sorted(_ROLES)}.")
        parts: list[Part] = []
        for place, piece in enumerate(str(message[text]).split(_MARK)):
            if place:
                parts.append(Picture(next(order)))
            if piece:
                parts.append(piece)
        turns.append(Turn(role, tuple(parts)))
    return _dialogue(name, turns, beside or {"captions": [""] * len(files), "pictures": files})


def _dialogue(name: str, turns: list[Turn], beside: Mapping[str, Any]) -> Dialogue:
    return Dialogue(
        id=name,
        turns=tuple(turns),
        captions=tuple(beside["captions"]),
        pictures=tuple(beside["pictures"]),
        source=beside.get("source", ""),
        group=beside.get("group", ""),
    )
