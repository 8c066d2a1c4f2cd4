"""From people's pictures and words to what the model takes, and the columns they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from transformers import AutoProcessor, ProcessorMixin

from tbcore.errors import InputError
from tbcore.model.config import MIMConfig
from tbcore.model.language import CONTROL_TOKENS
from tbcore.model.pack import Example, Layout, encode, prompt_columns
from tbcore.model.replies import Prompt
from tbcore.model.tokens import ChatText
from tbcore.records import Dialogue, Picture, Turn

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import PreTrainedTokenizerBase

    from tbcore.model.mim import MIMForConditionalGeneration

__all__ = ["MAX_PIXELS", "MIMProcessor", "fit_picture"]

MAX_PIXELS = 40_000_000
"""Largest picture that is opened, in pixels: a header may claim any size, and decoding believes it."""


class MIMProcessor(ProcessorMixin):
    """Owns the tokenizer, the size of pictures and the layout of the columns.

    Args:
        tokenizer: of the language model, with a chat template.
        n_queries: columns per picture.
        vocab_size: of the language model; the control tokens' ids follow it.
        picture_size: side in pixels that the tower takes.
        history: see `MIMConfig`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        n_queries: int = 16,
        vocab_size: int = 49152,
        picture_size: int = 64,
        history: Literal["drop_caption", "keep_caption"] = "drop_caption",
        **kwargs: Any,
    ) -> None:
        super().__init__(tokenizer, **kwargs)
        self.n_queries, self.vocab_size = n_queries, vocab_size
        self.picture_size, self.history = picture_size, history
        start = vocab_size + 1
        self.layout = Layout(ChatText(tokenizer), n_queries, vocab_size, start, start + 1, history)

    @classmethod
    def for_model(cls, model: MIMForConditionalGeneration, tokenizer: PreTrainedTokenizerBase) -> MIMProcessor:
        """The processor that belongs to a model."""
        size = int(getattr(model.vision, "size", 64))
        return cls(tokenizer, model.config.n_queries, model.language.vocab_size, size, model.config.history)

    def to_dict(self) -> dict[str, Any]:
        """What is saved: the plain settings."""
        names = ("n_queries", "vocab_size", "picture_size", "history")
        return {name: getattr(self, name) for name in names} | {"processor_class": type(self).__name__}

    def example(self, dialogue: Dialogue, *, max_columns: int | None = None) -> Example | None:
        """Columns of a dialogue for training; see `tbcore.model.pack.encode`."""
        return encode(dialogue, self.layout, max_columns=max_columns)

    def prompt(self, turns: Sequence[Turn], captions: Sequence[str] = ()) -> Example:
        """Columns of a conversation that waits for an answer; see `tbcore.model.pack.prompt_columns`."""
        shown = 1 + max((index for turn in turns for index in turn.pictures), default=-1)
        return prompt_columns(turns, tuple(captions) or ("-",) * shown, self.layout)

    def read_messages(self, messages: Sequence[Mapping[str, Any]]) -> tuple[tuple[Turn, ...], list[NDArray[np.uint8]]]:
        """Messages in the form of transformers as turns and pictures.

        Args:
            messages: {"role": ..., "content": text, or a list of {"type": "text", "text": ...} and
                {"type": "image", "image": file, Pillow picture or uint8[y x 3]}}.

        Raises:
            InputError: a part is neither text nor picture, or a picture cannot be read.
        """
        turns: list[Turn] = []
        pictures: list[NDArray[np.uint8]] = []
        for number, message in enumerate(messages):
            content = message["content"]
            parts: list[str | Picture] = []
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                match part.get("type"):
                    case "text":
                        parts.append(str(part["text"]))
                    case "image":
                        parts.append(Picture(len(pictures)))
                        pictures.append(self.picture(part["image"]))
                    case kind:
                        raise InputError(
                            f"message {number}: a part must be of type 'text' or 'image'; got {kind!r}. Leave it out."
                        )
            turns.append(Turn(message["role"], tuple(parts)))
        return tuple(turns), pictures

    def apply_chat_template(  # type: ignore[override]
        self, conversation: Sequence[Mapping[str, Any]], *, tokenize: bool = False, add_generation_prompt: bool = True
    ) -> str | Example:
        """What stands in the columns, as text or as the columns themselves.

        The text is for reading: a user may type the marks too. The columns are made part by part, so there nobody can.

        Args:
            conversation: see `read_messages`.
            tokenize: give the columns of `prompt` instead of the text.
            add_generation_prompt: end the text with what opens the assistant's turn; the columns always do.
        """
        turns, _ = self.read_messages(conversation)
        if tokenize:
            return self.prompt(turns)
        slots = CONTROL_TOKENS[0] * self.n_queries
        shown = [
            {"role": turn.role, "content": "".join(slots if isinstance(p, Picture) else p.strip() for p in turn.parts)}
            for turn in turns
        ]
        text = self.layout.text.tokenizer.apply_chat_template(
            shown, tokenize=False, add_generation_prompt=add_generation_prompt
        )
        return str(text)

    def __call__(self, conversation: Sequence[Mapping[str, Any]]) -> Prompt:  # type: ignore[override]
        """Messages as a prompt for `tbcore.model.decode.generate`; see `read_messages`."""
        turns, pictures = self.read_messages(conversation)
        return Prompt(turns, pictures)

    def picture(self, source: Image | NDArray[np.uint8] | Path | str) -> NDArray[np.uint8]:
        """Any picture as the tower takes it: uint8[y x 3]; see `fit_picture`."""
        return fit_picture(source, size=self.picture_size)


def fit_picture(source: Image | NDArray[np.uint8] | Path | str, *, size: int) -> NDArray[np.uint8]:
    """Fit a picture into a square, padded white; transparent parts become white.

    Args:
        source: a file, an open Pillow picture, or uint8[y x 3].
        size: side of the square in pixels.

    Returns:
        uint8[size size 3], RGB.

    Raises:
        InputError: the file cannot be read, or its header claims more than `MAX_PIXELS`.
    """
    from PIL import Image, ImageOps

    name = str(source) if isinstance(source, Path | str) else "picture"
    try:
        image = Image.open(source) if isinstance(source, Path | str) else source
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        if image.width * image.height > MAX_PIXELS:
            raise InputError(
                f"{name}: {image.width} x {image.height} pixels are more than {MAX_PIXELS:,}. Make it smaller first."
            )
        image = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name}: cannot be read as a picture ({error}). Save it as PNG or JPEG.") from error
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (size, size), "white")
    square.alpha_composite(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(square.convert("RGB"))


AutoProcessor.register(MIMConfig, MIMProcessor, exist_ok=True)
