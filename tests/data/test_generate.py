"""Generation yields in draw order, replays what it knows, and records what brought nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbcore.candidates import Candidate
from tbcore.chat.messages import CallError, Message, Params, Reply, Subject
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.data.generate import Request, Tally, accept, generate
from tbcore.dialogue import Codec
from tbcore.errors import BudgetError, InputError
from tbcore.ledger.budget import Budget
from tbcore.ledger.journal import Journal
from tbcore.records import PictureGroup, Rejection

NONCE = Codec("7f3a")


def requests(n: int) -> list[Request]:
    return [
        Request(
            PictureGroup(f"g{k}", "1", "pets", ("a cat",)),
            (Message.of("user", f"cat {k}"),),
            NONCE,
            Subject(NONCE.version, f"g{k}", "h"),
            origin={"examples": "v1"},
        )
        for k in range(n)
    ]


def run(path: Path, teacher: ScriptedTeacher, n: int, budget: Budget | None = None) -> list[Candidate | Rejection]:
    with Journal(path, budget) as journal:
        return list(generate(requests(n), teacher, journal, Params(max_tokens=20), tries=1))


def test_a_teacher_that_answers_nothing_is_a_recorded_rejection_and_the_rest_goes_on(tmp_path: Path) -> None:
    teacher = ScriptedTeacher(
        "Human: a",
        Reply("", "empty"),
        " \n",
        Reply("no", "refusal"),
        CallError("status 400", kind="rejected"),
        "Human: f",
    )
    found = run(tmp_path / "l.sqlite", teacher, 6)
    assert [f.code if isinstance(f, Rejection) else f.reply for f in found] == [
        "Human: a",
        "no_answer",
        "no_answer",
        "refusal",
        "call_rejected",
        "Human: f",
    ]
    assert [f.record if isinstance(f, Rejection) else f.id for f in found] == [f"g{k}/0" for k in range(6)]
    first = found[0]
    assert isinstance(first, Candidate)
    assert first.origin["examples"] == "v1"
    assert first.captions == ("a cat",)
    assert Candidate.from_json(first.to_json()) == first


def test_an_interrupted_run_goes_on_where_it_ended_and_gives_the_same(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.sqlite", ScriptedTeacher("Human: 0", "Human: 1", "Human: 2"), 3)
    with Journal(tmp_path / "cut.sqlite") as journal:
        results = generate(requests(3), ScriptedTeacher("Human: 0", "Human: 1"), journal, Params(max_tokens=20))
        next(results)
        next(results)
    rest = ScriptedTeacher("Human: 2")
    assert run(tmp_path / "cut.sqlite", rest, 3) == whole
    assert len(rest.asked) == 1


def test_a_cut_reply_is_asked_for_once_more_with_twice_the_room(tmp_path: Path) -> None:
    teacher = ScriptedTeacher(Reply("Hum", "length"), "Human: a", Reply("Hu", "length"), Reply("Huma", "length"))
    found = run(tmp_path / "l.sqlite", teacher, 2)
    assert [asked[1].max_tokens for asked in teacher.asked] == [20, 40, 20, 40]
    assert isinstance(found[0], Candidate)
    assert isinstance(found[1], Rejection)
    assert (found[1].code, found[1].offset) == ("cut_off", 4)


def test_a_cap_stops_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="the cap is 1"):
        run(tmp_path / "l.sqlite", ScriptedTeacher("Human: 0", "Human: 1"), 2, Budget(calls=1))
    teacher = ScriptedTeacher("Human: 1")
    assert len(run(tmp_path / "l.sqlite", teacher, 2)) == 2
    assert len(teacher.asked) == 1


def test_accept_ends_with_exactly_what_was_wanted_or_says_why(tmp_path: Path) -> None:
    results = run(tmp_path / "l.sqlite", ScriptedTeacher("a", "", "b", "c"), 4)
    tally = Tally()
    assert [c.reply for c in accept(results, 2, tally)] == ["a", "b"]
    assert (tally.drawn, tally.accepted, tally.stopped_by) == (3, 2, "wanted")
    assert tally.acceptance == 2 / 3
    assert len(list(accept(results, 9, tally := Tally()))) == 3
    assert tally.stopped_by == "requests"
    assert len(list(accept(results, 9, tally := Tally(), most=1))) == 1
    assert tally.stopped_by == "most"
    with pytest.raises(InputError, match="wanted must be at least 1"):
        list(accept([], 0, Tally()))
