"""The journal: one SQLite file that knows every call before it is made and every answer before it is read.

    reserved ──commit──► sent ──network──► done | failed | ambiguous

`calls` holds what was asked, once per key; `attempts` has one row per try, so a retry never overwrites an
answer. What was `sent` when the program died is `ambiguous` from then on: it may have been billed, so its
worst case stays reserved.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tbcore.chat.messages import Message, Params, Reply, Usage
from tbcore.errors import BudgetError, InputError
from tbcore.ledger.budget import Budget, Spent

__all__ = ["Attempt", "Journal", "State", "call_key"]

State = Literal["reserved", "sent", "done", "failed", "ambiguous"]

_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, draw INTEGER NOT NULL, payload TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    key TEXT NOT NULL REFERENCES calls(key), number INTEGER NOT NULL, state TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    raw TEXT, reply TEXT, finish_reason TEXT, problem TEXT, detail TEXT,
    PRIMARY KEY (key, number)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a call."""

    key: str
    number: int
    state: State
    reply: Reply | None
    problem: str | None
    detail: str | None


class Journal:
    """Open with `with Journal(path, budget) as journal`; one writer at a time.

    Args:
        path: the SQLite file; made when missing.
        budget: what all calls in the file together may spend.

    Raises:
        InputError: another program is writing to the file, or it is no journal.
    """

    def __init__(self, path: Path | str, budget: Budget | None = None) -> None:
        self.path = Path(path)
        self.budget = budget or Budget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(self.path, timeout=0.2, isolation_level=None)
        try:
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_TABLES)
            self.recovered = self._recover()
        except sqlite3.DatabaseError as error:
            self._file.close()
            raise InputError(
                f"{self.path}: cannot be used as a journal ({error}). Close the other program that writes to "
                "it, or name a new file."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def reserve(self, key: str, *, draw: int, payload: str, worst: Spent) -> int:
        """Set the worst case of one try aside; the number of the attempt.

        Raises:
            BudgetError: settled, reserved and ambiguous calls and this one could together exceed a cap.
        """
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            if (excess := self.budget.excess(self.committed() + worst)) is not None:
                self._file.execute("ROLLBACK")
                raise BudgetError(
                    f"{self.path}: call {key[:12]} was not sent; with it this run would stand at {excess}. "
                    "Raise the cap, or keep what you have: a later run pays nothing for it again."
                )
            self._file.execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?)", (key, draw, payload))
            (number,) = self._file.execute("SELECT COUNT(*) FROM attempts WHERE key = ?", (key,)).fetchone()
            self._file.execute(
                "INSERT INTO attempts (key, number, state, prompt_tokens, completion_tokens) "
                "VALUES (?, ?, 'reserved', ?, ?)",
                (key, number, worst.prompt_tokens, worst.completion_tokens),
            )
        return number

    def mark_sent(self, key: str, number: int) -> None:
        """Commit that the call is about to leave; from here on it may be billed."""
        self._set(key, number, "state = 'sent'", ())

    def settle(self, key: str, number: int, reply: Reply) -> None:
        """Store the raw body and what was read from it; actual use replaces the worst case."""
        self._set(
            key,
            number,
            "state = 'done', raw = ?, reply = ?, finish_reason = ?, prompt_tokens = ?, completion_tokens = ?",
            (
                reply.raw,
                reply.text,
                reply.finish_reason,
                reply.usage.prompt_tokens,
                reply.usage.completion_tokens,
            ),
        )

    def fail(self, key: str, number: int, *, problem: str, detail: str, raw: str = "", billed: bool) -> None:
        """Store that no answer can be used; what may have been billed keeps its worst case reserved."""
        state: State = "ambiguous" if billed and not raw else "failed"
        free = "" if billed else ", prompt_tokens = 0, completion_tokens = 0"
        self._set(key, number, f"state = ?, problem = ?, detail = ?, raw = ?{free}", (state, problem, detail, raw))

    def attempts(self, key: str) -> list[Attempt]:
        """All tries at a call, in order."""
        rows = self._file.execute(
            "SELECT number, state, reply, finish_reason, raw, prompt_tokens, completion_tokens, problem, "
            "detail FROM attempts WHERE key = ? ORDER BY number",
            (key,),
        )
        return [_attempt(key, row) for row in rows]

    def answer(self, key: str) -> Reply | None:
        """The reply of the lowest finished attempt; None when there is none yet."""
        return next((a.reply for a in self.attempts(key) if a.state == "done"), None)

    def committed(self) -> Spent:
        """Settled, reserved and ambiguous together: what may have been spent so far."""
        row = self._file.execute(
            "SELECT COUNT(*), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0) "
            "FROM attempts WHERE problem IS NULL OR problem NOT IN ('never_sent', 'not_sent')"
        ).fetchone()
        return Spent(*row)

    def counts(self) -> dict[str, int]:
        """How many attempts are in each state."""
        states = ("reserved", "sent", "done", "failed", "ambiguous")
        found = dict(self._file.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state").fetchall())
        return {state: int(found.get(state, 0)) for state in states}

    def _recover(self) -> Spent:
        """Sort out what a crash left: what may have been billed is reported, what never left is freed."""
        row = self._file.execute(
            "SELECT COUNT(*), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0) "
            "FROM attempts WHERE state = 'sent'"
        ).fetchone()
        self._file.execute(
            "UPDATE attempts SET state = 'ambiguous', problem = 'ambiguous', "
            "detail = 'the program ended before the answer came' WHERE state = 'sent'"
        )
        self._file.execute(
            "UPDATE attempts SET state = 'failed', problem = 'never_sent', prompt_tokens = 0, "
            "completion_tokens = 0 WHERE state = 'reserved'"
        )
        return Spent(*row)

    def _set(self, key: str, number: int, change: str, values: Sequence[object]) -> None:
        # `change` is one of this module's own texts; everything from outside is a bound value.
        query = f"UPDATE attempts SET {change} WHERE key = ? AND number = ?"
        self._file.execute(query, (*values, key, number))


def call_key(teacher: str, messages: Sequence[Message], params: Params) -> tuple[str, str]:
    """The key of a call, and the canonical payload it is the SHA-256 of.

    Everything that changes the answer is in it, `sample_index` too, so wanted repeats are not merged; what
    does not (waiting times, number of tries) stays out.
    """
    asked: dict[str, Any] = {
        "teacher": teacher,
        "messages": [message.to_json() for message in messages],
        "params": params.to_json(),
    }
    payload = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(payload.encode()).hexdigest(), payload


def _attempt(key: str, row: tuple[Any, ...]) -> Attempt:
    number, state, reply, finish, raw, read, written, problem, detail = row
    answer = None if reply is None else Reply(reply, finish, Usage(read, written), raw or "")
    return Attempt(key, number, state, answer, problem, detail)
