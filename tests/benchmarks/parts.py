"""Measure the parts of a benchmark, each in a program of its own, so that none inherits another's memory or threads."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

_RUN = "import json; from tests.benchmarks.{part} import measure; print(json.dumps(measure({quick})))"


def chosen_parts(about: str | None, out: Path, parts: Sequence[str]) -> argparse.Namespace:
    """The command line of a benchmark: `out`, `quick` and `only`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--quick", action="store_true", help="small sizes, for a first look")
    parser.add_argument("--only", nargs="*", choices=parts, default=list(parts))
    return parser.parse_args()


def measured(parts: Sequence[str], *, quick: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """Each part that is there, with its numbers."""
    for part in parts:
        if find_spec(f"tests.benchmarks.{part}") is None:
            print(f"{part}: not there", file=sys.stderr)
            continue
        code = _RUN.format(part=part, quick=quick)
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        numbers = json.loads(done.stdout.splitlines()[-1])
        print(f"{part}: {len(numbers)} numbers", file=sys.stderr)
        yield part, numbers
