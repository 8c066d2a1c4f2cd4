"""A whole evaluation: reference rows, a model with its controls, what each module costs, and the reader beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tbcore.bench.attribution import attribute
from tbcore.bench.contestants import Contestant
from tbcore.bench.controls import (
    AlwaysDraw,
    BestGuess,
    Blind,
    CopyCaption,
    ExactPainter,
    NeverDraw,
    Oracle,
    Paints,
    Swapped,
)
from tbcore.bench.cycles import drift_of
from tbcore.bench.items import Item, load_items
from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.metrics.table import measure_all
from tbcore.bench.outcomes import Outcome, read_outcomes
from tbcore.bench.reading import reader_accuracy
from tbcore.bench.report import Result
from tbcore.bench.runner import BATCH, run
from tbcore.seeds import stream
from tbcore.world.scenes import sample_scene

__all__ = ["already_known", "beside", "evaluate", "faults", "model_rows", "paraphrased", "reference_rows"]

Make = Callable[[Paints], Contestant]


def reference_rows(items: Sequence[Item], painter: Paints | None) -> list[Contestant]:
    """The rows that need no language model; without a painter, all draw exactly."""
    rows: list[Contestant] = [Oracle(items)]
    if painter is not None:
        rows.append(Oracle(items, painter, name="oracle words, real painter"))
    return [*rows, BestGuess(items), CopyCaption(), NeverDraw(), AlwaysDraw()]


def model_rows(make: Make, painter: Paints, items: Sequence[Item], *, controls: bool = True) -> list[Contestant]:
    """A model as it is, and with exact drawings, blind, and behind exchanged pictures."""
    whole = make(painter)
    if not controls:
        return [whole]
    return [whole, _Renamed(make(ExactPainter()), f"{whole.name}, exact painter"), Blind(whole), Swapped(whole, items)]


class _Renamed:
    """A contestant under another name."""

    def __init__(self, inner: Contestant, name: str) -> None:
        self.name, self.answer = name, inner.answer


def evaluate(
    rows: Sequence[Contestant],
    items: Sequence[Item],
    folder: Path | str,
    *,
    batch: int = BATCH,
    settings: dict[str, Any] | None = None,
    watch: Callable[[str, int, int], None] | None = None,
) -> tuple[list[Result], dict[str, list[Outcome]]]:
    """Hold the conversations with every row and measure it; what is on disk already is not asked again.

    Args:
        rows: contestants with different names.
        items: the conversations.
        folder: one folder below it for each row.
        batch: conversations asked at once.
        settings: what else decides the replies.
        watch: called with row, replies so far and their total.

    Returns:
        The results in order, and the outcomes by row.
    """
    results: list[Result] = []
    outcomes: dict[str, list[Outcome]] = {}
    for row in rows:
        told = None if watch is None else (lambda done, total, name=row.name: watch(name, done, total))
        replies = run(items, row, Path(folder) / row.name.replace("/", "-"), batch=batch, settings=settings, watch=told)
        outcomes[row.name] = read_outcomes(items, replies)
        results += [Result(row.name, measure) for measure in measure_all(outcomes[row.name])]
    return results, outcomes


def paraphrased(rows: Sequence[Contestant], folder: Path | str, *, batch: int = BATCH) -> list[Result]:
    """The main measures of rows on the split "paraphrase", each under a name that ends in it.

    Args:
        rows: contestants.
        folder: one folder below it for each row.
        batch: conversations asked at once.
    """
    results, _ = evaluate(rows, load_items("paraphrase"), folder, batch=batch)
    return [one for one in results if one.measure.metric.endswith("/paraphrase")]


def already_known(outcomes: Mapping[str, list[Outcome]], name: str) -> dict[frozenset[str], list[Outcome]]:
    """Which combinations of repaired modules the rows of `evaluate` have shown already.

    Args:
        outcomes: by row.
        name: of the model's row.
    """
    rows = {
        name: (),
        f"{name}, exact painter": ("painter",),
        "oracle words, real painter": ("writer",),
        "all oracle": ("writer", "painter"),
    }
    return {frozenset(repaired): outcomes[row] for row, repaired in rows.items() if row in outcomes}


def faults(
    items: Sequence[Item],
    make: Make,
    painter: Paints,
    folder: Path | str,
    *,
    known: Mapping[frozenset[str], Sequence[Outcome]] | None = None,
    batch: int = BATCH,
) -> list[Result]:
    """Eight combinations and three shares, as results of the rows "repaired ..." and "fault: ..."."""
    found = attribute(items, make, painter, known=known, folder=folder, batch=batch)
    n = sum(len(item.exchanges) for item in items)
    rows = [(f"repaired: {name or 'nothing'}", value) for name, value in found["scores"].items()]
    rows += [(f"fault: {name}", value) for name, value in found["shares"].items()]
    return [Result(row, Measure("turn_em", value, None, None, n)) for row, value in rows]


def beside(contestant: Contestant | None, *, n: int = 300, seed: int = 0, cycles: int = 5) -> list[Result]:
    """The reader's own accuracy and, where a contestant is given, how pictures drift in its hands."""
    results = [Result("exact reader", measure) for measure in reader_accuracy(n, seed=seed)]
    if contestant is not None and cycles:
        rng = stream(seed, "bench drift")
        scenes = [sample_scene(rng, split="test") for _ in range(min(n, 48))]
        results += [Result(contestant.name, measure) for measure in drift_of(contestant, scenes, cycles=cycles)]
    return results
