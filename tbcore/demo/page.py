"""The chat as a web page: `python -m tbcore.demo.page --checkpoint runs/laptop/06_training/checkpoint`.

    one model server ◄── kernel ◄── window        the model is in memory once; a kernel holds buttons and a conversation
                     ◄── kernel ◄── window

Both are started here and stop together. The page is the chat of notebook 07 with its introduction; the notebook itself
goes on working without a server.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tbcore.demo.client import SERVER_VARIABLE, connected
from tbcore.demo.conversation import Conversation
from tbcore.demo.postcards import palette
from tbcore.demo.programs import listening, stop
from tbcore.demo.view import ChatView
from tbcore.errors import InputError, MissingExtraError, TbcoreError
from tbcore.store import read_json, write_json, write_text

__all__ = ["OpenPage", "main", "opened", "page_notebook", "window"]

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "07_interactive_demo.ipynb"
TEMPLATE = Path(__file__).with_name("page.html.j2")
_CELL = "from tbcore.demo.page import window\n\nwindow().tree"
_FIGURE = re.compile(r"\]\((figures/[\w-]+\.png)\)")
_HEADING = "# Talk to the model you trained"


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page that can be visited.

    Attributes:
        address: for a browser.
        server: base URL of the model server, for any client.
        running: the programs behind it.
    """

    address: str
    server: str
    running: tuple[subprocess.Popen[str], ...]


def window() -> ChatView:
    """The chat of one window, a client of the server that the environment names.

    Raises:
        InputError: the environment names no server.
    """
    engine = connected()
    if engine is None:
        raise InputError(f"window: {SERVER_VARIABLE} names no server. Start the page with python -m tbcore.demo.page.")
    return ChatView(Conversation(engine), palette(), background=True)


