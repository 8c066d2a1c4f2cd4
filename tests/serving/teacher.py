"""A chat server on this computer: OpenAI's wire format with files and batches, misbehaving on command.

`Teacher.plan` is asked, for each request, what to do. `with serving(plan) as teacher` runs it in a thread;
`python -m tests.serving.teacher` runs it as a program of its own and prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.serving.batches import Batches

Plan = Callable[[dict[str, Any], int], "Act"]


@dataclass(frozen=True, kw_only=True)
class Act:
    """What to do with one request.

    Args:
        kind: answer, status, hang_up, cut, slow, twice, page, misshapen; the last two are not completions.
        text: what to say; made from the question when None.
        finish: the finish_reason.
        refusal: said instead of the text.
        status, retry_after: of the kind status.
        delay_s: seconds before anything is sent.
        until: nothing is sent before this is true, or a minute has passed.
        usage: whether the tokens are told.
    """

    kind: str = "answer"
    text: str | None = None
    finish: str = "stop"
    refusal: str | None = None
    status: int = 200
    retry_after: str | None = None
    delay_s: float = 0.0
    until: Callable[[], bool] | None = None
    usage: bool = True


def busy(retry_after: str | None = None, status: int = 429) -> Act:
    return Act(kind="status", status=status, retry_after=retry_after)


def always(body: dict[str, Any], seen: int) -> Act:
    return Act()


def said(body: dict[str, Any]) -> str:
    """The reply to a question: always the same for the same question."""
    return "Human: " + hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()


class Teacher:
    """The server's state. `billed` holds the request id of every completion that was worked out."""

    def __init__(self, plan: Plan = always, *, latency_s: float = 0.0) -> None:
        self.plan = plan
        self.latency_s = latency_s
        self.asked: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.billed: list[str] = []
        self.billed_tokens = 0
        self.seen: Counter[str] = Counter()
        self.inside = self.peak = 0
        self.keep_requests = True
        self.batches = Batches(self)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def completion(self, body: dict[str, Any], act: Act, bill_as: str) -> dict[str, Any]:
        """Work out an answer; from here on it is billed."""
        text = said(body) if act.text is None else act.text
        message = {"role": "assistant", "content": None if act.refusal else text, "refusal": act.refusal}
        used = {
            "prompt_tokens": len(json.dumps(body["messages"])) // 8,
            "completion_tokens": min(8, body["max_tokens"]),
        }
        self.billed.append(bill_as)
        self.billed_tokens += sum(used.values())
        answer = {"id": f"chatcmpl-{len(self.billed)}", "object": "chat.completion", "created": 1, "model": "tiny"}
        answer["choices"] = [{"index": 0, "message": message, "finish_reason": act.finish}]
        return {**answer, "usage": {**used, "total_tokens": sum(used.values())}} if act.usage else answer

    def state(self) -> dict[str, Any]:
        return {
            "billed": self.billed,
            "tokens": self.billed_tokens,
            "peak": self.peak,
            "asked": sum(self.seen.values()),
        }

    def reset(self) -> None:
        self.billed, self.billed_tokens, self.peak = [], 0, 0
        self.seen.clear()
        self.asked.clear()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Every conversation over HTTP ends this way: the client closes its end, in the middle of nothing or of a reply.
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._request(reader, writer):
                continue

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:]) if k}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path == "/v1/chat/completions":
            return await self._chat(json.loads(body), headers, writer)
        if path.startswith("/_"):
            if path == "/_reset":
                self.reset()
            return _send(writer, self.state())
        return _send(writer, self.batches.route(method, path, headers, body))

    async def _chat(self, body: dict[str, Any], headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        name = hashlib.sha256(json.dumps([body["messages"], body["max_tokens"]]).encode()).hexdigest()
        act = self.plan(body, self.seen[name])
        self.seen[name] += 1
        if self.keep_requests:
            self.asked.append((body, headers))
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            if self.latency_s or act.delay_s:
                await asyncio.sleep(self.latency_s + act.delay_s)
            if act.until is not None:
                await _become(act.until)
            return await self._act(act, body, headers, writer)
        finally:
            self.inside -= 1

    async def _act(self, act: Act, body: dict[str, Any], headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        if act.kind == "status":
            wait = {} if act.retry_after is None else {"Retry-After": act.retry_after}
            return _send(writer, {"error": {"message": f"status {act.status}"}}, act.status, wait)
        if act.kind == "hang_up":
            return False
        if act.kind == "page":
            return _send(writer, b"<html>hello</html>")
        if act.kind == "misshapen":
            return _send(writer, {"choices": {"0": "no"}})
        answer = json.dumps(self.completion(body, act, headers.get("x-client-request-id", ""))).encode()
        if act.kind == "cut":
            writer.write(_head(200, len(answer), {}) + answer[: len(answer) // 2])
            await writer.drain()
            return False
        if act.kind == "slow":
            writer.write(_head(200, len(answer), {}))
            for start in range(0, len(answer), 50):
                writer.write(answer[start : start + 50])
                await writer.drain()
                await asyncio.sleep(0.002)
            return True
        _send(writer, answer)
        if act.kind == "twice":
            _send(writer, answer)
            return False
        return True


async def _become(true: Callable[[], bool]) -> None:
    """Wait until it is true; after a minute the test shall fail on what it asserts, not hang."""
    ends = asyncio.get_running_loop().time() + 60
    while not true() and asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(0.001)


def _head(status: int, size: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {size}"]
    return "\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items()), "", ""]).encode()


def _send(writer: asyncio.StreamWriter, what: object, status: int = 200, headers: dict[str, str] | None = None) -> bool:
    if isinstance(what, tuple):
        what, status = what
    content = what if isinstance(what, bytes) else json.dumps(what).encode()
    writer.write(_head(status, len(content), headers or {}) + content)
    return True


async def listen(teacher: Teacher) -> asyncio.Server:
    server = await asyncio.start_server(teacher.connection, "127.0.0.1", 0, backlog=512, limit=1 << 20)
    teacher.port = server.sockets[0].getsockname()[1]
    return server


@contextmanager
def serving(plan: Plan = always, *, latency_s: float = 0.0) -> Iterator[Teacher]:
    """The server in a thread of this process."""
    teacher = Teacher(plan, latency_s=latency_s)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(teacher), loop).result()
    yield teacher

    async def stop() -> None:
        server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _main(latency_s: float) -> None:
    teacher = Teacher(latency_s=latency_s)
    teacher.keep_requests = False
    server = await listen(teacher)
    print(teacher.url, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-s", type=float, default=0.0)
    asyncio.run(_main(parser.parse_args().latency_s))
