"""The view's side of the wire: any OpenAI-compatible endpoint as an engine, ours with all it can tell."""

from __future__ import annotations

import base64
import binascii
import logging
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.engine import (
    Answer,
    Ask,
    Captioning,
    Dropped,
    Emerging,
    Event,
    Finish,
    Queued,
    Stopped,
    StreamedParts,
    Usage,
    Watch,
    Words,
)
from tbcore.demo.inside import Inside
from tbcore.demo.pictures import from_png, read_upload, to_png
from tbcore.demo.transcript import Drawing, Transcript
from tbcore.errors import InputError, MissingExtraError, TeacherError

__all__ = ["SERVER_VARIABLE", "EndpointEngine", "connected", "messages_of"]

SERVER_VARIABLE = "TBCORE_SERVER"
"""Environment variable with the base URL of the server that a window of the page talks to."""

_LOG = logging.getLogger(__name__)
_FINISH: dict[str, Finish] = {"length": "length"}


class EndpointEngine:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        base_url: of the endpoint, ending in /v1.
        model: its name there; empty: the first of its list.
        ours: whether it is a server of this package. Another one gets earlier drawings as words, is not asked for
            progress, and cannot redraw or be looked into.
        key_variable: environment variable with the key or token; a server on this computer may need none.
        timeout_s: seconds to wait for the next piece of an answer.

    Raises:
        MissingExtraError: the openai package is not installed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str = "",
        ours: bool = True,
        key_variable: str = "TBCORE_TOKEN",
        timeout_s: float = 120,
    ) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("EndpointEngine needs openai: pip install openai") from error
        self._openai, self.ours, self._model = openai, ours, model
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=os.environ.get(key_variable, "") or "not-needed",
            timeout=timeout_s,
            max_retries=0,
            default_headers={"X-Client-Id": secrets.token_hex(8)} if ours else {},
        )

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        if not self._model:
            try:
                self._model = self._client.models.list().data[0].id
            except (self._openai.OpenAIError, IndexError) as error:
                raise self._failed(error) from error
        return self._model

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def answer(self, history: Transcript, ask: Ask, watch: Watch) -> Answer:
        """Ask, and tell what comes as it comes.

        Raises:
            InputError: the endpoint refuses the conversation.
            TeacherError: it cannot be reached, or fails.
        """
        heard, finish, usage = StreamedParts(), cast(Finish, "stop"), Usage()
        started, first = time.perf_counter(), 0.0
        try:
            with closing(self._client.chat.completions.create(**self._request(history, ask))) as stream:
                for chunk in stream:
                    if chunk.usage is not None:
                        usage = _usage(chunk.usage.model_dump())
                    for choice in chunk.choices:
                        finish = _FINISH.get(choice.finish_reason or "", finish)
                        for event in _events(choice.delta.model_dump()):
                            first = first or time.perf_counter() - started
                            heard.take(event)
                            watch(event)
        except Stopped:
            finish = "stopped"
        except self._openai.OpenAIError as error:
            raise self._failed(error) from error
        usage.seconds.update({"first": first, "total": time.perf_counter() - started})
        return Answer(heard.parts, finish, usage)

    def draw(self, caption: str, *, seed: int) -> NDArray[np.uint8]:
        """Have a caption drawn: uint8[y x 3].

        Raises:
            InputError: the endpoint cannot draw from words, or refuses these.
            TeacherError: it cannot be reached, or fails.
        """
        if not self.ours:
            raise InputError("draw: only a server of this package draws from words alone.")
        try:
            made = self._client.images.generate(prompt=caption, model=self.name, extra_body={"seed": seed})
        except self._openai.OpenAIError as error:
            raise self._failed(error) from error
        return from_png(_bytes((made.data or [])[0].b64_json))

    def forget(self, conversation: str) -> None:
        """Tell a server of ours that this conversation is over.

        Nothing is lost where it cannot be told: the server gives up the oldest conversations by itself.
        """
        if not self.ours or not conversation:
            return
        try:
            self._client.post("/textbind/forget", cast_to=cast(Any, object), body={"conversation": conversation})
        except self._openai.OpenAIError as error:
            _LOG.debug("a conversation could not be given up: %s", error)

    def look_inside(self, transcript: Transcript) -> Inside:
        """Ask what the model saw and how sure it was of the last reply.

        Raises:
            InputError: the endpoint's model cannot be looked into.
            TeacherError: it cannot be reached, or fails.
        """
        if not self.ours:
            raise InputError("look inside: only a server of this package can be looked into.")
        try:
            row = self._client.post("/textbind/inside", cast_to=cast(Any, object), body=self._messages(transcript))
        except self._openai.OpenAIError as error:
            raise self._failed(error) from error
        return Inside.from_json(cast("dict[str, Any]", row))

    def _messages(self, transcript: Transcript) -> dict[str, Any]:
        return {"messages": messages_of(transcript, ours=self.ours)}

    def _request(self, history: Transcript, ask: Ask) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "seed": ask.seed,
        }
        request = {name: value for name, value in wanted.items() if value is not None}
        request |= {"model": self.name, "stream": True, **self._messages(history)}
        if not self.ours:
            return request
        wishes: dict[str, Any] = {"progress": True, "attempt": ask.attempt}
        if ask.max_pictures is not None:
            wishes["max_pictures"] = ask.max_pictures
        extra = {"textbind": wishes, "prompt_cache_key": ask.conversation}
        return {**request, "stream_options": {"include_usage": True}, "extra_body": extra}

    def _failed(self, error: Exception) -> InputError | TeacherError:
        """An error of the client package in our words."""
        status, body = getattr(error, "status_code", None), getattr(error, "body", None)
        told = cast("dict[str, Any]", body).get("message") if isinstance(body, dict) else None
        words = str(told or error.__cause__ or error)
        if status in (400, 413, 422) or (status is None and getattr(error, "type", "") == "invalid_request_error"):
            return InputError(words)
        where = f"status {status}: " if status else ""
        return TeacherError(f"{self._client.base_url}: {where}{words}. Is the server running, and is the token right?")


