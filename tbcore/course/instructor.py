"""What somebody who teaches the course needs, gathered from the lessons themselves: lengths, grades, minutes.

    notebooks/src ─┐
    costs.json    ─┼─► Outline (one per notebook) ─► plan ─► timetable of a half day, of a full day
    quizzes       ─┘

Minutes of computing are measured (`notebooks/costs.json`). Reading counts 200 words a minute. Exercise and quiz
minutes are assumptions by grade, named below, because nobody can measure them here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tbcore.course import editions, quizzes, slides
from tbcore.course.places import Course
from tbcore.errors import InputError, TbcoreError
from tbcore.store import read_json

__all__ = [
    "DAYS",
    "EXERCISE_MINUTES",
    "QUIZ_MINUTES",
    "SLIDE_MINUTES",
    "WORDS_PER_MINUTE",
    "Day",
    "Exercise",
    "Grade",
    "Mode",
    "Outline",
    "Session",
    "outline",
    "outlines",
    "plan",
    "timetable",
    "timing_page",
]

Grade: TypeAlias = Literal["warm-up", "real", "open"]
"""How much an exercise asks: two minutes, some thought, or as much as one likes."""

Mode: TypeAlias = Literal["shown", "guided", "worked"]
"""shown: slides only. guided: slides, then all exercises but the open ones. worked: everybody does everything."""

WORDS_PER_MINUTE = 200
SLIDE_MINUTES = 2.0
QUIZ_MINUTES = 1.0
EXERCISE_MINUTES: dict[Grade, float] = {"warm-up": 2.0, "real": 8.0, "open": 15.0}

_PROFILE = "laptop"
_CHECK = re.compile(r"checks\.check\(\s*[\"']((?:\d\d|A\d)\.\d+)[\"']")
_MODES: tuple[Mode, ...] = ("shown", "guided", "worked")


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise: its number such as "01.2", its grade, and the solved cell."""

    number: str
    grade: Grade
    solution: str

    @property
    def minutes(self) -> float:
        """Minutes to plan for it."""
        return EXERCISE_MINUTES[self.grade]


@dataclass(frozen=True, slots=True)
class Outline:
    """What a notebook asks of a class.

    Args:
        name: such as "01_clustering".
        title: its first heading.
        words: of prose.
        slides: how many its cells tagged `slide` make.
        questions: of its quiz.
        exercises: in their order.
        run_minutes: measured on the laptop profile; None where nothing was measured.
    """

    name: str
    title: str
    words: int
    slides: int
    questions: int
    exercises: tuple[Exercise, ...]
    run_minutes: float | None

    @property
    def reading_minutes(self) -> float:
        """Minutes to read the prose."""
        return self.words / WORDS_PER_MINUTE

    def exercise_minutes(self, *grades: Grade) -> float:
        """Minutes for the exercises of these grades; without any, of all."""
        return sum(one.minutes for one in self.exercises if not grades or one.grade in grades)

    def minutes(self, mode: Mode) -> float:
        """Minutes of a class for this notebook.

        Computing counts only where everybody works alone: before a guided session the notebook has been run.
        """
        talk = self.slides * SLIDE_MINUTES
        if mode == "shown":
            return talk
        if mode == "guided":
            return talk + self.exercise_minutes("warm-up", "real")
        alone = self.reading_minutes + self.exercise_minutes() + self.questions * QUIZ_MINUTES
        return max(alone + (self.run_minutes or 0.0), self.minutes("guided"))


@dataclass(frozen=True, slots=True)
class Day:
    """A day of teaching.

    Args:
        name: such as "half day".
        minutes: from start to end.
        breaks: (after how many minutes, how long).
        first: which notebooks get time before others.
        opening: minutes to arrive: who is here, the doctor on every laptop, the first notebook open.
        closing: minutes kept for questions; no plan ever holds to the minute.
    """

    name: str
    minutes: int
    breaks: tuple[tuple[int, int], ...]
    first: tuple[str, ...]
    opening: int = 0
    closing: int = 0

    @property
    def teaching(self) -> int:
        """Minutes without breaks, opening and closing."""
        return self.minutes - sum(length for _, length in self.breaks) - self.opening - self.closing


