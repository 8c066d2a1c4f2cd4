"""What a client may ask for: a body in the OpenAI chat format becomes a conversation and an `Ask`.

    "messages"   system, user and assistant; content is text, or a list of parts:
                     {"type": "text", "text": "..."}
                     {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}
                 A drawn picture of an earlier reply also carries "caption". An assistant's message may be sent back
                 as it came, with its "parts"; these are then read in place of its content.
    "textbind"   our own wishes, an object: "max_pictures", "attempt", "progress" (tell the place in the queue, captions
                 as they are written, and the drawing as it emerges).

Only data URLs are read: the server opens no address that a client names. A system message is put in front of the
user's first words, since the model was trained on users and assistants alone.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.engine import Ask
from tbcore.demo.pictures import read_upload
from tbcore.demo.transcript import Drawing, Transcript
from tbcore.errors import DialogueError, InputError

__all__ = [
    "ApiError",
    "ChatRequest",
    "DrawRequest",
    "ServeLimits",
    "read_answered",
    "read_chat",
    "read_conversation",
    "read_draw",
]

_Parts = list["str | Drawing | NDArray[np.uint8]"]
_UNSUPPORTED = ("tools", "functions", "stop", "audio", "logit_bias")


class ApiError(Exception):
    """A refusal in the API's own shape.

    Args:
        message: where, what is wrong, what to do.
        status: of HTTP.
        kind: the field `type`.
        param: which field of the request, or None.
        code: a word for programs, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.param, self.code = status, kind, param, code

    def to_json(self) -> dict[str, Any]:
        """{"error": {"message", "type", "param", "code"}}."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeLimits:
    """How much one request may bring and take.

    Attributes:
        body_bytes: of the whole request.
        turns: of the conversation.
        characters: of all its texts together.
        pictures: of all its turns together; bytes and pixels of each are limited by `tbcore.demo.pictures`.
        max_tokens: of a reply.
        drawings: of a reply.
    """

    body_bytes: int = 32 << 20
    turns: int = 64
    characters: int = 40_000
    pictures: int = 48
    max_tokens: int = 512
    drawings: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class ChatRequest:
    """A chat completion that passed all checks."""

    history: Transcript
    ask: Ask
    stream: bool = False
    include_usage: bool = False
    progress: bool = False


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A picture that is wanted from words alone."""

    caption: str
    seed: int


def read_chat(body: object, limits: ServeLimits) -> ChatRequest:
    """Check the body of `POST /v1/chat/completions`.

    Raises:
        ApiError: a field is missing, of another kind, too large, or asks for what this server cannot do.
    """
    row = _object(body, "body")
    for name in _UNSUPPORTED:
        if row.get(name):
            raise ApiError(f"{name}: not supported by this server. Leave it out.", param=name)
    if _number(row, "n", 1, low=1, high=1) != 1:
        raise ApiError("n: one reply per request. Ask again with another seed.", param="n")
    wishes = _object(row.get("textbind") or {}, "textbind")
    progress = _flag(wishes, "progress", "textbind.progress")
    stream_options = _object(row.get("stream_options") or {}, "stream_options")
    tokens = _whole(row, "max_completion_tokens", low=1, high=10**6) or _whole(row, "max_tokens", low=1, high=10**6)
    drawings = _whole(wishes, "max_pictures", low=0, high=limits.drawings)
    ask = Ask(
        max_tokens=None if tokens is None else min(tokens, limits.max_tokens),
        max_pictures=drawings,
        temperature=_number(row, "temperature", None, low=0, high=2),
        top_p=_number(row, "top_p", None, low=0, high=1) or None,
        seed=_whole(row, "seed", low=-(2**63), high=2**63 - 1),
        attempt=_whole(wishes, "attempt", low=0, high=10**6) or 0,
        conversation=_short(row, "prompt_cache_key"),
        previews=progress,
    )
    history = _joined(_messages(row.get("messages"), limits))
    if not history.turns or history.turns[-1].role != "user":
        raise ApiError("messages: the last one must be the user's, for the model to answer.", param="messages")
    if not history.turns[-1].parts:
        raise ApiError("messages: the last one is empty. Write something, or show a picture.", param="messages")
    return ChatRequest(
        history, ask, _flag(row, "stream", "stream"), _flag(stream_options, "include_usage", "stream_options"), progress
    )


def read_answered(body: object, limits: ServeLimits) -> Transcript:
    """Check the body of `POST /v1/textbind/inside`: "messages", of which the last is the assistant's.

    Raises:
        ApiError: as `read_chat`.
    """
    history = _joined(_messages(_object(body, "body").get("messages"), limits))
    if len(history.turns) < 2 or len(history.turns) % 2:
        raise ApiError("messages: the last one must be the assistant's, to be looked into.", param="messages")
    return history


def read_draw(body: object) -> DrawRequest:
    """Check the body of `POST /v1/images/generations`: "prompt", and our "seed".

    Raises:
        ApiError: as `read_chat`.
    """
    row = _object(body, "body")
    _number(row, "n", 1, low=1, high=1)
    prompt = row.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip() or len(prompt) > 1000:
        raise ApiError("prompt: must be a text of 1 to 1000 characters. Say what to draw.", param="prompt")
    if row.get("response_format", "b64_json") != "b64_json":
        raise ApiError("response_format: only 'b64_json'; there are no addresses here.", param="response_format")
    return DrawRequest(prompt, _whole(row, "seed", low=0, high=2**63 - 1) or 0)


