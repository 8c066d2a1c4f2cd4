"""What stays in memory between two replies, so that a conversation is not read again from its beginning."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tbcore.model.history import History
from tbcore.model.pack import Example

if TYPE_CHECKING:
    from tbcore.model.language import LanguageModel

__all__ = ["Memory", "column_keys", "picture_key"]


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
            self.history, self.columns = History(language, 1), []
        common = 0
        for here, there in zip(self.columns, columns[:-1], strict=False):
            if here != there:
                break
            common += 1
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
