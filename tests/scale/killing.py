"""Kill workers of a running stage at random moments, and hold what was paid against the teacher's own books.

The teacher runs as a program of its own and counts what it answered. A trial generates over some shards on Ray while
a thread kills one worker after the other; then the merged ledger is compared with the books.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tbcore.chat.messages import Params
from tbcore.ledger.pace import PaceRules
from tbcore.scale.generation import GenerateStage
from tbcore.scale.runner import run_stage
from tbcore.seeds import stream
from tests.scale.teachers import RECIPE, many_at_once, write_groups

AT_ONCE = 4
RULES = PaceRules(most=AT_ONCE, first_pause_s=0.002, slow=50.0)


@dataclass
class Killed:
    """What the trials found.

    Args:
        kills: workers that were killed.
        rows_lost: rows without a candidate in the end.
        replies_lost: answers that the teacher billed and the ledger neither has nor reports.
        paid_twice: answers billed for a call whose answer was stored before.
        paid_in_vain: billed answers that never arrived; the ledger reports each as possibly billed.
        reported: calls the ledger reports as possibly billed.
        identical: trials whose files equal those of an undisturbed run.
        trials: how many there were.
    """

    kills: int = 0
    rows_lost: int = 0
    replies_lost: int = 0
    paid_twice: int = 0
    paid_in_vain: int = 0
    reported: int = 0
    identical: int = 0
    trials: int = 0
    seconds: list[float] = field(default_factory=list[float])


@contextmanager
def teacher(latency_s: float) -> Iterator[str]:
    """The address of a teacher that runs as a program of its own."""
    command = [sys.executable, "-m", "tests.serving.teacher", "--latency-s", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def books(url: str, what: str = "_state") -> dict[str, Any]:
    with urllib.request.urlopen(f"{url[:-3]}/{what}") as answer:
        return json.load(answer)


def stage_for(url: str) -> GenerateStage:
    return GenerateStage(client=partial(many_at_once, url), recipe=RECIPE, params=Params(max_tokens=32), rules=RULES)


def at_work(folder: Path) -> list[int]:
    """Process ids of the Ray workers that write a shard of this folder; the half-written shard bears the id."""
    found = []
    for part in (folder / "done").glob(".*.part"):
        pid = int(part.name.split(".")[2])
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
                found.append(pid)
    return sorted(found)


def killer(
    folder: Path, ended: threading.Event, rng: np.random.Generator, kills: int, pause_s: float, count: Killed
) -> None:
    """Wait for somebody at work, and for a random while, and kill; until enough are dead or the run has ended."""
    left = kills
    while left and not ended.is_set():
        if not at_work(folder):
            time.sleep(0.02)
            continue
        time.sleep(float(rng.random()) * pause_s)
        if not ended.is_set() and (there := at_work(folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(there[int(rng.integers(len(there)))], signal.SIGKILL)
                count.kills += 1
                left -= 1


def audit(place: Path, url: str, count: Killed) -> None:
    """Hold the merged ledger against the teacher's books, as for one machine."""
    with sqlite3.connect(place) as file:
        rows = file.execute("SELECT key, number, state FROM attempts").fetchall()
    file.close()
    kept = {f"{key[:40]}-{n}" for key, n, state in rows if state == "done"}
    unsure = {f"{key[:40]}-{n}" for key, n, state in rows if state == "ambiguous"}
    asked = books(url)["billed"]
    billed = set(asked)
    count.replies_lost += len(billed - kept - unsure)
    count.paid_in_vain += len(billed & unsure)
    count.reported += len(unsure)
    finished = [key for key, _, state in rows if state == "done"]
    count.paid_twice += len(finished) - len(set(finished)) + len(asked) - len(billed)


def trials(
    folder: Path, *, n: int, kills: int, rows: int, shards: int = 4, workers: int = 2, pause_s: float = 1.0,
    latency_s: float = 0.05, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Run `n` trials with up to `kills` kills each; see `Killed`."""
    count = Killed()
    with teacher(latency_s) as url:
        source = write_groups(folder / "rows.jsonl", rows)
        run_stage(stage_for(url), source, folder / "whole")
        whole = (folder / "whole" / "candidates.jsonl").read_bytes()
        for trial in range(n):
            books(url, "_reset")
            place = folder / f"t{trial}"
            ended = threading.Event()
            rng = stream(seed, f"kill/{trial}")
            thread = threading.Thread(target=killer, args=(place, ended, rng, kills, pause_s, count), daemon=True)
            begun = time.perf_counter()
            thread.start()
            try:
                report = run_stage(stage_for(url), source, place, shards=shards, workers=workers)
            finally:
                ended.set()
                thread.join()
            count.seconds.append(time.perf_counter() - begun)
            count.trials += 1
            count.rows_lost += rows - report.written.get("candidates", 0)
            count.identical += (place / "candidates.jsonl").read_bytes() == whole
            audit(place / "ledger.sqlite", url, count)
    return asdict(count)
