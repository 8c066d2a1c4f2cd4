"""The instructor kit: timing plan, slides, misconceptions, solutions and bands, written from the lessons' own source.

python -m tbcore kit --out build/kit
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tbcore.course import instructor, instructor_sheets, slides
from tbcore.course.places import Course, course, project_root
from tbcore.store import write_text

__all__ = ["main", "write_kit"]


def write_kit(place: Course, root: Path, out: Path, *, profile: str = "laptop") -> list[Path]:
    """Write the kit; returns its files.

    Args:
        place: the course.
        root: the folder with `tests/` in it, whose wrong answers become misconceptions.
        out: made when missing.
        profile: whose executed copies give the slides their pictures.

    Raises:
        MissingFileError: the wrong answers of a notebook are not where the tests lie.
        InputError: slides alone fill a day, or an exercise has no check.
    """
    notebooks = instructor.outlines(place)
    texts = {
        "timing.md": instructor.timing_page(notebooks),
        "misconceptions.md": instructor_sheets.misconceptions_page(place, notebooks, root),
        "solutions.md": instructor_sheets.solutions_page(place, notebooks),
    }
    for source in place.sources():
        texts[f"slides/{source.stem}.html"] = slides.deck(place, source, profile=profile)
    bare = [
        one.stem for one in place.sources() if not (place.executed(profile, "solved") / f"{one.stem}.ipynb").is_file()
    ]
    texts["README.md"] = _index(notebooks, bare, profile)
    written: list[Path] = []
    for name, text in texts.items():
        write_text(out / name, text)
        written.append(out / name)
    return written


def _index(notebooks: list[instructor.Outline], bare: list[str], profile: str) -> str:
    lines = [
        "# Instructor kit",
        "",
        "Written by `python -m tbcore kit` from the notebooks, their quizzes, the tests of their checks and measured",
        "times. Change the notebooks, not these files.",
        "",
        "- [Timing plan](timing.md): a half day and a full day, from measured minutes.",
        "- [What learners get wrong](misconceptions.md): and which check or question catches it.",
        "- [Solutions and bands](solutions.md): one sheet, for you alone.",
        "- Slides, one page per notebook. Arrow keys turn them, a click enlarges a picture, printing gives one sheet",
        "  per slide:",
        "",
        *(f"    - [{one.name[:2]} {one.title}](slides/{one.name}.html), {one.slides} slides" for one in notebooks),
        "",
        "## The evening before",
        "",
        "1. On the computer with the projector: `python -m tbcore run`. Then everything you show is there at once.",
        "2. On every laptop: `python -m tbcore doctor`. It needs seconds and names a remedy per line.",
        "3. Nothing else has to be run on the learners' laptops: where an earlier step is missing, a notebook takes",
        "   small files that ship with the course, and says so.",
        "4. Open one deck of slides with the projector on, and click on a picture.",
        "",
        "Without a network in the room: `python -m tbcore bundle --out FILE.zip` packs all on a memory stick.",
        "",
    ]
    if bare:
        lines += [
            f"In the slides of {', '.join(bare)} figures are missing, because no executed copy was found. Run",
            f"`python -m tbcore run --profile {profile} --only {' '.join(one[:2] for one in bare)}` and write the kit",
            "again.",
            "",
        ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Write the kit into the folder named on the command line."""
    options = argparse.ArgumentParser(prog="python -m tbcore kit", description="Write the instructor kit.")
    options.add_argument("--out", type=Path, default=project_root() / "build" / "kit")
    options.add_argument("--profile", default="laptop", help="whose executed copies give the slides their pictures")
    given = options.parse_args(arguments)
    written = write_kit(course(), project_root(), given.out, profile=given.profile)
    print(f"{len(written)} files in {given.out}; begin with {given.out / 'README.md'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
