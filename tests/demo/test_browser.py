"""The chat in Chromium, in JupyterLab and in Voila: `pytest -m browser tests/demo/test_browser.py`.

Each front end runs a small notebook whose view is a client of a scripted server in this process.
`TBCORE_CHROMIUM` names the browser; Debian's is the default.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest

from tbcore.course.places import project_root
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.pictures import to_png
from tbcore.demo.serving.command import running
from tbcore.demo.transcript import Drawing
from tests.demo.attacks import ATTACKS

CHROMIUM = Path(os.environ.get("TBCORE_CHROMIUM", "/usr/bin/chromium"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no browser at {CHROMIUM}"),
    pytest.mark.timeout(600),
]

CELL = """
import numpy as np
from tbcore.demo.client import EndpointEngine
from tbcore.demo.conversation import Conversation
from tbcore.demo.view import ChatView

cards = {{"a card": np.full((64, 64, 3), 90, np.uint8)}}
view = ChatView(Conversation(EndpointEngine({url!r})), cards, background=True)
view.tree
"""


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


class Answers(ScriptedEngine):
    """Repeats what it is told, and draws when it is asked to."""

    def answer(self, history, ask, watch):
        words = history.turns[-1].text
        shown = sum(len(turn.pictures) for turn in history.turns[::2])
        said = [f"I see {shown} and hear: {words}"]
        drawn = [Drawing(words.removeprefix("draw ").strip(), card(50))] if words.startswith("draw ") else []
        # A script of its own for each answer: a window that closed early leaves nothing for the next one.
        return ScriptedEngine([*said, *drawn]).answer(history, ask, watch)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def model():
    with running(Answers()) as url:
        yield url


@pytest.fixture(scope="module", params=["voila", "lab"])
def front(request, model, tmp_path_factory):
    """The front end's name and the address of the notebook in it."""
    folder = tmp_path_factory.mktemp(request.param)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = nbformat.v4.new_code_cell(CELL.format(url=model))
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "chat.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if request.param == "voila":
        command = ["-m", "voila", "chat.ipynb", "--no-browser", f"--port={port}"]
        address = f"http://127.0.0.1:{port}/"
    else:
        command = ["-m", "jupyterlab", "--no-browser", f"--port={port}", "--allow-root", "--IdentityProvider.token="]
        address = f"http://127.0.0.1:{port}/lab/tree/chat.ipynb"
    environment = {**os.environ, "PYTHONPATH": str(project_root())}
    with (folder / "log.txt").open("wb") as log:
        serving = subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/", serving)
            yield request.param, address
        finally:
            serving.terminate()
            serving.wait(30)


def wait_for(address: str, serving: subprocess.Popen, seconds: float = 120) -> None:
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        assert serving.poll() is None, "the front end ended at once"
        try:
            with urllib.request.urlopen(address, timeout=60):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer")


@pytest.fixture
def open_chat(browser, front):
    """Opens a window of its own; gives its page with the chat in it."""
    contexts = []

    def open_one():
        context = browser.new_context()
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(front[1])
        if front[0] == "lab":
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.get_by_role("button", name="Send").wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()


def say(page, words: str) -> None:
    page.get_by_placeholder("Write here, then press Send").fill(words)
    page.get_by_role("button", name="Send").click()


def test_upload_ask_and_read_the_answer(open_chat, tmp_path):
    page = open_chat()
    (tmp_path / "mine.png").write_bytes(to_png(card(200)))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload pictures").click()
    chooser.value.set_files(tmp_path / "mine.png")
    page.get_by_text("Your message so far:").wait_for()
    say(page, "what is it?")
    page.get_by_text("I see 1 and hear: what is it?").wait_for()
    assert page.locator("article").count() == 2
    assert page.locator("article").first.get_by_role("img").count() == 1


def test_draw_then_edit_the_caption_and_redraw(open_chat):
    page = open_chat()
    say(page, "draw a red boat")
    page.get_by_text("drawn from: a red boat").wait_for()
    page.get_by_text("Change something said or drawn").click()
    page.get_by_label("Change", exact=True).select_option("Drawing 1 of reply 1")
    page.get_by_label("New words").fill("a green boat")
    page.get_by_role("button", name="Apply change").click()
    page.get_by_text("drawn from: a green boat").wait_for()
    assert page.get_by_text("drawn from: a red boat").count() == 0


def test_two_windows_do_not_mix(open_chat):
    one, two = open_chat(), open_chat()
    say(one, "first window")
    say(two, "second window")
    one.get_by_text("hear: first window").wait_for()
    two.get_by_text("hear: second window").wait_for()
    assert one.get_by_text("second window").count() == 0
    assert two.get_by_text("first window").count() == 0


def test_no_script_from_outside_runs(open_chat):
    page = open_chat()
    for number, attack in enumerate(ATTACKS, start=1):
        say(page, f"draw {attack}")
        page.locator("article").nth(2 * number - 1).wait_for()
    assert page.evaluate("window.canary") is None
    assert page.locator("article script, article svg, article iframe, article form").count() == 0


def test_the_keyboard_is_enough(open_chat):
    page = open_chat()
    page.get_by_placeholder("Write here, then press Send").focus()
    page.keyboard.type("only keys")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Send"
    page.keyboard.press("Enter")
    page.get_by_text("hear: only keys").wait_for()
