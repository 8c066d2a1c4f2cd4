"""Many calls at once, against a server on this computer that misbehaves on command."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.chat.messages import CallError, Message, Params, Reply
from tbcore.errors import BudgetError
from tbcore.ledger.budget import Budget, worst_case
from tbcore.ledger.caller import Answer, Call
from tbcore.ledger.journal import Journal
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.pace import CircuitOpenError, PaceRules
from tbcore.ledger.report import dead_letters, standing, write_dead_letters
from tbcore.store import read_jsonl
from tests.ledger.calling import HOW, RULES, calls, on, setting
from tests.serving.teacher import Act, busy, serving

KEY = "sk-marker-never-to-be-seen"


def states(journal: Journal, answer: Answer) -> list[str]:
    return [one.state if one.problem is None else one.problem for one in journal.attempts(answer.key)]


def test_answers_come_in_the_order_of_the_calls_and_a_second_run_pays_nothing(tmp_path: Path) -> None:
    slow_first = on(q0=[Act(until=lambda: len(teacher.billed) >= 12)])
    with setting(tmp_path, slow_first) as (teacher, caller, journal):
        first = list(caller.answers(calls(20)))
        again = list(caller.answers(calls(20)))
        assert [one.reply.text for one in again if one.reply] == [one.reply.text for one in first if one.reply]
        assert [one.paid for one in first + again] == [True] * 20 + [False] * 20
        assert len(teacher.billed) == journal.committed().calls == 20
        assert 2 <= teacher.peak <= 8
        assert len(set(teacher.billed)) == 20
        assert journal.committed().tokens == teacher.billed_tokens


def test_the_same_question_twice_is_one_call(tmp_path: Path) -> None:
    with setting(tmp_path) as (teacher, caller, _):
        found = list(caller.answers(calls(2) * 3))
        assert len(teacher.billed) == 2
        assert found[0].reply == found[2].reply


def test_busy_teachers_are_obeyed_and_use_up_no_tries(tmp_path: Path) -> None:
    with setting(tmp_path, on(q3=[busy("0.02")] * 6), tries=1) as (_, caller, journal):
        found = list(caller.answers(calls(6)))
        assert states(journal, found[3]) == ["busy"] * 6 + ["done"]
        assert caller.pace.decreases >= 1


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (Act(kind="status", status=500), "server_error"),
        (Act(kind="status", status=504), "ambiguous"),
        (Act(kind="hang_up"), "ambiguous"),
        (Act(kind="cut"), "ambiguous"),
        (Act(kind="page"), "unreadable"),
        (Act(kind="misshapen"), "unreadable"),
    ],
)
def test_failures_are_written_down_and_tried_again(tmp_path: Path, act: Act, problem: str) -> None:
    with setting(tmp_path, on(q1=[act])) as (_, caller, journal):
        found = list(caller.answers(calls(3)))
        assert [one.reply is not None for one in found] == [True] * 3
        assert states(journal, found[1]) == [problem, "done"]
        assert journal.counts()["ambiguous"] == (problem == "ambiguous")
        assert standing(journal).ambiguous.calls == (problem == "ambiguous")


class Hasty(AsyncOpenAICompatible):
    """Gives up soon on the first answer to q1, and waits patiently for all others."""

    def __init__(self, url: str) -> None:
        super().__init__("tiny", base_url=url)
        soon: Any = httpx.Timeout(60, read=0.05)
        self.hasty = AsyncOpenAICompatible("tiny", base_url=url, timeout_s=soon)

    async def complete(self, messages: Sequence[Message], params: Params, *, attempt: str = "") -> Reply:
        if messages[0].text == "q1" and attempt.endswith("-0"):
            return await self.hasty.complete(messages, params, attempt=attempt)
        return await super().complete(messages, params, attempt=attempt)

    async def aclose(self) -> None:
        await self.hasty.aclose()
        await super().aclose()


def test_an_answer_that_is_not_waited_for_may_have_been_billed(tmp_path: Path) -> None:
    with serving(on(q1=[Act(until=lambda: False)])) as teacher, Journal(tmp_path / "l.sqlite") as journal:
        found = list(ManyCaller(Hasty(teacher.url), journal, rules=RULES).answers(calls(3)))
        assert [one.reply is not None for one in found] == [True] * 3
        assert states(journal, found[1]) == ["ambiguous", "done"]
        assert standing(journal).ambiguous.calls == journal.counts()["ambiguous"] == 1


def test_slow_and_doubled_bodies_are_read_once(tmp_path: Path) -> None:
    with setting(tmp_path, on(q0=[Act(kind="slow")], q1=[Act(kind="twice")])) as (teacher, caller, journal):
        assert all(one.reply for one in caller.answers(calls(3)))
        assert journal.counts()["done"] == len(teacher.billed) == 3


@pytest.mark.parametrize(
    ("act", "finish"),
    [
        (Act(refusal="no"), "refusal"),
        (Act(finish="content_filter", text=""), "content_filter"),
        (Act(text=" "), "empty"),
    ],
)
def test_refusals_are_answers_and_are_kept(tmp_path: Path, act: Act, finish: str) -> None:
    with setting(tmp_path, on(q0=[act])) as (_, caller, journal):
        (answer,) = caller.answers(calls(1))
        assert answer.reply is not None
        assert answer.reply.finish_reason == finish
        assert journal.counts()["done"] == 1


def test_a_cut_reply_is_asked_for_once_more_with_more_room_from_the_original_prompt(tmp_path: Path) -> None:
    with setting(tmp_path, lambda body, seen: Act(finish="length")) as (teacher, caller, _):
        (answer,) = caller.answers(calls(1))
        assert answer.reply is not None
        assert answer.reply.finish_reason == "length"
        assert [body["max_tokens"] for body, _ in teacher.asked] == [20, 40]
        assert teacher.asked[0][0]["messages"] == teacher.asked[1][0]["messages"]


def test_dead_letters_are_listed_and_a_refused_prompt_is_never_sent_again(tmp_path: Path) -> None:
    bad = on(q1=[Act(kind="status", status=400)] * 9, q2=[Act(kind="page")] * 2)
    with setting(tmp_path, bad) as (teacher, caller, journal):
        found = list(caller.answers(calls(3)))
        assert [one.problem for one in found] == [None, "rejected", "unreadable"]
        assert write_dead_letters(journal, tmp_path / "dead.jsonl") == 2
        rows = list(read_jsonl(tmp_path / "dead.jsonl"))
        assert [(row["draw"], row["problem"], len(row["tries"])) for row in rows] == [
            (1, "rejected", 1),
            (2, "unreadable", 2),
        ]
        again = list(caller.answers(calls(3)))
        assert [one.problem for one in again] == [None, "rejected", None]
        assert again[1].paid is False
        assert teacher.seen.total() == 5
        assert len(list(dead_letters(journal))) == 1


def test_what_may_have_been_billed_is_not_paid_again_unless_wanted(tmp_path: Path) -> None:
    with setting(tmp_path, on(q0=[Act(kind="cut")]), pay_again=False) as (teacher, caller, _):
        assert [one.problem for one in caller.answers(calls(1))] == ["ambiguous"]
        assert [one.problem for one in caller.answers(calls(1))] == ["ambiguous"]
        assert teacher.seen.total() == 1


def test_a_wrong_key_stops_the_run_and_keeps_what_came_before(tmp_path: Path) -> None:
    with setting(tmp_path, on(q5=[Act(kind="status", status=401)])) as (teacher, caller, journal):
        found: list[Answer] = []
        with pytest.raises(CallError, match="Check the key in OPENAI_API_KEY"):
            found.extend(caller.answers(calls(200)))
        assert teacher.seen.total() < 100
        assert journal.counts()["sent"] == 0


def test_a_teacher_that_only_fails_opens_the_circuit(tmp_path: Path) -> None:
    rules = PaceRules(most=4, open_after=4, first_pause_s=0.002, longest_pause_s=0.01, give_up_after_s=0.1)
    with setting(tmp_path, lambda body, seen: busy("0"), rules=rules) as (_, caller, journal):
        with pytest.raises(CircuitOpenError, match="no call has succeeded"):
            list(caller.answers(calls(30)))
        assert journal.counts()["sent"] == 0
        assert journal.committed().tokens == 0


def test_nobody_listening_is_said_soon(tmp_path: Path) -> None:
    client = AsyncOpenAICompatible("tiny", base_url="http://127.0.0.1:9/v1")
    rules = PaceRules(most=2, open_after=3, first_pause_s=0.001)
    with Journal(tmp_path / "l.sqlite") as journal:
        with pytest.raises(CircuitOpenError, match="is base_url right"):
            list(ManyCaller(client, journal, rules=rules).answers(calls(5)))
        assert journal.committed().calls == 0


@pytest.mark.parametrize("at_once", [1, 3, 32])
@pytest.mark.parametrize("cap", ["calls", "tokens", "money"])
def test_no_cap_is_passed_at_any_number_of_calls_at_once(tmp_path: Path, at_once: int, cap: str) -> None:
    worst = worst_case(calls(1)[0].messages, HOW).tokens
    budget = {
        "calls": Budget(calls=7),
        "tokens": Budget(tokens=3 * worst),
        "money": Budget(money=3.0 * worst, price_in=1e6, price_out=1e6),
    }[cap]
    rules = PaceRules(most=at_once, first_pause_s=0.001)
    plan = on(q1=[busy("0")], q2=[Act(kind="cut")])
    with setting(tmp_path, plan, budget=budget, rules=rules) as (teacher, caller, journal):
        found: list[Answer] = []
        with pytest.raises(BudgetError, match="the cap is"):
            found.extend(caller.answers(calls(60)))
        assert budget.excess(journal.committed()) is None
        assert teacher.seen.total() <= (7 if cap == "calls" else 60)
        assert teacher.billed_tokens <= (budget.tokens or 10**9)
        assert len(found) == journal.counts()["done"] >= 3
        assert [one.number for one in found] == sorted({one.number for one in found})


def test_an_early_end_waits_for_calls_under_way(tmp_path: Path) -> None:
    begun: list[int] = []

    def asked() -> Iterator[Call]:
        for call in calls(500):
            begun.append(call.draw)
            yield call

    with setting(tmp_path) as (teacher, caller, journal):
        answers = caller.answers(asked())
        next(answers)
        answers.close()
        assert journal.counts()["sent"] == 0
        assert journal.counts()["done"] == len(teacher.billed) <= len(begun) < 500


def test_a_full_disk_stops_everything_and_the_file_stays_good(tmp_path: Path) -> None:
    class Full(Journal):
        left = 6

        def commit(self) -> None:
            self.left -= 1
            if self.left == 0:
                self._file.execute("PRAGMA max_page_count = 1")
                self._file.execute("CREATE TABLE more (x)")
            super().commit()

    with serving() as teacher:
        client = AsyncOpenAICompatible("tiny", base_url=teacher.url)
        with Full(tmp_path / "l.sqlite") as journal, pytest.raises(sqlite3.Error, match="full"):
            list(ManyCaller(client, journal, rules=RULES).answers(calls(60)))
        billed = len(teacher.billed)
        with Journal(tmp_path / "l.sqlite") as journal:
            assert journal.counts()["done"] + journal.counts()["ambiguous"] >= billed
            assert all(one.reply for one in ManyCaller(client, journal, rules=RULES).answers(calls(60)))


def test_the_key_is_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level("DEBUG")
    with setting(tmp_path, on(q0=[Act(kind="status", status=400)], q1=[Act(kind="cut")])) as (teacher, caller, journal):
        found = list(caller.answers(calls(4)))
        write_dead_letters(journal, tmp_path / "dead.jsonl")
        assert teacher.asked[0][1]["authorization"] == f"Bearer {KEY}"
        assert KEY not in repr(found) + repr(caller.client) + caplog.text
        for path in tmp_path.iterdir():
            assert KEY.encode() not in path.read_bytes(), path
