"""Ledgers of shards: dealt out when the number of shards changes, merged by key when all are done.

Every shard has a journal of its own, with one writer. A call lies in the journal of the shard its row belongs to,
so a worker that takes a shard up again finds whatever was paid for it.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tbcore.errors import InputError
from tbcore.ledger.budget import Budget, Spent
from tbcore.ledger.journal import Journal

__all__ = ["deal_ledgers", "merge_ledgers", "share_budget", "spent_in"]

_CALL = "SELECT key, draw, payload FROM calls ORDER BY draw, key"
_TRIES = (
    "SELECT key, number, state, prompt_tokens, completion_tokens, raw, reply, finish_reason, problem, detail "
    "FROM attempts WHERE key = ? ORDER BY number"
)
_ADD_CALL = "INSERT OR IGNORE INTO calls VALUES (?, ?, ?)"
_ADD_TRY = "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TRIED = "SELECT COUNT(*) FROM attempts WHERE key = ?"


def merge_ledgers(shards: Sequence[Path], target: Path, draws: Mapping[str, int]) -> None:
    """Put the journals of all shards into one, by key; the file appears when it is whole.

    Args:
        shards: journals; those that are missing are passed over.
        target: replaced.
        draws: the place in the list of the row that each key belongs to; unknown keys keep their draw.
    """
    part = target.with_name(f".{target.name}.part")
    _remove(part)
    deal_ledgers(shards, [part], {key: (0, draw) for key, draw in draws.items()})
    part.replace(target)


def deal_ledgers(old: Sequence[Path], new: Sequence[Path], where: Mapping[str, tuple[int, int]]) -> None:
    """Copy every call, with all its tries, into the journal it now belongs to; nothing is left out.

    Args:
        old: journals; what was under way in them when their writer died counts as possibly billed.
        new: journals, made when missing.
        where: which of the new ones a key belongs to, and its draw there. Calls nobody asks for any more go
            where their key says and keep their draw: they were paid for.
    """
    for place in (*old, *new):
        Journal(place).close()  # makes the tables, and sorts out what a dead writer left
    targets = [_opened(place) for place in new]
    try:
        for target in targets:
            target.execute("BEGIN")
        for place in old:
            with closing(_opened(place)) as source:
                _refuse_batches(source, place)
                for key, draw, payload in source.execute(_CALL).fetchall():
                    number, draw = where.get(key, (int(key[:15], 16) % len(new), draw))
                    _copy(source, targets[number], key, draw, payload)
        for target in targets:
            target.execute("COMMIT")
    finally:
        for target in targets:
            target.close()


def share_budget(budget: Budget, spent: Sequence[Spent], weights: Sequence[int]) -> list[Budget]:
    """What each shard may have spent in all: what it has, and its part of what is left. The parts never exceed it.

    Args:
        budget: of all shards together.
        spent: what each shard's journal stands at.
        weights: how many rows each has still to do; 0 for those that are done.
    """
    total = sum(spent, Spent())
    all_rows = max(1, sum(weights))
    calls = None if budget.calls is None else max(0, budget.calls - total.calls)
    tokens = None if budget.tokens is None else max(0, budget.tokens - total.tokens)
    money = None if budget.money is None else max(0.0, budget.money - budget.cost(total))
    return [
        Budget(
            calls=None if calls is None else had.calls + calls * weight // all_rows,
            tokens=None if tokens is None else had.tokens + tokens * weight // all_rows,
            money=None if money is None else budget.cost(had) + math.nextafter(money * weight / all_rows, 0),
            price_in=budget.price_in,
            price_out=budget.price_out,
        )
        for had, weight in zip(spent, weights, strict=True)
    ]


def spent_in(place: Path) -> Spent:
    """What a journal stands at; nothing when there is none."""
    if not place.is_file():
        return Spent()
    with Journal(place) as journal:
        return journal.committed()


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, key: str, draw: int, payload: str) -> None:
    # Both texts and numbers are bound values; tries of one key from two journals are numbered on.
    target.execute(_ADD_CALL, (key, draw, payload))
    (tried,) = target.execute(_TRIED, (key,)).fetchone()
    rows = source.execute(_TRIES, (key,)).fetchall()
    target.executemany(_ADD_TRY, [(key, tried + place, *row[2:]) for place, row in enumerate(rows)])


def _opened(place: Path) -> sqlite3.Connection:
    return sqlite3.connect(place, isolation_level=None)


def _refuse_batches(source: sqlite3.Connection, place: Path) -> None:
    (n,) = source.execute("SELECT COUNT(*) FROM batches WHERE state != 'closed'").fetchone()
    if n:
        raise InputError(f"{place}: {n} batches lie with the provider. Read them with BatchCaller, then merge.")


def _remove(place: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        place.with_name(place.name + ending).unlink(missing_ok=True)
