"""N accepted and not one call more, in draw order, whatever the number of calls at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tbcore.candidates import Candidate
from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.chat.messages import CallError, Message, Params, Subject
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.data.generate import Request, Tally, generate_accepted
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.ledger.budget import Budget
from tbcore.ledger.journal import Journal
from tbcore.ledger.pace import PaceRules
from tbcore.records import PictureGroup
from tests.serving.teacher import Act, Teacher, serving

NONCE = Codec("7f3a")
HOW = Params(max_tokens=20)


def requests(first: int = 0) -> Iterator[Request]:
    """As many as anybody wants."""
    for k in count(first):
        group = PictureGroup(f"g{k}", "1", "pets", ("a cat",))
        yield Request(group, (Message.of("user", f"cat {k}"),), NONCE, Subject(NONCE.version, f"g{k}", "h"))


def uneven(body: dict[str, Any], seen: int) -> Act:
    """Every third takes long, every seventh is refused."""
    k = int(body["messages"][0]["content"].split()[1])
    return Act(delay_s=0.03 if k % 3 == 0 else 0.0, refusal="no" if k % 7 == 0 else None)


def even(candidate: Candidate) -> bool:
    return int(candidate.reply[-1], 16) % 2 == 0


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Teacher, AsyncOpenAICompatible]]:
    with serving(uneven) as teacher:
        yield teacher, AsyncOpenAICompatible("tiny", base_url=teacher.url)


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_exactly_n_and_the_same_n_at_any_number_of_calls_at_once(
    tmp_path: Path, running: tuple[Teacher, AsyncOpenAICompatible], at_once: int
) -> None:
    teacher, client = running
    teacher.reset()
    tally = Tally()
    with Journal(tmp_path / "l.sqlite") as journal:
        rules = PaceRules(most=at_once, slow=1000.0)
        found = list(
            generate_accepted(requests(), client, journal, HOW, n_accepted=9, accepts=even, tally=tally, rules=rules)
        )
    kept = [one for one in found if isinstance(one, Candidate) and even(one)]
    assert (len(kept), tally.accepted, tally.stopped_by) == (9, 9, "wanted")
    assert found[-1] is kept[-1]
    assert [one.id if isinstance(one, Candidate) else one.record for one in found] == [
        f"g{k}/0" for k in range(len(found))
    ]
    assert len(teacher.billed) == len(found) == tally.drawn  # nothing was paid in vain
    assert str(tally) == f"9 accepted of {len(found)} drawn ({9 / len(found):.1%}); stopped by wanted"
    assert tally.spent.calls == len(found)


def test_each_cap_is_named_with_the_acceptance_rate(
    tmp_path: Path, running: tuple[Teacher, AsyncOpenAICompatible]
) -> None:
    client = running[1]
    with Journal(tmp_path / "a.sqlite") as journal:
        results = generate_accepted(
            requests(), client, journal, HOW, n_accepted=99, accepts=even, tally=(tally := Tally()), max_candidates=10
        )
        assert len(list(results)) == 10
        used = journal.used_by_draw()
    assert (tally.drawn, tally.stopped_by) == (10, "most")
    assert 0 < tally.acceptance < 1
    assert list(used) == list(range(10))
    assert sum(one.tokens for one in used.values()) == tally.spent.tokens
    with Journal(tmp_path / "b.sqlite", Budget(calls=6)) as journal:
        list(generate_accepted(requests(), client, journal, HOW, n_accepted=99, accepts=even, tally=(tally := Tally())))
    assert (tally.drawn, tally.stopped_by) == (6, "budget")
    assert "the cap is 6" in tally.detail


def test_the_end_of_the_requests_and_a_wrong_key_are_ends_too(tmp_path: Path) -> None:
    two = [next(requests(k)) for k in range(2)]
    with Journal(tmp_path / "a.sqlite") as journal:
        teacher = ScriptedTeacher("Human: 0", "Human: 2")
        list(generate_accepted(two, teacher, journal, HOW, n_accepted=9, accepts=even, tally=(tally := Tally())))
        assert (tally.accepted, tally.stopped_by) == (2, "requests")
    with Journal(tmp_path / "b.sqlite") as journal:
        teacher = ScriptedTeacher("Human: 0", CallError("status 401", kind="forbidden"))
        list(generate_accepted(two, teacher, journal, HOW, n_accepted=9, accepts=even, tally=(tally := Tally())))
        assert (tally.accepted, tally.stopped_by, tally.detail) == (1, "forbidden", "status 401")


def test_judging_happens_in_draw_order_so_rules_may_remember(
    tmp_path: Path, running: tuple[Teacher, AsyncOpenAICompatible]
) -> None:
    judged: list[str] = []

    def remembers(candidate: Candidate) -> bool:
        judged.append(candidate.group)
        return len(judged) % 2 == 0

    with Journal(tmp_path / "l.sqlite") as journal:
        list(generate_accepted(requests(1), running[1], journal, HOW, n_accepted=5, accepts=remembers, tally=Tally()))
    assert judged == sorted(judged, key=lambda name: int(name[1:]))
    assert len(judged) == 10


def test_numbers_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "l.sqlite") as journal, pytest.raises(InputError, match="must be at least 1"):
        list(generate_accepted([], ScriptedTeacher(), journal, HOW, n_accepted=0, accepts=even, tally=Tally()))
