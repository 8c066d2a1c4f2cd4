"""How the demo feels: `python -m tests.benchmarks.demo --out runs/bench/demo.json [--quick] [--checkpoint FOLDER]`.

    first_token_s              from Send to the first letter, with three earlier turns in context, median
    picture_s                  from the end of a caption to its picture, median
    recomputed_prefix_tokens   columns that were in memory and were read again, over all turns of a conversation
    memory_growth              resident memory after all turns of the windows over that after the first tenth, minus 1

Everything goes through the server and its client, as in a browser. Without a checkpoint a random model in miniature
answers: then the numbers say what the server costs, not what the model does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

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


class _Watch:
    """When what happened, in seconds since it was made."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first: float | None = None
        self.captioned: float | None = None
        self.painted: list[float] = []

    def __call__(self, event: Event) -> None:
        now = time.perf_counter() - self.started
        if isinstance(event, Words | Captioning | Drawing) and self.first is None:
            self.first = now
        if isinstance(event, Captioning):
            self.captioned = now
        if isinstance(event, Drawing) and self.captioned is not None:
            self.painted.append(now - self.captioned)
            self.captioned = None


def _card(rng: np.random.Generator) -> Any:
    return render(sample_scene(rng))


def _talk(url: str, seed: int, *, ask: Ask) -> tuple[float | None, list[float], int]:
    """One conversation: seconds to the first letter of its last turn, of its pictures, and what was read twice."""
    engine, rng = EndpointEngine(url), stream(seed, "demo benchmark")
    chat, recomputed, painted = Conversation(engine, ask=ask), 0, list[float]()
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


def _growth(url: str, *, windows: int, turns: int) -> tuple[float, int]:
    """Growth of resident memory, and how many turns failed."""
    per_window, failed, sizes = max(1, turns // windows), list[str](), list[int]()

    def window(number: int) -> None:
        engine, rng = EndpointEngine(url), stream(number, "demo window")
        chat = Conversation(engine, ask=Ask(max_tokens=24))
        for turn in range(per_window):
            if turn % 4 == 0:
                chat.reset()
            try:
                chat.send([_card(rng), _QUESTIONS[turn % 4]])
            except Exception as error:  # counted, so that one failure does not hide the others
                failed.append(str(error))
            sizes.append(_resident())
        engine.close()

    threads = [threading.Thread(target=window, args=(number,)) for number in range(windows)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    early = sizes[: max(1, len(sizes) // 10)]
    return statistics.median(sizes[-len(early) :]) / statistics.median(early) - 1, len(failed)


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
        growth, failed = _growth(url, windows=windows, turns=turns)
    firsts = [first for first, _, _ in told if first is not None]
    painted = [seconds for _, pictures, _ in told for seconds in pictures]
    return {
        "first_token_s": statistics.median(firsts) if firsts else None,
        "picture_s": statistics.median(painted) if painted else None,
        "recomputed_prefix_tokens": sum(recomputed for _, _, recomputed in told),
        "memory_growth": growth,
        "failed_turns": failed,
        "pictures": len(painted),
        "sizes": {"model": assistant.name, "talks": talks, "windows": windows, "turns": turns},
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/demo.json"))
    parser.add_argument("--checkpoint", type=Path, help="what notebook 06 trained")
    parser.add_argument("--quick", action="store_true", help="few talks and turns")
    options = parser.parse_args(arguments)
    assistant = load_assistant(options.checkpoint) if options.checkpoint else tiny_assistant()
    sizes = {"talks": 2, "windows": 2, "turns": 8} if options.quick else {}
    found = measure(assistant, **sizes)
    write_json(options.out, found)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
