"""Learning rates: the same numbers as torch's own schedulers, and an end at zero."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tbcore.train.rates import hold_then_fall, one_cycle, set_rate


@pytest.mark.parametrize(("steps", "warm", "top"), [(50, 0.3, 3e-3), (400, 0.06, 1.5e-3), (37, 0.2, 1.0)])
def test_one_cycle_is_torchs(steps: int, warm: float, top: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, top, total_steps=steps, pct_start=warm)
    for number in range(steps):
        assert one_cycle(number, steps, top, warm=warm) == pytest.approx(schedule.get_last_lr()[0], abs=1e-6)
        optimizer.step()
        if number + 1 < steps:
            schedule.step()


@given(st.integers(20, 5000), st.floats(1e-5, 1.0))
def test_both_rates_rise_to_the_top_once_and_end_near_zero(steps: int, top: float) -> None:
    for rate, last in ((one_cycle, 1e-5), (hold_then_fall, 1 / (0.4 * steps) + 1e-9)):
        rates = [rate(number, steps, top) for number in range(steps)]
        highest = rates.index(max(rates))
        assert max(rates) == pytest.approx(top, rel=0.01)
        assert rates[0] <= top
        assert all(a <= b + 1e-12 for a, b in pairwise(rates[: highest + 1]))
        assert all(a >= b - 1e-12 for a, b in pairwise(rates[highest:]))
        assert rates[-1] <= last * top
    assert hold_then_fall(steps, steps, top) == 0


def test_the_rate_reaches_every_group() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))]}, {"params": [nn.Parameter(torch.zeros(1))], "lr": 9.0}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
