"""Pages of the book that are made from the course itself: quizzes, troubleshooting, editions, costs."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from tbcore.course import quizzes
from tbcore.course.book_cells import Lesson, paragraphs
from tbcore.course.places import Course
from tbcore.store import read_json

__all__ = [
    "costs_table",
    "edition_links",
    "editions_table",
    "misconceptions",
    "quiz_page",
    "troubleshooting",
]

_DETAILS = re.compile(r"<details>\s*<summary>(?P<title>.*?)</summary>(?P<body>.*?)</details>", re.DOTALL)
_NO_TROUBLE = re.compile(r"\b(?:hints?|solution|answer)\b", re.IGNORECASE)

_ANCHOR = '<a href="{url}" download aria-label="{label}">{text}</a>'


def edition_links(name: str, *, quiz: bool) -> str:
    """What stands below the title of a lesson: where its two editions and its quiz page are."""
    number = name[:2]
    student = _ANCHOR.format(
        url=f"../editions/student/{name}.ipynb", label=f"student edition of notebook {number}", text="student edition"
    )
    solved = _ANCHOR.format(
        url=f"../editions/solved/{name}.ipynb", label=f"solved edition of notebook {number}", text="solved edition"
    )
    pages = f' · <a href="../quizzes/{name}.html">quiz {number}</a>' if quiz else ""
    return (
        f'<p class="tb-editions">You read notebook {number} as it ran. To run it yourself: {student} '
        f"(exercises open, with checks) · {solved}{pages}</p>"
    )


def editions_table(lessons: Sequence[Lesson], place: Course) -> str:
    """A table of all files: executed page, student edition, solved edition."""
    rows = ["| lesson | student edition | solved edition |", "|---|---|---|"]
    for lesson in lessons:
        cells = [f"[{lesson.number} {lesson.title}](lessons/{lesson.name}.ipynb)"]
        for edition in ("student", "solved"):
            label = f"{edition} edition of notebook {lesson.number}"
            url = f"editions/{edition}/{lesson.name}.ipynb"
            there = place.edition(lesson.name, edition).is_file()
            cells.append(_ANCHOR.format(url=url, label=label, text=f"{lesson.name}.ipynb") if there else "–")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def quiz_page(lesson: Lesson, quiz: quizzes.Quiz) -> str:
    """A page with the questions of a lesson; every option unfolds to its explanation."""
    return (
        f"---\norphan: true\n---\n\n# Quiz {lesson.number}: {lesson.title}\n\n"
        "Choose an answer by unfolding it. It says whether it is right, and why. Then unfold the others as well: "
        "knowing why an answer is wrong is half of knowing.\n\n"
        f"{quizzes.static_twin(quiz)}\n\n"
        f"Back to [the lesson](../lessons/{lesson.name}.ipynb), or to [all quizzes](index.md).\n"
    )


def misconceptions(found: Sequence[tuple[Lesson, quizzes.Quiz]]) -> str:
    """A table of what wrong answers betray, lesson by lesson."""
    rows = ["| question | what a wrong answer betrays |", "|---|---|"]
    for lesson, quiz in found:
        for item in quiz.items:
            wrong = [_cell(option.misconception) for option in item.options if option.misconception]
            rows.append(f"| [{item.id}](quizzes/{lesson.name}.md) {_cell(item.question)} | {'; '.join(wrong)} |")
    return "\n".join(rows)


def troubleshooting(lessons: Sequence[Lesson]) -> str:
    """Every unfolding entry of the lessons that is no hint, under the heading of its lesson."""
    parts: list[str] = []
    for lesson in lessons:
        text = "\n\n".join(cell.source for cell in paragraphs(lesson.page))
        entries = [one for one in _DETAILS.finditer(text) if not _NO_TROUBLE.search(_plain(one["title"]))]
        if entries:
            parts.append(f"## {lesson.number} {lesson.title}")
            parts.append(f"From [the lesson](lessons/{lesson.name}.ipynb).")
        for entry in entries:
            title = " ".join(entry["title"].split())
            parts += [f"<details><summary>{title}</summary>", entry["body"].strip("\n"), "</details>"]
    return "\n\n".join(parts)


def costs_table(lessons: Sequence[Lesson], place: Course) -> str:
    """What each lesson takes: minutes to read it at 200 words a minute, and what a run on a laptop has measured."""
    path = place.notebooks / "costs.json"
    known = read_json(path) if path.is_file() else {}
    laptop = known.get("laptop", {}) if isinstance(known, dict) else {}
    rows = ["| lesson | reading, minutes | running, minutes | peak memory |", "|---|---|---|---|"]
    for lesson in lessons:
        words = sum(len(cell.source.split()) for cell in paragraphs(lesson.page))
        cost = laptop.get("notebooks", {}).get(lesson.name)
        measured = f"{cost['minutes']:.1f} | {cost['peak_gb']:.1f} GB" if cost else "not measured | not measured"
        title = f"[{lesson.number} {_cell(lesson.title)}](lessons/{lesson.name}.ipynb)"
        rows.append(f"| {title} | {max(1, round(words / 200))} | {measured} |")
    if laptop:
        rows += ["", f"Profile `laptop`, measured on {laptop['date']} on {laptop['machine']}. Exercises come on top."]
    return "\n".join(rows)


def _plain(markup: str) -> str:
    return re.sub(r"<[^>]+>", "", markup)


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
