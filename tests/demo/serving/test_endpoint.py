"""The server as its clients see it: the official openai client, pictures both ways, refusals, turns, stopping."""

from __future__ import annotations

import base64
import json
import threading

import httpx
import numpy as np
import openai
import pytest

from tbcore.demo.client import EndpointEngine, messages_of
from tbcore.demo.conversation import Conversation
from tbcore.demo.engine import Ask, Captioning, Drawing, Emerging, ScriptedEngine, Stopped, Words, unwatched
from tbcore.demo.pictures import from_png, to_png
from tbcore.demo.serving.app import ServeSettings
from tbcore.demo.serving.command import running
from tbcore.demo.serving.requests import ServeLimits
from tbcore.demo.transcript import Transcript
from tbcore.errors import InputError, TeacherError
from tests.demo.serving.asking import until, user

NOISE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def url_of(picture: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(to_png(picture)).decode()}"


def shown(picture: np.ndarray, **more) -> dict:
    return {"type": "image_url", "image_url": {"url": url_of(picture)}, **more}


@pytest.fixture
def serve():
    """Serves an engine while the test runs; gives the openai client and the address."""
    open_ones = []

    def start(engine, **settings):
        context = running(engine, ServeSettings(**settings))
        url = context.__enter__()
        client = openai.OpenAI(base_url=url, api_key=settings.get("token") or "none", max_retries=0, timeout=20)
        open_ones.append((context, client))
        return client, url

    yield start
    for context, client in open_ones:
        client.close()
        context.__exit__(None, None, None)


def test_a_reply_with_a_drawing_comes_back_whole(serve):
    engine = ScriptedEngine(["Here it is:", Drawing("a tiger", NOISE, 7), "Enjoy."])
    client, _ = serve(engine)
    reply = client.chat.completions.create(
        model="scripted", messages=user({"type": "text", "text": "Draw."}, shown(card(9)))
    )
    said = reply.choices[0].message
    assert (said.content, reply.choices[0].finish_reason, reply.model) == ("Here it is: Enjoy.", "stop", "scripted")
    assert [part["type"] for part in said.parts] == ["text", "image_url", "text"]
    assert (said.parts[1]["caption"], said.parts[1]["seed"]) == ("a tiger", 7)
    np.testing.assert_array_equal(
        from_png(base64.b64decode(said.parts[1]["image_url"]["url"].partition(",")[2])), NOISE
    )
    history, ask = engine.asked[0]
    assert history.turns[0].text == "Draw."
    np.testing.assert_array_equal(history.pictures[0], card(9))
    assert ask == Ask()


def test_what_came_back_can_be_sent_back_as_it_is(serve):
    engine = ScriptedEngine(["See:", Drawing("a tiger", NOISE)], "Two.")
    client, _ = serve(engine)
    messages = user("Draw.")
    reply = client.chat.completions.create(model="scripted", messages=messages)
    messages += [reply.choices[0].message, {"role": "user", "content": "And now?"}]
    client.chat.completions.create(model="scripted", messages=messages)
    history = engine.asked[1][0]
    assert history.captions == ("a tiger",)
    assert [turn.text for turn in history.turns] == ["Draw.", "See:", "And now?"]
    np.testing.assert_array_equal(history.pictures[0], NOISE)


