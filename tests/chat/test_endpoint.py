"""The endpoint adapter, against a server on this computer that speaks the wire format."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tbcore.chat.endpoint import OpenAICompatible
from tbcore.chat.messages import CallError, Message, Params, PictureBytes
from tbcore.errors import InputError

KEY = "sk-marker-never-to-be-seen"


class Server(ThreadingHTTPServer):
    """Answers with what the test put in `answers`, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body, self.headers.get("Authorization", "")))
        status, text, headers = self.server.answers.pop(0)
        if status == 0:  # hang up without an answer
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Server, OpenAICompatible]]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        teacher = OpenAICompatible("tiny", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout_s=30)
    yield server, teacher
    teacher.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(both: tuple[Server, OpenAICompatible]) -> Server:
    both[0].answers.clear()
    both[0].asked.clear()
    return both[0]


@pytest.fixture
def teacher(both: tuple[Server, OpenAICompatible]) -> OpenAICompatible:
    return both[1]


def completion(content: str | None, finish: str = "stop", **message: object) -> str:
    said = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return json.dumps({"id": "x", "choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage})


ASK = [Message.of("system", "Be brief."), Message("user", ("Look: ", PictureBytes(b"png!")))]


def test_the_wire_format(server: Server, teacher: OpenAICompatible) -> None:
    server.answers.append((200, completion("Human: hi"), {}))
    reply = teacher.complete(ASK, Params(temperature=0.5, max_tokens=9, seed=4))
    assert (reply.text, reply.finish_reason, reply.usage.total) == ("Human: hi", "stop", 10)
    assert json.loads(reply.raw)["id"] == "x"
    path, body, authorization = server.asked[0]
    assert path == "/v1/chat/completions"
    assert authorization == f"Bearer {KEY}"
    assert body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look: "},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5nIQ=="}},
                ],
            },
        ],
        "temperature": 0.5,
        "top_p": 1.0,
        "max_tokens": 9,
        "seed": 4,
    }


@pytest.mark.parametrize(
    ("body", "finish"),
    [
        (completion("cut", "length"), "length"),
        (completion("", "content_filter"), "content_filter"),
        (completion(None), "empty"),
        (completion(" \n"), "empty"),
        (completion(None, refusal="no"), "refusal"),
        (completion("x", "tool_calls"), "other"),
    ],
)
def test_why_an_answer_ended(server: Server, teacher: OpenAICompatible, body: str, finish: str) -> None:
    server.answers.append((200, body, {}))
    assert teacher.complete(ASK[:1], Params()).finish_reason == finish


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (429, "busy", "status 429"),
        (503, "busy", "Try again later"),
        (529, "busy", "status 529"),
        (400, "rejected", "This prompt will not pass"),
        (401, "forbidden", "Check the key in OPENAI_API_KEY"),
        (403, "forbidden", "status 403"),
        (0, "ambiguous", "may have been billed"),
    ],
)
def test_failures_are_sorted_and_tried_once(
    server: Server, teacher: OpenAICompatible, status: int, kind: str, told: str
) -> None:
    server.answers.append((status, '{"error": {"message": "no"}}', {"retry-after": "1.5"}))
    with pytest.raises(CallError, match=told) as caught:
        teacher.complete(ASK[:1], Params())
    assert caught.value.kind == kind
    assert caught.value.retry_after_s == (1.5 if status else None)
    assert len(server.asked) == 1
    assert KEY not in str(caught.value) + repr(teacher) + teacher.name


def test_a_web_page_instead_of_an_answer_is_kept(server: Server, teacher: OpenAICompatible) -> None:
    server.answers.append((200, "<html>hello</html>", {}))
    with pytest.raises(CallError, match=r"not a chat completion .* begins '<html>hello") as caught:
        teacher.complete(ASK[:1], Params())
    assert (caught.value.kind, caught.value.raw) == ("unreadable", "<html>hello</html>")


def test_nobody_listening_is_not_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    teacher = OpenAICompatible("tiny", base_url="http://127.0.0.1:9/v1", timeout_s=2)
    with pytest.raises(CallError, match="Is the server running") as caught:
        teacher.complete(ASK[:1], Params())
    assert caught.value.kind == "not_sent"
    teacher.close()


def test_no_key_and_no_server_says_which_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(InputError, match="environment variable MY_KEY holds no key"):
        OpenAICompatible("tiny", key_variable="MY_KEY")
