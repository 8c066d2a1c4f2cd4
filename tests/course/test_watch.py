"""Lines about a training that runs."""

from __future__ import annotations

from tbcore.course.watch import watched
from tbcore.train.loop import Step


def test_watching_prints_now_and_then_and_passes_every_step_on(capsys):
    steps = [Step(k, k / 16, 2.0 - k / 16, 1.0, 1.0, 3.0 * k, 8) for k in range(16)]
    assert list(watched(iter(steps), "stage 9", lines=4)) == steps
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in told] == ["0", "4", "8", "12"]
    assert told[1] == "stage 9:  25%  update    4  loss  1.750    12 s"
