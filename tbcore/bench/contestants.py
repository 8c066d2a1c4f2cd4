"""The port between the benchmark and whoever is asked: conversations so far in, replies out, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tbcore.records import Turn

__all__ = ["Answer", "Contestant", "Drawing", "Sofar", "Veil", "behind", "unveiled"]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture in a reply: the caption it was drawn from, "" where none is known, and uint8[64 64 3]."""

    caption: str
    picture: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: texts and drawings in reading order; `failure` says why there is none."""

    parts: tuple[str | Drawing, ...] = ()
    failure: str = ""

    @property
    def text(self) -> str:
        """The texts, joined by spaces."""
        return " ".join(part for part in self.parts if isinstance(part, str))

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """The drawings alone."""
        return tuple(part for part in self.parts if isinstance(part, Drawing))


@dataclass(frozen=True, slots=True, eq=False)
class Sofar:
    """A conversation that waits for the assistant.

    Attributes:
        item: id of the benchmark item.
        number: of the exchange that is open, from 0.
        turns: the last is the user's; marks index `pictures`.
        pictures: uint8[64 64 3] each: what the user showed, and what this contestant itself drew before.
        captions: parallel to `pictures`; "" for those of the user.
        references: parallel to `pictures`: which picture of the item each one is, or None for a surplus drawing.
    """

    item: str
    number: int
    turns: tuple[Turn, ...]
    pictures: tuple[NDArray[np.uint8], ...]
    captions: tuple[str, ...]
    references: tuple[int | None, ...]


class Contestant(Protocol):
    """Somebody who answers. An exception is recorded as a failed reply and never ends a run."""

    @property
    def name(self) -> str:
        """For tables and files."""
        ...

    def answer(self, conversations: Sequence[Sofar]) -> Sequence[Answer]:
        """One answer for each conversation, in order; answers must not depend on who else is asked."""
        ...


@runtime_checkable
class Veil(Contestant, Protocol):
    """Somebody who lets another answer, to a conversation that looks different: blind, for example.

    Whoever differs only in veils can be asked together, see `tbcore.bench.runner.run_rows`.
    """

    @property
    def inner(self) -> Contestant:
        """Who answers."""
        ...

    def shown(self, sofar: Sofar) -> Sofar:
        """What the other gets in place of a conversation."""
        ...


def behind(contestant: Contestant) -> Contestant:
    """Who answers in the end, behind any number of veils."""
    while isinstance(contestant, Veil):
        contestant = contestant.inner
    return contestant


def unveiled(contestant: Contestant, sofar: Sofar) -> Sofar:
    """What the one behind all veils gets in place of a conversation."""
    while isinstance(contestant, Veil):
        contestant, sofar = contestant.inner, contestant.shown(sofar)
    return sofar
