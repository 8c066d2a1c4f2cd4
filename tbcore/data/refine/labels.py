"""Labels: what raters say of conversations, kept in a file that only grows.

What the labels mean stands in the rating guide.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.store import read_jsonl

__all__ = [
    "CHARACTER_TAGS",
    "ERROR_TAGS",
    "QUALITIES",
    "Label",
    "Quality",
    "add_label",
    "latest",
    "promoted",
    "rating_guide",
    "read_labels",
]

Quality = Literal["Excellent", "Satisfactory", "Poor"]

QUALITIES: tuple[Quality, ...] = ("Poor", "Satisfactory", "Excellent")
"""From worst to best; the order is what weighted agreement counts."""

CHARACTER_TAGS = (
    "advice",
    "story",
    "comparison",
    "explanation",
    "reasoning",
    "editing",
    "humour",
    "asks_back",
    "refusal",
    "smalltalk",
)
"""For conversations that are not Poor."""

ERROR_TAGS = (
    "wrong_about_picture",
    "invented",
    "picture_out_of_place",
    "picture_missing",
    "mentions_captions",
    "incoherent",
    "repetitive",
    "unhelpful",
    "harmful",
)
"""For Poor conversations; at least one is needed."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one rater says of one conversation; `time` is text as the caller writes it, `turn` from 0.

    Raises:
        InputError: an unknown quality or tag, tags that do not go with the quality, or Poor without a reason.
    """

    record: str
    rater: str
    quality: Quality
    tags: tuple[str, ...] = ()
    note: str = ""
    time: str = ""
    turn: int | None = None

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise InputError(f"label of {self.record!r}: quality must be one of {QUALITIES}; got {self.quality!r}.")
        fitting = ERROR_TAGS if self.quality == "Poor" else CHARACTER_TAGS
        if wrong := [tag for tag in self.tags if tag not in fitting]:
            raise InputError(
                f"label of {self.record!r}: tag {wrong[0]!r} does not go with {self.quality}; choose from {fitting}."
            )
        if self.quality == "Poor" and not self.tags:
            raise InputError(f"label of {self.record!r}: Poor needs at least one of {ERROR_TAGS}. Say what is wrong.")

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {**asdict(self), "tags": list(self.tags)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Label:
        """The inverse of `to_json`."""
        if unknown := sorted(set(row) - set(cls.__dataclass_fields__)):
            raise InputError(f"Label: unknown field {unknown[0]!r}. Mend the record.")
        for name in ("record", "rater", "quality"):
            if not isinstance(row.get(name), str):
                raise InputError(f"Label: field {name!r} must be text; got {row.get(name)!r}. Mend the record.")
        return cls(**{**row, "tags": tuple(row.get("tags", ()))})


def add_label(path: Path | str, label: Label) -> None:
    """Append one label to the file of labels, synced to the disk; no label in it is ever changed.

    Half a line, left by a crash in the middle of writing, was never reported as saved: it is moved to a file
    beside this one whose name ends in `.torn`.
    """
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(label.to_json(), ensure_ascii=False, allow_nan=False) + "\n").encode()
    with place.open("ab+") as file:
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with place.with_name(f"{place.name}.torn").open("ab") as aside:
                aside.write(content[whole:] + b"\n")
            file.truncate(whole)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_labels(path: Path | str) -> list[Label]:
    """All labels in the order they were given; an empty list when nobody has rated yet.

    A last line without its end was being written when the program died; it counts as not given.

    Raises:
        InputError: a whole line is no label; the message names file and line.
    """
    place = Path(path)
    if not place.is_file():
        return []
    if not place.read_bytes().endswith(b"\n"):
        whole = place.read_bytes()
        lines = whole[: whole.rfind(b"\n") + 1].splitlines()
        return [Label.from_json(json.loads(line)) for line in lines if line.strip()]
    return [Label.from_json(row) for row in read_jsonl(place)]


def latest(labels: Iterable[Label]) -> dict[tuple[str, str], Label]:
    """The label that counts for each (record, rater): the last one given for the whole conversation."""
    return {(label.record, label.rater): label for label in labels if label.turn is None}


def promoted(labels: Iterable[Label], dialogues: Iterable[Dialogue], *, votes: int = 2) -> list[Dialogue]:
    """Conversations with at least `votes` raters for Excellent and none for Poor, in the order given."""
    counts: dict[str, list[Quality]] = {}
    for label in latest(labels).values():
        counts.setdefault(label.record, []).append(label.quality)
    return [
        dialogue
        for dialogue in dialogues
        if counts.get(dialogue.id, []).count("Excellent") >= votes and "Poor" not in counts[dialogue.id]
    ]


def rating_guide() -> str:
    """The definitions of labels and tags, in Markdown."""
    return resources.files("tbcore.data").joinpath("seeds/rating_guide.md").read_text("utf-8")
