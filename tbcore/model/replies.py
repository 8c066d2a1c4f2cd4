"""What goes into writing a reply and what comes out: prompts, settings, drawings, and the pieces of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tbcore.records import Turn

if TYPE_CHECKING:
    from transformers import LogitsProcessorList

__all__ = ["DecodeSettings", "Drawn", "Piece", "Prompt", "Reply", "Watch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodeSettings:
    """How replies are written. Without any of the settings of sampling, always the likeliest token is taken.

    Attributes:
        max_tokens: of a reply, captions included.
        max_caption: tokens of one caption.
        max_pictures: of one reply.
        top_p: sample from the likeliest tokens that together have this probability.
        seed: of the sampling and of the painter; picture k of a reply is painted with seed + k.
        temperature: sample from scores divided by this: below 1 bolder in the likely, above 1 in the unlikely.
        top_k: sample from this many of the likeliest.
        min_p: sample from tokens at least this probable, in shares of the likeliest one's probability.
        repetition_penalty: above 1, what the reply has said already becomes less likely; no sampling by itself.
    """

    max_tokens: int = 96
    max_caption: int = 40
    max_pictures: int = 3
    top_p: float | None = None
    seed: int = 0
    temperature: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    def __post_init__(self) -> None:
        for name in ("top_p", "min_p"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"DecodeSettings: {name} must be in (0, 1] or None; got {value}")
        for name in ("temperature", "top_k", "repetition_penalty"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"DecodeSettings: {name} must be above 0 or None; got {value}")
        if self.max_tokens < 1 or self.max_caption < 1 or self.max_pictures < 0:
            raise ValueError(
                "DecodeSettings: max_tokens and max_caption must be positive and max_pictures not negative; got "
                f"{self.max_tokens}, {self.max_caption} and {self.max_pictures}"
            )

    @property
    def sampling(self) -> bool:
        """Whether tokens are drawn at random."""
        return any(value is not None for value in (self.top_p, self.temperature, self.top_k, self.min_p))

    def processors(self) -> LogitsProcessorList:
        """These settings as transformers has them, in the order of its `generate`."""
        from transformers.generation import logits_process as known

        named = (
            ("repetition_penalty", known.RepetitionPenaltyLogitsProcessor),
            ("temperature", known.TemperatureLogitsWarper),
            ("top_k", known.TopKLogitsWarper),
            ("top_p", known.TopPLogitsWarper),
            ("min_p", known.MinPLogitsWarper),
        )
        return known.LogitsProcessorList(
            kind(value) for name, kind in named if (value := getattr(self, name)) is not None
        )


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A conversation that waits for an answer.

    Attributes:
        turns: the last is the user's; picture marks index `pictures`.
        pictures: uint8[y x 3] each, or features float[p d_vis] where the tower has seen them already.
        captions: of the pictures; needed where the model keeps captions in its history, else may be empty.
    """

    turns: tuple[Turn, ...]
    pictures: Sequence[NDArray[np.uint8] | Tensor] = ()
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture the model drew: the caption it wrote, the picture uint8[y x 3], and the painter's seed."""

    caption: str
    picture: NDArray[np.uint8]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """An answer: texts and drawings in reading order; finish is "length" where the limit of tokens cut it."""

    parts: tuple[str | Drawn, ...]
    finish: Literal["stop", "length"]

    @property
    def text(self) -> str:
        """The texts, joined by spaces; drawings left out."""
        return " ".join(part for part in self.parts if isinstance(part, str))

    @property
    def drawings(self) -> tuple[Drawn, ...]:
        """The drawings alone."""
        return tuple(part for part in self.parts if isinstance(part, Drawn))


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Something that was just written. The "text" pieces between two others join to one text of the reply.

    Attributes:
        dialogue: which prompt it answers.
        kind: "text" and "caption" come letter by letter; "drawing" is a finished picture, in place of its caption;
            "dropped" takes the caption so far back, for nothing will be drawn; "end" closes the reply.
        text: the new letters; for "end" the reason, "stop" or "length".
        drawn: the picture, for "drawing".
    """

    dialogue: int
    kind: Literal["text", "caption", "drawing", "dropped", "end"]
    text: str = ""
    drawn: Drawn | None = None


Watch = Callable[[Piece], None]
"""Called with every piece as soon as it is sure. It must not change the model."""
