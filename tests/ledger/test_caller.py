"""The ledger: nothing is paid twice, nothing is sent above a cap, nothing is lost in a crash."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tbcore.chat.messages import CallError, CallFailure, Message, Params, Reply, Usage
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.errors import BudgetError, InputError, RecordingMissingError
from tbcore.ledger.budget import Budget, Spent, worst_case
from tbcore.ledger.caller import Caller
from tbcore.ledger.journal import Journal, call_key

ASK = [Message.of("user", "hello")]
PARAMS = Params(max_tokens=10)
REPLY = Reply("hi", usage=Usage(2, 1), raw='{"raw": true}')


def caller(client: ScriptedTeacher, journal: Journal, tries: int = 3) -> tuple[Caller, list[float]]:
    waits: list[float] = []
    return Caller(client, journal, tries=tries, wait=waits.append), waits


def error(kind: CallFailure, **more: object) -> CallError:
    return CallError("told", kind=kind, **more)  # pyright: ignore[reportArgumentType]


def test_a_second_run_pays_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        assert caller(ScriptedTeacher(REPLY), journal)[0].ask(ASK, PARAMS).paid
    with Journal(tmp_path / "l.sqlite") as journal:
        again = caller(ScriptedTeacher(), journal)[0].ask(ASK, PARAMS)
        assert (again.reply, again.paid) == (REPLY, False)
        assert journal.committed() == Spent(1, 2, 1)


def test_wanted_repeats_and_other_teachers_are_other_calls() -> None:
    keys = {
        call_key("a", ASK, PARAMS)[0],
        call_key("b", ASK, PARAMS)[0],
        call_key("a", ASK, PARAMS.with_sample(1))[0],
        call_key("a", ASK, replace(PARAMS, max_tokens=11))[0],
        call_key("a", [Message.of("user", "hello ")], PARAMS)[0],
    }
    assert len(keys) == 5


def test_busy_teachers_are_asked_again_with_the_wanted_pause(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        one, waits = caller(ScriptedTeacher(error("busy", retry_after_s=7.0), error("not_sent"), REPLY), journal)
        assert one.ask(ASK, PARAMS).reply == REPLY
        assert waits == [7.0, 2.0]
        assert [a.state for a in journal.attempts(call_key("scripted", ASK, PARAMS)[0])] == [
            "failed",
            "failed",
            "done",
        ]
        assert journal.committed() == Spent(2, 2, 1)


def test_a_refused_prompt_is_a_dead_letter_and_a_wrong_key_stops(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        answer = caller(ScriptedTeacher(error("rejected")), journal)[0].ask(ASK, PARAMS)
        assert (answer.reply, answer.problem, answer.detail) == (None, "rejected", "told")
        with pytest.raises(CallError, match="told"):
            caller(ScriptedTeacher(error("forbidden")), journal)[0].ask(ASK, PARAMS.with_sample(1))


def test_an_answer_that_cannot_be_read_is_kept(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        caller(ScriptedTeacher(error("unreadable", raw="<html>")), journal, tries=1)[0].ask(ASK, PARAMS)
    with sqlite3.connect(tmp_path / "l.sqlite") as file:
        assert file.execute("SELECT state, raw FROM attempts").fetchall() == [("failed", "<html>")]
    file.close()


def test_what_may_have_been_billed_stays_reserved(tmp_path: Path) -> None:
    worst = worst_case(ASK, PARAMS)
    with Journal(tmp_path / "l.sqlite") as journal:
        caller(ScriptedTeacher(error("ambiguous")), journal, tries=1)[0].ask(ASK, PARAMS)
        assert journal.counts()["ambiguous"] == 1
        assert journal.committed() == worst


def test_a_crash_after_sending_is_reported_and_one_before_is_free(tmp_path: Path) -> None:
    worst = worst_case(ASK, PARAMS)
    journal = Journal(tmp_path / "l.sqlite")
    key, payload = call_key("t", ASK, PARAMS)
    sent = journal.reserve(key, draw=0, payload=payload, worst=worst)
    journal.mark_sent(key, sent)
    journal.reserve(key, draw=0, payload=payload, worst=worst)
    journal.close()  # the program ends here
    with Journal(tmp_path / "l.sqlite") as journal:
        assert journal.recovered == worst
        assert [(a.state, a.problem) for a in journal.attempts(key)] == [
            ("ambiguous", "ambiguous"),
            ("failed", "never_sent"),
        ]
        assert journal.committed() == worst


def test_an_interrupt_during_a_call_is_written_down(tmp_path: Path) -> None:
    class Interrupted(ScriptedTeacher):
        def complete(self, messages: object, params: Params) -> Reply:
            raise KeyboardInterrupt

    with Journal(tmp_path / "l.sqlite") as journal:
        with pytest.raises(KeyboardInterrupt):
            caller(Interrupted(), journal)[0].ask(ASK, PARAMS)
        assert journal.counts()["ambiguous"] == 1
        with pytest.raises(RecordingMissingError):
            caller(ScriptedTeacher(RecordingMissingError("none")), journal)[0].ask(ASK, PARAMS)
        assert journal.counts()["failed"] == 1


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (Budget(calls=1), "2 calls, the cap is 1"),
        (Budget(tokens=40), "up to 50 tokens, the cap is 40"),
        (Budget(money=0.00015, price_in=1.0, price_out=10.0), "in money, the cap is 0.0001"),
    ],
)
def test_nothing_is_sent_above_a_cap(tmp_path: Path, budget: Budget, told: str) -> None:
    teacher = ScriptedTeacher(Reply("a", usage=Usage(15, 4)), REPLY)
    with Journal(tmp_path / "l.sqlite", budget) as journal:
        one = caller(teacher, journal)[0]
        one.ask(ASK, PARAMS)
        with pytest.raises(BudgetError, match=told):
            one.ask(ASK, PARAMS.with_sample(1))
        assert len(teacher.asked) == 1
        assert one.ask(ASK, PARAMS).paid is False


def test_the_worst_case_bounds_tokens_by_bytes() -> None:
    assert worst_case(ASK, PARAMS) == Spent(1, 16 + 5, 10)
    assert worst_case([Message.of("user", "ü")], PARAMS).prompt_tokens == 18


def test_budgets_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="a money cap needs price_in"):
        Budget(money=1.0)
    with pytest.raises(InputError, match="must not be negative"):
        Budget(calls=-1)


def test_one_writer_at_a_time_and_only_journals(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite"), pytest.raises(InputError, match="Close the other program"):
        Journal(tmp_path / "l.sqlite")
    (tmp_path / "x.txt").write_text("no journal, but long enough to be looked at" * 100)
    with pytest.raises(InputError, match="cannot be used as a journal"):
        Journal(tmp_path / "x.txt")
