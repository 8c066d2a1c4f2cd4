"""The web book: executed notebooks, glossary, quizzes and the rest as pages that open from disk.

    python -m tbcore.course.book --executed build/executed/laptop --out build/book

Notebooks are copied, never changed and never run. Sphinx treats every warning as an error, and the built pages are
examined once more: no link without a target, nothing loaded from outside. Pages written by hand lie in `docs/book`.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tbcore.course import book_home, book_pages, quizzes
from tbcore.course.book_audit import audit
from tbcore.course.book_cells import Lesson, lesson_page, paragraphs, title_of
from tbcore.course.book_terms import Linker, Term, read_terms, with_first_uses
from tbcore.course.places import APPENDIX, Course, course, project_root
from tbcore.errors import MissingExtraError, MissingFileError, TbcoreError
from tbcore.store import write_text

__all__ = ["NEEDS", "BookError", "build", "main", "pages_folder", "prepare"]

NEEDS = ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_design", "sphinxcontrib.bibtex")
"""What the extra `book` brings."""

_LINKED_PAGES = (
    "faq.md",
    "instructor.md",
    "notation.md",
    "use.md",
)  # pages by hand that get links to terms and lessons
_LESSON_PICTURES, _CARD_PICTURES = "lessons", "cards"


class BookError(TbcoreError):
    """The book could not be built, or does not stand alone."""


def pages_folder() -> Path:
    """The pages that are written by hand, and the configuration of Sphinx."""
    return project_root() / "docs" / "book"


def prepare(executed: Path, source: Path, *, place: Course | None = None, docs: Path | None = None) -> list[Lesson]:
    """Write everything Sphinx reads into a folder of its own.

    Args:
        executed: folder of executed notebooks; a lesson that is not among them is shown without outputs.
        source: is emptied first.
        place: the course, this one by default.
        docs: the pages written by hand, `docs/book` by default.

    Raises:
        MissingFileError: the folder holds no executed notebook.
    """
    where, pages = place or course(), docs or pages_folder()
    if not any(executed.glob("*.ipynb")):
        raise MissingFileError(f"{executed}: no executed notebooks. `make run` writes them.")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(pages, source, ignore=shutil.ignore_patterns("__pycache__"))
    lessons = _lessons(executed, source, where)
    terms = read_terms(source / "glossary.md")
    found = _write_quizzes(lessons, source, where)
    made = _made(lessons, found, source, where)  # before links are set: they lead from a lesson, not from elsewhere
    uses = _write_lessons(lessons, source, terms)
    write_text(source / "glossary.md", with_first_uses((source / "glossary.md").read_text("utf-8"), terms, uses))
    _fill_pages(made, source, _linker(lessons, terms))
    _copy_files(lessons, source, where)
    return lessons


def build(executed: Path, out: Path, *, place: Course | None = None, docs: Path | None = None) -> list[Lesson]:
    """Build the book into a folder, and examine it.

    Args:
        executed: folder of executed notebooks.
        out: receives the pages; what Sphinx reads is kept beside it, with `-source` at the end of the name.
        place: the course, this one by default.
        docs: the pages written by hand, `docs/book` by default.

    Raises:
        MissingExtraError: a package of the extra `book` is not installed.
        BookError: Sphinx warned or failed, or the pages do not stand alone.
    """
    missing = [name for name in NEEDS if not _installed(name)]
    if missing:
        raise MissingExtraError(
            f"the book needs {', '.join(missing)}. Install the extra: pip install -c constraints.txt -e '.[book]'"
        )
    source = out.with_name(f"{out.name}-source")
    lessons = prepare(executed, source, place=place, docs=docs)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(source / ".doctrees"), str(source), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BookError(f"sphinx: every warning is an error; it said\n{done.stderr.strip()}")
    found = audit(out)
    if found:
        raise BookError("\n".join(["the book does not stand alone:", *found]))
    return lessons


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the book named on the command line; exit status 1 if something is wrong with it."""
    options = argparse.ArgumentParser(description="Build the web book from executed notebooks.")
    options.add_argument("--executed", type=Path, default=Path("build/executed/laptop"), help="executed notebooks")
    options.add_argument("--out", type=Path, default=Path("build/book"), help="where the pages go")
    chosen = options.parse_args(arguments)
    began = time.monotonic()
    try:
        lessons = build(chosen.executed, chosen.out)
    except TbcoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(lessons)} lessons, {time.monotonic() - began:.0f} s: open {chosen.out / 'index.html'}")
    return 0


