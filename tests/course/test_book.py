"""The whole way on a tiny course: prepared, built with warnings as errors, and examined."""

from __future__ import annotations

import importlib.util

import nbformat
import pytest

from tbcore.course import book
from tbcore.course.book_audit import audit
from tbcore.course.book_cells import Lesson
from tbcore.course.book_home import HOOK, cards, hook, read_cards, thumbnail
from tbcore.course.book_pages import troubleshooting
from tbcore.errors import InputError, MissingExtraError, MissingFileError
from tbcore.store import write_json
from tests.course.test_book_cells import code, display, png

TROUBLE = "<details><summary><code>It breaks</code></summary>\n\nMend it.</details>"
HINTS = "<details><summary>Two hints</summary>\n\n1. Think.\n\n</details>"
QUIZ = """{"notebook": "01_one", "items": [{"id": "01.q1", "question": "One?", "options": [
 {"text": "1", "right": true, "explanation": "It is."},
 {"text": "2", "right": false, "explanation": "It is two.", "misconception": "counts from two"}]}]}"""


@pytest.fixture
def executed(tiny_course):
    """The first notebook of the tiny course as if it had run; the second one has not."""
    (tiny_course.notebooks / "quizzes").mkdir(exist_ok=True)
    (tiny_course.notebooks / "quizzes" / "01_one.json").write_text(QUIZ)
    measured = {"notebooks": {"01_one": {"minutes": 2.49, "peak_gb": 1.23}}, "date": "today", "machine": "a laptop"}
    write_json(tiny_course.notebooks / "costs.json", {"laptop": measured})
    ran = nbformat.read(tiny_course.edition("01_one", "solved"), as_version=4)
    ran.cells[0].source += "\n\nA mask and $p^2$; the chance is $(1-p)^n$. Then notebook 02."
    figure = display({"image/png": png()}, **{"image/png": {"alt": "All values are red."}})
    ran.cells += [code("show()", figure), nbformat.v4.new_markdown_cell(f"## Troubles\n\n{TROUBLE}\n\n{HINTS}")]
    folder = tiny_course.build / "executed"
    folder.mkdir(parents=True)
    nbformat.write(ran, folder / "01_one.ipynb")
    figures = tiny_course.notebooks / "figures"
    figures.mkdir(exist_ok=True)
    for number in ("01", "02"):
        (figures / f"roadmap_{number}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return folder


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no executed notebooks"):
        book.prepare(tmp_path, tmp_path / "source")


def test_preparing_writes_pages_and_leaves_the_notebooks_as_they_are(executed, tiny_course, tmp_path):
    before = (executed / "01_one.ipynb").read_bytes()
    lessons = book.prepare(executed, tmp_path / "source", place=tiny_course)
    source = tmp_path / "source"
    assert [one.name for one in lessons] == ["01_one", "02_two"]
    assert (executed / "01_one.ipynb").read_bytes() == before
    page = (source / "lessons" / "01_one.ipynb").read_text("utf-8")
    assert "{term}`mask <mask>`" in page
    assert "[notebook 02](02_two.ipynb)" in page
    assert "shown without its outputs" in (source / "lessons" / "02_two.ipynb").read_text("utf-8")
    assert "*First in [notebook 01](lessons/01_one.ipynb).*" in (source / "glossary.md").read_text("utf-8")
    troubles = (source / "troubleshooting.md").read_text("utf-8")
    assert "It breaks" in troubles
    assert "Two hints" not in troubles
    instructor = (source / "instructor.md").read_text("utf-8")
    assert "counts from two" in instructor
    assert "| [01 A tiny first lesson](lessons/01_one.ipynb) | 1 | 2.5 | 1.2 GB |" in instructor
    assert "| [02 A tiny second lesson](lessons/02_two.ipynb) | 1 | not measured | not measured |" in instructor
    assert (source / "extra" / "editions" / "student" / "01_one.ipynb").is_file()
    assert "<!-- " not in (source / "index.md").read_text("utf-8")


@pytest.mark.timeout(900)
def test_the_tiny_book_is_built_without_a_warning_and_stands_alone(executed, tiny_course, tmp_path):
    missing = [name for name in book.NEEDS if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        pytest.skip(f"the extra `book` is not installed: {', '.join(missing)}")
    out = tmp_path / "book"
    book.build(executed, out, place=tiny_course)
    assert audit(out) == []
    page = (out / "lessons" / "01_one.html").read_text("utf-8")
    assert "Show our solution" in page
    assert 'href="../glossary.html#term-mask"' in page
    assert "<msup>" in page
    assert 'alt="All values are red."' in page
    assert "_static/cards/01.png" in (out / "index.html").read_text("utf-8")
    assert (out / "searchindex.js").is_file()


def test_a_missing_package_is_named_with_its_remedy(executed, tmp_path, monkeypatch):
    monkeypatch.setattr(book, "NEEDS", ("sphinx_of_nowhere",))
    with pytest.raises(MissingExtraError, match=r"needs sphinx_of_nowhere.*\[book\]"):
        book.build(executed, tmp_path / "book")


def write(folder, **pages: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body id='top'>{body}</body></html>")


def test_the_audit_passes_a_sound_book(tmp_path):
    write(tmp_path / "b", index="<a href='two.html#x'>t</a><a href='https://e.org'>e</a>", two="<p id='x'></p>")
    assert audit(tmp_path / "b") == []


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<a href='gone.html'>x</a>", "index.html: link 'gone.html' has no target"),
        ("<a href='two.html#gone'>x</a>", "names an anchor that two.html does not have"),
        ("<a href='../secret.html'>x</a>", "leads out of the book"),
        ("<script src='https://e.org/a.js'></script>", "loads 'https://e.org/a.js' from outside"),
        ("<link rel='stylesheet' href='//e.org/a.css'>", "loads '//e.org/a.css' from outside"),
        ("<img src='two.html'>", "picture 'two.html' has no alt text"),
        ("<img src='no.png' alt='no'>", "link 'no.png' has no target"),
    ],
)
def test_the_audit_names_what_is_wrong(tmp_path, body, found):
    write(tmp_path / "b", index=body, two="")
    (said,) = audit(tmp_path / "b")
    assert found in said


def test_the_hook_draws_every_postcard_and_says_so(tmp_path):
    said = hook(tmp_path / "cards")
    assert 'width="1024" height="768"' in said
    assert HOOK[0] in said
    assert (tmp_path / "cards" / "hook.png").is_file()


def lesson(tmp_path, *alts: str) -> Lesson:
    from PIL import Image

    pictures = []
    for number, alt in enumerate(alts):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (100, 100), ("red", "blue")[number]).save(path)
        pictures.append((path, alt))
    page = nbformat.v4.new_notebook(cells=[])
    return Lesson(name="01_one", title="A < B", page=page, pictures=tuple(pictures))


