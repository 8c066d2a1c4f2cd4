from __future__ import annotations

import re

import pytest

from tbcore.course import instructor, instructor_sheets, slides
from tbcore.course.instructor import DAYS, Day, Exercise, Outline
from tbcore.course.instructor_kit import write_kit
from tbcore.course.places import course, project_root
from tbcore.errors import InputError, MissingFileError
from tbcore.store import write_json


def an_outline(number="01", **changed):
    exercises = tuple(
        Exercise(f"{number}.{n}", grade, "x = 1") for n, grade in enumerate(("warm-up", "real", "open"), start=1)
    )
    given = {"words": 2000, "slides": 6, "questions": 3, "exercises": exercises, "run_minutes": 4.0, **changed}
    return Outline(name=f"{number}_name", title="A title", **given)


@pytest.fixture(scope="module")
def lessons():
    return instructor.outlines(course())


def test_minutes_of_each_mode():
    one = an_outline()
    assert one.reading_minutes == 10
    assert one.minutes("shown") == 12
    assert one.minutes("guided") == 12 + 2 + 8
    assert one.minutes("worked") == 10 + 25 + 3 + 4


def test_a_plan_never_takes_longer_than_the_day():
    eight = [an_outline(f"0{n}") for n in range(1, 9)]
    for minutes in range(100, 500, 40):
        day = Day("a day", minutes, (), ("06", "01"))
        sessions = instructor.plan(eight, day)
        assert sum(one.minutes for one in sessions) <= minutes
        assert [one.outline.name for one in sessions] == [one.name for one in eight]


def test_important_notebooks_get_their_time_first():
    two = [an_outline("01"), an_outline("02")]
    modes = [one.mode for one in instructor.plan(two, Day("short", 34, (), ("02",)))]
    assert modes == ["shown", "guided"]
    modes = [one.mode for one in instructor.plan(two, Day("longer", 64, (), ("02",)))]
    assert modes == ["guided", "worked"]


def test_a_day_that_is_too_short_for_the_slides_is_refused():
    with pytest.raises(InputError, match="the slides alone take 24 of 20 minutes"):
        instructor.plan([an_outline("01"), an_outline("02")], Day("too short", 20, (), ()))


def test_a_timetable_has_no_gap_and_ends_with_the_day(lessons):
    chain = [one for one in lessons if one.name[0] == "0"]
    for day in DAYS:
        rows = instructor.timetable(instructor.plan(chain, day), day)
        assert [start for start, _, _ in rows][1:] == [end for _, end, _ in rows][:-1]
        assert (rows[0][0], rows[-1][1]) == (0, day.minutes)
        assert sum(what == "break" for _, _, what in rows) == len(day.breaks)


def test_every_lesson_has_slides_and_graded_exercises(lessons):
    for one in (one for one in lessons if one.name[0] == "0" or one.slides):
        assert 4 <= one.slides <= 10, one.name
        assert one.exercises[0].number.startswith(one.name[:2])
        grades = [exercise.grade for exercise in one.exercises]
        assert grades.count("warm-up") == 1, one.name
        assert grades.count("open") == (1 if one.name[0] == "0" else min(grades.count("open"), 1)), one.name


def test_slides_begin_at_headings_and_keep_a_picture_with_its_reading():
    from nbformat.v4 import new_code_cell, new_markdown_cell

    def cell(make, text, tag=True):
        return make(text, metadata={"tags": ["slide"]} if tag else {})

    cells = [
        cell(new_markdown_cell, "# Title\n\nwhy"),
        cell(new_markdown_cell, "![map](figures/x.svg)"),
        cell(new_markdown_cell, "## Part\n\nlong", tag=False),
        cell(new_code_cell, "show()"),
        cell(new_markdown_cell, "Read it.\n\n## Next\n\nother"),
        cell(new_code_cell, "show_again()"),
        cell(new_code_cell, "other()"),
    ]
    found = slides.group(cells)
    assert [(one.title, len(one.cells)) for one in found] == [("Title", 2), ("Part", 2), ("Next", 1), ("Next", 1)]


