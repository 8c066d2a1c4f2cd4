"""The page: one model server, light kernels, both stop together."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import nbformat
import psutil
import pytest

from tbcore.course.places import project_root
from tbcore.demo import page
from tbcore.demo.client import SERVER_VARIABLE
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.programs import listening, stop
from tbcore.demo.serving.command import running
from tbcore.errors import InputError
from tbcore.store import read_json


def test_a_window_is_a_client_of_the_server_in_the_environment(monkeypatch):
    with running(ScriptedEngine("Hello from the server.")) as url:
        monkeypatch.setenv(SERVER_VARIABLE, url)
        view = page.window()
        view.message.value = "hi"
        view.send.click()
        view.working.join(20)
        assert view.conversation.turns[1].text == "Hello from the server."
        assert len(view.pick) == 6
        view.conversation.assistant.close()
    monkeypatch.delenv(SERVER_VARIABLE)
    with pytest.raises(InputError, match="TBCORE_SERVER names no server"):
        page.window()


def test_the_page_has_the_words_of_the_lesson_and_no_model():
    made = page.page_notebook(read_json(page.NOTEBOOK))
    nbformat.validate(nbformat.from_dict(made))
    kinds = [cell["cell_type"] for cell in made["cells"]]
    assert kinds == ["markdown", "markdown", "code"]
    assert made["cells"][0]["source"].startswith("# Talk to the model you trained")
    assert "## Your turn" in made["cells"][1]["source"]
    assert made["metadata"]["title"] == "Talk to the model you trained"
    alone = page.page_notebook(None)
    assert [cell["cell_type"] for cell in alone["cells"]] == ["markdown", "code"]


def test_a_kernel_of_the_page_is_light():
    """No torch in a window: the model is in the server."""
    code = "import sys, tbcore.demo.page, ipywidgets, openai; print({'torch', 'transformers'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], cwd=project_root(), capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


def test_a_server_that_cannot_start_is_said(monkeypatch, capfd):
    pytest.importorskip("voila")
    monkeypatch.delenv("TBCORE_TOKEN", raising=False)
    with (
        pytest.raises(InputError, match="the model server has ended before it was ready"),
        page.opened(["--host", "0.0.0.0"]),
    ):
        pass
    assert "a token is needed" in capfd.readouterr().err


def test_a_program_starts_at_another_port_if_the_first_is_lost():
    ports: list[int] = []

    def start(port: int) -> subprocess.Popen[str]:
        ports.append(port)
        listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); s.accept(); s.accept()"
        return subprocess.Popen([sys.executable, "-c", listen if len(ports) > 1 else "raise SystemExit(1)"], text=True)

    port, program = listening(start)
    try:
        assert (port, len(ports), program.poll()) == (ports[1], 2, None)
    finally:
        stop(program)
    with pytest.raises(InputError, match=f"Is port {port} taken"):
        listening(lambda at: subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"], text=True), port)


def test_what_a_program_left_behind_ends_with_it():
    """One that does not listen to being asked is ended, and so is its child."""
    child = "import time; print('child', flush=True); time.sleep(600)"
    deaf = "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    deaf += f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    program = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "child\n"
    behind = psutil.Process(program.pid).children()
    stop(program, grace_s=0.1, kernels_s=0.1)
    assert program.returncode == -signal.SIGKILL
    assert len(behind) == 1
    assert psutil.wait_procs(behind, timeout=60)[1] == []


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_the_launcher_starts_both_and_stops_both():
    command = [sys.executable, "-m", "tbcore.demo.page", "--tiny", "--port", "0", "--no-browser"]
    launched = subprocess.Popen(command, cwd=project_root(), stdout=subprocess.PIPE, text=True)
    try:
        words = launched.stdout.readline().split()
        address, server = words[4], words[7].rstrip(").")
        with urllib.request.urlopen(server + "/models", timeout=60) as got:
            assert json.load(got)["data"][0]["id"] == "mim-tiny"
        with urllib.request.urlopen(address, timeout=300) as got:
            page_seen = got.read()
        assert b"Talk to the model you trained" in page_seen
        with urllib.request.urlopen(address + "voila/files/figures/hook_07.png", timeout=60) as got:
            assert got.read(4) == b"\x89PNG"
        behind = psutil.Process(launched.pid).children(recursive=True)
        assert len(behind) >= 2
        launched.send_signal(signal.SIGINT)
        assert launched.wait(120) == 0
        assert psutil.wait_procs(behind, timeout=120)[1] == []
    finally:
        stop(launched)
