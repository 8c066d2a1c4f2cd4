from __future__ import annotations

import json

import pytest

from tbcore.course import checks, figures, lesson
from tbcore.course.exercises import exercise


@pytest.fixture
def step(tmp_path, monkeypatch):
    monkeypatch.setenv("TBCORE_COURSE", str(tmp_path))
    (tmp_path / "bands.toml").write_text(
        '[[band]]\nname = "01.purity"\nprofile = "smoke"\nlow = 0.5\nhigh = 1\nunit = "share"\nwhy = "a test"\n'
    )
    return lesson.open("01_one", profile="smoke", seed=0, run_dir=tmp_path / "run")


def test_within_names_value_band_and_reason(step, capsys):
    assert checks.within("01.purity", 0.75)
    assert not checks.within("01.purity", 0.25)
    said = capsys.readouterr().out.splitlines()[-2:]
    assert said == [
        "01.purity = 0.75, inside its band 0.5 to 1 share (a test)",
        "01.purity = 0.25, OUTSIDE its band 0.5 to 1 share (a test)",
    ]


def test_within_without_a_band_claims_nothing(step, capsys):
    assert checks.within("01.other", 3.0)
    assert "claims no band" in capsys.readouterr().out


def test_verdicts_are_kept_per_edition(step, monkeypatch):
    exercise("91.1")(lambda answer: None)
    monkeypatch.setenv("TBCORE_EDITION", "student")
    checks.check("91.1", None)
    monkeypatch.setenv("TBCORE_EDITION", "solved")
    checks.check("91.1", 1)
    verdicts = {
        edition: json.loads((step.path / f"checks-{edition}.json").read_text())["91.1"]["verdict"]
        for edition in ("student", "solved")
    }
    assert verdicts == {"student": "not attempted yet", "solved": "passed"}


def test_expected_error_is_shown(capsys):
    with checks.expect_error(ValueError):
        raise ValueError("as planned")
    assert capsys.readouterr().out == "ValueError, as expected: as planned\n"


def test_missing_expected_error_fails():
    with (
        pytest.raises(AssertionError, match="should have raised ValueError"),
        checks.expect_error(ValueError),
    ):
        pass


def test_another_error_goes_through():
    with pytest.raises(KeyError), checks.expect_error(ValueError):
        raise KeyError("x")


def test_progress_passes_everything_on(capsys):
    assert list(checks.progress("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().out.startswith("letters: 3, ")


def test_progress_speaks_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(checks, "_EVERY_S", 0.0)
    list(checks.progress(iter(range(2)), "steps", total=2))
    assert capsys.readouterr().out.splitlines()[:2] == ["steps: 1 of 2, 0 s", "steps: 2 of 2, 0 s"]


def test_show_carries_the_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure, grid = figures.axes()
    grid[0, 0].plot([0, 1])
    checks.show(figure, alt="The line rises from zero to one.")
    assert shown[0].alt == "The line rises from zero to one."


@pytest.mark.parametrize("alt", ["", "a plot"])
def test_show_refuses_a_missing_finding(alt):
    with pytest.raises(ValueError, match="alt must state the finding"):
        checks.show(figures.axes()[0], alt=alt)