def _lessons(executed: Path, source: Path, place: Course) -> list[Lesson]:
    """Every lesson of the course that has a notebook, in order."""
    import nbformat

    lessons: list[Lesson] = []
    for name in [path.stem for path in place.sources()]:
        ran = executed / f"{name}.ipynb"
        path = ran if ran.is_file() else place.edition(name, "solved")
        if path.is_file():
            notebook = nbformat.read(path, as_version=4)
            page, pictures = lesson_page(
                notebook,
                name,
                pictures=source / "_static" / _LESSON_PICTURES,
                links=book_pages.edition_links(name, quiz=_has_quiz(name, place)),
                executed=path == ran,
            )
            lessons.append(Lesson(name=name, title=title_of(notebook), page=page, pictures=tuple(pictures)))
    return lessons


def _write_lessons(lessons: Sequence[Lesson], source: Path, terms: Sequence[Term]) -> dict[str, str]:
    """Write the pages with their links; returns for each term a link to the lesson that uses it first."""
    import nbformat

    linker = _linker(lessons, terms)
    uses: dict[str, str] = {}
    for lesson in lessons:
        cells = paragraphs(lesson.page)
        texts, met = linker.link([cell.source for cell in cells], here=lesson.number)
        for cell, text in zip(cells, texts, strict=True):
            cell.source = text
        chapter = "appendix" if lesson.name.startswith(APPENDIX) else "notebook"
        for term in met:
            uses.setdefault(term, f"[{chapter} {lesson.number}](lessons/{lesson.name}.ipynb)")
        write_text(source / "lessons" / f"{lesson.name}.ipynb", nbformat.writes(lesson.page))
    return uses


def _write_quizzes(lessons: Sequence[Lesson], source: Path, place: Course) -> list[tuple[Lesson, quizzes.Quiz]]:
    found: list[tuple[Lesson, quizzes.Quiz]] = []
    for lesson in lessons:
        if _has_quiz(lesson.name, place):
            found.append((lesson, quizzes.load(lesson.number, place.notebooks / "quizzes")))
            write_text(source / "quizzes" / f"{lesson.name}.md", book_pages.quiz_page(*found[-1]))
    return found


def _made(
    lessons: Sequence[Lesson], found: Sequence[tuple[Lesson, quizzes.Quiz]], source: Path, place: Course
) -> dict[str, str]:
    """What is made from the course for each mark in the pages written by hand."""
    known = book_home.read_cards(source / "cards.toml")
    folder = source / "_static" / _CARD_PICTURES
    pictures = {
        one.number: path for one in lessons if (path := book_home.thumbnail(one, known.get(one.number), folder))
    }
    steps = [one for one in lessons if not one.name.startswith(APPENDIX)]
    appendices = [one for one in lessons if one.name.startswith(APPENDIX)]
    return {
        "hook": book_home.hook(folder),
        "step-cards": book_home.cards(steps, known, pictures),
        "appendix-cards": book_home.cards(appendices, known, pictures),
        "step-list": book_home.contents(steps),
        "appendix-list": book_home.contents(appendices),
        "quiz-list": "\n".join(f"- [{one.number} {one.title}]({one.name}.md)" for one, _ in found),
        "troubleshooting": book_pages.troubleshooting(lessons),
        "editions": book_pages.editions_table(lessons, place),
        "costs": book_pages.costs_table(lessons, place),
        "misconceptions": book_pages.misconceptions(found),
    }


def _fill_pages(made: Mapping[str, str], source: Path, linker: Linker) -> None:
    """Replace the marks in the pages written by hand, and set links in some of them."""
    for path in (*source.glob("*.md"), source / "quizzes" / "index.md"):
        text = path.read_text("utf-8")
        if path.name in _LINKED_PAGES:
            text = linker.link([text], folder="lessons/")[0][0]
        for mark, content in made.items():
            text = text.replace(f"<!-- {mark} -->", content)
        write_text(path, text)


def _copy_files(lessons: Sequence[Lesson], source: Path, place: Course) -> None:
    """The two editions for readers to take along, the roadmaps, and the list of changes."""
    for lesson in lessons:
        for edition in ("student", "solved"):
            path = place.edition(lesson.name, edition)
            if path.is_file():
                target = source / "extra" / "editions" / edition / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    figures = place.notebooks / "figures"
    if figures.is_dir():
        shutil.copytree(figures, source / "lessons" / "figures")
        shutil.copytree(figures, source / "extra" / "editions" / "solved" / "figures")
        shutil.copytree(figures, source / "extra" / "editions" / "figures")
    changes = project_root() / "CHANGELOG.md"
    text = changes.read_text("utf-8") if changes.is_file() else ""
    write_text(source / "changelog.txt", text.partition("\n")[2])


def _linker(lessons: Sequence[Lesson], terms: Sequence[Term]) -> Linker:
    return Linker(terms, {one.number: f"{one.name}.ipynb" for one in lessons})


def _has_quiz(name: str, place: Course) -> bool:
    return (place.notebooks / "quizzes" / f"{name}.json").is_file()


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
