"""Batches: the intent comes first, both files are read, and what is missing is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tbcore.chat.batches import OpenAIBatches
from tbcore.chat.messages import CallError, Message, Params
from tbcore.errors import BudgetError
from tbcore.ledger.batch import BatchCaller
from tbcore.ledger.budget import Budget
from tbcore.ledger.caller import Call
from tbcore.ledger.journal import Journal
from tests.serving.teacher import Act, Teacher, serving

HOW = Params(max_tokens=20)


def calls(n: int) -> list[Call]:
    return [Call([Message.of("user", f"q{k}")], HOW, k) for k in range(n)]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Teacher, OpenAIBatches]]:
    with serving() as teacher:
        client = OpenAIBatches("tiny", base_url=teacher.url)
        yield teacher, client
        client.close()


@pytest.fixture
def teacher(running: tuple[Teacher, OpenAIBatches]) -> Teacher:
    teacher = running[0]
    teacher.reset()
    teacher.plan = lambda body, seen: Act()
    teacher.batches = type(teacher.batches)(teacher)
    return teacher


@pytest.fixture
def caller(running: tuple[Teacher, OpenAIBatches], teacher: Teacher) -> Callable[..., BatchCaller]:
    def make(journal: Journal, **how: Any) -> BatchCaller:
        return BatchCaller(running[1], journal, **{"wait": lambda seconds: None, **how})

    return make


def test_answers_come_in_order_from_batches_of_a_size_and_are_paid_once(
    tmp_path: Path, teacher: Any, caller: Any
) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        found = list(caller(journal, most=3).answers(calls(7)))
        assert [one.number for one in found] == list(range(7))
        assert len({one.reply.text for one in found}) == 7
        assert len(teacher.batches.made) == 3
        again = list(caller(journal, most=3).answers(calls(7)))
        assert [one.reply.text for one in again] == [one.reply.text for one in found]
        assert [one.paid for one in found + again] == [True] * 7 + [False] * 7
        assert len(teacher.batches.made) == 3
        assert journal.committed().tokens == teacher.billed_tokens


def test_the_same_ledger_serves_direct_calls_and_batches(tmp_path: Path, running: Any, caller: Any) -> None:
    from tbcore.chat.endpoint import AsyncOpenAICompatible
    from tbcore.ledger.many import ManyCaller

    with Journal(tmp_path / "l.sqlite") as journal:
        list(ManyCaller(AsyncOpenAICompatible("tiny", base_url=running[0].url), journal).answers(calls(2)))
        assert [one.paid for one in caller(journal).answers(calls(3))] == [False, False, True]


def test_errors_are_in_the_error_file_only_and_a_refused_prompt_is_a_dead_letter(
    tmp_path: Path, teacher: Any, caller: Any
) -> None:
    kinds = {"q1": Act(kind="status", status=400), "q2": Act(kind="misshapen"), "q3": Act(refusal="no")}
    teacher.plan = lambda body, seen: kinds.get(body["messages"][0]["content"], Act())
    with Journal(tmp_path / "l.sqlite") as journal:
        found = list(caller(journal, tries=2).answers(calls(5)))
        assert [one.problem for one in found] == [None, "rejected", "unreadable", None, None]
        assert found[3].reply.finish_reason == "refusal"
        assert len(teacher.batches.made) == 2  # only what could not be read is asked again


def test_a_cut_reply_goes_into_a_second_batch_with_more_room(tmp_path: Path, teacher: Any, caller: Any) -> None:
    teacher.plan = lambda body, seen: Act(finish="length" if body["max_tokens"] == 20 else "stop")
    with Journal(tmp_path / "l.sqlite") as journal:
        assert [one.reply.finish_reason for one in caller(journal).answers(calls(2))] == ["stop", "stop"]
        assert len(teacher.batches.made) == 2


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_what_an_unfinished_batch_had_is_kept_and_only_the_rest_is_asked_again(
    tmp_path: Path, teacher: Any, caller: Any, end: str
) -> None:
    teacher.batches.end = end
    with Journal(tmp_path / "l.sqlite") as journal:
        one = caller(journal, tries=1)
        found = list(one.answers(calls(4)))
        assert [answer.problem for answer in found] == [None, "not_sent", None, "not_sent"]
        assert list(one.report.unfinished.values()) == [end]
        assert len(one.report.missing) == (2 if end == "cancelled" else 0)
        assert journal.committed().calls == 2
        teacher.batches.end = "completed"
        assert all(answer.reply for answer in caller(journal).answers(calls(4)))
        assert len(teacher.billed) == 4


def test_ids_in_neither_file_strangers_and_doubles_are_reported(tmp_path: Path, teacher: Any, caller: Any) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        key = next(iter(caller(journal).answers(calls(1)))).key
    teacher.batches.lose, teacher.batches.twice, teacher.batches.strangers = {key}, True, True
    with Journal(tmp_path / "m.sqlite") as journal:
        one = caller(journal)
        found = list(one.answers(calls(3)))
        assert [answer.problem for answer in found] == ["ambiguous", None, None]
        assert one.report.missing == [key]
        assert set(one.report.strangers) == {"nobody-asked"}
        assert sorted(one.report.repeated) == sorted(answer.key for answer in found[1:])
        assert journal.ambiguous().calls == 1


def test_a_crash_while_waiting_reads_the_batch_that_is_there(tmp_path: Path, teacher: Any, caller: Any) -> None:
    def crash(seconds: float) -> None:
        raise KeyboardInterrupt

    with Journal(tmp_path / "l.sqlite") as journal, pytest.raises(KeyboardInterrupt):
        list(caller(journal, wait=crash).answers(calls(3)))
    with Journal(tmp_path / "l.sqlite") as journal:
        assert journal.recovered.calls == 0  # it lies with the provider, nothing is lost
        assert len(list(caller(journal).answers(calls(3)))) == 3
        assert (len(teacher.batches.made), len(teacher.billed)) == (1, 3)


def test_a_batch_that_was_made_but_not_told_is_found_again(tmp_path: Path, teacher: Any, caller: Any) -> None:
    teacher.batches.refuse_create = 1
    for other in range(3):  # batches of others come on further pages of the list
        teacher.batches.made.insert(other, {**_made(other), "metadata": None})
    with Journal(tmp_path / "l.sqlite") as journal, pytest.raises(CallError, match="status 500"):
        list(caller(journal).answers(calls(3)))
    for other in range(3, 6):
        teacher.batches.made.append({**_made(other), "metadata": {"of": "others"}})
    with Journal(tmp_path / "l.sqlite") as journal:
        assert len(list(caller(journal).answers(calls(3)))) == 3
        assert len(teacher.billed) == 3


def test_an_intent_without_a_batch_is_freed_and_sent_anew(tmp_path: Path, teacher: Any, caller: Any) -> None:
    with Journal(tmp_path / "l.sqlite") as journal:
        one = caller(journal)
        one.client = _Dying(one.client)
        with pytest.raises(KeyboardInterrupt):
            list(one.answers(calls(2)))
        assert journal.counts()["sent"] == 2
    with Journal(tmp_path / "l.sqlite") as journal:
        assert all(answer.reply for answer in caller(journal).answers(calls(2)))
        assert journal.committed().calls == len(teacher.billed) == 2


def test_a_batch_above_a_cap_is_not_sent_at_all(tmp_path: Path, teacher: Any, caller: Any) -> None:
    with Journal(tmp_path / "l.sqlite", Budget(calls=5)) as journal:
        answers = caller(journal, most=3).answers(calls(6))
        assert [next(answers).problem for _ in range(3)] == [None] * 3
        with pytest.raises(BudgetError, match="6 calls, the cap is 5"):
            next(answers)
        assert journal.committed().calls == len(teacher.billed) == 3


class _Dying:
    """Dies before anything is uploaded."""

    def __init__(self, client: OpenAIBatches) -> None:
        self.name, self.line = client.name, client.line

    def submit(self, lines: object, manifest: str) -> None:
        raise KeyboardInterrupt


def _made(n: int) -> dict[str, Any]:
    return {
        "id": f"other-{n}", "object": "batch", "endpoint": "/v1/chat/completions", "created_at": 1,
        "input_file_id": "f", "completion_window": "24h", "status": "completed", "polled": 0,
        "output_file_id": None, "error_file_id": None,
    }  # fmt: skip