def test_a_sentence_that_leads_on_is_left_out(tiny_course):
    from nbformat.v4 import new_markdown_cell

    lead = "It fell. Did it *rise*? By hand it is three lines:"
    for text, kept in ((lead, "It fell. Did it <em>rise</em>?"), ("It fell. Here:\n\nthere.", "Here:"), ("So:", "So:")):
        slide = slides.Slide("Title", [new_markdown_cell(text)])
        _, body = slides.body_of(slide, tiny_course.notebooks, first=False)
        assert kept in body
        assert "three lines" not in body


def test_slides_need_nothing_from_outside(tiny_course):
    source = tiny_course.sources()[0]
    text = source.read_text("utf-8").replace("# %% [markdown]\n", '# %% [markdown] tags=["slide"]\n', 1)
    source.write_text(text, "utf-8")
    page = slides.deck(tiny_course, source)
    assert page.count("<section") >= 1
    assert re.findall(r'(?:src|href)="(?!data:|#|https://(?:arxiv|github))[^"]*"', page) == []
    assert "<link" not in page


def test_wrong_answers_are_read_in_every_shape_the_tests_write_them(tmp_path):
    fixture = tmp_path / "test_x.py"
    checks = tmp_path / "x.py"
    checks.write_text('def f(n):\n    raise Hint(f"got {n}; use base 2, please")\n')
    tables = (
        'WRONG = [("01.1", lambda x: x, "use base 2")]',
        'WRONG = {"01.1": {"label": (lambda x: x, "use base 2")}}',
        'WRONG = {"01.1": [(lambda x: x, "use base 2")]}',
        'WRONG = {"label": ("01.1", lambda x: x, "use base 2")}',
    )
    for table in tables:
        fixture.write_text(table)
        assert instructor_sheets.wrong_answers(fixture, checks) == [
            instructor_sheets.WrongAnswer("01.1", "lambda x: x", "got …; use base 2, please")
        ]
    assert instructor_sheets.wrong_answers(fixture)[0].hint == "… use base 2 …"


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="the kit is made in the course's folder"):
        instructor_sheets.wrong_answers(tmp_path / "none.py")
    (tmp_path / "some.py").write_text("RIGHT = 1")
    with pytest.raises(InputError, match="has no table WRONG"):
        instructor_sheets.wrong_answers(tmp_path / "some.py")


def test_every_exercise_of_the_course_has_two_wrong_answers_on_the_sheet(lessons):
    folder = project_root() / "tests" / "course" / "exercises"
    for one in lessons:
        found = [row.number for row in instructor_sheets.wrong_answers(folder / f"test_nb{one.name[:2]}.py")]
        assert [e.number for e in one.exercises if found.count(e.number) < 2] == []


def test_a_day_begins_with_arriving_and_keeps_time_for_questions(lessons):
    chain = [one for one in lessons if one.name[0] == "0"]
    for day in DAYS:
        rows = instructor.timetable(instructor.plan(chain, day), day)
        assert rows[0][:2] == (0, day.opening)
        assert rows[0][2].startswith("welcome")
        start, end, what = rows[-1]
        assert end - start >= day.closing - 1  # sessions are rounded to minutes
        assert what.startswith("questions")


def test_the_kit_of_a_tiny_course(tiny_course, tmp_path):
    tests = tmp_path / "root" / "tests" / "course" / "exercises"
    tests.mkdir(parents=True)
    for source in tiny_course.sources():
        (tests / f"test_nb{source.stem[:2]}.py").write_text(f'WRONG = [("{source.stem[:2]}.1", 3, "not three")]')
    first = tiny_course.sources()[0].stem
    costs = {"laptop": {"notebooks": {first: {"minutes": 1.5, "peak_gb": 1}}}}
    write_json(tiny_course.notebooks / "costs.json", costs)
    written = write_kit(tiny_course, tmp_path / "root", tmp_path / "kit")
    names = {path.relative_to(tmp_path / "kit").as_posix() for path in written}
    assert {"README.md", "timing.md", "misconceptions.md", "solutions.md", f"slides/{first}.html"} <= names
    assert "| 1.5 |" in (tmp_path / "kit" / "timing.md").read_text("utf-8")
    assert "not three" in (tmp_path / "kit" / "misconceptions.md").read_text("utf-8")
    solutions = (tmp_path / "kit" / "solutions.md").read_text("utf-8")
    assert "```python" in solutions
    assert "# solution" not in solutions
    index = (tmp_path / "kit" / "README.md").read_text("utf-8")
    assert "no executed copy was found" in index
    assert "--only 01 02`" in index
