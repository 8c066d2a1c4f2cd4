"""A course of two tiny notebooks, copied where a test may change it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tbcore.course import editions
from tbcore.course.places import Course

FIXTURES = Path(__file__).parent / "fixtures" / "notebooks"


@pytest.fixture
def tiny_course(tmp_path):
    """Sources and generated editions of the tiny course."""
    course = Course(notebooks=tmp_path / "notebooks", build=tmp_path / "build")
    shutil.copytree(FIXTURES, course.notebooks)
    editions.write_all(course)
    return course
