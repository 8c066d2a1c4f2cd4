"""How the demo feels: `python -m tests.benchmarks.demo --out runs/bench/demo.json [--quick] [--checkpoint FOLDER]`.

    first_token_s              from Send to the first letter, with three earlier turns in context, median
    picture_s                  from the last letter of a caption to its picture, median; previews are sent meanwhile
    recomputed_prefix_tokens   columns that were in memory and were read again, over all turns of a conversation
    memory_growth              resident memory at the end of all turns of the windows over that after the first tenth,
                               minus 1; each window begins a new conversation after every fourth turn
    unfairness                 mean seconds of a turn in the slowest window over those in the fastest
    first_token_cpu_s, picture_cpu_s   the same in seconds of computing, of all cores together: a busy machine stretches
                               the times above, these hardly

Everything goes through the server and its client, as in a browser. Without a checkpoint a random model in miniature
answers: then the numbers say what the server costs, not what the model does, and columns are read again: at random,
letters are cut into other tokens than a tokenizer would cut them into, and a reply is always that to its text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from tbcore.demo.assistant import MIMAssistant, load_assistant, tiny_assistant
from tbcore.demo.client import EndpointEngine
from tbcore.demo.conversation import Conversation
from tbcore.demo.engine import Ask, Captioning, Event, Words
from tbcore.demo.serving.command import running
from tbcore.demo.transcript import Drawing
from tbcore.seeds import stream
from tbcore.store import write_json
from tbcore.world.render import render
from tbcore.world.scenes import sample_scene

__all__ = ["main", "measure"]

_QUESTIONS = ("What do you see?", "Is there an animal?", "Where is it?", "Please draw a tiger on a sandy beach.")


_Cost: TypeAlias = tuple[float, float]
"""Seconds that passed, and seconds of computing."""


def _now() -> _Cost:
    return time.perf_counter(), time.process_time()


def _since(start: _Cost) -> _Cost:
    wall, computing = _now()
    return wall - start[0], computing - start[1]


class _Watch:
    """When what happened since it was made."""

    def __init__(self) -> None:
        self.started = _now()
        self.first: _Cost | None = None
        self.captioned: _Cost | None = None
        self.painted: list[_Cost] = []

    def __call__(self, event: Event) -> None:
        now = _since(self.started)
        if isinstance(event, Words | Captioning | Drawing) and self.first is None:
            self.first = now
        if isinstance(event, Captioning):
            self.captioned = now
        if isinstance(event, Drawing) and self.captioned is not None:
            self.painted.append((now[0] - self.captioned[0], now[1] - self.captioned[1]))
            self.captioned = None


def _card(rng: np.random.Generator) -> Any:
    return render(sample_scene(rng))


def _talk(url: str, seed: int, *, ask: Ask) -> tuple[_Cost | None, list[_Cost], int]:
    """One conversation: time to the first letter of its last turn, of its pictures, and what was read twice."""
    engine, rng = EndpointEngine(url), stream(seed, "demo benchmark")
    chat, recomputed, painted = Conversation(engine, ask=ask), 0, list[_Cost]()
    watch = _Watch()
    for number, question in enumerate(_QUESTIONS):
        watch = _Watch()
        chat.send([_card(rng), question] if number == 0 else question, watch=watch)
        painted += watch.painted
        recomputed += chat.latest.usage.recomputed if chat.latest else 0
    engine.close()
    return watch.first, painted, recomputed


def _resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _crowd(url: str, *, windows: int, turns: int) -> dict[str, float]:
    """Windows that talk at once: growth of resident memory, how evenly they were served, how many turns failed."""
    per_window, failed, sizes = max(1, turns // windows), list[str](), list[int]()
    waited = [0.0] * windows

    def window(number: int) -> None:
        engine, rng = EndpointEngine(url), stream(number, "demo window")
        chat = Conversation(engine, ask=Ask(max_tokens=24))
        for turn in range(per_window):
            if turn % 4 == 0:
                chat.reset()
            started = time.perf_counter()
            try:
                chat.send([_card(rng), _QUESTIONS[turn % 4]])
            except Exception as error:  # counted, so that one failure does not hide the others
                failed.append(str(error))
            waited[number] += time.perf_counter() - started
            sizes.append(_resident())
        chat.reset()
        engine.close()

    threads = [threading.Thread(target=window, args=(number,)) for number in range(windows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    early = sizes[: max(1, len(sizes) // 10)]
    return {
        "memory_growth": statistics.median(sizes[-len(early) :]) / statistics.median(early) - 1,
        "unfairness": max(waited) / max(min(waited), 1e-9),
        "failed_turns": len(failed),
    }


def measure(assistant: MIMAssistant, *, talks: int = 5, windows: int = 8, turns: int = 200) -> dict[str, Any]:
    """All numbers of one model.

    Args:
        assistant: the model.
        talks: conversations for the times.
        windows: that talk at once.
        turns: of all windows together.
    """
    with running(assistant) as url:
        told = [_talk(url, seed, ask=Ask()) for seed in range(talks)]
        crowd = _crowd(url, windows=windows, turns=turns)
    firsts = [first for first, _, _ in told if first is not None]
    painted = [seconds for _, pictures, _ in told for seconds in pictures]
    return {
        "first_token_s": _median(wall for wall, _ in firsts),
        "first_token_cpu_s": _median(computing for _, computing in firsts),
        "picture_s": _median(wall for wall, _ in painted),
        "picture_cpu_s": _median(computing for _, computing in painted),
        "recomputed_prefix_tokens": sum(recomputed for _, _, recomputed in told),
        **crowd,
        "pictures": len(painted),
        "sizes": {"model": assistant.name, "talks": talks, "windows": windows, "turns": turns},
    }


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/demo.json"))
    parser.add_argument("--checkpoint", type=Path, help="what notebook 06 trained")
    parser.add_argument("--quick", action="store_true", help="few talks and turns")
    parser.add_argument("--painter-steps", type=int, default=16, help="denoising steps per drawing")
    parser.add_argument("--threads", type=int, default=0, help="of the computing; 0: as many as there are cores")
    parser.add_argument("--talks", type=int, help="conversations for the times")
    parser.add_argument("--turns", type=int, help="of all windows together")
    parser.add_argument("--windows", type=int, help="that talk at once")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.checkpoint:
        assistant = load_assistant(options.checkpoint, painter_steps=options.painter_steps)
    else:
        assistant = tiny_assistant()
    sizes = {"talks": 2, "windows": 2, "turns": 8} if options.quick else {}
    named = {name: getattr(options, name) for name in ("talks", "turns", "windows") if getattr(options, name)}
    found = measure(assistant, **(sizes | named))
    found["sizes"] |= {"painter_steps": options.painter_steps, "threads": torch.get_num_threads()}
    write_json(options.out, found)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
