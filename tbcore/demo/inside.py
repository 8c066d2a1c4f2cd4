"""Looking inside a reply: how sure the model was of each token, what its queries looked at, what was really drawn.

The reply is read once more as it is in training, words and caption branches together; so what is shown here is what
the model learned from, not a copy of what it happened to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from tbcore.demo.transcript import Transcript

__all__ = ["Glance", "Inside", "Insight", "ReadOut", "TokenSeen"]


@dataclass(frozen=True, slots=True)
class TokenSeen:
    """A token of the reply.

    Attributes:
        text: as it is written; control tokens by name, such as `<start>`.
        probability: 0 to 1, that the model gave it here.
        others: the likeliest tokens here with their probabilities, the likeliest first.
        branch: 0 for the text of the reply, k for the caption of its k-th drawing.
    """

    text: str
    probability: float
    others: tuple[tuple[str, float], ...]
    branch: int


@dataclass(frozen=True, slots=True)
class Glance:
    """Where the query tokens look in one picture of the conversation.

    Attributes:
        picture: index of the picture.
        side: patches per row and column.
        weights: for each query token the share of its attention on each patch, row by row; each adds up to 1.
    """

    picture: int
    side: int
    weights: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What an exact reader finds in a drawing, beside what was asked of the painter.

    Attributes:
        picture: index of the picture.
        asked: the caption.
        found: a caption of what is there, or why nothing could be read.
        agrees: whether both say the same; None where one of them cannot be read.
    """

    picture: int
    asked: str
    found: str
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Inside:
    """What there is to see of one reply."""

    tokens: tuple[TokenSeen, ...] = ()
    glances: tuple[Glance, ...] = ()
    read_outs: tuple[ReadOut, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Inside:
        """The inverse of `to_json`."""
        return cls(
            tuple(
                TokenSeen(one["text"], one["probability"], tuple((w, p) for w, p in one["others"]), one["branch"])
                for one in row["tokens"]
            ),
            tuple(
                Glance(one["picture"], one["side"], tuple(tuple(line) for line in one["weights"]))
                for one in row["glances"]
            ),
            tuple(ReadOut(**one) for one in row["read_outs"]),
        )


@runtime_checkable
class Insight(Protocol):
    """An engine that can be looked into."""

    def look_inside(self, transcript: Transcript) -> Inside:
        """What there is to see of the last reply of a conversation."""
        ...
