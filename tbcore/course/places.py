"""Where the course lies on disk: the project's root, its notebooks, and the folder of executed copies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["APPENDIX", "COURSE_VARIABLE", "Course", "course", "project_root"]

# A kernel learns from this variable which course it runs in; the tests point it at a tiny one.
COURSE_VARIABLE = "TBCORE_COURSE"

APPENDIX = "A"
"""What the names of appendices begin with: notebooks for the curious, outside the chain of steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """The folders of one course.

    Args:
        notebooks: holds `src/`, the solved editions, `exercises/`, `quizzes/`, `figures/` and `bands.toml`.
        build: where executed copies go.
    """

    notebooks: Path
    build: Path

    def sources(self) -> list[Path]:
        """The percent sources in the order of their numbers; appendices, A1 and so on, come last."""
        return sorted(path for path in (self.notebooks / "src").glob("[0-9A][0-9]_*.py"))

    def edition(self, name: str, edition: str) -> Path:
        """The generated notebook of an edition, "solved" or "student"."""
        folder = self.notebooks if edition == "solved" else self.notebooks / "exercises"
        return folder / f"{name}.ipynb"

    def executed(self, profile: str, edition: str) -> Path:
        """The folder of executed copies."""
        suffix = "" if edition == "solved" else f"-{edition}"
        return self.build / "executed" / f"{profile}{suffix}"


def project_root() -> Path:
    """The folder that holds `tbcore`."""
    return Path(__file__).resolve().parents[2]


def course() -> Course:
    """The course of this process: the project's own, unless the environment names another."""
    other = os.environ.get(COURSE_VARIABLE)
    if other:
        return Course(notebooks=Path(other), build=Path(other).parent / "build")
    root = project_root()
    return Course(notebooks=root / "notebooks", build=root / "build")
