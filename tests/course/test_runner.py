from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tbcore.course import runner
from tbcore.course.places import project_root
from tbcore.errors import InputError

pytestmark = pytest.mark.slow


def options(tmp_path, **changes):
    return runner.Options(**{"profile": "smoke", "run_dir": tmp_path / "run", **changes})


def edit(course, name, edition, old, new):
    path = course.edition(name, edition)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_chain_runs_skips_and_serves_the_student_edition(tiny_course, tmp_path, capsys):
    results = runner.run(tiny_course, options(tmp_path))
    said = capsys.readouterr().out
    assert set(results) == {"01.mean", "02.rows", "chain.minutes", "chain.peak_gb"}
    assert results["02.rows"] == 5
    assert results["chain.peak_gb"] > 0.05
    assert "01.mean" in said
    assert "0 to 1" in said
    assert "inside" in said
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
    assert (tmp_path / "build" / "executed" / "smoke" / "02_two.ipynb").is_file()
    verdicts = json.loads((tmp_path / "run" / "01_one" / "checks-solved.json").read_text())
    assert verdicts["01.1"]["verdict"] == "passed"

    again = runner.run(tiny_course, options(tmp_path))
    assert capsys.readouterr().out.count("skipped") == 2
    assert again == results

    runner.run(tiny_course, options(tmp_path, edition="student"))
    verdicts = json.loads((tmp_path / "run" / "01_one" / "checks-student.json").read_text())
    assert verdicts["01.1"]["verdict"] == "not attempted yet"
    copy = (tmp_path / "build" / "executed" / "smoke-student" / "01_one.ipynb").read_text()
    assert "numbers.npy: loaded" in copy


def test_a_failing_notebook_names_itself_and_keeps_its_copy(tiny_course, tmp_path):
    edit(tiny_course, "02_two", "solved", "print(len(rows)", "print(1 / 0, len(rows)")
    with pytest.raises(runner.NotebookFailedError, match=r"02_two: the cell .* raised ZeroDivisionError"):
        runner.run(tiny_course, options(tmp_path))
    assert "ZeroDivisionError" in (tmp_path / "build" / "executed" / "smoke" / "02_two.ipynb").read_text()
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert list(record["editions"]["solved"]) == ["01_one"]


def test_a_wrong_solution_fails_the_solved_edition(tiny_course, tmp_path):
    edit(tiny_course, "01_one", "solved", "np.sum(values)", "np.median(values) * len(values)")
    with pytest.raises(runner.NotebookFailedError, match=r"exercise 01\.1 should be 'passed'.*that is the median"):
        runner.run(tiny_course, options(tmp_path, only=("01",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"pears": "photos"}}, "parameter 'pears': no notebook knows it; they know pairs"),
        ({"only": ("09",)}, "no notebook 09; there are 01_one, 02_two"),
    ],
)
def test_misspelt_names_fail(tiny_course, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        runner.run(tiny_course, options(tmp_path, **changes))


@pytest.mark.timeout(900)  # seconds of work; a computer that is busy with other things may take long
def test_a_killed_run_keeps_what_was_finished_and_goes_on(tiny_course, tmp_path):
    command = [
        sys.executable,
        "-m",
        "tbcore",
        "run",
        "--profile",
        "smoke",
        "--run-dir",
        str(tmp_path / "run"),
    ]
    environment = {**os.environ, "TBCORE_COURSE": str(tiny_course.notebooks)}
    slow = subprocess.Popen(
        [*command, "--set", "pause_s=3600"], cwd=project_root(), env=environment, start_new_session=True
    )
    try:
        finished = tmp_path / "run" / "02_two" / "rows.jsonl"
        while not finished.is_file():
            assert slow.poll() is None, "the run ended before it was killed"
            time.sleep(0.05)
    finally:
        os.killpg(slow.pid, signal.SIGKILL)
        slow.wait()
    done = subprocess.run(command, cwd=project_root(), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[1/2] 01_one: done before" in done.stdout
    assert "[2/2] 02_two: running" in done.stdout
    assert "rows.jsonl: loaded" in (tmp_path / "build" / "executed" / "smoke" / "02_two.ipynb").read_text()


def test_a_failure_on_the_command_line_is_one_sentence(tmp_path):
    command = [
        sys.executable,
        "-m",
        "tbcore",
        "run",
        "--profile",
        "smoke",
        "--set",
        "x=1",
        "--run-dir",
        str(tmp_path),
    ]
    environment = {**os.environ, "TBCORE_COURSE": str(tmp_path)}
    done = subprocess.run(command, cwd=project_root(), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "InputError: only: no notebook" in done.stderr
    assert "Traceback" not in done.stderr
