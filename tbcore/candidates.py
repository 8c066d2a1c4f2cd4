"""A candidate: a teacher's raw reply and what it was asked about, before any rule has judged it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tbcore.dialogue import Codec
from tbcore.errors import InputError

__all__ = ["Candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A raw reply about a picture group.

    Args:
        id: names the candidate, and the dialogue it may become.
        group: the picture group's id.
        captions: the true captions, in order of index.
        reply: the raw reply, exactly as it came.
        codec: how pictures are tagged in it.
        pictures: paths, one per caption, or none.
        source: who wrote it.
        origin: where it comes from: draw, sample, prompt hash, example set and the like.
    """

    id: str
    group: str
    captions: tuple[str, ...]
    reply: str
    codec: Codec
    pictures: tuple[str, ...] = ()
    source: str = ""
    origin: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {
            "id": self.id,
            "group": self.group,
            "captions": list(self.captions),
            "reply": self.reply,
            "codec": self.codec.version,
            "pictures": list(self.pictures),
            "source": self.source,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Candidate:
        """The inverse of `to_json`; InputError names what does not fit."""
        texts = ("id", "group", "reply", "codec", "source")
        for name in texts:
            if not isinstance(row.get(name), str):
                raise InputError(f"Candidate: field {name!r} must be text; got {row.get(name)!r}. Mend the record.")
        for name in ("captions", "pictures"):
            values = row.get(name)
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise InputError(f"Candidate: field {name!r} must be a list of texts; got {values!r}. Mend it.")
        return cls(
            id=row["id"],
            group=row["group"],
            captions=tuple(row["captions"]),
            reply=row["reply"],
            codec=Codec.from_version(row["codec"]),
            pictures=tuple(row["pictures"]),
            source=row["source"],
            origin=dict(row.get("origin", {})),
        )
