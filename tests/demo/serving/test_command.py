"""The server as a program: who may reach it, and how it stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import httpx
import openai
import pytest

from tbcore.course.places import project_root
from tbcore.demo.client import EndpointEngine
from tbcore.demo.engine import Ask, ScriptedEngine, unwatched
from tbcore.demo.serving.command import main, running
from tbcore.demo.transcript import Transcript
from tbcore.errors import TeacherError
from tests.demo.serving.asking import until, user


def test_stopping_lets_the_one_who_is_served_finish():
    gate = threading.Event()
    engine = ScriptedEngine("a long answer", wait=lambda: gate.wait(10))
    context = running(engine)
    url = context.__enter__()
    got = {}

    def ask(name):
        try:
            got[name] = EndpointEngine(url).answer(Transcript().adding("user", [name]), Ask(), unwatched).text
        except TeacherError as error:
            got[name] = str(error)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("served", "waiting")]
    health = url.removesuffix("/v1") + "/health"
    threads[0].start()
    until(lambda: httpx.get(health).json()["busy"])
    threads[1].start()
    until(lambda: httpx.get(health).json()["waiting"] == 1)
    stopping = threading.Thread(target=context.__exit__, args=(None, None, None))
    stopping.start()
    threads[1].join(20)
    gate.set()
    threads[0].join(20)
    stopping.join(20)
    assert got["served"] == "a long answer"
    assert "the server is stopping" in got["waiting"]
    with pytest.raises(TeacherError, match="Is the server running"):
        EndpointEngine(url, model="m").answer(Transcript().adding("user", ["x"]), Ask(), unwatched)


def test_other_computers_need_a_token(capsys):
    assert main(["--tiny", "--host", "0.0.0.0"]) == 1
    assert "a token is needed" in capsys.readouterr().err


def test_the_command_serves_until_it_is_interrupted_and_stops_in_good_order():
    command = [sys.executable, "-m", "tbcore.demo.serving", "--tiny", "--port", "0"]
    serving = subprocess.Popen(command, cwd=project_root(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = serving.stdout.readline().split()[2].rstrip(".")
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=20, timeout=60)
        reply = client.chat.completions.create(model="mim-tiny", messages=user("hi"), max_tokens=5)
        client.close()
        assert (reply.model, reply.choices[0].finish_reason) == ("mim-tiny", "length")
        serving.send_signal(signal.SIGINT)
        _, told = serving.communicate(timeout=60)
    finally:
        serving.kill()
        serving.wait()
    assert serving.returncode == 0
    assert "Application shutdown complete" in told
    assert "Traceback" not in told