def test_a_stream_brings_words_then_the_drawing(serve):
    client, _ = serve(ScriptedEngine(["Here it is:", Drawing("a tiger", NOISE)]))
    chunks = list(
        client.chat.completions.create(
            model="scripted", messages=user("Draw."), stream=True, stream_options={"include_usage": True}
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert [d.content for d in deltas if d.content] == ["Here", " it", " is:"]
    assert [d.parts[0]["caption"] for d in deltas if getattr(d, "parts", None)] == ["a tiger"]
    assert not any(getattr(d, "textbind", None) for d in deltas)  # nobody asked for progress
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 6  # words, caption, preview and drawing of the script
    assert len({chunk.id for chunk in chunks}) == 1


def test_the_view_s_client_hears_everything(serve):
    _, url = serve(ScriptedEngine(["One two", Drawing("a cat", NOISE, 4), "three"], "no more"))
    engine, heard = EndpointEngine(url), []
    history = Transcript().adding("user", [card(3), "Draw."])
    answer = engine.answer(history, Ask(attempt=1, conversation="c"), heard.append)
    kinds = [type(event) for event in heard if type(event).__name__ != "Queued"]
    assert kinds == [Words, Words, Captioning, Emerging, Drawing, Words]
    assert (answer.parts[0], answer.parts[2], answer.parts[1].caption, answer.parts[1].seed) == (
        "One two", "three", "a cat", 4,
    )  # fmt: skip
    np.testing.assert_array_equal(answer.parts[1].picture, NOISE)
    assert answer.usage.written == 6
    assert set(answer.usage.seconds) >= {"first", "total"}
    assert engine.name == "scripted"
    np.testing.assert_array_equal(engine.draw("a cat", seed=5), ScriptedEngine().draw("a cat", seed=5))
    with pytest.raises(TeacherError, match="cannot be looked into"):
        engine.look_inside(history.adding("assistant", answer.parts))
    engine.close()


def test_other_servers_get_drawings_as_words():
    talk = Transcript().adding("user", [card(1), "hi"]).adding("assistant", ["see", Drawing("a cat", card(2))])
    ours, plain = messages_of(talk), messages_of(talk, ours=False)
    assert ours[1]["content"][1]["caption"] == "a cat"
    assert plain[1]["content"] == [{"type": "text", "text": "see"}, {"type": "text", "text": "[a picture of a cat]"}]
    assert ours[0] == plain[0]


def test_settings_reach_the_engine_and_limits_hold(serve):
    engine = ScriptedEngine("ok")
    client, _ = serve(engine, limits=ServeLimits(max_tokens=50))
    client.chat.completions.create(
        model="any",
        messages=[{"role": "system", "content": "Be kind."}, *user("hi")],
        temperature=0.5, top_p=0.9, seed=11, max_tokens=4000,
        extra_body={"textbind": {"max_pictures": 1, "attempt": 2}, "prompt_cache_key": "abc"},
    )  # fmt: skip
    history, ask = engine.asked[0]
    assert history.turns[0].text == "Be kind. hi"
    assert ask == Ask(max_tokens=50, max_pictures=1, temperature=0.5, top_p=0.9, seed=11, attempt=2, conversation="abc")


REFUSED = {
    "no messages": ({}, "messages: must be a list"),
    "empty": ({"messages": []}, "at least one message"),
    "role": ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\[0\].role: must be 'user'"),
    "late system": ({"messages": [*user("x"), {"role": "system", "content": "x"}]}, r"messages\[1\].role"),
    "last": ({"messages": [*user("x"), {"role": "assistant", "content": "x"}]}, "the last one must be the user's"),
    "blank": ({"messages": user(" ")}, "the last one is empty"),
    "content": ({"messages": [{"role": "user", "content": 3}]}, "text or a list of parts; got int"),
    "part": ({"messages": user({"type": "audio"}, "x")}, "'text' or 'image_url'; got 'audio'"),
    "no object": ({"messages": [3]}, "must be a JSON object; got int"),
    "address": ({"messages": user({"type": "image_url", "image_url": {"url": "http://x/y.png"}}, "x")}, "data URL"),
    "file": ({"messages": user({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "x")}, "data URL"),
    "base 64": (
        {"messages": user({"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}, "x")}, "image_url: ",
    ),
    "no picture": (
        {"messages": user({"type": "image_url", "image_url": {"url": "data:image/png;base64,R0lGODlh"}}, "x")},
        "cannot be decoded|damaged|not a picture|picture",
    ),
    "svg": (
        {"messages": user({"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zz4="}}, "x")},
        "image_url",
    ),
    "n": ({"messages": user("x"), "n": 2}, "n: must lie between 1 and 1"),
    "tools": ({"messages": user("x"), "tools": [{}]}, "tools: not supported"),
    "temperature": ({"messages": user("x"), "temperature": "hot"}, "temperature: must be a number"),
    "tokens": ({"messages": user("x"), "max_tokens": 0}, "max_tokens: must be a whole number"),
    "drawings": ({"messages": user("x"), "textbind": {"max_pictures": 9}}, "max_pictures"),
    "stream": ({"messages": user("x"), "stream": "yes"}, "stream: must be true or false"),
    "turns": ({"messages": user("x") * 70}, "at most 64; got 70"),
    "length": ({"messages": user("x" * 41_000)}, "at most 40000 characters"),
    "pictures": ({"messages": user(*[shown(card(k)) for k in range(49)])}, "at most 48 pictures"),
}  # fmt: skip


def test_malformed_requests_get_the_api_s_error_shape(serve):
    engine = ScriptedEngine()
    client, url = serve(engine)
    for name, (body, told) in REFUSED.items():
        with pytest.raises(openai.BadRequestError, match=told) as caught:
            client.post("/chat/completions", cast_to=object, body=body)
        error = caught.value.response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}, name
        assert error["type"] == "invalid_request_error"
    raw = httpx.post(f"{url}/chat/completions", content=b"{oops", headers={"content-type": "application/json"})
    assert (raw.status_code, raw.json()["error"]["code"]) == (400, "invalid_json")
    deep = httpx.post(f"{url}/chat/completions", content=b"[" * 100_000, headers={"content-type": "application/json"})
    assert deep.status_code == 400
    assert engine.asked == []


def test_what_is_not_for_us_is_turned_away(serve):
    _, url = serve(ScriptedEngine(), limits=ServeLimits(body_bytes=500))
    body = json.dumps({"messages": user("hi")})
    plain = httpx.post(f"{url}/chat/completions", content=body, headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    large = httpx.post(f"{url}/chat/completions", json={"messages": user("x" * 600)})
    assert (large.status_code, large.json()["error"]["message"][:24]) == (413, "body: at most 500 bytes ")
    other = httpx.get(f"{url}/models", headers={"host": "evil.example"})
    assert other.status_code == 421
    nowhere = httpx.get(f"{url}/nowhere")
    assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "invalid_request_error")


def test_models_and_health(serve):
    client, url = serve(ScriptedEngine(name="mim"))
    assert [model.id for model in client.models.list()] == ["mim"]
    assert client.models.retrieve("mim").object == "model"
    with pytest.raises(openai.NotFoundError, match="there is only 'mim'"):
        client.models.retrieve("gpt")
    client.chat.completions.create(model="mim", messages=user("hi"))
    told = httpx.get(url.removesuffix("/v1") + "/health").json()
    assert told == {"status": "ok", "model": "mim", "waiting": 0, "busy": False, "answered": 1}


def test_a_token_is_asked_for(serve, monkeypatch):
    client, url = serve(ScriptedEngine("in"), token="s3cret")
    assert client.chat.completions.create(model="m", messages=user("hi")).choices[0].message.content == "in"
    stranger = openai.OpenAI(base_url=url, api_key="guess", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="token is missing or wrong"):
        stranger.chat.completions.create(model="m", messages=user("hi"))
    stranger.close()
    monkeypatch.setenv("TBCORE_TOKEN", "s3cret")
    assert EndpointEngine(url).name == "scripted"


def test_an_engine_that_fails_says_so_without_details(serve):
    client, url = serve(ScriptedEngine(RuntimeError("/secret/path"), InputError("too long"), RuntimeError("x"), "ok"))
    with pytest.raises(openai.InternalServerError, match="The model failed") as caught:
        client.chat.completions.create(model="m", messages=user("hi"))
    assert "/secret" not in caught.value.response.text
    with pytest.raises(openai.BadRequestError, match="too long"):
        client.chat.completions.create(model="m", messages=user("hi"))
    with pytest.raises(TeacherError, match="The model failed"):
        EndpointEngine(url).answer(Transcript().adding("user", ["hi"]), Ask(), unwatched)
    assert client.chat.completions.create(model="m", messages=user("hi")).choices[0].message.content == "ok"


def test_a_client_who_goes_away_stops_the_reply(serve):
    gate = threading.Semaphore(3)
    engine = ScriptedEngine("a b c d e f g h", "next", wait=lambda: gate.acquire(timeout=10))
    _, url = serve(engine)
    view = EndpointEngine(url)
    heard = []

    def two_words(event):
        heard.append(event)
        if len([one for one in heard if isinstance(one, Words)]) == 2:
            raise Stopped

    answer = view.answer(Transcript().adding("user", ["hi"]), Ask(), two_words)
    assert (answer.finish, answer.text) == ("stopped", "a b")
    for _ in range(20):
        gate.release()
    assert view.answer(Transcript().adding("user", ["again"]), Ask(), unwatched).text == "next"


def test_those_who_wait_hear_their_place_and_a_full_queue_is_said(serve):
    gate = threading.Event()
    engine = ScriptedEngine("one", "two", "three", wait=lambda: gate.wait(10))
    _, url = serve(engine, total=1)
    heard: list[list] = [[], []]

    def ask(k):
        view = EndpointEngine(url)
        view.answer(Transcript().adding("user", [f"from {k}"]), Ask(), heard[k].append)
        view.close()

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(2)]
    health = url.removesuffix("/v1") + "/health"
    threads[0].start()
    until(lambda: httpx.get(health).json()["busy"])
    threads[1].start()
    until(lambda: httpx.get(health).json()["waiting"] == 1)
    with pytest.raises(TeacherError, match=r"status 429.*1 requests wait already"):
        EndpointEngine(url).answer(Transcript().adding("user", ["x"]), Ask(), unwatched)
    gate.set()
    for thread in threads:
        thread.join(20)
    assert [type(event).__name__ for event in heard[1]] == ["Queued", "Words"]
    assert heard[1][0].position == 1


def test_a_conversation_that_is_over_is_given_up(serve):
    class Forgetful(ScriptedEngine):
        forgotten: list[str]

        def forget(self, conversation):
            self.forgotten.append(conversation)

    engine = Forgetful("hello", "again")
    engine.forgotten = []
    _, url = serve(engine)
    chat = Conversation(EndpointEngine(url))
    name = chat.id
    chat.send("hi")
    chat.reset()
    assert engine.forgotten == [name]
    assert chat.id != name
    asked = httpx.post(f"{url}/textbind/forget", json={"conversation": 3})
    assert (asked.status_code, asked.json()["error"]["param"]) == (400, "conversation")


def test_a_server_that_cannot_be_told_keeps_nobody_from_beginning_anew(serve):
    engine = EndpointEngine("http://127.0.0.1:9/v1", model="m")
    chat = Conversation(engine)
    name = chat.id
    chat.reset()
    assert chat.id != name
    plain, _ = serve(ScriptedEngine("hello"))  # an engine that remembers nothing
    assert httpx.post(f"{plain.base_url}textbind/forget", json={"conversation": "a"}).status_code == 200