def test_a_card_shows_the_picture_it_asks_for_or_the_first(tmp_path):
    from PIL import Image

    (tmp_path / "cards.toml").write_text('[01]\nline = "Look & see."\npicture = "Blue"\n')
    known = read_cards(tmp_path / "cards.toml")
    two = lesson(tmp_path, "Red one", "Blue one")
    made = thumbnail(two, known["01"], tmp_path / "cards")
    assert made is not None
    assert Image.open(made).getpixel((5, 5)) == (0, 0, 255)
    assert Image.open(made).size == (640, 360)
    first = thumbnail(two, None, tmp_path / "cards")
    assert first is not None
    assert Image.open(first).getpixel((5, 5)) == (255, 0, 0)
    assert thumbnail(lesson(tmp_path), None, tmp_path) is None
    said = cards([two], known, {"01": made})
    assert "A &lt; B" in said
    assert "Look &amp; see." in said
    assert 'href="lessons/01_one.html"' in said


def test_a_card_that_breaks_the_schema_is_refused(tmp_path):
    (tmp_path / "cards.toml").write_text('[01]\nsentence = "?"\n')
    with pytest.raises(InputError, match=r"cards\.toml"):
        read_cards(tmp_path / "cards.toml")


def test_lessons_without_trouble_have_no_heading(tmp_path):
    assert troubleshooting([lesson(tmp_path)]) == ""
