"""The README's tables of what was measured, written from results.json and never by hand.

    python -m tbcore.course.standing --run-dir runs/laptop
    python -m tbcore.course.standing --run-dir runs/laptop runs/seed1 runs/seed2 --bench runs/bench/results.json

Of several runs, one for each training seed, the table shows the mean and the ends. Where the runs hold a fault
attribution, a paragraph in plain words says which numbers are low and which module is the culprit. The numbers are kept
in notebooks/standing.json and notebooks/bench.json, and a test compares the tables with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from tbcore.course.places import course, project_root
from tbcore.errors import InputError
from tbcore.store import read_json, write_json, write_text

__all__ = [
    "BEGIN",
    "BENCH_BEGIN",
    "BENCH_END",
    "CULPRITS",
    "END",
    "ROWS",
    "bench_table",
    "gather",
    "harvest",
    "harvest_bench",
    "main",
    "standing",
    "standing_table",
    "standing_words",
    "with_table",
]

BEGIN = "<!-- standing: written by `make standing` -->"
END = "<!-- end of standing -->"
BENCH_BEGIN = "<!-- bench: written by `make standing` -->"
BENCH_END = "<!-- end of bench -->"

ROWS: dict[str, tuple[str, str]] = {
    "chain.minutes": ("minutes on two cores", ".1f"),
    "chain.peak_gb": ("peak memory in GB", ".1f"),
    "01.purity": ("purity of the topics", ".2f"),
    "04.kept": ("recorded conversations kept by the filter", ".0f"),
    "04.rejected": ("recorded conversations rejected", ".0f"),
    "06.backdrop_exact": ("backdrop named right, of 200 held-out pictures", ".3f"),
    "06.blank_backdrop_exact": ("the same, shown a blank picture", ".3f"),
    "06.things_exact": ("all things named right and in place, of 200", ".3f"),
    "06.things_probe": ("the same, by a linear probe on pooled patches", ".3f"),
    "06.talk_or_draw": ("talk or draw decided right, of 200 replies", ".3f"),
    "06.drawn_scene_exact": ("drawn picture exactly the wish, by the exact reader", ".3f"),
    "06.text_perplexity_ratio": ("perplexity of plain text, after over before", ".2f"),
    "08.turn_right": ("whole replies right in held conversations", ".3f"),
    "08.when_to_draw": ("F1 of when to draw", ".3f"),
    "08.picture_right": ("wanted pictures drawn exactly, end to end", ".3f"),
    "08.seen": ("questions about shown pictures answered right", ".3f"),
    "08.other_words": ("whole replies right when asked in words that training never uses", ".3f"),
    "08.fault_viewer": ("share of all replies lost through the viewer", ".3f"),
    "08.fault_writer": ("share of all replies lost through the writer", ".3f"),
    "08.fault_painter": ("share of all replies lost through the painter", ".3f"),
}
"""Name in results.json -> words for it, and how to print it."""

CULPRITS: dict[str, str] = {
    "viewer": "what a picture shows does not reach the language model well enough to speak of it",
    "writer": "the language model says or captions the wrong thing, or does not open a picture where one is wished for",
    "painter": "the caption is right, but the drawing is too rough, or too wrong, for the exact reader",
}
"""Module -> what it means that most is lost through it."""

_LOW = 0.5
_MACHINE = "chain."
_NOT_SCORES = ("chain.", "06.blank", "06.text", "08.fault")


def standing_table(numbers: Mapping[str, float | Sequence[float]]) -> str:
    """A Markdown table of the numbers that are there, in the order of `ROWS`; of several runs mean and ends."""
    several = max((len(value) for value in numbers.values() if not isinstance(value, int | float)), default=0)
    heads = ("what", f"mean of {several} runs", "lowest to highest") if several else ("what", "value")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [
        f"| {words} | {_cell(numbers[name], form, several)} |"
        for name, (words, form) in ROWS.items()
        if name in numbers
    ]
    return "\n".join(lines)


def standing_words(numbers: Mapping[str, float | Sequence[float]]) -> str:
    """A paragraph: which scores are below one half, and which module loses most; "" without a fault attribution."""
    means = {name: _mean(numbers[name]) for name in ROWS if name in numbers}
    faults = {module: means[f"08.fault_{module}"] for module in CULPRITS if f"08.fault_{module}" in means}
    if len(faults) < len(CULPRITS):
        return ""
    scores = {name: value for name, value in means.items() if not name.startswith(_NOT_SCORES)}
    low = [f"{ROWS[name][0]} ({value:.0%})" for name, value in scores.items() if value < _LOW]
    ordered = sorted(faults, key=lambda module: -faults[module])
    lost = ", ".join(f"{faults[module]:.0%} through the {module}" for module in ordered)
    worst = ordered[0]
    told = f"Below one half: {'; '.join(low)}. " if low else "No score is below one half. "
    said = (
        f"**Where it is weak, and why.** {told}Notebook 08 repairs one module after the other, in every order, and "
        f"shares out what is missing: of all replies, {lost}. The main culprit is the **{worst}**: {CULPRITS[worst]}."
    )
    return fill(said, 120, break_on_hyphens=False, break_long_words=False)


def standing(numbers: Mapping[str, float | Sequence[float]]) -> str:
    """What stands between the marks: the table and, where it can be told, the paragraph below it."""
    return "\n\n".join(part for part in (standing_table(numbers), standing_words(numbers)) if part)


def _mean(value: float | Sequence[float]) -> float:
    return float(value) if isinstance(value, int | float) else sum(value) / len(value)


def _cell(value: float | Sequence[float], form: str, several: int) -> str:
    if isinstance(value, int | float):
        return f"{value:{form}} | of the first run" if several else f"{value:{form}}"
    return f"{_mean(value):{form}} | {min(value):{form}} to {max(value):{form}}"


def with_table(text: str, table: str, marks: tuple[str, str] = (BEGIN, END)) -> str:
    """The text with the table between its two marks.

    Raises:
        InputError: a mark is missing.
    """
    first, last = marks
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise InputError(f"README.md: the lines {first!r} and {last!r} must stand in it. Restore them.")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def harvest(results: Path) -> dict[str, float]:
    """The numbers of `ROWS` that a run found.

    Raises:
        InputError: the run was not of the whole chain.
    """
    found = read_json(results)
    if "06.backdrop_exact" not in found or "chain.minutes" not in found:
        raise InputError(f"{results}: holds no whole run; run `make run` first")
    return {name: found[name] for name in ROWS if name in found}


def gather(runs: Sequence[Mapping[str, float]]) -> dict[str, float | list[float]]:
    """The numbers of one run as they are; of several, the values of each number that every run has.

    Minutes and memory are those of the first run: the others may have had the machine together.
    """
    if len(runs) == 1:
        return dict(runs[0])
    shared = {name: [run[name] for run in runs] for name in runs[0] if all(name in run for run in runs)}
    return {name: values[0] if name.startswith(_MACHINE) else values for name, values in shared.items()}


def harvest_bench(results: Path) -> list[dict[str, object]]:
    """Rows and metrics of a results.json of the benchmark that its table shows.

    Raises:
        InputError: it is not such a file.
    """
    from tbcore.bench.report import TABLE, read_results

    kept = [one for one in read_results(results) if one.measure.metric in TABLE]
    return [one.to_json() for one in kept if not one.row.startswith(("repaired:", "fault:", "exact reader"))]


def bench_table(kept: Sequence[Mapping[str, object]]) -> str:
    """A Markdown table of what `harvest_bench` kept, in percent with 95 % intervals."""
    from tbcore.bench.report import Result, table

    return table([Result.from_json(row) for row in kept]).rstrip("\n")


def main() -> None:
    """Keep the numbers and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, nargs="+", default=[Path("runs/laptop")], help="one for each seed")
    parser.add_argument("--bench", type=Path, help="results.json of the benchmark")
    options = parser.parse_args()
    numbers = gather([harvest(place / "results.json") for place in options.run_dir])
    write_json(course().notebooks / "standing.json", numbers)
    readme = project_root() / "README.md"
    text = with_table(readme.read_text(encoding="utf-8"), standing(numbers))
    if options.bench is not None:
        kept = harvest_bench(options.bench)
        write_json(course().notebooks / "bench.json", kept)
        text = with_table(text, bench_table(kept), (BENCH_BEGIN, BENCH_END))
    write_text(readme, text)


if __name__ == "__main__":
    main()
