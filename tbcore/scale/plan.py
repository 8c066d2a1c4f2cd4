"""A plan on paper: what a large run takes, stage by stage, before anything is paid.

    python -m tbcore.scale.plan --measured runs/bench/scale.json runs/bench/data.json --given rates.toml

Work is counted from the shapes of the run. Rates are read from benchmark files or given in a TOML file, and every
line says which; where there is none, hours and money stay open. No rate is assumed.

    [rates]                     # units of work per second, for one worker
    tower_flops = 1.0e14        # floating-point operations of the tower, on the accelerator you have
    [prices]
    worker_hour = 0.05          # one worker for one hour
    read_tokens = 2.5           # one million of them
    written_tokens = 10.0
    [run]
    workers = 64
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbcore.errors import InputError, MissingFileError
from tbcore.scale.work import CC3M, LAION_400M, Dataset, Stint, stints_of
from tbcore.store import read_json

__all__ = ["MEASURED", "Costed", "Rates", "cost", "main", "markdown", "read_rates"]

MEASURED: dict[str, str] = {
    "matrix_flops": "assign.flops_per_s",
    "pictures_read": "stage.pictures_read_per_s",
    "hashes": "stage.hashes_per_s",
    "conversations": "filters.conversations_per_s",
    "rows_exported": "stage.exported_per_s",
}
"""Which key of a benchmark file supports which rate."""

_PRICES = ("worker_hour", "read_tokens", "written_tokens")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How fast one worker is, what things cost, and who says so.

    Args:
        per_s: units of work per second, by kind.
        source: where each of them comes from.
        prices: `worker_hour`, `read_tokens` and `written_tokens` (a million each), those that are known.
        workers: how many work at once.
    """

    per_s: Mapping[str, float] = field(default_factory=dict[str, float])
    source: Mapping[str, str] = field(default_factory=dict[str, str])
    prices: Mapping[str, float] = field(default_factory=dict[str, float])
    workers: int = 1

    def __post_init__(self) -> None:
        bad = [name for name, value in (*self.per_s.items(), *self.prices.items()) if not value > 0]
        if bad or self.workers < 1 or (unknown := [name for name in self.prices if name not in _PRICES]):
            wrong = bad or ([f"workers={self.workers}"] if self.workers < 1 else unknown)
            raise InputError(f"Rates: numbers must be above 0 and prices one of {_PRICES}; got {wrong[0]!r}.")


@dataclass(frozen=True, slots=True)
class Costed:
    """One line of a plan; None where no rate or price is known.

    Args:
        stint: what is done.
        hours: wall clock with all workers.
        money: in the currency of the prices.
        support: where rate and price come from.
    """

    stint: Stint
    hours: float | None
    money: float | None
    support: str


def read_rates(measured: Sequence[Path] = (), given: Path | None = None) -> Rates:
    """Rates from benchmark files, and those that a TOML file gives; what is given wins.

    Raises:
        MissingFileError: a file is not there.
        InputError: the TOML file is not of the form in this module's docstring.
    """
    per_s: dict[str, float] = {}
    source: dict[str, str] = {}
    for place in measured:
        found = read_json(place)
        for name, key in MEASURED.items():
            if key in found:
                per_s[name], source[name] = float(found[key]), f"`{key}` in {place.name}"
    told = _given(given) if given is not None else {}
    for name, value in told.get("rates", {}).items():
        per_s[name], source[name] = float(value), f"given in {given.name}" if given else ""
    return Rates(
        per_s=per_s,
        source=source,
        prices={name: float(value) for name, value in told.get("prices", {}).items()},
        workers=int(told.get("run", {}).get("workers", 1)),
    )


def cost(dataset: Dataset, rates: Rates) -> list[Costed]:
    """Hours and money of each stage, as far as rates and prices are known."""
    lines: list[Costed] = []
    for stint in stints_of(dataset):
        if stint.kind == "tokens":
            lines.append(_tokens(stint, rates))
            continue
        rate = rates.per_s.get(stint.kind)
        if rate is None:
            lines.append(Costed(stint, None, None, f"no rate: measure or give `{stint.kind}`"))
            continue
        hours = stint.amount / rate / rates.workers / 3600
        price = rates.prices.get("worker_hour")
        money = None if price is None else hours * rates.workers * price
        told = f"{_short(rate)}/s and worker, {rates.source.get(stint.kind, 'given')}"
        lines.append(Costed(stint, hours, money, told))
    return lines


def markdown(dataset: Dataset, rates: Rates) -> str:
    """The plan as a Markdown table, with the numbers it stands on."""
    lines = cost(dataset, rates)
    rows = [
        f"| {one.stint.stage} | {one.stint.counted} | {_short(one.stint.amount)} {one.stint.unit} "
        f"| {_short(one.stint.bytes_written)}B | {_open(one.hours)} | {_open(one.money)} | {one.support} |"
        for one in lines
    ]
    hours, money = [one.hours for one in lines], [one.money for one in lines]
    written = sum(one.stint.bytes_written for one in lines)
    total = f"| all | | | {_short(written)}B | {_sum(hours)} | {_sum(money)} | |"
    head = [
        f"### {dataset.name}: {dataset.pairs:,} pairs, {dataset.conversations:,} conversations",
        "",
        f"{rates.workers} workers. {dataset.told}",
        "",
        "| Stage | Counted as | Work | Written | Hours | Money | Supported by |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, total, ""])


def _tokens(stint: Stint, rates: Rates) -> Costed:
    """Tokens are paid for at a teacher's price; how long it takes is the teacher's affair."""
    prices = [rates.prices.get(name) for name in ("read_tokens", "written_tokens")]
    rate = rates.per_s.get("tokens")
    hours = None if rate is None else stint.amount / rate / 3600
    if prices[0] is None or prices[1] is None:
        return Costed(stint, hours, None, "no price: give `read_tokens` and `written_tokens`")
    read, written = stint.parts
    money = (read * prices[0] + written * prices[1]) / 1e6
    told = "prices given" + ("; no rate: give `tokens`" if rate is None else f", {_short(rate)} tokens/s given")
    return Costed(stint, hours, money, told)


def _given(place: Path) -> dict[str, Any]:
    if not place.is_file():
        raise MissingFileError(
            f"{place}: there is no such file. Write one; `python -m tbcore.scale.plan -h` shows how."
        )
    try:
        told = tomllib.loads(place.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{place}: not a TOML file; {error}. Mend it.") from error
    if unknown := sorted(set(told) - {"rates", "prices", "run"}):
        raise InputError(f"{place}: knows the tables rates, prices and run; got {unknown[0]!r}. Rename it.")
    return told


def _short(value: float) -> str:
    for size, letter in ((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g} "


def _open(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _sum(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return "–" if not known else _open(sum(known)) + (" and what is open" if len(known) < len(values) else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the plans of both data sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path, nargs="*", default=[], help="benchmark files (JSON)")
    parser.add_argument("--given", type=Path, help="rates, prices and workers (TOML)")
    parser.add_argument("--pairs", type=int, help="a plan for so many pairs of your own instead")
    parser.add_argument("--conversations", type=int, default=25_000)
    chosen = parser.parse_args(arguments)
    rates = read_rates(chosen.measured, chosen.given)
    own = chosen.pairs and [Dataset.of("Your own", chosen.pairs, chosen.conversations)]
    for dataset in own or (CC3M, LAION_400M):
        print(markdown(dataset, rates))  # noqa: T201 (a command line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