def page_notebook(lesson: Mapping[str, Any] | None) -> dict[str, Any]:
    """The notebook behind the page: the lesson's opening, what it says before its chat, and the chat.

    Args:
        lesson: notebook 07 as JSON; None: a heading stands in.
    """
    prose = [_HEADING]
    cells: list[Mapping[str, Any]] = list(lesson["cells"]) if lesson is not None else []
    for before, cell in pairwise(cells):
        if "widget" in cell.get("metadata", {}).get("tags", ()) and before["cell_type"] == "markdown":
            prose = ["".join(cells[0]["source"]), "".join(before["source"])]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    written: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": f"prose-{k}", "metadata": {}, "source": words} for k, words in enumerate(prose)
    ]
    code = {"cell_type": "code", "id": "chat", "metadata": {}, "source": _CELL, "outputs": [], "execution_count": None}
    metadata = {"kernelspec": kernel, "title": prose[0].splitlines()[0].lstrip("# ")}
    return {"cells": [*written, code], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


@contextmanager
def opened(
    serving: Sequence[str] = (), *, server: str = "", port: int = 0, theme: str = "light", notebook: Path = NOTEBOOK
) -> Iterator[OpenPage]:
    """The page, for as long as the block runs; then both programs are asked to stop, and are waited for.

    Args:
        serving: options of `python -m tbcore serve`.
        server: base URL of a server that runs already; none is started then.
        port: of the page; 0 takes a free one.
        theme: "light" or "dark"; `?theme=dark` in the address changes it for one window.
        notebook: whose words stand on the page; it need not exist.

    Raises:
        InputError: the server or the page ends before it can be reached.
        MissingExtraError: voila is not installed.
    """
    from importlib.util import find_spec

    if find_spec("voila") is None:
        raise MissingExtraError("the page needs voila: pip install 'tbcore[browser]'")
    with ExitStack() as stack:
        running: list[subprocess.Popen[str]] = []
        if not server:
            running.append(_start(stack, ["-m", "tbcore.demo.serving", "--port", "0", *serving], {}, cwd=Path.cwd()))
            server = _ready(running[0])
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-")))
        made = page_notebook(read_json(notebook) if notebook.is_file() else None)
        write_json(folder / "chat.ipynb", made)
        _hang_figures(made, notebook.parent, folder)
        command = ["-m", "voila", "chat.ipynb", "--no-browser", f"--theme={theme}", "--Voila.port_retries=0"]
        command += ["--template=chat", "--VoilaConfiguration.allow_theme_override=YES", "--Voila.log_level=WARN"]
        style = folder / "data" / "voila" / "templates" / "chat"
        write_text(style / "index.html.j2", TEMPLATE.read_text(encoding="utf-8"))
        write_json(style / "conf.json", {"base_template": "lab"})
        known = {SERVER_VARIABLE: server, "JUPYTER_PATH": _joined(folder / "data", os.environ.get("JUPYTER_PATH", ""))}
        chosen, voila = listening(lambda at: _start(stack, [*command, f"--port={at}"], known, cwd=folder), port)
        yield OpenPage(f"http://127.0.0.1:{chosen}/", server, (*running, voila))


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the page until interrupted; returns the exit status."""
    options = _parser().parse_args(arguments)
    serving = ["--run-dir", str(options.run_dir), "--painter-steps", str(options.painter_steps)]
    serving += ["--checkpoint", str(options.checkpoint)] if options.checkpoint else []
    serving += ["--tiny"] if options.tiny else []
    usual = {one: signal.signal(one, _interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        with opened(serving, server=options.server, port=options.port, theme=options.theme) as page:
            sys.stdout.write(f"The chat is at {page.address} (model server: {page.server}). Ctrl+C stops both.\n")
            sys.stdout.flush()
            if not options.no_browser:
                webbrowser.open(page.address)
            while all(one.poll() is None for one in page.running):
                time.sleep(0.2)
            raise InputError("page: the model server or the page has ended; the lines above say why.")
    except KeyboardInterrupt:
        return 0
    except TbcoreError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        for one, handler in usual.items():
            signal.signal(one, handler)


def _hang_figures(made: Mapping[str, Any], home: Path, folder: Path) -> None:
    """Put the pictures that the prose shows beside the page's notebook, where Voila finds them."""
    for cell in made["cells"]:
        for name in _FIGURE.findall(cell["source"]) if cell["cell_type"] == "markdown" else ():
            if (home / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(home / name, folder / name)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tbcore.demo.page", description="the chat as a web page")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/laptop"), help="where notebook 06 left its model")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint folder, in place of the run's")
    parser.add_argument("--tiny", action="store_true", help="a random model in miniature: nonsense, but at once")
    parser.add_argument("--painter-steps", type=int, default=16, help="denoising steps per drawing")
    parser.add_argument("--server", default="", help="base URL of a server that runs already, ending in /v1")
    parser.add_argument("--port", type=int, default=8866, help="of the page; 0 takes a free one")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _start(stack: ExitStack, command: Sequence[str], more: Mapping[str, str], *, cwd: Path) -> subprocess.Popen[str]:
    """A program in a session of its own, so that an interrupt reaches us first and they stop in good order."""
    environment = {**os.environ, "PYTHONPATH": _joined(ROOT, os.environ.get("PYTHONPATH", "")), **more}
    heard = subprocess.DEVNULL if SERVER_VARIABLE in more else subprocess.PIPE  # the server says its address
    made = subprocess.Popen(
        [sys.executable, *command], cwd=cwd, env=environment, stdout=heard, text=True, start_new_session=True
    )
    stack.callback(stop, made)
    return made


def _joined(first: Path, others: str) -> str:
    return os.pathsep.join(one for one in (str(first), others) if one)


def _ready(serving: subprocess.Popen[str]) -> str:
    """The address that the server says when its model is loaded."""
    assert serving.stdout is not None
    for line in serving.stdout:
        if line.startswith("Serving at "):
            return line.split()[2].rstrip(".")
    raise InputError("page: the model server has ended before it was ready; the lines above say why.")


if __name__ == "__main__":
    sys.exit(main())