_ORDER = ("06", "01", "04", "02", "07", "05", "08", "03")
DAYS: tuple[Day, ...] = (
    Day("half day", 210, ((100, 20),), _ORDER, opening=10, closing=10),
    Day("full day", 450, ((90, 15), (195, 60), (345, 15)), _ORDER, opening=15, closing=15),
)
"""What is planned. `first` says which notebooks get time before others: those that carry the story."""


@dataclass(frozen=True, slots=True)
class Session:
    """One notebook in a plan."""

    outline: Outline
    mode: Mode

    @property
    def minutes(self) -> float:
        """What it takes."""
        return self.outline.minutes(self.mode)


def outline(course: Course, source: Path) -> Outline:
    """Read one notebook source with its quiz and its measured cost."""
    cells = editions.read_source(source).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    path = course.notebooks / "costs.json"
    costs = read_json(path) if path.is_file() else {}
    measured = costs.get(_PROFILE, {}).get("notebooks", {}).get(source.stem, {})
    try:
        questions = len(quizzes.load(source.stem[:2], course.notebooks / "quizzes").items)
    except TbcoreError:  # a notebook without a quiz is the linter's matter
        questions = 0
    return Outline(
        name=source.stem,
        title=cells[0].source.splitlines()[0].lstrip("# ").strip(),
        words=len(re.findall(r"\w[\w'-]*", prose)),
        slides=len(slides.group(cells)),
        questions=questions,
        exercises=tuple(_exercises(cells, prose)),
        run_minutes=measured.get("minutes"),
    )


def outlines(course: Course) -> list[Outline]:
    """Every notebook's, in order; appendices last."""
    return [outline(course, source) for source in course.sources()]


def plan(notebooks: Sequence[Outline], day: Day) -> list[Session]:
    """As much as fits: every notebook is shown, then the important ones become guided, then worked.

    Args:
        notebooks: without appendices.
        day: how long.

    Raises:
        InputError: the slides alone take longer than the day.
    """
    modes: dict[str, Mode] = {one.name: "shown" for one in notebooks}
    by_number = {one.name[:2]: one for one in notebooks}
    order = [by_number[number] for number in day.first if number in by_number]
    order += [one for one in notebooks if one not in order]

    def total() -> float:
        return sum(one.minutes(modes[one.name]) for one in notebooks)

    if total() > day.teaching:
        raise InputError(f"{day.name}: the slides alone take {total():.0f} of {day.teaching} minutes. Tag fewer cells.")
    for mode in _MODES[1:]:
        for one in order:
            if _MODES.index(modes[one.name]) != _MODES.index(mode) - 1:
                continue
            before = modes[one.name]
            modes[one.name] = mode
            if total() > day.teaching:
                modes[one.name] = before
    return [Session(one, modes[one.name]) for one in notebooks]


def timetable(sessions: Sequence[Session], day: Day) -> list[tuple[int, int, str]]:
    """Rows of (start, end, what) in minutes from the start; breaks fall between sessions, near their wanted time."""
    rows: list[tuple[int, int, str]] = []
    now, waiting = 0.0, list(day.breaks)
    if day.opening:
        rows.append((0, day.opening, "welcome; the doctor on every laptop, the first notebook open"))
        now = float(day.opening)
    for session in sessions:
        if waiting and now + session.minutes / 2 > waiting[0][0]:
            rows.append((round(now), round(now) + waiting[0][1], "break"))
            now = round(now) + waiting.pop(0)[1]
        what = f"{session.outline.name[:2]} {session.outline.title} ({session.mode})"
        rows.append((round(now), round(now + session.minutes), what))
        now += session.minutes
    for _, length in waiting:
        rows.append((round(now), round(now) + length, "break"))
        now = round(now) + length
    if now < day.minutes:
        rows.append((round(now), day.minutes, "questions, and exercises that wanted more time"))
    return rows


