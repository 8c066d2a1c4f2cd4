"""All benchmarks of the data engine in one file: `python -m tests.benchmarks.data --out F [--quick]`.

Each part runs in a program of its own, so that no part's memory or threads colour another's numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tbcore.errors import InputError
from tbcore.store import write_json

__all__ = ["PARTS", "main", "merged"]

PARTS = ("data_ledger", "data_pairs", "data_filters")
_RUN = "import json, sys; from tests.benchmarks import {part} as part; print(json.dumps(part.measure(quick={quick})))"


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/data.json"))
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    chosen = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for part in chosen.only:
        if find_spec(f"tests.benchmarks.{part}") is None:
            print(f"{part}: not there", file=sys.stderr)
            continue
        code = _RUN.format(part=part, quick=chosen.quick)
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        found[part] = json.loads(done.stdout.splitlines()[-1])
        print(f"{part}: {len(found[part])} numbers", file=sys.stderr)
    write_json(chosen.out, merged(found, quick=chosen.quick))


if __name__ == "__main__":
    main()
