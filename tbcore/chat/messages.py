"""What is said to a teacher and what comes back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from tbcore.errors import InputError, TeacherError

__all__ = [
    "AsyncChatClient",
    "CallError",
    "CallFailure",
    "ChatClient",
    "FinishReason",
    "Message",
    "Params",
    "PictureBytes",
    "Reply",
    "Speaker",
    "Subject",
    "Usage",
    "ordered_caption_hash",
]

Speaker = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter", "refusal", "empty", "other"]

CallFailure = Literal["not_sent", "busy", "server_error", "ambiguous", "rejected", "forbidden", "unreadable"]


class CallError(TeacherError):
    """A call that brought no answer, and what that means for trying again and for the bill.

    `not_sent`: nothing left this computer. `busy`: the teacher asks to come later. `server_error`: it failed
    and says so, unbilled. `ambiguous`: it was sent and may have been billed. `rejected`: this prompt is
    refused, always. `forbidden`: no prompt will pass. `unreadable`: an answer came, kept in `raw`, that is
    not in the expected form.
    """

    def __init__(self, message: str, *, kind: CallFailure, retry_after_s: float | None = None, raw: str = "") -> None:
        super().__init__(message)
        self.kind: CallFailure = kind
        self.retry_after_s = retry_after_s
        self.raw = raw


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture to send, as the bytes of a PNG file."""

    png: bytes

    def __repr__(self) -> str:
        return f"PictureBytes({len(self.png)} bytes)"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who speaks, and text and pictures in order."""

    role: Speaker
    parts: tuple[str | PictureBytes, ...]

    @classmethod
    def of(cls, role: Speaker, text: str) -> Message:
        """A message of text only."""
        return cls(role, (text,))

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def to_json(self) -> dict[str, Any]:
        """For hashing and for display: a picture is named by its SHA-256."""
        parts = [
            part if isinstance(part, str) else {"png_sha256": hashlib.sha256(part.png).hexdigest()}
            for part in self.parts
        ]
        return {"role": self.role, "parts": parts}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a prompt is about: names a recording. It is never sent anywhere.

    Args:
        codec: `Codec.version` of the tags in the prompt.
        group: id of the picture group.
        captions: `ordered_caption_hash` of the group's captions.
    """

    codec: str
    group: str
    captions: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """How to answer: everything beside the messages that changes the answer, and the subject.

    `sample_index` parts wanted repeats of one prompt; `max_tokens` bounds the answer.
    """

    model: str = ""
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None
    sample_index: int = 0
    subject: Subject | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.sample_index < 0:
            raise InputError(
                f"Params: max_tokens must be at least 1 and sample_index at least 0; got "
                f"max_tokens={self.max_tokens}, sample_index={self.sample_index}."
            )

    def with_sample(self, sample_index: int) -> Params:
        """The same, for another wanted repeat."""
        return replace(self, sample_index=sample_index)

    def to_json(self) -> dict[str, Any]:
        """What changes the answer, the subject left out."""
        return {
            "model": self.model,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "sample_index": self.sample_index,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as the teacher counted them; `counted` is false when it told nothing."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its text, why it ended, what it used, and the raw body it was read from."""

    text: str
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    raw: str = ""

    def to_json(self) -> dict[str, Any]:
        """Everything but the raw body."""
        return {
            "text": self.text,
            "finish_reason": self.finish_reason,
            "prompt_tokens": self.usage.prompt_tokens,
            "completion_tokens": self.usage.completion_tokens,
        }


class ChatClient(Protocol):
    """Whoever answers messages. Implementations do not try again by themselves: the ledger counts tries."""

    @property
    def name(self) -> str:
        """What the ledger and the records call this teacher; part of what changes the answer."""
        ...

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """Answer once.

        Raises:
            TeacherError: the teacher could not be asked, or what came back cannot be read.
        """
        ...


class AsyncChatClient(Protocol):
    """Whoever answers many messages at once. It does not try again by itself either."""

    @property
    def name(self) -> str:
        """What the ledger and the records call this teacher; part of what changes the answer."""
        ...

    async def complete(self, messages: Sequence[Message], params: Params, *, attempt: str = "") -> Reply:
        """Answer once; `attempt` names this try and may be sent along as a request id.

        Raises:
            TeacherError: the teacher could not be asked, or what came back cannot be read.
        """
        ...

    async def aclose(self) -> None:
        """Close what the event loop that made the calls must not leave open."""
        ...


def ordered_caption_hash(captions: Sequence[str]) -> str:
    """SHA-256 of the captions in order; any change of wording or order changes it."""
    return hashlib.sha256(json.dumps(list(captions)).encode()).hexdigest()
