"""Calls that are ready to leave while others are on the network, and changes that share a sync of the disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.ledger.journal import Journal, call_key
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.pace import PaceRules
from tests.ledger.calling import HOW, calls
from tests.serving.teacher import Act, Plan, serving


class Sent(Journal):
    """Counts the calls that are marked as sent and not yet settled, and those that never left."""

    now = most = never_left = 0

    def mark_sent(self, key: str, number: int) -> None:
        super().mark_sent(key, number)
        self.now += 1
        self.most = max(self.most, self.now)

    def settle(self, key: str, number: int, reply: Any) -> None:
        super().settle(key, number, reply)
        self.now -= 1

    def fail(self, key: str, number: int, *, problem: str, **how: Any) -> None:
        super().fail(key, number, problem=problem, **how)
        self.never_left += problem == "not_sent"


def test_the_next_few_calls_wait_for_the_disk_while_others_are_on_the_network(tmp_path: Path) -> None:
    # Nobody is answered before sixteen are on the network and one more is marked as sent.
    plan: Plan = lambda body, seen: Act(until=lambda: teacher.peak == 16 and journal.most > 16)  # noqa: E731
    with serving(plan) as teacher, Sent(tmp_path / "l.sqlite") as journal:
        client = AsyncOpenAICompatible("tiny", base_url=teacher.url)
        found = list(ManyCaller(client, journal, rules=PaceRules(most=16, slow=1000.0)).answers(calls(96)))
        assert [one.number for one in found] == list(range(96))
        assert teacher.peak == 16  # as many on the network as allowed, and never more
        assert journal.most > 16  # some were ready before there was room for them
        counts = journal.counts()
        assert counts.pop("done") == 96
        assert not any(counts.values())


def test_a_call_that_was_ready_when_the_run_ended_cost_nothing(tmp_path: Path) -> None:
    def plan(body: dict[str, Any], seen: int) -> Act:
        # The first is answered when more are ready than may leave; the others when one has been told to stay.
        first = body["messages"][-1]["content"] == "q0"
        return Act(until=lambda: journal.most > 16 if first else journal.never_left > 0)

    with serving(plan) as teacher, Sent(tmp_path / "l.sqlite") as journal:
        client = AsyncOpenAICompatible("tiny", base_url=teacher.url)
        asked = calls(60)
        answers = ManyCaller(client, journal, rules=PaceRules(most=16, slow=1000.0)).answers(iter(asked))
        next(answers)
        answers.close()
        tries = [one for call in asked for one in journal.attempts(call_key(client.name, call.messages, HOW)[0])]
        waited = [one for one in tries if one.problem == "not_sent"]
        assert journal.counts()["sent"] == journal.counts()["ambiguous"] == 0
        assert {one.state for one in waited} == {"failed"}
        assert len(tries) - len(waited) == journal.counts()["done"] == len(teacher.billed)
        assert waited


class Counting(Journal):
    """A disk that takes its time: changes gather while it does."""

    commits = 0

    def commit(self) -> None:
        self.commits += 1
        time.sleep(0.01)
        super().commit()


def test_many_changes_share_a_sync_of_the_disk(tmp_path: Path) -> None:
    with serving() as teacher, Counting(tmp_path / "l.sqlite") as journal:
        client = AsyncOpenAICompatible("tiny", base_url=teacher.url)
        list(ManyCaller(client, journal, rules=PaceRules(most=32, slow=1000.0)).answers(calls(96)))
        assert journal.commits < 96  # 192 changes
