"""What the language model remembers while it writes: its cache, and which columns each dialogue still sees."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tbcore.model.language import LanguageModel

__all__ = ["History"]


class History:
    """The key-value cache of several dialogues that advance together but need not feed the same number of columns.

    Columns are fed to all rows at once. A row that had less to say fed filler, which nobody ever sees; a row that is
    rolled back stops seeing its last columns. So each dialogue sees exactly what it would see alone.

        row 0   x x x x . x     a filler column while row 1 took its picture's vectors
        row 1   x x x x x .     x: seen   .: hidden

    Args:
        language: the model that is fed.
        n_rows: how many dialogues.

    Raises:
        ValueError: the language model's cache cannot be cut back.
    """

    def __init__(self, language: LanguageModel, n_rows: int) -> None:
        from transformers import DynamicCache

        self.language = language
        self.cache: Any = DynamicCache(config=language.inner.config)
        if any(getattr(layer, "is_sliding", False) for layer in self.cache.layers):
            raise ValueError(
                "History: this language model attends in sliding windows, whose cache forgets what a rollback needs. "
                "Use a model with full attention."
            )
        device = language.control.device
        self.seen = torch.zeros(n_rows, 0, dtype=torch.bool, device=device)

    @property
    def lengths(self) -> Tensor:
        """int[b]: columns each dialogue sees, which is also the position of its next one."""
        return self.seen.sum(dim=1)

    @torch.no_grad()
    def feed(self, inputs: Tensor, counts: Tensor) -> Tensor:
        """Let every dialogue read on.

        Args:
            inputs: float[b s d_lm]; of row k the first counts[k] columns are read, the others are filler.
            counts: int[b], 0..s.

        Returns:
            float[b d_lm], the hidden state of each row's last column read; of no meaning where counts is 0.
        """
        hidden = self.feed_all(inputs, counts)
        return hidden[torch.arange(len(hidden), device=inputs.device), (counts - 1).clamp(min=0)]

    @torch.no_grad()
    def feed_all(self, inputs: Tensor, counts: Tensor) -> Tensor:
        """As `feed`, but returns the hidden states of all columns: float[b s d_lm]."""
        width = inputs.shape[1]
        at = torch.arange(width, device=inputs.device)
        real = at < counts[:, None]
        causal = at[None, :] <= at[:, None]
        among_new = (causal & real[:, None, :]) | (at[None, :] == at[:, None])  # filler sees itself, as it must
        mask = torch.cat([self.seen[:, None, :].expand(-1, width, -1), among_new], dim=2)
        hidden, _ = self.language.hidden(inputs, mask, self.lengths[:, None] + at, cache=self.cache)
        self.seen = torch.cat([self.seen, real], dim=1)
        return hidden

    def rollback(self, lengths: Tensor) -> None:
        """Forget: cut each dialogue back to its first lengths[k] columns. The only place where memory shrinks.

        Columns at the end that no dialogue sees any more leave the cache; `crop` of transformers 5 takes the number
        of tokens to remove, as a negative number.

        Args:
            lengths: int[b], at most the present lengths.

        Raises:
            ValueError: a length is larger than the present one.
        """
        if bool((lengths > self.lengths).any()):
            raise ValueError(
                f"rollback: lengths must not exceed the present ones; got {lengths.tolist()}, "
                f"present are {self.lengths.tolist()}"
            )
        self.seen = self.seen & (self.seen.cumsum(dim=1) <= lengths[:, None])
        used = self.seen.any(dim=0).nonzero()
        end = int(used[-1]) + 1 if len(used) else 0
        if surplus := self.seen.shape[1] - end:
            self.cache.crop(-surplus)
            self.seen = self.seen[:, :end]
        assert self.cache.get_seq_length() == self.seen.shape[1], (self.cache.get_seq_length(), self.seen.shape)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only, int[n]."""
        self.cache.batch_select_indices(rows)
        self.seen = self.seen[rows]
