"""Calls for a teacher on this computer, and what it does with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.chat.messages import Message, Params
from tbcore.ledger.budget import Budget
from tbcore.ledger.caller import Call
from tbcore.ledger.journal import Journal
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.pace import PaceRules
from tests.serving.teacher import Act, Plan, Teacher, always, serving

RULES = PaceRules(most=8, first_pause_s=0.005, slow=1000.0)
HOW = Params(max_tokens=20)


def calls(n: int) -> list[Call]:
    return [Call([Message.of("user", f"q{k}")], HOW, k) for k in range(n)]


def on(**acts: list[Act]) -> Plan:
    """Act k for the k-th time a question is asked; then answer."""

    def plan(body: dict[str, Any], seen: int) -> Act:
        wanted = acts.get(body["messages"][-1]["content"], [])
        return wanted[seen] if seen < len(wanted) else Act()

    return plan


@contextmanager
def setting(
    tmp_path: Path, plan: Plan = always, *, budget: Budget | None = None, **how: Any
) -> Iterator[tuple[Teacher, ManyCaller, Journal]]:
    with serving(plan) as teacher, Journal(tmp_path / "l.sqlite", budget) as journal:
        client = AsyncOpenAICompatible("tiny", base_url=teacher.url)
        yield teacher, ManyCaller(client, journal, **{"rules": RULES, **how}), journal
