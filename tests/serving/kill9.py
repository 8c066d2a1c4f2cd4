"""Kill a generating program at random points, resume it, and compare with a run that nobody disturbed.

`python -m tests.serving.kill9 --trials 50 --folder F` prints one JSON object. The program under test is forked
from this one after everything is imported, so a trial costs milliseconds; the teacher is a process of its own,
and it keeps its own books: what it billed is held against what the ledger knows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tbcore.candidates import Candidate
from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.chat.messages import CallError, Message, Params, Subject
from tbcore.data.generate import Request, Tally, generate_accepted
from tbcore.dialogue import Codec
from tbcore.ledger.budget import Budget
from tbcore.ledger.journal import Journal
from tbcore.ledger.pace import PaceRules
from tbcore.records import PictureGroup
from tbcore.seeds import stream
from tbcore.store import write_jsonl
from tests.serving.teacher import Act, Teacher, busy, listen

N_ACCEPTED, MOST_AT_ONCE, TIGHT = 6, 6, 8
CODEC = Codec("7f3a")
RULES = PaceRules(most=MOST_AT_ONCE, first_pause_s=0.002, slow=50.0)


def moody(body: dict[str, Any], seen: int) -> Act:
    """A teacher with moods that depend on the question, and on how often it was asked."""
    mood = hashlib.sha256(body["messages"][0]["content"].encode()).digest()
    pause = mood[1] / 255 * 0.008
    if mood[0] < 20:
        return busy("0.003") if seen == 0 else Act(delay_s=pause)
    if mood[0] < 40:
        return Act(kind="status", status=500) if seen == 0 else Act(delay_s=pause)
    if mood[0] < 60:
        return Act(kind="status", status=400)
    if mood[0] < 80:
        return Act(kind="misshapen")
    if mood[0] < 100:
        return Act(finish="length" if body["max_tokens"] < 100 else "stop", text=None, delay_s=pause)
    return Act(delay_s=pause)


def requests() -> list[Request]:
    made = []
    for n in range(60):
        group = PictureGroup(f"g{n}", "1", "pets", ("a cat",))
        made.append(Request(group, (Message.of("user", f"cat {n}"),), CODEC, Subject(CODEC.version, f"g{n}", "h")))
    return made


def likes(candidate: Candidate) -> bool:
    return int(candidate.reply[-1], 16) % 2 == 0


class DyingJournal(Journal):
    """Kills its own program at the n-th commit, just before or just after the disk has it."""

    dies_at = -1
    after = False

    def commit(self) -> None:
        self.dies_at -= 1
        if self.dies_at == 0 and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().commit()
        if self.dies_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def work(client: AsyncOpenAICompatible, folder: Path, budget: Budget, dies_at: int, after: bool) -> None:
    """The program under test: generate, fold, write one file."""
    tally = Tally()
    with DyingJournal(folder / "ledger.sqlite", budget) as journal:
        journal.dies_at, journal.after = dies_at, after
        how = Params(max_tokens=60)
        results = generate_accepted(
            requests(), client, journal, how, n_accepted=N_ACCEPTED, accepts=likes, tally=tally, rules=RULES
        )
        rows = [one.to_json() for one in results]
    write_jsonl(folder / "results.jsonl", rows)
    (folder / "end").write_text(tally.stopped_by)


def forked(task: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        task()
        code = 0
    finally:
        os._exit(code)


def teacher_process() -> tuple[int, str]:
    """A teacher with moods in a process of its own; its id and address."""
    out, into = os.pipe()

    async def serve() -> None:
        teacher = Teacher(moody, latency_s=0.002)
        teacher.keep_requests = False
        server = await listen(teacher)
        os.write(into, teacher.url.encode())
        os.close(into)
        await server.serve_forever()

    pid = forked(lambda: asyncio.run(serve()))
    os.close(into)
    with os.fdopen(out) as pipe:
        return pid, pipe.read()


@dataclass
class Count:
    """What the trials found."""

    trials: int = 0
    kills: int = 0
    identical: int = 0
    replies_lost: int = 0
    paid_in_vain: int = 0
    reported_ambiguous: int = 0
    miscounted: int = 0
    capped_trials: int = 0
    over_budget: int = 0


class Trials:
    """All trials share one teacher and one client."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = stream(seed, "kill9")
        self.count = Count()
        self.pid, self.url = teacher_process()
        # What the package loads at its first call is loaded here, not in every fork.
        self.client = AsyncOpenAICompatible("tiny", base_url=self.url, timeout_s=20)
        asyncio.run(self._warm_up())
        started = time.perf_counter()
        self.whole = self.one(Budget(), kills=0, name="whole")
        self.seconds = time.perf_counter() - started

    async def _warm_up(self) -> None:
        client = AsyncOpenAICompatible("tiny", base_url=self.url)
        with contextlib.suppress(CallError):
            await client.complete([Message.of("user", "hello")], Params(max_tokens=1))
        await client.aclose()

    def state(self, what: str = "_state") -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url[:-3]}/{what}") as answer:
            return json.load(answer)

    def one(self, budget: Budget, *, kills: int, name: str) -> bytes:
        """Run until done, killed `kills` times on the way; the bytes of the final file."""
        place = self.folder / name
        place.mkdir()
        self.state("_reset")
        for left in range(kills, -1, -1):
            dies_at, after = (int(self.rng.integers(1, 14)), bool(self.rng.integers(2))) if left else (-1, False)
            by_clock = left and self.rng.random() < 0.5
            pid = forked(partial(work, self.client, place, budget, -1 if by_clock else dies_at, after))
            if by_clock:
                time.sleep(self.rng.random() * self.seconds)
                os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
            if os.WIFSIGNALED(status):
                self.count.kills += 1
            elif status:
                raise RuntimeError(f"trial {name}: the program ended with status {status}")
        return (place / "results.jsonl").read_bytes()

    def audit(self, name: str) -> None:
        """Hold the ledger against the teacher's books."""
        with sqlite3.connect(self.folder / name / "ledger.sqlite") as file:
            rows = file.execute("SELECT key, number, state, raw FROM attempts").fetchall()
        file.close()
        kept = {f"{key[:40]}-{n}" for key, n, state, raw in rows if state == "done"}
        unsure = {f"{key[:40]}-{n}" for key, n, state, raw in rows if state == "ambiguous"}
        unreadable = sum(1 for *_, state, raw in rows if state == "failed" and raw)
        books = self.state()
        billed = set(books["billed"])
        self.count.replies_lost += len(billed - kept - unsure)
        self.count.paid_in_vain += len(billed & unsure)
        self.count.reported_ambiguous += len(unsure)
        # Each billed answer is kept or reported, none is kept unbilled, and no request is in no row.
        sent = sum(1 for *_, state, raw in rows if state != "reserved")
        ok = kept <= billed and len(books["billed"]) == len(billed) and books["asked"] <= sent and unreadable <= sent
        self.count.miscounted += not ok

    def run(self, n: int) -> Count:
        for trial in range(n):
            found = self.one(Budget(calls=500), kills=int(self.rng.integers(1, 4)), name=f"t{trial}")
            self.count.trials += 1
            self.count.identical += found == self.whole
            self.audit(f"t{trial}")
            if trial % 10 == 0:
                self.capped(f"c{trial}")
        return self.count

    def capped(self, name: str) -> None:
        """With a tight cap the run may end early, but the teacher never sees a call above it."""
        self.one(Budget(calls=TIGHT), kills=2, name=name)
        self.count.capped_trials += 1
        self.count.over_budget += self.state()["asked"] > TIGHT

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def trials(n: int, folder: Path, seed: int = 0) -> dict[str, int]:
    """Run `n` trials; see `Count`."""
    one = Trials(folder, seed)
    try:
        return asdict(one.run(n))
    finally:
        one.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(json.dumps(trials(chosen.trials, chosen.folder, chosen.seed)))