def timing_page(notebooks: Sequence[Outline]) -> str:
    """The timing plan as Markdown: what each notebook takes, then a timetable for each kind of day."""
    lines = [
        "# Timing plan",
        "",
        f"Computing is measured on two cores (profile `{_PROFILE}`). Reading counts {WORDS_PER_MINUTE} words a minute,",
        f"a slide {SLIDE_MINUTES:g} minutes, a quiz question {QUIZ_MINUTES:g}, an exercise "
        + ", ".join(f"{minutes:g} ({grade})" for grade, minutes in EXERCISE_MINUTES.items())
        + ". The last three are",
        "assumptions: after your first class, you know better.",
        "",
        "| notebook | computing | reading | exercises | quiz | slides | shown | guided | worked |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in notebooks:
        run = "not measured" if one.run_minutes is None else f"{one.run_minutes:.1f}"
        modes = " | ".join(f"{one.minutes(mode):.0f}" for mode in _MODES)
        lines.append(
            f"| {one.name[:2]} {one.title} | {run} | {one.reading_minutes:.0f} | {one.exercise_minutes():.0f} "
            f"({len(one.exercises)}) | {one.questions * QUIZ_MINUTES:.0f} | {one.slides} | {modes} |"
        )
    lines += [
        "",
        "All numbers are minutes, but for the count of slides and the count of exercises in brackets.",
        "**Shown**: you show the slides. **Guided**: slides, then the class does all exercises but the open ones, in",
        "notebooks that were run beforehand. **Worked**: everybody reads, runs and solves alone; you walk around.",
        "",
        "Less time than this? Teach fewer notebooks, not all of them faster: each starts alone. 01, 04 and 07 together",
        "tell the story of pictures, words and a talk; 05 and 06 suit people who have trained a model before.",
        "",
    ]
    chain = [one for one in notebooks if one.name[:1].isdigit()]
    for day in DAYS:
        lines += _day_lines(chain, day)
    return "\n".join(lines)


def _day_lines(chain: Sequence[Outline], day: Day) -> Iterator[str]:
    sessions = plan(chain, day)
    yield f"## A {day.name}: {day.minutes / 60:g} hours with breaks, {day.teaching} minutes for the notebooks"
    yield ""
    long = [one.name[:2] for one in chain if (one.run_minutes or 0) > 5]
    if long:
        which = f"notebooks {' and '.join(long)} take" if len(long) > 1 else f"notebook {long[0]} takes"
        yield f"Run everything the evening before with `python -m tbcore run`: {which} longest."
        for session in sessions:
            if session.mode == "worked" and (minutes := session.outline.run_minutes or 0) > 5:
                yield f"Whoever wants to see notebook {session.outline.name[:2]} run starts it before the break that"
                yield f"precedes it: it computes for {minutes:.0f} minutes."
        yield ""
    yield "| from | to | what |"
    yield "|---|---|---|"
    for start, end, what in timetable(sessions, day):
        yield f"| {_clock(start)} | {_clock(end)} | {what} |"
    yield ""


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _exercises(cells: Sequence[Any], prose: str) -> Iterator[Exercise]:
    code = [cell for cell in cells if cell.cell_type == "code"]
    for cell, following in pairwise(code):
        if "exercise" not in cell.metadata.get("tags", []):
            continue
        found = _CHECK.search(following.source)
        if found is None:
            raise InputError(f"an exercise is not followed by its check; the cell begins {cell.source[:60]!r}")
        yield Exercise(found.group(1), _grade(found.group(1), prose), cell.source)


def _grade(number: str, prose: str) -> Grade:
    """What the exercise's heading says: "(warm-up, 2 minutes)", "(two minutes)", "(open)", or nothing of the kind."""
    for line in prose.splitlines():
        if re.match(rf"(?:#+ |\*\*)(?:Exercise )?{re.escape(number)}\b", line):
            return "warm-up" if re.search(r"\((?:warm-up|two minutes)", line) else "open" if "(open" in line else "real"
    return "real"