def read_conversation(body: object) -> str:
    """Check the body of `POST /v1/textbind/forget`: "conversation", as it was named in `prompt_cache_key`.

    Raises:
        ApiError: as `read_chat`.
    """
    row = _object(body, "body")
    if not (name := _short(row, "conversation")):
        raise ApiError("conversation: must be a text of 1 to 128 characters.", param="conversation")
    return name


def _messages(messages: object, limits: ServeLimits) -> list[tuple[str, _Parts]]:
    """Roles and parts, those of one side in a row joined."""
    if not isinstance(messages, list) or not messages:
        raise ApiError("messages: must be a list with at least one message.", param="messages")
    listed = cast("list[object]", messages)
    if len(listed) > limits.turns:
        raise ApiError(f"messages: at most {limits.turns}; got {len(listed)}. Begin anew.", param="messages")
    turns: list[tuple[str, _Parts]] = []
    system: _Parts = []
    for number, message in enumerate(listed):
        where = f"messages[{number}]"
        row = _object(message, where)
        role, parts = row.get("role"), _content(row, where)
        if role in ("system", "developer") and not turns:
            system += parts
        elif role in ("user", "assistant"):
            given = parts if role == "assistant" or turns else [*system, *parts]
            if turns and turns[-1][0] == role:
                turns[-1][1].extend(given)
            else:
                turns.append((cast(str, role), list(given)))
        else:
            raise ApiError(
                f"{where}.role: must be 'user' or 'assistant', or 'system' before them; got {role!r}.", param="messages"
            )
    _check_size(turns, limits)
    return turns


def _check_size(turns: Sequence[tuple[str, _Parts]], limits: ServeLimits) -> None:
    every = [part for _, parts in turns for part in parts]
    characters = sum(len(part if isinstance(part, str) else getattr(part, "caption", "")) for part in every)
    pictures = sum(not isinstance(part, str) for part in every)
    for name, found, most in (("characters", characters, limits.characters), ("pictures", pictures, limits.pictures)):
        if found > most:
            raise ApiError(
                f"messages: at most {most} {name} in all; got {found}. Begin a new conversation.",
                param="messages",
                code="context_length_exceeded",
            )


def _joined(turns: Sequence[tuple[str, _Parts]]) -> Transcript:
    history = Transcript()
    try:
        for role, parts in turns:
            history = history.adding(role, parts)
    except (DialogueError, InputError) as error:
        raise ApiError(f"messages: {error}", param="messages") from error
    return history


def _content(row: Mapping[str, Any], where: str) -> _Parts:
    drawn = row.get("role") == "assistant"
    content = row.get("parts") if drawn and row.get("parts") is not None else row.get("content")
    if isinstance(content, str) or (content is None and drawn):
        return [content] if content else []
    if not isinstance(content, list):
        raise ApiError(f"{where}.content: must be text or a list of parts; got {type(content).__name__}.", param=where)
    return [_part(part, f"{where}.content[{k}]", drawn=drawn) for k, part in enumerate(cast("list[object]", content))]


def _part(part: object, where: str, *, drawn: bool) -> str | Drawing | NDArray[np.uint8]:
    row = _object(part, where)
    if row.get("type") == "text" and isinstance(row.get("text"), str):
        return row["text"]
    if row.get("type") != "image_url":
        raise ApiError(f"{where}.type: must be 'text' or 'image_url'; got {row.get('type')!r}.", param=where)
    link = row.get("image_url")
    url = cast("dict[str, object]", link).get("url") if isinstance(link, dict) else link
    picture = _data_url(url, where)
    if not drawn:
        return picture
    caption = row.get("caption") or "-"
    if not isinstance(caption, str):
        raise ApiError(f"{where}.caption: must be text; got {type(caption).__name__}.", param=where)
    return Drawing(caption, picture)


def _data_url(url: object, where: str) -> NDArray[np.uint8]:
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise ApiError(
            f"{where}.image_url: must be a data URL, 'data:image/png;base64,...'; this server opens no addresses.",
            param=where,
        )
    try:
        return read_upload("picture", base64.b64decode(data, validate=True))
    except (binascii.Error, InputError) as error:
        raise ApiError(f"{where}.image_url: {error}", param=where, code="invalid_image") from error


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(f"{where}: must be a JSON object; got {type(value).__name__}.", param=where)
    return cast("dict[str, Any]", value)


def _flag(row: Mapping[str, Any], name: str, where: str) -> bool:
    value = row.get(name) or False
    if not isinstance(value, bool):
        raise ApiError(f"{where}: must be true or false; got {value!r}.", param=where)
    return value


def _number(row: Mapping[str, Any], name: str, default: float | None, *, low: float, high: float) -> float | None:
    value = row.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ApiError(f"{name}: must be a number; got {value!r}.", param=name)
    if not low <= value <= high:
        raise ApiError(f"{name}: must lie between {low} and {high}; got {value!r}.", param=name)
    return float(value)


def _whole(row: Mapping[str, Any], name: str, *, low: int, high: int) -> int | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ApiError(f"{name}: must be a whole number between {low} and {high}; got {value!r}.", param=name)
    return value


def _short(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str) or len(value) > 128:
        raise ApiError(f"{name}: must be a text of at most 128 characters.", param=name)
    return value
