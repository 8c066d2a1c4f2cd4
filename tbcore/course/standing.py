"""The README's table of what one run measured, written from results.json and never by hand.

    python -m tbcore.course.standing --run-dir runs/laptop

The numbers are kept in notebooks/standing.json, and a test compares the table with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from tbcore.course.places import course, project_root
from tbcore.errors import InputError
from tbcore.store import read_json, write_json, write_text

__all__ = ["BEGIN", "END", "ROWS", "harvest", "main", "standing_table", "with_table"]

BEGIN = "<!-- standing: written by `make standing` -->"
END = "<!-- end of standing -->"

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
}
"""Name in results.json -> words for it, and how to print it."""


def standing_table(numbers: Mapping[str, float]) -> str:
    """A Markdown table of the numbers that are there, in the order of `ROWS`."""
    lines = ["| what | value |", "|---|---|"]
    lines += [f"| {words} | {numbers[name]:{form}} |" for name, (words, form) in ROWS.items() if name in numbers]
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """The text with the table between its two marks.

    Raises:
        InputError: a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"README.md: the lines {BEGIN!r} and {END!r} must stand in it. Restore them.")
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


def main() -> None:
    """Keep the numbers and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/laptop"))
    numbers = harvest(parser.parse_args().run_dir / "results.json")
    write_json(course().notebooks / "standing.json", numbers)
    readme = project_root() / "README.md"
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), standing_table(numbers)))


if __name__ == "__main__":
    main()
