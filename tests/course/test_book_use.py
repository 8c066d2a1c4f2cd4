"""The page "I want to ...": its code runs and prints what it says, its names exist, its commands are known."""

from __future__ import annotations

import importlib
import re
import shlex
from contextlib import redirect_stdout
from io import StringIO

import pytest

from tbcore.bench import __main__ as bench
from tbcore.course.book import pages_folder
from tbcore.demo.serving import command as serving

PAGE = (pages_folder() / "use.md").read_text("utf-8")
SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.M | re.S)
CODE = re.compile(r"^```(python|bash)\n(.*?)^```$", re.M | re.S)
SECTIONS = {
    re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-"): text
    for title, text in SECTION.findall(PAGE)
    if CODE.search(text)
}
"""Texts with code, by the address that a heading gets both in the book and on a page of the repository."""

LOAD, BENCH, SERVE = (
    "load-a-trained-model-let-it-look-and-draw",  # the whole language model: slow
    "run-the-benchmark-against-my-own-model",
    "serve-a-model-to-my-own-client",
)


def code(section, language="python"):
    return "".join(text for kind, text in CODE.findall(SECTIONS[section]) if kind == language)


def promised(text):
    """What the code says it prints: the comment behind a print, or the comments on lines of their own."""
    return [found for line in text.splitlines() if (found := _comment(line)) is not None]


def _comment(line):
    if line.startswith("# "):
        return line[2:]
    return line.partition("  # ")[2] if line.startswith("print(") and "  # " in line else None


PARAMETERS = [pytest.param(name, marks=pytest.mark.long if name == LOAD else ()) for name in SECTIONS if code(name)]


@pytest.mark.parametrize("section", PARAMETERS)
def test_the_code_prints_what_the_page_says(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, said = code(section), StringIO()
    with redirect_stdout(said):
        exec(compile(text, f"use.md ({section})", "exec"), {"__name__": "page"})
    assert said.getvalue().splitlines() == promised(text)
    assert promised(text)


def test_every_name_of_the_tables_exists():
    names = sorted(set(re.findall(r"`(tbcore(?:\.\w+)+)`", PAGE)))
    assert len(names) > 40
    for name in names:
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), attribute), name


def test_every_link_of_the_table_leads_to_a_section_with_code():
    assert re.findall(r"\]\(#([\w-]+)\)", PAGE) == list(SECTIONS)
    assert {LOAD, BENCH, SERVE} < set(SECTIONS)


def test_the_commands_are_understood():
    serve = next(line for line in code(SERVE, "bash").splitlines() if " serve " in line)
    assert serving._parser().parse_args(shlex.split(serve)[4:]).port == 8808
    asked = re.search(r"`python -m tbcore\.bench (run [^`]*)`", SECTIONS[BENCH])
    assert asked is not None
    assert bench._parser().parse_args(shlex.split(asked[1])).endpoint_model == "NAME"
