"""The journal: one SQLite file that knows every call before it is made and every answer before it is read.

    reserved ──commit──► sent ──network──► done | failed | ambiguous

`calls` holds what was asked, once per key; `attempts` has one row per try, so a retry never overwrites an
answer. What was `sent` when the program died is `ambiguous` from then on: it may have been billed, so its
worst case stays reserved. Calls that lie with a provider as a batch stay `sent` until the batch is read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
CREATE TABLE IF NOT EXISTS batches (
    manifest TEXT PRIMARY KEY, remote TEXT, state TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batch_calls (
    manifest TEXT NOT NULL REFERENCES batches(manifest), key TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (manifest, key)
) STRICT;
"""
_ROW = "number, state, reply, finish_reason, raw, prompt_tokens, completion_tokens, problem, detail"
_SUMS = "COUNT(*), COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0)"
_WITH_A_PROVIDER = (
    "(key, number) IN (SELECT key, number FROM batch_calls JOIN batches USING (manifest) "
    "WHERE batches.state != 'closed')"
)
# These never left this computer, so they are no calls.
_NO_CALLS = frozenset({"never_sent", "not_sent"})


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

    Each change is a transaction of its own, synced to the disk, unless it is made inside `together`.

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
        # One thread writes at a time, but not always the same one.
        self._file = sqlite3.connect(self.path, timeout=0.2, isolation_level=None, check_same_thread=False)
        self._open: dict[tuple[str, int], Spent] = {}
        try:
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_TABLES)
            self.recovered = self._recover()
            self._spent = self._sum()
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

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything written inside becomes one transaction and one sync of the disk; an error undoes it all."""
        if self._file.in_transaction:
            yield
            return
        self.begin()
        try:
            yield
        except BaseException:
            self.roll_back()
            raise
        self.commit()

    def begin(self) -> None:
        """Start a group of changes; `together` does it for you."""
        self._before = (self._spent, dict(self._open))
        self._file.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the group durable.

        Raises:
            InputError: the disk does not take it. Nothing of the group is kept.
        """
        try:
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            self.roll_back()
            raise InputError(
                f"{self.path}: cannot be written ({error}). Make room on the disk and run again: answers already "
                "stored are kept, and calls under way are counted as possibly billed."
            ) from error

    def roll_back(self) -> None:
        """Undo the group."""
        if self._file.in_transaction:
            self._file.execute("ROLLBACK")
        self._spent, self._open = self._before

    def reserve(self, key: str, *, draw: int, payload: str, worst: Spent) -> int:
        """Set the worst case of one try aside; the number of the attempt.

        Raises:
            BudgetError: settled, reserved and ambiguous calls and this one could together exceed a cap.
        """
        if (excess := self.budget.excess(self._spent + worst)) is not None:
            raise BudgetError(
                f"{self.path}: call {key[:12]} was not sent; with it this run would stand at {excess}. "
                "Raise the cap, or keep what you have: a later run pays nothing for it again."
            )
        with self.together():
            self._file.execute("INSERT OR IGNORE INTO calls VALUES (?, ?, ?)", (key, draw, payload))
            (number,) = self._file.execute("SELECT COUNT(*) FROM attempts WHERE key = ?", (key,)).fetchone()
            self._file.execute(
                "INSERT INTO attempts (key, number, state, prompt_tokens, completion_tokens) "
                "VALUES (?, ?, 'reserved', ?, ?)",
                (key, number, worst.prompt_tokens, worst.completion_tokens),
            )
            self._open[key, number] = worst
            self._spent += worst
        return number

    def mark_sent(self, key: str, number: int) -> None:
        """Commit that the call is about to leave; from here on it may be billed."""
        self._set(key, number, "state = 'sent'", ())

    def settle(self, key: str, number: int, reply: Reply) -> None:
        """Store the raw body and what was read from it; actual use replaces the worst case.

        A reply whose teacher counted no tokens keeps the worst case.
        """
        worst = self._aside(key, number)
        used = Spent(1, reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.usage.counted else worst
        self._set(
            key,
            number,
            "state = 'done', raw = ?, reply = ?, finish_reason = ?, problem = NULL, detail = NULL, "
            "prompt_tokens = ?, completion_tokens = ?",
            (reply.raw, reply.text, reply.finish_reason, used.prompt_tokens, used.completion_tokens),
            spent=used - worst,
        )

    def fail(self, key: str, number: int, *, problem: str, detail: str, raw: str = "", billed: bool) -> None:
        """Store that no answer can be used; what may have been billed keeps its worst case reserved."""
        state: State = "ambiguous" if billed and not raw else "failed"
        worst = self._aside(key, number)
        free = Spent() - (worst if problem in _NO_CALLS else Spent(0, worst.prompt_tokens, worst.completion_tokens))
        self._set(
            key,
            number,
            "state = ?, problem = ?, detail = ?, raw = ?"
            + ("" if billed else ", prompt_tokens = 0, completion_tokens = 0"),
            (state, problem, detail, raw),
            spent=Spent() if billed else free,
        )

    def attempts(self, key: str) -> list[Attempt]:
        """All tries at a call, in order."""
        rows = self._file.execute(f"SELECT {_ROW} FROM attempts WHERE key = ? ORDER BY number", (key,))
        return [_attempt(key, row) for row in rows]

    def last_word(self, key: str) -> Attempt | None:
        """The lowest finished attempt; without one, the last; None for a call never tried."""
        row = self._file.execute(
            f"SELECT {_ROW} FROM attempts WHERE key = ? "
            "ORDER BY state = 'done' DESC, CASE state WHEN 'done' THEN number ELSE -number END LIMIT 1",
            (key,),
        ).fetchone()
        return None if row is None else _attempt(key, row)

    def answer(self, key: str) -> Reply | None:
        """The reply of the lowest finished attempt; None when there is none yet."""
        last = self.last_word(key)
        return last.reply if last is not None and last.state == "done" else None

    def calls(self) -> Iterator[tuple[int, Attempt]]:
        """Every call by draw and key, with its last word: the fold that results are made from."""
        keys = self._file.execute("SELECT draw, key FROM calls ORDER BY draw, key").fetchall()
        for draw, key in keys:
            if (last := self.last_word(key)) is not None:
                yield draw, last

    def committed(self) -> Spent:
        """Settled, reserved and ambiguous together: what may have been spent so far."""
        return self._spent

    def ambiguous(self) -> Spent:
        """Calls that may have been billed though no answer came, at their worst case."""
        return self._sum("state = 'ambiguous'")

    def used_by_draw(self) -> dict[int, Spent]:
        """What the calls of each draw used, all tries together: what a quote is made from."""
        rows = self._file.execute(
            f"SELECT draw, {_SUMS} FROM attempts JOIN calls USING (key) GROUP BY draw ORDER BY draw"
        ).fetchall()
        return {draw: Spent(*sums) for draw, *sums in rows}

    def under_way(self) -> int:
        """Attempts of this run that wait for their answer."""
        return len(self._open)

    def counts(self) -> dict[str, int]:
        """How many attempts are in each state."""
        states = ("reserved", "sent", "done", "failed", "ambiguous")
        found = dict(self._file.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state").fetchall())
        return {state: int(found.get(state, 0)) for state in states}

    def intend_batch(self, manifest: str, members: Sequence[tuple[str, int]]) -> None:
        """Write down a batch of reserved attempts before anything of it is uploaded."""
        with self.together():
            self._file.execute("INSERT INTO batches VALUES (?, NULL, 'intended', '')", (manifest,))
            self._file.executemany(
                "INSERT INTO batch_calls VALUES (?, ?, ?)", [(manifest, key, number) for key, number in members]
            )

    def mark_batch(self, manifest: str, state: str, *, remote: str | None = None, detail: str = "") -> None:
        """Note how far a batch is: `intended`, `sent` (its calls with it), `closed`."""
        with self.together():
            self._file.execute(
                "UPDATE batches SET state = ?, remote = COALESCE(?, remote), detail = ? WHERE manifest = ?",
                (state, remote, detail, manifest),
            )
            if state == "sent":
                self._file.execute(
                    "UPDATE attempts SET state = 'sent' WHERE state = 'reserved' AND (key, number) IN "
                    "(SELECT key, number FROM batch_calls WHERE manifest = ?)",
                    (manifest,),
                )

    def open_batches(self) -> list[tuple[str, str | None, dict[str, int]]]:
        """Batches not read to the end: manifest, the provider's id if known, attempt number by key."""
        rows = self._file.execute(
            "SELECT manifest, remote FROM batches WHERE state != 'closed' ORDER BY rowid"
        ).fetchall()
        members = "SELECT key, number FROM batch_calls WHERE manifest = ? ORDER BY rowid"
        return [(name, remote, dict(self._file.execute(members, (name,)).fetchall())) for name, remote in rows]

    def _recover(self) -> Spent:
        """Sort out what a crash left: what may have been billed is reported, what never left is freed."""
        lost = self._sum(f"state = 'sent' AND NOT {_WITH_A_PROVIDER}")
        self._file.execute(
            "UPDATE attempts SET state = 'ambiguous', problem = 'ambiguous', "
            f"detail = 'the program ended before the answer came' WHERE state = 'sent' AND NOT {_WITH_A_PROVIDER}"
        )
        self._file.execute(
            "UPDATE attempts SET state = 'failed', problem = 'never_sent', prompt_tokens = 0, "
            f"completion_tokens = 0 WHERE state = 'reserved' AND NOT {_WITH_A_PROVIDER}"
        )
        return lost

    def _sum(self, where: str = "problem IS NULL OR problem NOT IN ('never_sent', 'not_sent')") -> Spent:
        # `where` is one of this module's own texts.
        return Spent(*self._file.execute(f"SELECT {_SUMS} FROM attempts WHERE {where}").fetchone())

    def _aside(self, key: str, number: int) -> Spent:
        """What this attempt holds of the budget."""
        if (worst := self._open.get((key, number))) is not None:
            return worst
        row = self._file.execute(
            "SELECT prompt_tokens, completion_tokens FROM attempts WHERE key = ? AND number = ?", (key, number)
        ).fetchone()
        return Spent(1, *row)

    def _set(self, key: str, number: int, change: str, values: Sequence[object], *, spent: Spent | None = None) -> None:
        # `change` is one of this module's own texts; everything from outside is a bound value.
        with self.together():
            self._file.execute(f"UPDATE attempts SET {change} WHERE key = ? AND number = ?", (*values, key, number))
            if spent is not None:
                self._open.pop((key, number), None)
                self._spent += spent


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
