from __future__ import annotations

import pytest

from tbcore import manifest
from tbcore.course import lesson, starter
from tbcore.errors import MissingFileError


def a_step(tmp_path, rows):
    step = lesson.open("01_one", profile="smoke", seed=0, run_dir=tmp_path)
    for name, value in rows.items():
        step.make(name, lambda value=value: value)
    step.close()
    return step.path


def test_small_files_are_shipped_and_can_be_verified(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "LARGEST_BYTES", 100)
    folder = a_step(tmp_path / "run", {"small.json": [1], "large.json": ["x" * 200]})
    target = tmp_path / "starter" / "01_one"
    assert starter.copy_step(folder, target) == (folder / "small.json").stat().st_size
    record = manifest.read(target)
    assert record is not None
    assert sorted(record.outputs) == ["small.json"]
    assert manifest.problems(target, record) == []


def test_too_large_a_step_ships_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "MOST_BYTES", 2)
    folder = a_step(tmp_path / "run", {"small.json": [1, 2, 3]})
    assert starter.copy_step(folder, tmp_path / "starter") == 0
    assert not (tmp_path / "starter").exists()


def test_an_unfinished_step_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="not a finished step"):
        starter.copy_step(tmp_path, tmp_path / "starter")
