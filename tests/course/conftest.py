"""A course of two tiny notebooks, copied where a test may change it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tbcore.course import editions
from tbcore.course.places import Course

FIXTURES = Path(__file__).parent / "fixtures" / "notebooks"


@pytest.fixture(scope="session")
def _generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    course = Course(notebooks=folder / "notebooks", build=folder / "build")
    shutil.copytree(FIXTURES, course.notebooks)
    editions.write_all(course)
    return course


@pytest.fixture
def tiny_course(_generated, tmp_path):
    """Sources and generated editions of the tiny course."""
    course = Course(notebooks=tmp_path / "notebooks", build=tmp_path / "build")
    shutil.copytree(_generated.notebooks, course.notebooks)
    return course
