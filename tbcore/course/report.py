"""The table at the end of a run: what each notebook took, and the numbers beside their bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbcore.course.bands import Band

__all__ = ["closing_table", "table"]


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Rows as aligned text, the first one a header; columns in `right` are aligned to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if n in right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(rows[0]), "  ".join("-" * width for width in widths), *map(line, rows[1:])])


def closing_table(
    entries: Sequence[Mapping[str, Any]], results: Mapping[str, float], limits: Mapping[str, Band]
) -> str:
    """Time and memory per notebook, then every number with its band.

    Args:
        entries: per notebook its name, seconds and peak_gb.
        results: the numbers, by name.
        limits: the bands of this profile, by name of the number.
    """
    rows = [("notebook", "minutes", "peak GB")]
    rows += [(one["name"], f"{one['seconds'] / 60:.1f}", f"{one['peak_gb']:.1f}") for one in entries]
    parts = [table(rows, right=frozenset({1, 2}))]
    if results:
        numbers = [_number(name, value, limits.get(name)) for name, value in results.items()]
        parts.append(table([("number", "value", "band", ""), *numbers], right=frozenset({1})))
    return "\n" + "\n\n".join(parts) + "\n"


def _number(name: str, value: float, limits: Band | None) -> tuple[str, str, str, str]:
    if limits is None:
        return name, f"{value:.4g}", "", ""
    return name, f"{value:.4g}", str(limits), "inside" if limits.holds(value) else "OUTSIDE"
