"""Caps on what a run may spend, checked before every call against the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbcore.chat.messages import Message, Params, PictureBytes, Usage
from tbcore.errors import InputError

__all__ = ["Budget", "Spent", "worst_case"]

_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_PICTURE = 2048


@dataclass(frozen=True, slots=True)
class Spent:
    """Calls and tokens: what was used, or what could be used at most."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.calls - other.calls,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
        )

    @property
    def tokens(self) -> int:
        """Read and written together."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def usage(self) -> Usage:
        """The tokens alone."""
        return Usage(self.prompt_tokens, self.completion_tokens)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a run may spend; None is no cap.

    Args:
        calls: calls sent, failed ones included.
        tokens: read and written together.
        money: in the currency of the prices.
        price_in, price_out: money for one million tokens read, written.

    Raises:
        InputError: a money cap without prices, or a negative number.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def __post_init__(self) -> None:
        if self.money is not None and not (self.price_in or self.price_out):
            raise InputError("Budget: a money cap needs price_in and price_out, per million tokens; got 0 and 0.")
        if min(self.calls or 0, self.tokens or 0, self.money or 0, self.price_in, self.price_out) < 0:
            raise InputError(f"Budget: caps and prices must not be negative; got {self!r}.")

    def cost(self, spent: Spent) -> float:
        """Money for these tokens."""
        return (spent.prompt_tokens * self.price_in + spent.completion_tokens * self.price_out) / 1e6

    def excess(self, spent: Spent) -> str | None:
        """Which cap `spent` exceeds, in words; None when all hold."""
        if self.calls is not None and spent.calls > self.calls:
            return f"{spent.calls} calls, the cap is {self.calls}"
        if self.tokens is not None and spent.tokens > self.tokens:
            return f"up to {spent.tokens} tokens, the cap is {self.tokens}"
        if self.money is not None and self.cost(spent) > self.money:
            return f"up to {self.cost(spent):.4f} in money, the cap is {self.money:.4f}"
        return None


def worst_case(messages: Sequence[Message], params: Params) -> Spent:
    """An upper bound on what one call can use.

    No tokenizer in use makes more than one token of one byte, so the bytes of the text bound its tokens;
    a message's frame and a picture are bounded by round numbers.
    """
    size = 0
    for message in messages:
        size += _TOKENS_PER_MESSAGE
        for part in message.parts:
            size += _TOKENS_PER_PICTURE if isinstance(part, PictureBytes) else len(part.encode("utf-8", "replace"))
    return Spent(1, size, params.max_tokens)
