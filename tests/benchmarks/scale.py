"""All benchmarks of the way out of one machine: `python -m tests.benchmarks.scale --out F [--quick] [--only PART]`.

Each part runs in a program of its own, so that no part's memory or threads colour another's numbers. Numbers of parts
that are not run this time are kept from the file that is there.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from tbcore.store import read_json, write_json
from tests.benchmarks.parts import chosen_parts, measured

__all__ = ["PARTS", "main"]

PARTS = ("scale_data", "scale_assign", "scale_train")


def main() -> None:
    """Run the parts that are there and write the file after each of them."""
    chosen = chosen_parts(__doc__, Path("runs/bench/scale.json"), PARTS)
    found = read_json(chosen.out) if chosen.out.is_file() else {}
    for part, numbers in measured(chosen.only, quick=chosen.quick):
        about = {
            f"about.{part}": "quick" if chosen.quick else "full",
            "about.python": platform.python_version(),
            "about.cpus": os.cpu_count() or 0,
        }
        found = dict(sorted({**found, **about, **numbers}.items()))
        write_json(chosen.out, found)


if __name__ == "__main__":
    main()
