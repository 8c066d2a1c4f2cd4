"""What a run found: results.json, one object per row and metric, and the tables that are written from it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.bench.metrics.intervals import Measure
from tbcore.errors import InputError
from tbcore.store import read_json, write_json

__all__ = ["TABLE", "Result", "read_results", "seeds_table", "table", "write_results"]

TABLE: dict[str, str] = {
    "turn_em": "whole reply",
    "when_to_draw_f1": "when to draw, F1",
    "caption_em": "caption",
    "picture_em": "picture",
    "faithfulness": "picture = caption",
    "reference": "reference",
    "edit_harmonic": "edit",
    "perception_uploads": "seen",
    "invented_things": "invented",
    "limits_f1": "limits, F1",
}
"""Metrics of the printed table and the heads of their columns."""

_POINTS = {"half_life"}  # in turns, not shares


@dataclass(frozen=True, slots=True)
class Result:
    """One measure of one row, such as "MIM" or "all oracle"."""

    row: str
    measure: Measure

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object: row, metric, value, low, high, n."""
        return {"row": self.row, **self.measure.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Result:
        """The inverse of `to_json`.

        Raises:
            InputError: a field is missing or unknown.
        """
        if set(value) != {"row", "metric", "value", "low", "high", "n"}:
            raise InputError(
                f"results: each object must have row, metric, value, low, high and n; got {sorted(value)}. "
                "Write the file again with `python -m tbcore.bench run`."
            )
        return cls(value["row"], Measure(value["metric"], value["value"], value["low"], value["high"], int(value["n"])))


def write_results(path: Path | str, results: Sequence[Result]) -> None:
    """Write results.json, sorted by nothing: rows and metrics in the order they were measured."""
    write_json(path, [result.to_json() for result in results])


def read_results(path: Path | str) -> list[Result]:
    """Read what `write_results` wrote.

    Raises:
        MissingFileError: there is no such file.
        InputError: it holds something else.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise InputError(f"{path}: must hold a JSON list; got {type(rows).__name__}. Run the benchmark again.")
    return [Result.from_json(row) for row in rows]


def _cell(measure: Measure | None) -> str:
    if measure is None or measure.value is None or measure.low is None or measure.high is None:
        return "–"
    if measure.metric in _POINTS:
        return f"{measure.value:.1f} ({measure.low:.1f}–{measure.high:.1f})"
    return f"{100 * measure.value:.0f} ({100 * measure.low:.0f}–{100 * measure.high:.0f})"


def table(results: Sequence[Result], metrics: Mapping[str, str] = TABLE) -> str:
    """A Markdown table: a row for each contestant, a column for each metric, percent with 95 % intervals.

    Args:
        results: of `read_results`.
        metrics: name -> head of the column; metrics that no row has are left out.
    """
    by_row: dict[str, dict[str, Measure]] = {}
    for result in results:
        by_row.setdefault(result.row, {})[result.measure.metric] = result.measure
    columns = [name for name in metrics if any(name in row for row in by_row.values())]
    counted = {name: max((row[name].n for row in by_row.values() if name in row), default=0) for name in columns}
    lines = [
        "| " + " | ".join(["", *(f"{metrics[name]} (n={counted[name]})" for name in columns)]) + " |",
        "|" + "---|" * (len(columns) + 1),
    ]
    for row, measures in by_row.items():
        lines.append("| " + " | ".join([row, *(_cell(measures.get(name)) for name in columns)]) + " |")
    return "\n".join(lines) + "\n"


def seeds_table(runs: Sequence[Sequence[Result]], row: str, metrics: Mapping[str, str] = TABLE) -> str:
    """A Markdown table of one row over several training seeds: each value, mean and spread (largest - smallest).

    Raises:
        InputError: a run does not have the row.
    """
    found = [{r.measure.metric: r.measure for r in run if r.row == row} for run in runs]
    if not found or not all(found):
        have = sorted({result.row for run in runs for result in run})
        raise InputError(f"seeds_table: every run must have the row {row!r}; the rows are {have}")
    lines = [
        "| " + " | ".join(["", *(f"run {k + 1}" for k in range(len(found))), "mean", "spread"]) + " |",
        "|" + "---|" * (len(found) + 3),
    ]
    for name, head in metrics.items():
        values = [100 * one[name].value for one in found if name in one and one[name].value is not None]  # type: ignore[operator]
        if len(values) == len(found):
            cells = [
                *(f"{v:.0f}" for v in values),
                f"{statistics.fmean(values):.1f}",
                f"{max(values) - min(values):.0f}",
            ]
            lines.append("| " + " | ".join([head, *cells]) + " |")
    return "\n".join(lines) + "\n"
