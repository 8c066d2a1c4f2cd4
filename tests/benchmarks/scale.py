"""All benchmarks of the way out of one machine: `python -m tests.benchmarks.scale --out F [--quick] [--only PART]`.

Each part runs in a program of its own, so that no part's memory or threads colour another's numbers. Numbers of parts
that are not run this time are kept from the file that is there.
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

from tbcore.store import read_json, write_json

__all__ = ["PARTS", "main"]

PARTS = ("scale_data", "scale_assign", "scale_train")
_RUN = "import json, sys; from tests.benchmarks import {part} as part; print(json.dumps(part.measure(quick={quick})))"


def main() -> None:
    """Run the parts that are there and write the file after each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/scale.json"))
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    chosen = parser.parse_args()
    found = read_json(chosen.out) if chosen.out.is_file() else {}
    for part in chosen.only:
        if find_spec(f"tests.benchmarks.{part}") is None:
            print(f"{part}: not there", file=sys.stderr)
            continue
        code = _RUN.format(part=part, quick=chosen.quick)
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        numbers = json.loads(done.stdout.splitlines()[-1])
        print(f"{part}: {len(numbers)} numbers", file=sys.stderr)
        about = {
            f"about.{part}": "quick" if chosen.quick else "full",
            "about.python": platform.python_version(),
            "about.cpus": os.cpu_count() or 0,
        }
        found = dict(sorted({**found, **about, **numbers}.items()))
        write_json(chosen.out, found)


if __name__ == "__main__":
    main()
