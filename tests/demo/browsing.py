"""The chat in a real browser: two windows in JupyterLab or Voila, in front of a scripted model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from tbcore.course.places import project_root
from tbcore.demo.client import SERVER_VARIABLE
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.page import opened
from tbcore.demo.programs import listening, stop
from tbcore.demo.transcript import Drawing
from tests.demo.attacks import ATTACKS
from tests.demo.pages import card

CHROMIUM = Path(os.environ.get("TBCORE_CHROMIUM", "/usr/bin/chromium"))
PATIENCE_MS = 120_000
START_MS = 300_000
NARROW = {"width": 380, "height": 700}
_CELL = "from tbcore.demo.page import window\n\nwindow().tree"
_LAB = ["--no-browser", "--allow-root", "--IdentityProvider.token=", "--expose-app-in-browser"]
_QUIET = ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.log_level=ERROR"]
_QUIET += ["--ServerApp.port_retries=0"]
_IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
_SENDABLE = """() => [...document.querySelectorAll(".tbcore-chat button")]
    .some((one) => one.innerText === "Send" && !one.disabled)"""
_PRESS = """(name) => {
    const found = [...document.querySelectorAll(".tbcore-chat button")].find((one) => one.innerText === name);
    if (!found.disabled) found.click();
}"""
_OFF = """(name) => [...document.querySelectorAll(".tbcore-chat button")]
    .some((one) => one.innerText === name && one.disabled)"""
_DARK = "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"


class Answers(ScriptedEngine):
    """Repeats what it is told, draws when it is asked to, speaks slowly when it is asked to, attacks when told so."""

    def answer(self, history, ask, watch):
        words = history.turns[-1].text
        shown = sum(len(turn.pictures) for turn in history.turns[::2])
        parts: list[Any] = [f"I see {shown} and hear: {words}"]
        if words.startswith("draw "):
            parts.append(Drawing(words.removeprefix("draw ").strip(), card(50)))
        if words == "attack":
            parts = [part for attack in ATTACKS for part in (attack, Drawing(attack, card(50)))]
        if words == "slowly":
            parts = [" ".join(f"word{number}" for number in range(600))]
        # A script of its own for each answer: a window that closed early leaves nothing for the next one.
        return ScriptedEngine(parts, wait=lambda: time.sleep(0.5) if words == "slowly" else None).answer(
            history, ask, watch
        )


@dataclass
class Front:
    """One front end: its name, how a window is opened and loaded again, and what its windows asked the network for.

    The first window is light and wide, the second one dark and narrow.
    """

    name: str
    load: Callable[[Any, int], None]
    windows: list[Any] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, browser: Any) -> None:
        for number in range(2):
            page = browser.new_page(viewport=NARROW if number else {"width": 1280, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            page.on("request", lambda request: self.requests.append(request.url))
            self.windows.append(page)
            self.load(page, number)

    def reload(self, number: int) -> Any:
        self.load(self.windows[number], number)
        return self.windows[number]


@contextmanager
def voila(server: str, _folder: Path) -> Iterator[Front]:
    with opened(server=server) as site:

        def load(page: Any, number: int) -> None:
            page.goto(site.address + ("?theme=dark" if number else ""), wait_until="commit")
            page.get_by_role("button", name="Send").wait_for(timeout=START_MS)

        yield Front("voila", load)


@contextmanager
def lab(server: str, folder: Path) -> Iterator[Front]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number in range(2):  # windows on one notebook would share its kernel
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_CELL)], metadata={"kernelspec": kernel})
        nbformat.write(notebook, folder / f"chat{number}.ipynb")
    environment = {**os.environ, "PYTHONPATH": str(project_root()), SERVER_VARIABLE: server}
    environment["JUPYTER_CONFIG_DIR"] = str(folder / "config")

    def load(page: Any, number: int) -> None:
        page.goto(f"http://127.0.0.1:{port}/doc/tree/chat{number}.ipynb?reset", wait_until="commit")
        page.wait_for_function(_IDLE, timeout=START_MS)
        if number:
            page.evaluate(_DARK)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.get_by_role("button", name="Send").wait_for(timeout=START_MS)

    command = [sys.executable, "-m", "jupyterlab", *_LAB, *_QUIET]
    with ExitStack() as stack:

        def start(at: int) -> subprocess.Popen[str]:
            made = subprocess.Popen(
                [*command, f"--port={at}"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, text=True
            )
            stack.callback(stop, made, grace_s=10)
            return made

        port, _ = listening(start)
        yield Front("lab", load)


def say(page: Any, words: str) -> None:
    page.get_by_placeholder("Write here, then press Send").fill(words)
    page.get_by_role("button", name="Send").click()


def typed(page: Any, words: str) -> None:
    """Key after key, as a hand does."""
    page.get_by_placeholder("Write here, then press Send").focus()
    page.keyboard.type(words)


def tab_to(page: Any, name: str, *, most: int = 40) -> None:
    """Press the tabulator until the focus is on the button of that name.

    Raises:
        AssertionError: it is not reached; all that was passed is told.
    """
    passed: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.innerText || document.activeElement.tagName"))
        if passed[-1] == name:
            return
    raise AssertionError(f"{name!r} is not reached by keys, only {passed}")


def answered(page: Any, replies: int) -> None:
    """Wait until so many replies stand there and the next message can be sent."""
    page.locator("article").nth(2 * replies - 1).wait_for()
    page.wait_for_function(_SENDABLE)


def begin_anew(page: Any) -> None:
    """The chat as it is at first, whatever the test before left behind."""
    page.evaluate(_PRESS, "Stop")
    page.wait_for_function(_SENDABLE)
    for name in ("Reset conversation", "Clear message"):
        page.evaluate(_PRESS, name)
        page.wait_for_function(_OFF, arg=name)
    page.get_by_text("Nothing has been said yet.").wait_for()
    page.wait_for_function("() => !document.querySelector('.tbcore-chat article')")


def transfer(page: Any, kind: str, name: str, content: bytes) -> None:
    """Drop a file onto the message, or paste it there, as a browser does."""
    page.evaluate(
        """([kind, name, content]) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(content)], name, {type: "image/png"}));
            const place = document.querySelector(".tbcore-chat textarea");
            const more = {bubbles: true, cancelable: true};
            if (kind === "paste") {
                place.dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, ...more}));
                return;
            }
            for (const step of ["dragover", "drop"]) {
                place.dispatchEvent(new DragEvent(step, {dataTransfer: files, ...more}));
            }
        }""",
        [kind, name, list(content)],
    )


def noise() -> np.ndarray:
    """A picture of many colours: uint8[80 120 3]."""
    return np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
