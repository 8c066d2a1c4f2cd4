"""Ledgers of shards: nothing is lost when they are dealt out or merged, and parts of a cap never exceed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.chat.messages import Reply, Usage
from tbcore.errors import InputError
from tbcore.ledger.budget import Budget, Spent
from tbcore.ledger.journal import Journal
from tbcore.scale.ledgers import deal_ledgers, merge_ledgers, share_budget, spent_in


def ledger(path: Path, *keys: str, lost: str = "") -> Path:
    with Journal(path) as journal:
        for draw, key in enumerate(keys):
            number = journal.reserve(key, draw=draw, payload=f"p{key}", worst=Spent(1, 100, 50))
            journal.mark_sent(key, number)
            if key != lost:
                journal.settle(key, number, Reply(f"r{key}", "stop", Usage(10, 5), "{}"))
    return path


def test_merging_is_by_key_and_counts_what_died_under_way(tmp_path: Path) -> None:
    one = ledger(tmp_path / "one.sqlite", "aa", "bb")
    two = ledger(tmp_path / "two.sqlite", "cc", "dd", lost="dd")
    merge_ledgers([one, two], tmp_path / "all.sqlite", {"aa": 2, "bb": 0, "cc": 1})
    with Journal(tmp_path / "all.sqlite") as journal:
        found = [(draw, last.key, last.state) for draw, last in journal.calls()]
        assert found == [(0, "bb", "done"), (1, "cc", "done"), (1, "dd", "ambiguous"), (2, "aa", "done")]
        assert journal.committed() == Spent(4, 3 * 10 + 100, 3 * 5 + 50)
        assert journal.answer("cc") == Reply("rcc", "stop", Usage(10, 5), "{}")


def test_dealing_puts_calls_where_their_rows_are_and_keeps_those_of_nobody(tmp_path: Path) -> None:
    old = [ledger(tmp_path / "one.sqlite", "aa", "bb"), ledger(tmp_path / "two.sqlite", "cc", "0f")]
    new = [tmp_path / "new0.sqlite", tmp_path / "new1.sqlite"]
    deal_ledgers(old, new, {"aa": (1, 0), "bb": (0, 0), "cc": (1, 1)})
    with Journal(new[0]) as first, Journal(new[1]) as second:
        assert [(draw, last.key) for draw, last in first.calls()] == [(0, "bb")]
        assert [(draw, last.key) for draw, last in second.calls()] == [(0, "aa"), (1, "0f"), (1, "cc")]  # 0f is odd
    assert spent_in(new[0]) + spent_in(new[1]) == Spent(4, 40, 20)
    assert spent_in(tmp_path / "none.sqlite") == Spent()


def test_batches_that_lie_with_a_provider_are_not_dealt_out(tmp_path: Path) -> None:
    with Journal(tmp_path / "one.sqlite") as journal:
        number = journal.reserve("aa", draw=0, payload="p", worst=Spent(1, 1, 1))
        journal.intend_batch("m", [("aa", number)])
    with pytest.raises(InputError, match="1 batches lie with the provider"):
        deal_ledgers([tmp_path / "one.sqlite"], [tmp_path / "new.sqlite"], {})


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 500), st.integers(0, 20)), min_size=1, max_size=6),
    st.integers(0, 60),
    st.integers(0, 5000),
    st.floats(0, 1),
)
def test_shares_never_exceed_the_cap(shards, calls: int, tokens: int, money: float) -> None:
    spent = [Spent(n, used, used // 2) for n, used, _ in shards]
    budget = Budget(calls=calls, tokens=tokens, money=money, price_in=2.0, price_out=8.0)
    parts = share_budget(budget, spent, [weight for *_, weight in shards])
    total = sum(spent, Spent())
    assert sum(part.calls or 0 for part in parts) <= max(calls, total.calls)
    assert sum(part.tokens or 0 for part in parts) <= max(tokens, total.tokens)
    assert sum(part.money or 0 for part in parts) <= max(money, budget.cost(total)) + 1e-12
    assert all((part.calls or 0) >= had.calls for part, had in zip(parts, spent, strict=True))


def test_without_caps_there_is_nothing_to_share() -> None:
    assert share_budget(Budget(), [Spent(), Spent()], [1, 1]) == [Budget(), Budget()]
