"""What every notebook source must hold to: cell order, tags, sizes, alt text, exercises, no network."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.course import editions
from tbcore.course.places import Course, course

__all__ = ["TAGS", "Limits", "lint", "main"]

TAGS = frozenset(
    {
        "parameters",
        "exercise",
        "solution",
        "check",
        "quiz",
        "widget",
        "slide",
        "gpu",
        "slow",
        "skip-execution",
        "hide-input",
        "remove-cell",
    }
)
_PARAMETERS = ("profile", "seed", "run_dir", "refresh")
_NETWORK = re.compile(r"^\s*(?:import|from)\s+(requests|urllib|httpx|socket|aiohttp)\b|\b(urlretrieve|urlopen)\(", re.M)
_SECRET = re.compile(r"\b(sk-[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}|api_key\s*=\s*[\"'][^\"']+[\"'])")
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(|<img\b(?P<img>[^>]*)>")
_PLAIN_SHOW = re.compile(r"\bplt\.show\(|^\s*(?:import|from)\s+matplotlib\.pyplot|\bimport matplotlib\.pyplot", re.M)
_CHECK = re.compile(r"checks\.check\(\s*[\"']((?:\d\d|A\d)\.\d+)[\"']")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How large a notebook may be; each pair is (least, most)."""

    words: tuple[int, int] = (1500, 3500)
    code_lines: tuple[int, int] = (150, 400)
    code_cells: tuple[int, int] = (15, 40)
    words_per_line: tuple[float, float] = (4, 9)
    median_cell: int = 8
    longest_cell: int = 30
    exercises: int = 3
    quiz_items: int = 3


def lint(source: Path, limits: Limits, *, quizzes: Path | None = None) -> list[str]:
    """Everything wrong with one source, each with its cell; empty if it may be merged."""
    cells = editions.read_source(source).cells
    found = [
        *_tags(cells),
        *_parameters(cells),
        *_headings(cells),
        *_content(cells),
        *_exercises(cells, limits),
        *_sizes(cells, limits),
        *_quiz(source, cells, limits, quizzes),
    ]
    return [f"{source.name}: {line}" for line in found]


def main(where: Course | None = None, limits: Limits | None = None) -> int:
    """Lint every source; exit status 1 if anything is wrong."""
    place = where or course()
    sources = place.sources()
    found = [
        line for source in sources for line in lint(source, limits or Limits(), quizzes=place.notebooks / "quizzes")
    ]
    for line in found:
        print(line)
    print(f"{len(sources)} notebook sources, {len(found)} problems.")
    return 1 if found else 0


def _each(cells: list[Any], kind: str) -> Iterator[tuple[int, Any, list[str]]]:
    for n, cell in enumerate(cells):
        if cell.cell_type == kind:
            yield n, cell, list(cell.metadata.get("tags", []))


def _code_lines(cell: Any) -> list[str]:
    lines = [line for line in cell.source.split("\n") if line.strip()]
    return [line for line in lines if not line.strip().startswith("#")]


def _tags(cells: list[Any]) -> Iterator[str]:
    for n, cell in enumerate(cells):
        tags = set(cell.metadata.get("tags", []))
        for tag in sorted(tags - TAGS):
            yield f"cell {n}: unknown tag {tag!r}"
        if "skip-execution" in tags and not cell.metadata.get("reason"):
            yield f"cell {n}: 'skip-execution' needs a reason in the cell's metadata"
        if "widget" in tags and n + 1 >= len(cells):
            yield f"cell {n}: a static twin must follow a widget"


def _parameters(cells: list[Any]) -> Iterator[str]:
    tagged = [(n, cell) for n, cell, tags in _each(cells, "code") if "parameters" in tags]
    code = [n for n, _, _ in _each(cells, "code")]
    if len(tagged) != 1 or tagged[0][0] != code[0]:
        yield "the first code cell, and only it, is tagged 'parameters'"
        return
    names: list[str] = []
    for statement in ast.parse(tagged[0][1].source).body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            yield f"parameters: each line is 'name: type = literal'; found {ast.unparse(statement)!r}"
            continue
        names.append(statement.target.id)
        try:
            ast.literal_eval(statement.value or ast.Constant(None))
        except ValueError:
            yield f"parameters: {statement.target.id} must be a literal"
    missing = [name for name in _PARAMETERS if name not in names]
    if missing:
        yield f"parameters: {', '.join(missing)} missing"


