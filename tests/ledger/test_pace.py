"""The pace: more room with every answer, less with every sign of overload, and an end when nothing passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.errors import InputError
from tbcore.ledger.pace import CircuitOpenError, Pace, PaceRules


def test_answers_add_room_one_by_one_up_to_the_most() -> None:
    pace = Pace(PaceRules(most=4, start=2))
    for now in range(40):
        pace.answered(float(now), now - 0.1)
    assert pace.room == 4
    assert pace.decreases == 0


def test_busy_halves_once_for_all_calls_that_were_out() -> None:
    pace = Pace(PaceRules(most=16))
    assert pace.failed("busy", 1.0, 0.5, retry_after_s=7.0) == 7.0
    pace.failed("busy", 1.1, 0.5)
    assert (pace.limit, pace.not_before, pace.decreases) == (8.0, 8.0, 1)
    pace.failed("busy", 9.0, 8.5)
    assert (pace.limit, pace.not_before) == (4.0, 10.0)


def test_answers_that_take_much_longer_than_they_did_reduce_it_without_any_error() -> None:
    pace = Pace(PaceRules(most=20, slow=2.0))
    for now in range(10):
        pace.answered(float(now), now - 1.0)
    for now in range(20, 30):
        pace.answered(float(now), now - 9.0)
    assert 1 < pace.limit < 20
    assert pace.decreases >= 1


def test_a_lasting_slowness_is_forgiven() -> None:
    pace = Pace(PaceRules(most=8, slow=2.0))
    pace.answered(0.0, -0.1)
    for now in range(1, 3000):
        pace.answered(float(now), now - 1.0)
    assert pace.room == 8


def test_the_circuit_opens_pauses_and_closes_with_the_first_answer() -> None:
    pace = Pace(PaceRules(most=8, open_after=3, first_pause_s=1.0))
    waits = [pace.failed("server_error", float(now), now - 0.1) for now in range(4)]
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert (pace.is_open, pace.room, pace.not_before) == (True, 1, 11.0)
    pace.answered(12.0, 11.5)
    assert (pace.is_open, pace.room) == (False, 8)


def test_it_gives_up_when_nothing_passes_for_long_or_nobody_ever_listened() -> None:
    pace = Pace(PaceRules(give_up_after_s=100))
    pace.failed("ambiguous", 0.0, 0.0)
    with pytest.raises(CircuitOpenError, match="no call has succeeded for 101 s"):
        pace.failed("busy", 101.0, 100.0)
    deaf = Pace(PaceRules(open_after=2))
    deaf.failed("not_sent", 0.0, 0.0)
    with pytest.raises(CircuitOpenError, match="Is the server running"):
        deaf.failed("not_sent", 0.1, 0.0)


def test_a_refused_prompt_is_no_sign_of_overload() -> None:
    pace = Pace(PaceRules(most=8))
    assert pace.failed("rejected", 1.0, 0.0) == 0.0
    assert (pace.limit, pace.decreases) == (8.0, 0)


@given(
    st.lists(st.tuples(st.sampled_from(["ok", "busy", "server_error", "ambiguous"]), st.floats(0.01, 5)), max_size=60)
)
def test_the_limit_stays_between_one_and_the_most(events: list[tuple[str, float]]) -> None:
    pace = Pace(PaceRules(most=8, start=3))
    now = 0.0
    for kind, took in events:
        now += 0.1
        if kind == "ok":
            pace.answered(now, now - took)
        else:
            pace.failed(kind, now, now - took)  # pyright: ignore[reportArgumentType]
        assert 1 <= pace.room <= 8
        assert 1.0 <= pace.limit <= 8.0


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="start between 1 and most"):
        PaceRules(most=4, start=5)