def connected() -> EndpointEngine | None:
    """The server that the environment names, or None where it names none."""
    url = os.environ.get(SERVER_VARIABLE, "")
    return EndpointEngine(url) if url else None


def messages_of(transcript: Transcript, *, ours: bool = True) -> list[dict[str, Any]]:
    """A conversation as messages of the OpenAI chat format.

    Args:
        transcript: the conversation.
        ours: send earlier drawings as pictures with their captions; else as words, since other servers take pictures
            from users only.
    """
    messages: list[dict[str, Any]] = []
    for turn in transcript.turns:
        content: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": part})
                continue
            caption = transcript.captions[part.index]
            if turn.role == "assistant" and not ours:
                content.append({"type": "text", "text": f"[a picture of {caption}]"})
                continue
            shown = base64.b64encode(to_png(transcript.pictures[part.index])).decode("ascii")
            row: dict[str, Any] = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{shown}"}}
            content.append({**row, "caption": caption} if turn.role == "assistant" else row)
        messages.append({"role": turn.role, "content": content or ""})
    return messages


def _events(delta: Mapping[str, Any]) -> list[Event]:
    """What a chunk tells."""
    events: list[Event] = []
    match delta.get("textbind"):
        case {"event": "queued", "position": int(position)}:
            events.append(Queued(position))
        case {"event": "caption", "text": str(text)}:
            events.append(Captioning(text))
        case {"event": "dropped"}:
            events.append(Dropped())
        case {"event": "emerging", "png": str(png), "done": float() | int() as done}:
            events.append(Emerging(from_png(_bytes(png)), float(done)))
        case _:
            pass
    if delta.get("content"):
        events.append(Words(str(delta["content"])))
    for part in delta.get("parts") or ():
        if part.get("type") == "image_url":
            url = str(part["image_url"]["url"])
            picture = read_upload("drawing", _bytes(url.partition(",")[2]))
            events.append(Drawing(str(part.get("caption") or "-"), picture, part.get("seed")))
    return events


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except binascii.Error as error:
        raise TeacherError(f"the endpoint sent a picture that is not base 64 ({error}).") from error


def _usage(row: Mapping[str, Any]) -> Usage:
    cached = (row.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(
        prompt=int(row.get("prompt_tokens") or 0),
        reused=int(cached),
        recomputed=int(row.get("recomputed_tokens") or 0),
        written=int(row.get("completion_tokens") or 0),
        seconds={str(name): float(value) for name, value in (row.get("seconds") or {}).items()},
    )