def _headings(cells: list[Any]) -> Iterator[str]:
    level, titles = 0, 0
    for n, cell, _ in _each(cells, "markdown"):
        text = re.sub(r"```.*?```", "", cell.source, flags=re.S)
        for marks in re.findall(r"^(#{1,6}) ", text, flags=re.M):
            if len(marks) > level + 1:
                yield f"cell {n}: heading skips from level {level} to {len(marks)}"
            level = len(marks)
            titles += level == 1
    if titles != 1:
        yield f"one first-level heading is wanted; found {titles}"
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        yield "the first cell holds the title"
    first = "\n".join(cell.source for cell in cells[:6] if cell.cell_type == "markdown")
    for marker in ("<!-- roadmap -->", "<!-- cost-card -->"):
        if marker not in first:
            yield f"{marker} is missing from the opening cells"


def _content(cells: list[Any]) -> Iterator[str]:
    for n, cell, _ in _each(cells, "markdown"):
        for match in _PICTURE.finditer(cell.source):
            alt = match.group("alt") if match.group("alt") is not None else match.group("img")
            if not alt or (match.group("img") is not None and "alt=" not in match.group("img")):
                yield f"cell {n}: a picture without alt text"
    for n, cell, _ in _each(cells, "code"):
        if _NETWORK.search(cell.source):
            yield f"cell {n}: reaches for the network"
        if _PLAIN_SHOW.search(cell.source):
            yield f"cell {n}: show figures with checks.show(figure, alt=...), and make them with figures.axes"
        if re.search(r"^\s*[%!]", cell.source, flags=re.M):
            yield f"cell {n}: magics and shell lines are not Python"
        if "NotImplementedError" in cell.source:
            yield f"cell {n}: a stub returns None"
        for call in re.finditer(r"checks\.show\(", cell.source):
            if "alt=" not in cell.source[call.start() :]:
                yield f"cell {n}: checks.show without alt"
    for n, cell in enumerate(cells):
        if _SECRET.search(cell.source):
            yield f"cell {n}: looks like a secret"


def _exercises(cells: list[Any], limits: Limits) -> Iterator[str]:
    count = 0
    for n, cell, tags in _each(cells, "code"):
        if "exercise" not in tags:
            continue
        count += 1
        if "# solution" not in cell.source:
            yield f"cell {n}: an exercise without a solution region"
        following = next(((m, other, marks) for m, other, marks in _each(cells, "code") if m > n), None)
        if following is None or "check" not in following[2] or not _CHECK.search(following[1].source):
            yield f"cell {n}: a cell tagged 'check' with checks.check(\"NN.n\", ...) must follow an exercise"
    if count < limits.exercises:
        yield f"{limits.exercises} exercises are wanted; found {count}"


def _sizes(cells: list[Any], limits: Limits) -> Iterator[str]:
    lengths = [len(_code_lines(cell)) for _, cell, _ in _each(cells, "code")]
    words = sum(len(re.findall(r"\w[\w'-]*", cell.source)) for _, cell, _ in _each(cells, "markdown"))
    lines = sum(lengths)
    for n, cell, _ in _each(cells, "code"):
        if len(_code_lines(cell)) > limits.longest_cell:
            yield f"cell {n}: {len(_code_lines(cell))} lines; at most {limits.longest_cell}"
    measured = (
        ("words", words, limits.words),
        ("lines of code", lines, limits.code_lines),
        ("code cells", len(lengths), limits.code_cells),
        ("words per line of code", round(words / max(lines, 1), 1), limits.words_per_line),
    )
    for what, value, (least, most) in measured:
        if not least <= value <= most:
            yield f"{value} {what}; wanted {least} to {most}"
    if lengths and statistics.median(lengths) > limits.median_cell:
        yield f"the median code cell has {statistics.median(lengths):g} lines; at most {limits.median_cell}"


def _quiz(source: Path, cells: list[Any], limits: Limits, folder: Path | None) -> Iterator[str]:
    from tbcore.course import quizzes
    from tbcore.errors import TbcoreError

    if not any("quiz" in tags for _, _, tags in _each(cells, "code")):
        if limits.quiz_items:
            yield "no cell tagged 'quiz'"
        return
    try:
        quiz = quizzes.load(source.stem[:2], folder)
    except TbcoreError as error:
        yield f"quiz: {error}"
        return
    if len(quiz.items) < limits.quiz_items or quiz.notebook != source.stem:
        yield f"quiz: {len(quiz.items)} questions for {quiz.notebook!r}; wanted {limits.quiz_items} or more"


if __name__ == "__main__":
    sys.exit(main())
