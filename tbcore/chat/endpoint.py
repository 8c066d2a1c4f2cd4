"""Any endpoint that speaks the OpenAI chat format: a hosted model, or a server on your own computer."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from typing import Any, cast

from tbcore.chat.messages import CallError, CallFailure, FinishReason, Message, Params, Reply, Usage
from tbcore.errors import InputError, MissingExtraError

__all__ = ["OpenAICompatible"]

_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_NO_KEY = "not-needed"


class OpenAICompatible:
    """One chat completion per call, without tries of its own: the ledger counts every try.

    Args:
        model: the endpoint's name for the model.
        base_url: where it listens, for example a server on this computer; the client's default when empty.
        key_variable: the environment variable that holds the key. The key itself is never an argument, and
            never shown, stored or logged. A local server may need none.
        timeout_s: seconds to wait for an answer.

    Raises:
        InputError: the variable is empty, and `base_url` is empty too.
        MissingExtraError: the openai package is not installed.
    """

    def __init__(
        self, model: str, *, base_url: str = "", key_variable: str = "OPENAI_API_KEY", timeout_s: float = 120
    ) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("OpenAICompatible needs openai: pip install openai") from error
        key = os.environ.get(key_variable, "")
        if not key and not base_url:
            raise InputError(
                f"OpenAICompatible: the environment variable {key_variable} holds no key, and no base_url is "
                "given. Set the variable before you start, or name a server that needs no key."
            )
        self.model = model
        self.base_url = base_url
        self._key_variable = key_variable
        self._openai = openai
        self._client = openai.OpenAI(
            api_key=key or _NO_KEY, base_url=base_url or None, max_retries=0, timeout=timeout_s
        )

    @property
    def name(self) -> str:
        """Where it listens, and the model."""
        return f"{self._client.base_url}{self.model}"

    def __repr__(self) -> str:
        return f"OpenAICompatible(model={self.model!r}, base_url={self.base_url!r}, key=***)"

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """Ask once.

        Raises:
            CallError: no answer came, or one that cannot be read; its `kind` says what that means.
        """
        request: dict[str, Any] = {
            "model": params.model or self.model,
            "messages": [_wire(message) for message in messages],
            "temperature": params.temperature,
            "top_p": params.top_p,
            "max_tokens": params.max_tokens,
        }
        if params.seed is not None:
            request["seed"] = params.seed
        try:
            answer = self._client.chat.completions.with_raw_response.create(**request)
            raw = answer.http_response.text
        except self._openai.APIError as error:
            raise self._failure(error) from error
        return _read(raw)

    def _failure(self, error: Exception) -> CallError:
        kind: CallFailure = "ambiguous"
        wait: float | None = None
        status = getattr(error, "status_code", None)
        if status is not None:
            response = cast(Any, error).response
            wait = _seconds(response.headers.get("retry-after"))
            kind = "busy" if status in _BUSY else "forbidden" if status in {401, 403} else "rejected"
            told = f"status {status}: {response.text[:300]}"
        else:
            cause = error.__cause__
            if type(cause).__name__ in {"ConnectError", "ConnectTimeout", "UnsupportedProtocol"}:
                kind = "not_sent"
            told = f"{type(error).__name__}: {cause or error}"
        remedy = {
            "not_sent": "Is the server running, and is base_url right?",
            "busy": "Try again later.",
            "forbidden": f"Check the key in {self._key_variable} and the model's name.",
            "rejected": "This prompt will not pass; change it or leave it out.",
        }.get(kind, "It may have been billed; the ledger keeps it.")
        return CallError(f"{self!r}: no answer, {told}. {remedy}", kind=kind, retry_after_s=wait)


def _wire(message: Message) -> dict[str, Any]:
    if all(isinstance(part, str) for part in message.parts):
        return {"role": message.role, "content": message.text}
    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_base64(part.png)}"}}
        for part in message.parts
    ]
    return {"role": message.role, "content": content}


def _read(raw: str) -> Reply:
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        said = choice["message"]
        text, refusal = said.get("content") or "", said.get("refusal")
        used = body.get("usage") or {}
        usage = Usage(int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0))
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


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.replace(".", "", 1).isdigit() else None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
