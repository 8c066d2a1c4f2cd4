"""How fast the filter judges, whether it says what the slow reference says, what it remembers, and the codec.

python -m tests.benchmarks.data_filters [--quick]
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Iterator

from tbcore.candidates import Candidate
from tbcore.data.filter import PAPER_RULES, judge_all
from tbcore.dialogue import parse, render
from tests.data import adversarial, hostile_text, slow_filter

__all__ = ["codec_failures", "measure", "memory", "mismatches", "speed"]

_BATCH = 1000


def measure(quick: bool) -> dict[str, float]:
    """All numbers of this module; `quick` takes small sizes."""
    conversations, strings = (1_000, 20_000) if quick else (100_000, 1_000_000)
    return {
        "filters.conversations": conversations,
        "filters.conversations_per_s": speed(conversations),
        "filters.reference_mismatches": mismatches(conversations),
        "filters.bytes_per_record": memory(max(conversations, 5 * _BATCH)),
        "codec.strings": strings,
        "codec.failures": codec_failures(strings),
    }


def speed(n: int, seed: int = 0) -> float:
    """Conversations judged by the eight rules (and ours) per second of processor time, one core."""
    source = adversarial.candidates(n, seed)
    total = 0.0

    def batches() -> Iterator[Candidate]:
        nonlocal total
        while batch := _take(source):
            begun = time.process_time()
            yield from batch
            total += time.process_time() - begun

    judged = sum(1 for _ in judge_all(batches()))
    return judged / total


def _take(source: Iterator[Candidate]) -> list[Candidate]:
    return [one for _, one in zip(range(_BATCH), source, strict=False)]


def mismatches(n: int, seed: int = 0) -> int:
    """Conversations on which any verdict or offset of the eight differs from the reference's."""
    wrong, earlier = 0, set[str]()
    for judgement in judge_all(adversarial.candidates(n, seed)):
        fast = {v.rule: slow_filter.FINE if v.passed else v.offset for v in judgement.verdicts if v.rule in PAPER_RULES}
        wrong += fast != slow_filter.verdicts(judgement.candidate, earlier)
        earlier.add(judgement.candidate.reply)
    return wrong


def memory(n: int, seed: int = 0) -> float:
    """Bytes per record that judging holds at its peak, beyond what the first batch took."""
    tracemalloc.start()
    try:
        first = 0
        for number, _ in enumerate(judge_all(adversarial.candidates(n, seed)), start=1):
            if number == _BATCH:
                _, first = tracemalloc.get_traced_memory()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (peak - first) / (n - _BATCH)


def codec_failures(n: int, seed: int = 0) -> int:
    """Dialogues of hostile strings that do not come back equal from their text, in either codec."""
    wrong = 0
    for number, dialogue in enumerate(hostile_text.dialogues(n, seed)):
        codec = hostile_text.CODECS[number % len(hostile_text.CODECS)]
        wrong += parse(render(dialogue, codec), codec, record="d") != dialogue
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    print(json.dumps(measure(parser.parse_args().quick), indent=1))
