"""What the ledger costs: throughput and CPU beside the bare client, and programs killed at random points."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tbcore.chat.endpoint import AsyncOpenAICompatible
from tbcore.chat.messages import Message, Params
from tbcore.chat.wire import request_body
from tbcore.ledger.caller import Call
from tbcore.ledger.journal import Journal
from tbcore.ledger.many import ManyCaller
from tbcore.ledger.pace import PaceRules

__all__ = ["measure"]

LATENCY_S = 0.2
AT_ONCE = 64
PROMPT_CHARACTERS = 6000


def measure(
    quick: bool, *, n_calls: int | None = None, rounds: int | None = None, trials: int | None = None
) -> dict[str, float]:
    """Numbers of one run.

    Args:
        quick: small sizes.
        n_calls: calls per client and round.
        rounds: how often both clients take turns; medians are reported.
        trials: programs killed.
    """
    found = killed(trials or (20 if quick else 1000))
    return {**found, **overhead(n_calls or (320 if quick else 3200), rounds or (1 if quick else 5))}


def overhead(n_calls: int, rounds: int) -> dict[str, float]:
    """Both clients in turn against one server that takes 200 ms."""
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_bare(url, AT_ONCE, "warm"))
        _ours(url, AT_ONCE, "warm", Path(folder))
        pairs = []
        for turn in range(rounds):
            if turn % 2:  # who goes second meets a server and a disk that the first has warmed, or tired
                ours = _ours(url, n_calls, f"o{turn}", Path(folder))
                pairs.append((asyncio.run(_bare(url, n_calls, f"b{turn}")), ours))
            else:
                bare = asyncio.run(_bare(url, n_calls, f"b{turn}"))
                pairs.append((bare, _ours(url, n_calls, f"o{turn}", Path(folder))))
    shares = [bare[0] / ours[0] for bare, ours in pairs]
    extras = [(ours[1] - bare[1]) / n_calls * 1e3 for bare, ours in pairs]
    return {
        "ledger.share_of_bare_client": statistics.median(shares),
        "ledger.extra_cpu_ms": statistics.median(extras),
        "ledger.bare_calls_per_s": statistics.median(n_calls / bare[0] for bare, _ in pairs),
        "ledger.bare_cpu_ms": statistics.median(bare[1] / n_calls * 1e3 for bare, _ in pairs),
        "ledger.calls": n_calls,
        "ledger.rounds": rounds,
    }


def killed(trials: int) -> dict[str, float]:
    """The trials of `tests.serving.kill9`, in a program of its own."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.serving.kill9", "--trials", str(trials), "--folder", folder],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    return {f"kill9.{name}": value for name, value in json.loads(done.stdout).items()}


def _calls(n: int, name: str) -> Iterator[Call]:
    frame = Message.of("system", "x" * PROMPT_CHARACTERS)
    for draw in range(n):
        yield Call([frame, Message.of("user", f"{name} {draw}")], Params(max_tokens=1024), draw)


async def _bare(url: str, n: int, name: str) -> tuple[float, float]:
    """Seconds of wall clock and of CPU that the openai package takes by itself."""
    import openai

    bodies = iter([request_body("tiny", call.messages, call.params) for call in _calls(n, name)])
    client = openai.AsyncOpenAI(api_key="not-needed", base_url=url, max_retries=0)

    async def worker() -> None:
        for body in bodies:
            answer = await client.chat.completions.create(**body)
            assert answer.choices[0].message.content

    clock, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    spent = time.perf_counter() - clock, time.process_time() - cpu
    await client.close()
    return spent


def _ours(url: str, n: int, name: str, folder: Path) -> tuple[float, float]:
    """The same through the ledger, every call on the disk before it leaves and every answer when it comes."""
    client = AsyncOpenAICompatible("tiny", base_url=url)
    with Journal(folder / f"{name}.sqlite") as journal:
        caller = ManyCaller(client, journal, rules=PaceRules(most=AT_ONCE))
        clock, cpu = time.perf_counter(), time.process_time()
        answered = sum(answer.reply is not None for answer in caller.answers(_calls(n, name)))
        spent = time.perf_counter() - clock, time.process_time() - cpu
    assert answered == n
    return spent


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.serving.teacher", "--latency-s", str(LATENCY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()  # Popen waits for its program on the way out, also after an error
