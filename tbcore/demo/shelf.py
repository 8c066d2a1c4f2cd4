"""The memories of the conversations that are going on, as many as fit: the one not used for longest goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from tbcore.model.memory import Memory
from tbcore.records import Turn

__all__ = ["Kept", "MemoryShelf"]


@dataclass(slots=True, eq=False)
class Kept:
    """One conversation in memory.

    Attributes:
        memory: what the language model remembers.
        turns: the conversation as it stood when the memory was last written.
        columns: how many columns it held then.
    """

    memory: Memory = field(default_factory=Memory)
    turns: tuple[Turn, ...] = ()
    columns: int = 0

    @property
    def n_bytes(self) -> int:
        """Bytes of its keys and values."""
        if self.memory.history is None:
            return 0
        layers = self.memory.history.cache.layers
        held = [part for layer in layers for part in (getattr(layer, "keys", None), getattr(layer, "values", None))]
        return sum(part.nbytes for part in held if part is not None)

    def surplus(self, turns: tuple[Turn, ...]) -> int:
        """Columns that were in memory and had to be read again although the conversation only went on."""
        went_on = bool(self.turns) and turns[: len(self.turns)] == self.turns
        return max(0, self.columns - self.memory.reused) if went_on else 0


class MemoryShelf:
    """Memories by the name of their conversation; a conversation without a name is not kept.

    Args:
        max_bytes: of all together.
    """

    def __init__(self, *, max_bytes: int = 512 << 20) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()  # windows are closed while others are answered

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def n_bytes(self) -> int:
        """Bytes of all."""
        with self._lock:
            return self._size()

    def take(self, name: str) -> Kept:
        """What is kept of this conversation, or an empty memory; off the shelf until it is put back."""
        with self._lock:
            return self._kept.pop(name, None) or Kept()

    def put(self, name: str, kept: Kept) -> None:
        """Keep it, and forget the oldest ones that do not fit beside it."""
        with self._lock:
            if name:
                self._kept[name] = kept
            while self._kept and self._size() > self.max_bytes:
                self._kept.popitem(last=False)

    def _size(self) -> int:
        return sum(kept.n_bytes for kept in self._kept.values())
