"""kill -9 at random points: nothing is lost, nothing is hidden, and the file is the same to the byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tbcore.course.places import project_root


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds of work; a computer that is busy with other things may take long
def test_fifty_killed_programs_end_with_the_file_of_an_unbroken_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.kill9", "--trials", "50", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=project_root(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 30  # `make bench-data` runs a thousand trials
    assert (found["trials"], found["identical"]) == (50, 50)
    assert (found["replies_lost"], found["miscounted"], found["over_budget"]) == (0, 0, 0)
    # What was paid in vain is known only to the teacher; the ledger never reports less.
    assert found["paid_in_vain"] <= found["reported_ambiguous"]
