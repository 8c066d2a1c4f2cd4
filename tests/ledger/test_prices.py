"""Prices come from a dated file, and a quote from a pilot."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from tbcore.errors import InputError, MissingFileError
from tbcore.ledger.budget import Budget, Spent
from tbcore.ledger.prices import quote, read_prices
from tbcore.seeds import stream

TABLE = """
date = 2026-01-31
currency = "EUR"
source = "a price page"
[models."m"]
read = 2.0
written = 10.0
batch_share = 0.5
"""
DAY = datetime.date(2026, 3, 1)


def test_a_table_makes_budgets(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TABLE)
    table = read_prices(tmp_path / "p.toml", today=DAY, oldest_days=30)
    assert (table.currency, table.date.year) == ("EUR", 2026)
    assert table.budget("m", money=3.0).cost(Spent(1, 1_000_000, 100_000)) == 3.0
    assert table.budget("m", money=3.0, batch=True).price_out == 5.0
    with pytest.raises(InputError, match="no model 'n'"):
        table.budget("n", money=1.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("read = 2.0", "read = -1"), "must be finite and not negative"),
        (("date = 2026-01-31", ""), "KeyError: 'date'"),
        (("date = 2026-01-31", "date = 'x'"), "not a price table"),
        (("[models", "models"), "not a price table"),
        (("2026-01-31", "2025-01-31"), "394 days old, more than 30"),
    ],
)
def test_tables_that_cannot_be_trusted_are_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    (tmp_path / "p.toml").write_text(TABLE.replace(*change))
    with pytest.raises(InputError, match=told):
        read_prices(tmp_path / "p.toml", today=DAY, oldest_days=30)
    with pytest.raises(MissingFileError, match="with the date"):
        read_prices(tmp_path / "none.toml")


def test_the_quote_holds_what_runs_really_cost() -> None:
    budget = Budget(money=1e9, price_in=1.0, price_out=4.0)
    rng = stream(0, "pilots")
    inside = 0
    for seed in range(100):
        pilot = [Spent(1, int(rng.normal(2000, 200)), int(rng.gamma(4, 100))) for _ in range(20)]
        accepted = (rng.random(20) < 0.7).tolist()
        told = quote(pilot, accepted, budget, n_accepted=200, seed=seed)
        assert told.low < told.expected < told.high
        true = (2000 + 4 * 400) / 1e6 * (200 + rng.negative_binomial(200, 0.7))
        inside += told.low <= true <= told.high
    assert inside >= 88


def test_all_accepted_is_not_certainty_and_none_is_no_quote() -> None:
    budget = Budget(money=1.0, price_in=1.0, price_out=1.0)
    pilot = [Spent(1, 100, 50)] * 20
    told = quote(pilot, [True] * 20, budget, n_accepted=100)
    assert told.calls_low == 100
    assert told.calls_high > 104
    assert told == quote(pilot, [True] * 20, budget, n_accepted=100)
    with pytest.raises(InputError, match="one acceptance"):
        quote(pilot, [False] * 20, budget, n_accepted=100)
