"""Any endpoint that speaks the OpenAI chat format: a hosted model, or a server on your own computer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tbcore.chat.messages import Message, Params, Reply
from tbcore.chat.wire import failure, read_reply, request_body
from tbcore.errors import InputError, MissingExtraError

__all__ = ["AsyncOpenAICompatible", "OpenAICompatible"]

_NO_KEY = "not-needed"


class _Endpoint:
    """What the two clients share: where they listen, which model, and where the key lies."""

    def __init__(self, model: str, base_url: str, key_variable: str) -> None:
        key = os.environ.get(key_variable, "")
        if not key and not base_url:
            raise InputError(
                f"OpenAICompatible: the environment variable {key_variable} holds no key, and no base_url is "
                "given. Set the variable before you start, or name a server that needs no key."
            )
        self.model = model
        self.base_url = base_url
        self._key_variable = key_variable
        self._openai = _openai()
        self._client: Any = None

    @property
    def name(self) -> str:
        """Where it listens, and the model."""
        return f"{self._client.base_url}{self.model}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r}, base_url={self.base_url!r}, key=***)"

    def _options(self, timeout_s: float) -> dict[str, Any]:
        key = os.environ.get(self._key_variable, "") or _NO_KEY
        return {"api_key": key, "base_url": self.base_url or None, "max_retries": 0, "timeout": timeout_s}

    @property
    def _forbidden(self) -> str:
        return f"Check the key in {self._key_variable} and the model's name."


class OpenAICompatible(_Endpoint):
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
        super().__init__(model, base_url, key_variable)
        self._client = self._openai.OpenAI(**self._options(timeout_s))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """Ask once.

        Raises:
            CallError: no answer came, or one that cannot be read; its `kind` says what that means.
        """
        request = request_body(self.model, messages, params)
        try:
            answer = self._client.chat.completions.with_raw_response.create(**request)
            raw = answer.http_response.text
        except self._openai.APIError as error:
            raise failure(repr(self), error, forbidden=self._forbidden) from error
        return read_reply(raw)


class AsyncOpenAICompatible(_Endpoint):
    """The same endpoint for many calls at once; the same name, so one ledger serves both.

    The connections belong to the event loop that makes the first call. Arguments and errors are those of
    `OpenAICompatible`.
    """

    def __init__(
        self, model: str, *, base_url: str = "", key_variable: str = "OPENAI_API_KEY", timeout_s: float = 120
    ) -> None:
        super().__init__(model, base_url, key_variable)
        self._timeout_s = timeout_s
        self._client = self._openai.AsyncOpenAI(**self._options(timeout_s))
        self._closed = False

    async def aclose(self) -> None:
        """Close its connections; a later call opens new ones."""
        if not self._closed:
            self._closed = True
            await self._client.close()

    async def complete(self, messages: Sequence[Message], params: Params, *, attempt: str = "") -> Reply:
        """Ask once; `attempt` goes along as a request id, so that the provider's log can be matched.

        Raises:
            CallError: no answer came, or one that cannot be read; its `kind` says what that means.
        """
        import httpx

        if self._closed:
            self._client = self._openai.AsyncOpenAI(**self._options(self._timeout_s))
            self._closed = False
        # The plain body is asked for: the ledger stores it as it came and reads it itself, so building
        # the package's typed answer would be work for nothing.
        try:
            answer = await self._client.post(
                "/chat/completions",
                cast_to=httpx.Response,
                body=request_body(self.model, messages, params),
                options={"headers": {"X-Client-Request-Id": attempt}} if attempt else {},
            )
            raw = answer.text
        except (self._openai.APIError, httpx.HTTPError) as error:
            raise failure(repr(self), error, forbidden=self._forbidden) from error
        return read_reply(raw)


def _openai() -> Any:
    try:
        import openai
    except ModuleNotFoundError as error:
        raise MissingExtraError("OpenAICompatible needs openai: pip install openai") from error
    return openai
