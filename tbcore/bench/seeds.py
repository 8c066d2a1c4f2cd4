"""One number from several training runs: each value, their mean, and how far they lie apart.

    python -m tbcore.bench seeds runs/seed0 runs/seed1 runs/seed2 --out runs/bench

A run folder holds results.json, written by the notebooks: name -> number. A file of `python -m tbcore.bench run` may
stand in its place: there the name is the row, a slash, and the metric.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tbcore.bench.report import Result
from tbcore.errors import InputError
from tbcore.store import read_json, write_json, write_text

__all__ = ["Spread", "over_seeds", "read_numbers", "spread_table", "write_seeds"]


@dataclass(frozen=True, slots=True)
class Spread:
    """One measure over several runs.

    Attributes:
        metric: its name.
        values: of each run, in the order of the runs.
    """

    metric: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the values."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """Largest minus smallest: with a handful of runs an honest word for how far they lie apart."""
        return max(self.values) - min(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the sample; None for a single run."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object: metric, values, mean, low, high, deviation, n."""
        ends = {"low": min(self.values), "high": max(self.values)}
        return {**asdict(self), "mean": self.mean, **ends, "deviation": self.deviation, "n": len(self.values)}


def read_numbers(place: Path | str) -> dict[str, float]:
    """The numbers of one run, by name.

    Args:
        place: a run folder with results.json, or such a file.

    Raises:
        MissingFileError: there is none.
        InputError: it holds something else.
    """
    path = Path(place) / "results.json" if Path(place).is_dir() else Path(place)
    found = read_json(path)
    if isinstance(found, list):
        results = [Result.from_json(row) for row in found]
        return {
            f"{one.row}/{one.measure.metric}": one.measure.value for one in results if one.measure.value is not None
        }
    if not isinstance(found, dict) or not all(isinstance(value, int | float) for value in found.values()):
        raise InputError(f"{path}: must hold names and numbers. Run the notebooks, or the benchmark, again.")
    return {name: float(value) for name, value in found.items()}


def over_seeds(runs: Sequence[Mapping[str, float]]) -> list[Spread]:
    """What every run measured, in the order of the first.

    Raises:
        InputError: there are fewer than two runs, or they have nothing in common.
    """
    if len(runs) < 2:
        raise InputError(f"over_seeds: need at least two runs to compare; got {len(runs)}")
    shared = [name for name in runs[0] if all(name in run for run in runs)]
    if not shared:
        raise InputError("over_seeds: no number occurs in every run. Give runs of the same kind, run to their end.")
    return [Spread(name, tuple(run[name] for run in runs)) for name in shared]


def spread_table(spreads: Sequence[Spread], names: Sequence[str]) -> str:
    """A Markdown table: a line for each measure, a column for each run, then mean and spread.

    Args:
        spreads: of `over_seeds`.
        names: of the runs.
    """
    lines = [f"| metric | {' | '.join(names)} | mean | spread |", "|" + "---|" * (len(names) + 3)]
    for one in spreads:
        cells = [*(f"{value:.3f}" for value in one.values), f"{one.mean:.3f}", f"{one.spread:.3f}"]
        lines.append(f"| {one.metric} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_seeds(places: Sequence[Path], out: Path | None = None) -> str:
    """Compare runs; the table, which is also written where `out` says, beside the same as JSON.

    Args:
        places: run folders or files, one for each seed.
        out: folder for seeds.json and seeds.md; None: nothing is written.

    Raises:
        MissingFileError, InputError: see `read_numbers` and `over_seeds`.
    """
    spreads = over_seeds([read_numbers(place) for place in places])
    shown = spread_table(spreads, [place.name if place.is_dir() else place.parent.name for place in places])
    if out is not None:
        write_json(out / "seeds.json", [one.to_json() for one in spreads])
        write_text(out / "seeds.md", shown)
    return shown
