"""All benchmarks of the data engine in one file: `python -m tests.benchmarks.data --out F [--quick]`.

Each part runs in a program of its own, so that no part's memory or threads colour another's numbers.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tbcore.errors import InputError
from tbcore.store import write_json
from tests.benchmarks.parts import chosen_parts, measured

__all__ = ["PARTS", "main", "merged"]

PARTS = ("data_ledger", "data_pairs", "data_filters")


def merged(found: dict[str, dict[str, float]], *, quick: bool) -> dict[str, object]:
    """One flat object: every part's numbers, and what they were measured on.

    Raises:
        InputError: two parts claim one key.
    """
    result: dict[str, object] = {
        "about.sizes": "quick" if quick else "full",
        "about.parts": sorted(found),
        "about.python": platform.python_version(),
        "about.cpus": os.cpu_count() or 0,
    }
    for part, numbers in found.items():
        if twice := sorted(set(result) & set(numbers)):
            raise InputError(f"{part}: {twice[0]!r} was measured by another part as well. Rename one.")
        result.update(numbers)
    return result


def main() -> None:
    """Run the parts that are there and write the file."""
    chosen = chosen_parts(__doc__, Path("runs/bench/data.json"), PARTS)
    write_json(chosen.out, merged(dict(measured(chosen.only, quick=chosen.quick)), quick=chosen.quick))


if __name__ == "__main__":
    main()
