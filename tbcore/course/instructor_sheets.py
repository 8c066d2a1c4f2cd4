"""Two sheets for the one who teaches: what learners get wrong and what catches it; solutions and bands.

Misconceptions are not invented for the sheet. They are the wrong options of the quizzes and the wrong answers that
the tests hold against every check: each is known to be refused, with its own hint.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbcore.course import bands, quizzes
from tbcore.course.instructor import Outline
from tbcore.course.places import Course
from tbcore.errors import InputError, MissingFileError, TbcoreError

__all__ = ["WrongAnswer", "misconceptions_page", "solutions_page", "wrong_answers"]

_NUMBER = re.compile(r"(?:\d\d|A\d)\.\d+")
_PROFILE = "laptop"
_LONGEST = 110


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A wrong answer that a check is proven to refuse.

    Args:
        number: of the exercise, such as "01.2".
        answer: as it stands in the tests, one line.
        hint: what the check says, or the part of it that the tests demand.
    """

    number: str
    answer: str
    hint: str


def wrong_answers(fixture: Path, checks: Path | None = None) -> list[WrongAnswer]:
    """Read the table `WRONG` of a test file, without running it.

    Args:
        fixture: such as tests/course/exercises/test_nb01.py.
        checks: the checks of that notebook; a demanded part of a hint is completed from there.

    Raises:
        MissingFileError: there is no such file; it is part of the repository, not of the installed package.
        InputError: it has no table `WRONG`.
    """
    if not fixture.is_file():
        raise MissingFileError(f"{fixture}: the kit is made in the course's folder, where the tests lie. Go there.")
    tree = ast.parse(fixture.read_text("utf-8"))
    tables = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "WRONG" for t in node.targets)
    ]
    if not tables:
        raise InputError(f"{fixture}: has no table WRONG of wrong answers. Add it: name, answer, hint.")
    hints = _hints(checks) if checks is not None and checks.is_file() else []
    return [WrongAnswer(number, _short(answer), _whole(hint, hints)) for number, answer, hint in _rows(tables[0], "")]


def _rows(node: ast.expr, number: str) -> Iterator[tuple[str, ast.expr, str]]:
    """(number, answer, hint) of a table in any of its shapes: number and label may be keys or stand in the row."""
    if isinstance(node, ast.Tuple):
        parts = list(node.elts)
        first = _text(parts[0]) if parts else None
        if len(parts) == 3 and first is not None and _NUMBER.fullmatch(first):
            number, parts = first, parts[1:]
        hint = _text(parts[-1]) if len(parts) == 2 else None
        if number and hint is not None:
            yield number, parts[0], hint
    elif isinstance(node, ast.List):
        for element in node.elts:
            yield from _rows(element, number)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            label = _text(key) or ""
            yield from _rows(value, label if _NUMBER.fullmatch(label) else number)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _short(node: ast.expr) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def _hints(path: Path) -> list[str]:
    """The texts of all hints in a module of checks; what is filled in later stands as an ellipsis."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values]
            found.append("".join(parts))
    return sorted(found, key=len, reverse=True)


def _whole(part: str, hints: Sequence[str]) -> str:
    plain = re.sub(r"\\(.)", r"\1", part)
    for hint in hints:
        if plain in hint and len(hint) < 400:
            return " ".join(hint.split())
    return f"… {plain} …"


def misconceptions_page(course: Course, notebooks: Sequence[Outline], root: Path) -> str:
    """What learners believe, and what catches it, as Markdown.

    Args:
        course: whose quizzes are read.
        notebooks: which.
        root: the course's folder, with `tests/` in it.
    """
    lines = [
        "# What learners get wrong",
        "",
        "Two kinds: what a wrong option of a quiz betrays, and answers to the exercises that look right. For each of",
        "the latter a test proves that the check refuses it, with this hint. Never read out the answer; the hint is",
        "usually enough.",
        "",
    ]
    for one in notebooks:
        lines += [f"## {one.name[:2]} {one.title}", ""]
        lines += _quiz_lines(course, one)
        fixture = root / "tests" / "course" / "exercises" / f"test_nb{one.name[:2]}.py"
        checks = root / "tbcore" / "course" / "exercises" / f"nb{one.name[:2]}.py"
        found = wrong_answers(fixture, checks)
        lines += ["| exercise | an answer that looks right | caught by the check with |", "|---|---|---|"]
        lines += [f"| {row.number} | {_code(row.answer)} | {_cell(row.hint)} |" for row in found]
        lines.append("")
    return "\n".join(lines)


def _quiz_lines(course: Course, one: Outline) -> Iterator[str]:
    try:
        quiz = quizzes.load(one.name[:2], course.notebooks / "quizzes")
    except TbcoreError:  # a notebook without a quiz is the linter's matter
        return
    yield "| question | they choose | which betrays | what to say |"
    yield "|---|---|---|---|"
    for item in quiz.items:
        for option in item.options:
            if option.misconception:
                told = (
                    _cell(item.question),
                    _cell(option.text),
                    _cell(option.misconception),
                    _cell(option.explanation),
                )
                yield f"| {item.id} {told[0]} | {told[1]} | {told[2]} | {told[3]} |"
    yield ""


def solutions_page(course: Course, notebooks: Sequence[Outline]) -> str:
    """Every solution and every band of the laptop profile on one sheet, as Markdown."""
    limits = [one for one in bands.load(course.notebooks / "bands.toml") if one.profile == _PROFILE]
    lines = ["# Solutions and bands", "", "Not for the learners' eyes. The solved edition holds the same code.", ""]
    for one in notebooks:
        lines += [f"## {one.name[:2]} {one.title}", ""]
        for exercise in one.exercises:
            lines += [f"**{exercise.number}** ({exercise.grade}, {exercise.minutes:g} minutes)", ""]
            lines += ["```python", _solution(exercise.solution), "```", ""]
        lines += _band_lines([band for band in limits if band.name.startswith(f"{one.name[:2]}.")])
    rest = [band for band in limits if not any(band.name.startswith(f"{one.name[:2]}.") for one in notebooks)]
    if rest:
        lines += ["## The whole chain", "", *_band_lines(rest)]
    return "\n".join(lines)


def _band_lines(limits: Sequence[bands.Band]) -> list[str]:
    if not limits:
        return []
    rows = [f"| `{one.name}` | {one.low:g} to {one.high:g} | {_cell(one.unit)} | {_cell(one.why)} |" for one in limits]
    return [f"| number | band ({_PROFILE}) | unit | why |", "|---|---|---|---|", *rows, ""]


def _solution(source: str) -> str:
    marks = ("# solution", "# end solution")
    return "\n".join(line for line in source.split("\n") if line.strip() not in marks)


def _cell(text: str) -> str:
    """A text that keeps its table whole."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    """Code that keeps its table whole."""
    plain = text.replace("|", "\\|")
    return f"`` {plain} ``" if "`" in plain else f"`{plain}`"
