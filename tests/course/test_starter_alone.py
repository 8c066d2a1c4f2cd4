"""Each lesson alone in an empty run folder, on starter files. Minutes each, so only where it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tbcore.course.places import APPENDIX, course, project_root

ASKED = "TBCORE_ALONE"
LESSONS = [source.stem for source in course().sources() if not source.stem.startswith((APPENDIX, "01"))]
BY_THEMSELVES = {"05_model_assembly"}  # reads no earlier step

pytestmark = [
    pytest.mark.chain,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get(ASKED), reason=f"minutes per lesson; {ASKED}=1 runs them"),
]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_starts_in_an_empty_folder(name, tmp_path):
    command = [sys.executable, "-m", "tbcore", "run", "--profile", "smoke", "--only", name[:2]]
    done = subprocess.run(
        [*command, "--run-dir", str(tmp_path / "run")], cwd=project_root(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "run" / name / "manifest.json").is_file()
    said = (course().executed("smoke", "solved") / f"{name}.ipynb").read_text("utf-8")
    banner = "STARTER FILES" in said
    # 03 reads pictures of an earlier step only if a live teacher is asked about them.
    assert banner == (name not in BY_THEMSELVES | {"03_dialogue_generation"})
