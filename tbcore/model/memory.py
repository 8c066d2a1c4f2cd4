"""What stays in memory between two replies, so that a conversation is not read again from its beginning.

`Memory` is of one conversation; `PrefixCache` of many that advance together, in whatever company. Both know what
stands in every column, so what they give back is always the beginning of the prompt, and a reply is always that of a
fresh reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from tbcore.model.history import History
from tbcore.model.pack import Example

if TYPE_CHECKING:
    from tbcore.model.language import LanguageModel

__all__ = [
    "Memory",
    "PrefixCache",
    "column_keys",
    "empty_history",
    "feed_by_length",
    "lay_together",
    "picture_key",
    "take_row",
]

_ROOM = 64  # columns by which a cache grows
_ABREAST = 16  # rows that are read together: a processor computes no faster with more, but fills more


class Memory:
    """The cache of one conversation, kept by the caller and handed to every `generate` of it.

    It knows what stands in each of its columns. When the next prompt comes, the columns that it shares with what was
    read or written before stay, the rest is forgotten, and only what is new is read. So an edited or repeated turn is
    no special case, and the reply is always that of a fresh reading.

    Attributes:
        reused: columns of the latest prompt that were in memory already.
        read: columns of the latest prompt that had to be read.
    """

    def __init__(self) -> None:
        self.history: History | None = None
        self.columns: list[Hashable] = []
        self.reused = 0
        self.read = 0

    def recall(self, language: LanguageModel, columns: Sequence[Hashable]) -> tuple[History, int]:
        """Forget what does not begin this prompt.

        Args:
            language: a memory of another model is worth nothing and is dropped.
            columns: of the prompt, see `column_keys`.

        Returns:
            The history, and how many of the prompt's columns it holds; the last is always read anew, for the next
            token follows from it.
        """
        if self.history is None or self.history.language is not language:
            self.history, self.columns = empty_history(language, 1), []
        common = _common(self.columns, columns[:-1])
        self.history.rollback(torch.tensor([common], device=language.control.device))
        self.columns = list(columns[:common])
        self.reused, self.read = common, len(columns) - common
        return self.history, common


def picture_key(picture: NDArray[np.uint8] | Tensor) -> bytes:
    """A short name for the content of a picture or of its features."""
    values = picture.detach().float().cpu().numpy() if isinstance(picture, Tensor) else picture
    return hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()


def column_keys(sheet: Example, pictures: Sequence[NDArray[np.uint8] | Tensor]) -> list[Hashable]:
    """What stands in each column: the id of a word; in a slot also which vector of which picture.

    Args:
        sheet: columns of a prompt.
        pictures: of the prompt; `sheet.pictures` index them.
    """
    keys: list[Hashable] = sheet.ids.tolist()
    for index, slots in zip(sheet.pictures, sheet.slots.tolist(), strict=True):
        name = picture_key(pictures[index])
        for number, column in enumerate(slots):
            keys[column] = (name, number)
    return keys


class _RoomyLayer(DynamicLayer):
    """Keys and values with room to spare: a new column is written behind the others, which are not copied each time."""

    _room: Tensor | None = None  # float[2 b h n d]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write new columns and give all of them, as views."""
        del args, kwargs
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        end = old + key_states.shape[-2]
        if self._room is None or self._room.shape[-2] < end:
            batch, heads, _, width = key_states.shape
            room = key_states.new_zeros(2, batch, heads, end + _ROOM, width)
            if old and self._room is not None:
                room[..., :old, :] = self._room[..., :old, :]
            self._room = room
        self._room[0, :, :, old:end], self._room[1, :, :, old:end] = key_states, value_states
        self.keys, self.values = self._room[0, :, :, :end], self._room[1, :, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows only."""
        if self._room is not None:
            end = self.get_seq_length()
            self._room = self._room[:, indices]
            self.keys, self.values = self._room[0, :, :, :end], self._room[1, :, :, :end]


def empty_history(language: LanguageModel, n_rows: int) -> History:
    """A history of nothing, whose cache grows in place.

    Raises:
        ValueError: see `History`.
    """
    history = History(language, n_rows)
    cache = history.cache
    cache.layers = [_RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if cache.layer_class_to_replicate is DynamicLayer:
        cache.layer_class_to_replicate = _RoomyLayer
    return history


def take_row(history: History, row: int) -> Tensor:
    """A copy of what one dialogue sees, without the filler between: float[2l h s d], keys and values by turns."""
    columns = history.seen[row].nonzero()[:, 0]
    return torch.stack([kept[row][:, columns] for one in history.cache.layers for kept in (one.keys, one.values)])


def lay_together(language: LanguageModel, rows: Sequence[tuple[Tensor | None, int]]) -> History:
    """A history of several dialogues, each from its own row.

    Args:
        language: whose history it is.
        rows: of `take_row`, with the number of columns to take from its beginning; None: nothing.
    """
    history = empty_history(language, len(rows))
    device = language.control.device
    lengths = torch.tensor([length for _, length in rows], device=device)
    width = int(lengths.max()) if len(rows) else 0
    example = next((row for row, length in rows if row is not None and length), None)
    if example is None or not width:
        return history
    layers, heads, _, size = example.shape
    sheet = example.new_zeros(layers, len(rows), heads, width, size)
    for number, (row, length) in enumerate(rows):
        if row is not None and length:
            sheet[:, number, :, :length] = row[:, :, :length]
    for number in range(layers // 2):
        history.cache.update(sheet[2 * number], sheet[2 * number + 1], number)
    history.seen = torch.arange(width, device=device) < lengths[:, None]
    return history


def feed_by_length(history: History, inputs: Tensor, counts: Tensor) -> tuple[History, Tensor]:
    """As `History.feed`, with rows of like length read together: a batch is as slow as its longest row.

    Args:
        history: is used up; go on with the one that is returned.
        inputs: float[b s d_lm].
        counts: int[b], 1..s.

    Returns:
        The history, and float[b d_lm].
    """
    n_rows = len(inputs)
    if n_rows <= _ABREAST:
        return history, history.feed(inputs, counts)
    known = history.lengths.tolist()
    before = [take_row(history, row) if known[row] else None for row in range(n_rows)]
    rows: list[tuple[Tensor | None, int]] = [(None, 0)] * n_rows
    states = torch.empty_like(inputs[:, 0])
    order = counts.argsort().tolist()
    for start in range(0, n_rows, _ABREAST):
        here = order[start : start + _ABREAST]
        part = lay_together(history.language, [(before[row], known[row]) for row in here])
        states[here] = part.feed(inputs[here, : int(counts[here].max())], counts[here])
        for place, row in enumerate(here):
            fresh = take_row(part, place)
            rows[row] = fresh, fresh.shape[2]
    return lay_together(history.language, rows), states


@dataclass(slots=True, eq=False)
class _Kept:
    """One conversation as far as it was read: what stands in its columns, and their keys and values."""

    columns: list[Hashable]
    row: Tensor


class PrefixCache:
    """What was read of many conversations, found again by what stands in their columns.

    Hand the same one to every `generate`, whichever conversations it holds. For each prompt the longest beginning that
    was ever read is taken, so conversations may come in any company, and two that begin alike share the beginning.
    Replies are always those of a fresh reading.

    Where the likeliest token is always taken, it also knows what was said up to the first picture of a reply: when the
    same prompt comes again, to be drawn by another painter, that is not written a second time.

    Args:
        max_bytes: of keys and values; what was not needed for longest is forgotten first.

    Attributes:
        reused: columns of all prompts so far that were in memory.
        read: columns of all prompts so far that had to be read.
    """

    def __init__(self, *, max_bytes: int = 640 * 2**20) -> None:
        self.max_bytes = max_bytes
        self.reused = 0
        self.read = 0
        self._language: LanguageModel | None = None
        self._kept: list[_Kept] = []  # the latest used come last
        self._begun: dict[bytes, tuple[int, ...]] = {}

    def recall(self, language: LanguageModel, prompts: Sequence[Sequence[Hashable]]) -> tuple[History, list[int]]:
        """Lay together what is known of some prompts.

        Args:
            language: what another model has read is worth nothing and is dropped.
            prompts: columns of each, see `column_keys`.

        Returns:
            The history, and how many columns of each prompt it holds; the last is always read anew.
        """
        self._belongs_to(language)
        rows: list[tuple[Tensor | None, int]] = []
        for columns in prompts:
            common, best = self._longest(columns[:-1])
            rows.append((None if best is None else best.row, common))
            self.reused += common
            self.read += len(columns) - common
            if best is not None:
                self._kept.remove(best)
                self._kept.append(best)
        return lay_together(language, rows), [common for _, common in rows]

    def keep(self, history: History, row: int, columns: Sequence[Hashable]) -> None:
        """Remember one dialogue of a history, in place of its own beginning.

        Args:
            history: what was read and written.
            row: of the dialogue.
            columns: what stands in the columns that it sees.
        """
        self._belongs_to(history.language)
        common, best = self._longest(columns)
        if best is not None and common == len(columns):
            return
        if best is not None and common == len(best.columns):
            self._kept.remove(best)
        fresh = take_row(history, row)
        assert fresh.shape[2] == len(columns), (fresh.shape, len(columns))
        self._kept.append(_Kept(list(columns), fresh))
        while len(self._kept) > 1 and self.n_bytes > self.max_bytes:
            self._kept.pop(0)

    @property
    def n_bytes(self) -> int:
        """What the keys and values fill."""
        return sum(one.row.nbytes for one in self._kept)

    def begun(self, columns: Sequence[Hashable], settings: Hashable) -> tuple[int, ...]:
        """What was said to this prompt under these settings, up to its first picture; () where that is not known."""
        return self._begun.get(_digest(columns, settings), ())

    def begin(self, columns: Sequence[Hashable], settings: Hashable, said: Sequence[int]) -> None:
        """Remember what was said to a prompt up to its first picture, the closing `<end>` included."""
        self._begun[_digest(columns, settings)] = tuple(said)

    def _belongs_to(self, language: LanguageModel) -> None:
        if self._language is not language:
            self._language = language
            self._kept.clear()
            self._begun.clear()

    def _longest(self, columns: Sequence[Hashable]) -> tuple[int, _Kept | None]:
        """The longest beginning in memory, and where it is."""
        found = [(_common(one.columns, columns), number) for number, one in enumerate(self._kept)]
        common, number = max(found, default=(0, -1))
        return (common, self._kept[number]) if common else (0, None)


def _common(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """How many columns two conversations have in common before they part."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _digest(columns: Sequence[Hashable], settings: Hashable) -> bytes:
    return hashlib.blake2b(repr((tuple(columns), settings)).encode(), digest_size=16).digest()
