"""The endpoints.

POST /v1/chat/completions      see `requests` for what goes in, `answers` for what comes out
POST /v1/images/generations    a picture from words alone: {"prompt": "...", "seed": 0} -> {"data": [{"b64_json"}]}
POST /v1/textbind/forget       a conversation is over: {"conversation": "..."}, the prompt_cache_key of its requests
POST /v1/textbind/inside       what the model saw and how sure it was, for engines that can tell
GET  /v1/models                the one model
GET  /health                   alive, how many wait, how many were answered
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tbcore.demo.engine import Answer, Engine, Event, Remembering
from tbcore.demo.inside import Insight
from tbcore.demo.pictures import to_png
from tbcore.demo.serving.answers import Completion
from tbcore.demo.serving.desk import Desk
from tbcore.demo.serving.fair_queue import FairQueue
from tbcore.demo.serving.requests import (
    ApiError,
    ChatRequest,
    ServeLimits,
    read_answered,
    read_chat,
    read_conversation,
    read_draw,
)
from tbcore.errors import MissingExtraError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

__all__ = ["ServeSettings", "build_app"]

_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeSettings:
    """Who may ask, and how much.

    Attributes:
        token: clients must send it as a bearer token; empty: everybody on this computer may ask.
        hosts: names under which the server may be addressed beside this computer's own; a page elsewhere that
            points a name of its own at this computer is turned away by this.
        limits: of one request.
        per_client: requests of one client that may wait at once.
        total: requests that may wait in all.
    """

    token: str = ""
    hosts: tuple[str, ...] = ()
    limits: ServeLimits = field(default_factory=ServeLimits)
    per_client: int = 4
    total: int = 64


def build_app(engine: Engine, settings: ServeSettings | None = None) -> FastAPI:
    """The web application; `app.state.desk` is the desk it serves at.

    Raises:
        MissingExtraError: fastapi is not installed.
    """
    try:
        import fastapi
    except ModuleNotFoundError as error:
        raise MissingExtraError("the server needs fastapi and uvicorn: pip install 'tbcore[serve]'") from error
    chosen = settings or ServeSettings()

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.desk.close()
        await app.state.desk.finish()

    app = fastapi.FastAPI(title="TextBind Workshop", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = Desk(engine, FairQueue(per_client=chosen.per_client, total=chosen.total))
    _Endpoints(engine, chosen, app.state.desk).attach(app)
    return app


class _Endpoints:
    """What happens at each address."""

    def __init__(self, engine: Engine, settings: ServeSettings, desk: Desk) -> None:
        self.engine, self.settings, self.desk = engine, settings, desk
        self.started = int(time.time())

    def attach(self, app: FastAPI) -> None:
        from fastapi.responses import JSONResponse
        from starlette.exceptions import HTTPException

        async def refused(_request: Request, error: Exception) -> Response:
            told = cast(ApiError, error)
            headers = {"Retry-After": "2"} if told.status in (429, 503) else None
            return JSONResponse(told.to_json(), told.status, headers)

        async def lost(request: Request, error: Exception) -> Response:
            found = cast(HTTPException, error)
            told = ApiError(f"{request.method} {request.url.path}: {found.detail}.", status=found.status_code)
            return JSONResponse(told.to_json(), told.status)

        app.add_exception_handler(ApiError, refused)
        app.add_exception_handler(HTTPException, lost)
        app.add_api_route("/health", _typed(self.health), methods=["GET"], response_model=None)
        app.add_api_route("/v1/models", _typed(self.models), methods=["GET"], response_model=None)
        app.add_api_route("/v1/models/{name:path}", _typed(self.model), methods=["GET"], response_model=None)
        app.add_api_route("/v1/chat/completions", _typed(self.chat), methods=["POST"], response_model=None)
        app.add_api_route("/v1/images/generations", _typed(self.draw), methods=["POST"], response_model=None)
        app.add_api_route("/v1/textbind/forget", _typed(self.forget), methods=["POST"], response_model=None)
        app.add_api_route("/v1/textbind/inside", _typed(self.inside), methods=["POST"], response_model=None)

    async def health(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        waiting, busy = len(self.desk.queue), self.desk.queue.served is not None
        return {"status": "ok", "model": self.engine.name, "waiting": waiting, "busy": busy,
                "answered": self.desk.answered}  # fmt: skip

    async def models(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        return {"object": "list", "data": [self._model()]}

    async def model(self, request: Request) -> dict[str, Any]:
        self._admit(request)
        if (name := request.path_params["name"]) != self.engine.name:
            raise ApiError(f"model {name!r}: there is only {self.engine.name!r}.", status=404, code="model_not_found")
        return self._model()

    async def chat(self, request: Request) -> Response:
        from fastapi.responses import JSONResponse, StreamingResponse

        asked = read_chat(await self._body(request), self.settings.limits)
        reply = Completion(f"chatcmpl-{secrets.token_hex(12)}", model=self.engine.name, created=int(time.time()))
        happening = self.desk.chat(asked, _client(request))
        first = await anext(happening)  # what is refused at once gets a status of its own
        if asked.stream:
            return StreamingResponse(
                _stream(reply, asked, first, happening),
                media_type="text/event-stream",
                headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )
        now = first
        while not isinstance(now, Answer):
            if await request.is_disconnected():
                await happening.aclose()
                raise ApiError("the client has gone.", status=499)
            now = await anext(happening)
        return JSONResponse(reply.whole(now))

    async def draw(self, request: Request) -> dict[str, Any]:
        asked = read_draw(await self._body(request))
        picture = await self.desk.do(lambda: self.engine.draw(asked.caption, seed=asked.seed), _client(request))
        shown = base64.b64encode(to_png(picture)).decode("ascii")
        return {"created": int(time.time()), "data": [{"b64_json": shown, "revised_prompt": asked.caption}]}

    async def forget(self, request: Request) -> dict[str, Any]:
        name = read_conversation(await self._body(request))
        if isinstance(self.engine, Remembering):
            self.engine.forget(name)
        return {"conversation": name}

    async def inside(self, request: Request) -> dict[str, Any]:
        transcript = read_answered(await self._body(request), self.settings.limits)
        engine = self.engine
        if not isinstance(engine, Insight):
            raise ApiError("inside: this model cannot be looked into.", status=404, code="not_supported")
        return (await self.desk.do(lambda: engine.look_inside(transcript), _client(request))).to_json()

    def _model(self) -> dict[str, Any]:
        return {"id": self.engine.name, "object": "model", "created": self.started, "owned_by": "textbind-workshop"}

    def _admit(self, request: Request) -> None:
        host = request.headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        if name not in _LOCAL and name not in self.settings.hosts:
            raise ApiError("host: this server does not answer to that name.", status=421, param="host")
        told = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.settings.token and not hmac.compare_digest(told.encode(), self.settings.token.encode()):
            raise ApiError(
                "authorization: the token is missing or wrong. Send it as a bearer token (api_key of a client).",
                status=401,
                kind="authentication_error",
                code="invalid_api_key",
            )

    async def _body(self, request: Request) -> object:
        """The JSON body of a request that may ask, not a byte more than allowed."""
        self._admit(request)
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":  # pages elsewhere may send other kinds without asking us first
            raise ApiError("content-type: must be application/json.", status=415)
        most, content = self.settings.limits.body_bytes, bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > most:
                raise ApiError(f"body: at most {most:,} bytes are read. Send smaller pictures.", status=413)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ApiError(f"body: it is not JSON ({error}). Send a JSON object.", code="invalid_json") from error


async def _stream(
    reply: Completion, asked: ChatRequest, first: Event | Answer, happening: AsyncGenerator[Event | Answer, None]
) -> AsyncIterator[str]:
    """Events as lines; a failure after the first line is a line too."""
    try:
        now: Event | Answer = first
        while not isinstance(now, Answer):
            if (line := reply.chunk(now, progress=asked.progress)) is not None:
                yield line
            now = await anext(happening)
        for line in reply.last(now, include_usage=asked.include_usage):
            yield line
    except ApiError as error:
        yield reply.failed(error.to_json())
    finally:
        await happening.aclose()


def _client(request: Request) -> str:
    """Who asks, for taking turns. Windows of one computer share its address, so a window may name itself."""
    address = request.client.host if request.client else "?"
    return f"{address}/{request.headers.get('x-client-id', '')[:64]}"


def _typed(endpoint: Any) -> Any:
    """The endpoint with its annotations resolved: the framework reads them, but it is imported late."""
    from fastapi import Request

    endpoint.__func__.__annotations__["request"] = Request
    return endpoint
