"""Say now and then where a training is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Told", "watched"]


class Told(Protocol):
    """What a step of any training tells: its number, share of the budget used, loss, and seconds so far."""

    @property
    def number(self) -> int:
        """Of the step, from 0."""
        ...

    @property
    def progress(self) -> float:
        """Share of the budget used, 0..1."""
        ...

    @property
    def loss(self) -> float:
        """Of this step."""
        ...

    @property
    def seconds(self) -> float:
        """Since the training began."""
        ...


_Step = TypeVar("_Step", bound=Told)


def watched(steps: Iterable[_Step], label: str, *, lines: int = 8) -> Iterator[_Step]:
    """Pass the steps on, and print now and then where the training is: a curve for people who read logs.

    Args:
        steps: of a training.
        label: begins each line.
        lines: about how many to print.
    """
    part = -1
    for one in steps:
        if int(one.progress * lines) > part:
            part = int(one.progress * lines)
            line = f"{label}: {one.progress:4.0%}  update {one.number:4}  loss {one.loss:6.3f}  {one.seconds:4.0f} s"
            print(line, flush=True)
        yield one
