"""From text to ids: the words of people kept apart from the marks of the chat format.

Two kinds of marks steer the model: the roles of the chat format and our control tokens. Text is tokenised by itself,
with the splitting of special tokens on, so a user who types `<|im_end|>` gets seven harmless pieces; and the control
tokens are not in the tokenizer at all, so no text whatever can become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tbcore.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ChatFormat", "ChatText", "read_chat_format"]

_MARK = "\u241e"  # a character that no chat template uses


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """What stands around the turns, as ids.

    Attributes:
        before: in front of the first user turn.
        to_assistant: between a user turn and the assistant's.
        to_user: between an assistant turn and the user's; its first id ends a reply.
    """

    before: tuple[int, ...]
    to_assistant: tuple[int, ...]
    to_user: tuple[int, ...]

    @property
    def stop(self) -> int:
        """The id that ends a reply."""
        return self.to_user[0]


def read_chat_format(tokenizer: PreTrainedTokenizerBase) -> ChatFormat:
    """Find out what the tokenizer's chat template puts around turns, by rendering turns of one mark each.

    Raises:
        CheckpointError: the tokenizer has no chat template, or one that does not show turns as they are.
    """
    if not tokenizer.chat_template:
        raise CheckpointError(
            f"tokenizer {tokenizer.name_or_path!r} has no chat template. Set `tokenizer.chat_template`; "
            "tbcore.weights.smollm.CHAT_TEMPLATE is an example."
        )
    turns = [{"role": role, "content": _MARK} for role in ("user", "assistant", "user", "assistant")]
    pieces = str(tokenizer.apply_chat_template(turns, tokenize=False)).split(_MARK)
    if len(pieces) != 5 or pieces[1] != pieces[3] or not pieces[2]:
        raise CheckpointError(
            f"tokenizer {tokenizer.name_or_path!r}: its chat template must show four turns as they are, with the same "
            f"marks between them; got the pieces {pieces}. Set another `tokenizer.chat_template`."
        )
    before, to_assistant, to_user = (
        tuple(tokenizer(piece, add_special_tokens=False).input_ids) for piece in pieces[:3]
    )
    return ChatFormat(before, to_assistant, to_user)


class ChatText:
    """Tokenises the text of turns and captions, and nothing but text.

    Args:
        tokenizer: of the language model, with a chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.format = read_chat_format(tokenizer)
        self._special = frozenset(tokenizer.all_special_ids)
        self._cached = lru_cache(maxsize=20_000)(self._encode)

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a piece of text, none of them special whatever the text says; the space at its ends is dropped."""
        return self._cached(text.strip())

    def _encode(self, text: str) -> tuple[int, ...]:
        ids = tuple(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)
        assert not self._special.intersection(ids), (text, ids)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text of ordinary ids."""
        return str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))
