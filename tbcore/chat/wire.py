"""The OpenAI chat format on the wire: what a request looks like, how an answer is read, what a failure means."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tbcore.chat.messages import CallError, CallFailure, FinishReason, Message, Params, Reply, Usage

__all__ = ["failure", "read_reply", "request_body", "seconds_to_wait", "sort_status"]

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}
_BUSY = frozenset({429, 503, 529})
_SERVER = frozenset({408, 409, 425, 500, 502})
_GATEWAY_GAVE_UP = frozenset({504, 524})
_NOT_CONNECTED = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})
_REMEDY: dict[CallFailure, str] = {
    "not_sent": "Is the server running, and is base_url right?",
    "busy": "Try again later.",
    "server_error": "Try again; if it stays, the server is ill.",
    "rejected": "This prompt will not pass; change it or leave it out. "
    "If every prompt is refused, check the model's name and base_url.",
    "ambiguous": "It may have been billed; the ledger keeps it.",
}


def request_body(model: str, messages: Sequence[Message], params: Params) -> dict[str, Any]:
    """The JSON body of one chat completion; `model` is used when the parameters name none."""
    body: dict[str, Any] = {
        "model": params.model or model,
        "messages": [_message(message) for message in messages],
        "temperature": params.temperature,
        "top_p": params.top_p,
        "max_tokens": params.max_tokens,
    }
    if params.seed is not None:
        body["seed"] = params.seed
    return body


def read_reply(raw: str) -> Reply:
    """Read a raw body; why it ended is looked at before the text is used for anything.

    Raises:
        CallError: of kind `unreadable`, with the body, when it is not a chat completion.
    """
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        said = choice["message"]
        text, refusal = said.get("content") or "", said.get("refusal")
        used = body.get("usage") or {}
        usage = Usage(int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0), bool(used))
        if not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}, not text")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CallError(
            f"the answer is not a chat completion ({type(error).__name__}: {error}); it begins {raw[:80]!r}. "
            "Is base_url the root of a chat endpoint, for example ending in /v1?",
            kind="unreadable",
            raw=raw,
        ) from error
    finish = _FINISH.get(str(choice.get("finish_reason")), "other")
    if refusal:
        finish = "refusal"
    elif finish == "stop" and not text.strip():
        finish = "empty"
    return Reply(text, finish, usage, raw)


def sort_status(status: int) -> CallFailure:
    """What a status other than 200 means for trying again and for the bill."""
    if status in _BUSY:
        return "busy"
    if status in {401, 403}:
        return "forbidden"
    if status in _GATEWAY_GAVE_UP:
        return "ambiguous"
    return "server_error" if status in _SERVER or status > 500 else "rejected"


def failure(who: str, error: Exception, *, forbidden: str) -> CallError:
    """Say in our words what an error of the openai package, or a torn connection, means.

    Args:
        who: the client, without its key.
        error: what was raised.
        forbidden: what to do when no prompt will pass.
    """
    kind: CallFailure = "ambiguous"
    wait: float | None = None
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    if isinstance(status, int) and response is not None:
        wait = seconds_to_wait(response.headers)
        kind = sort_status(status)
        told = f"status {status}: {response.text[:300]}"
    else:
        cause = error.__cause__ or error
        if type(cause).__name__ in _NOT_CONNECTED:
            kind = "not_sent"
        told = f"{type(error).__name__}: {cause}"
    remedy = forbidden if kind == "forbidden" else _REMEDY[kind]
    return CallError(f"{who}: no answer, {told}. {remedy}", kind=kind, retry_after_s=wait)


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """What `retry-after-ms` or `Retry-After` ask for, in seconds; the latter may be a number or a date."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            wait = float(value) * unit
        except ValueError:
            wait = _until(value)
        if math.isfinite(wait):
            return max(0.0, wait)
    return None


def _until(date: str) -> float:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return (then - datetime.now(UTC)).total_seconds()


def _message(message: Message) -> dict[str, Any]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": message.text}
    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_base64(part.png)}"}}
        for part in message.parts
    ]
    return {"role": message.role, "content": content}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
