"""Our client against somebody else's server: `transformers serve` with the course's own language model."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tbcore.chat.endpoint import AsyncOpenAICompatible, OpenAICompatible
from tbcore.chat.messages import CallError, Message, Params
from tbcore.ledger.caller import Call
from tbcore.ledger.journal import Journal
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.report import standing
from tbcore.weights import smollm

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

START_S = 900.0  # of a busy computer; 20 s on a quiet one
GREEDY = Params(temperature=0.0, max_tokens=12)
ASKED = [Message.of("system", "Be brief."), Message.of("user", "Name a colour.")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server in a process of its own: its address, and the name of its model."""
    model, port = str(smollm.language_model_folder()), free_port()
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [str(Path(sys.executable).parent / "transformers"), "serve", model, "--device", "cpu"]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as told:
        server = subprocess.Popen(command, stdout=told, stderr=told, env={**os.environ, "NO_COLOR": "1"})
    try:
        ends = time.monotonic() + START_S
        while not up(port):
            assert server.poll() is None, log.read_text("utf-8", errors="replace")[-2000:]
            assert time.monotonic() < ends, "the server did not start in time"
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def teacher(served: tuple[str, str]) -> Iterator[OpenAICompatible]:
    client = OpenAICompatible(served[1], base_url=served[0], timeout_s=120)
    yield client
    client.close()


def test_its_greedy_answer_is_that_of_the_model_itself(teacher: OpenAICompatible) -> None:
    """Same weights, same template, same tokens: what the wire adds is nothing."""
    import torch

    from tbcore.chat.local import LocalTeacher

    here = LocalTeacher(*smollm.load_language_model(torch.float32)).complete(ASKED, GREEDY)
    there = teacher.complete(ASKED, GREEDY)
    assert (there.text.strip(), there.finish_reason) == (here.text.strip(), here.finish_reason)
    assert there.usage.counted
    assert there.usage.prompt_tokens == here.usage.prompt_tokens
    assert abs(there.usage.completion_tokens - here.usage.completion_tokens) <= 1  # the end of the turn may count


def test_a_cut_answer_says_so(teacher: OpenAICompatible) -> None:
    reply = teacher.complete([Message.of("user", "Count to one hundred in words.")], Params(max_tokens=3, seed=1))
    assert (reply.finish_reason, reply.usage.completion_tokens) == ("length", 3)


def test_another_model_is_refused_with_the_remedy(served: tuple[str, str]) -> None:
    client = OpenAICompatible("somebody/else", base_url=served[0], timeout_s=60)
    with pytest.raises(CallError, match=r"status 400.*check the model's name and base_url") as caught:
        client.complete(ASKED, GREEDY)
    assert caught.value.kind == "rejected"
    client.close()


def test_many_calls_through_the_ledger_are_paid_once(served: tuple[str, str], tmp_path: Path) -> None:
    calls = [Call([Message.of("user", f"Say {word}.")], Params(max_tokens=4, seed=k), k) for k, word in enumerate("ab")]
    with Journal(tmp_path / "l.sqlite") as journal:
        caller = ManyCaller(AsyncOpenAICompatible(served[1], base_url=served[0], timeout_s=120), journal)
        first, again = list(caller.answers(calls)), list(caller.answers(calls))
        assert [one.paid for one in first + again] == [True, True, False, False]
        assert [one.reply for one in first] == [one.reply for one in again]
        found = standing(journal)
        assert found.counts["done"] == found.committed.calls >= 2  # a cut answer is asked for once more
        assert 0 < found.read_tokens <= found.committed.prompt_tokens
        assert found.cached_share == 0.0  # this server keeps no cache between calls, and says nothing of one
