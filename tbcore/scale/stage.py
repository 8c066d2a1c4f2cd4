"""What a stage is: rows in, results out, one result for each row and in their order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.ledger.budget import Budget
from tbcore.scale.shards import Row

__all__ = ["Desk", "Stage", "Work"]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one shard is worked on.

    Args:
        kept: a folder for what must outlive everything, such as a ledger; only this shard writes into it.
        out: a folder for files beside the rows; it counts once the shard is done.
        budget: what this shard may have spent in all; None when the stage pays nothing.
    """

    kept: Path
    out: Path
    budget: Budget | None = None


Work = Callable[[Iterable[Row], Desk], Iterator[Mapping[str, Row]]]
"""Gives, for each row and in order, at most one object for each name; a name becomes a file."""


class Stage(ABC):
    """One step of the data engine, so described that a worker on another computer can do it.

    A stage is pickled and sent; models and clients are made by `ready`, once for each worker.
    """

    name: str = ""
    key: str = "id"
    """The field whose hash chooses the shard. Rows that must meet share its value."""

    loads: bool = True
    """Whether `ready` loads what is worth keeping: on Ray, an actor then holds it from shard to shard."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that changes the results, as JSON: other settings do the work again."""

    @abstractmethod
    def ready(self) -> Work:
        """Load what the work needs."""

    def budgets(self, folder: Path, kept: Sequence[Path]) -> list[Budget | None]:
        """What each shard may have spent in all, in the next round."""
        del folder
        return [None] * len(kept)

    def carry(self, old: Sequence[Path], new: Sequence[Path], shards: Sequence[Path]) -> None:
        """Bring what the old shards kept to the new ones, whose rows are in the files `shards`."""
        del old, new, shards

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Put together what is not rows, once all shards are done; what the report should say of it."""
        del folder, desks
        return {}
