from __future__ import annotations

import pytest

from tbcore import __main__ as command
from tbcore.course import runner
from tbcore.course.places import project_root


@pytest.fixture
def asked(monkeypatch):
    seen = []
    monkeypatch.setattr(runner, "run", lambda course, options: seen.append(options))
    return seen


def test_defaults(asked):
    assert command.main(["run"]) == 0
    one = asked[0]
    assert (one.profile, one.seed, one.edition, one.force, one.only) == ("laptop", 0, "solved", False, ())
    assert one.run_dir == project_root() / "runs" / "laptop"


def test_options_reach_the_runner(asked, tmp_path):
    line = ["run", "--profile", "smoke", "--seed", "1", "--force", "--only", "01", "02", "--pairs", "photos"]
    assert command.main([*line, "--set", "teacher=api", "n=3", "deep=true"]) == 0
    one = asked[0]
    assert one.run_dir == project_root() / "runs" / "smoke-photos"
    assert (one.seed, one.force, one.only) == (1, True, ("01", "02"))
    assert one.parameters == {"pairs": "photos", "teacher": "api", "n": 3, "deep": True}


def test_a_folder_of_pictures_becomes_an_absolute_path(asked, tmp_path, monkeypatch):
    (tmp_path / "holiday").mkdir()
    monkeypatch.chdir(tmp_path)
    command.main(["run", "--pairs", "holiday"])
    assert asked[0].parameters["pairs"] == str(tmp_path / "holiday")
    assert asked[0].run_dir.name == "laptop-holiday"


def test_interrupt_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(course, options):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert command.main(["run"]) == 130
    assert "run the same command to go on" in capsys.readouterr().err


def test_malformed_assignment_is_refused():
    with pytest.raises(SystemExit, match="expected NAME=VALUE, got 'teacher'"):
        command.main(["run", "--set", "teacher"])
