"""What each notebook costs: harvested from finished runs into a file, shown as a card in its header."""

from __future__ import annotations

import argparse
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tbcore.course.places import course
from tbcore.errors import MissingFileError
from tbcore.store import read_json, write_json

__all__ = ["card", "harvest", "main"]


def card(name: str, path: Path | None = None) -> str:
    """The cost card of a notebook as a Markdown table; a sentence where nothing was measured yet."""
    place = path or course().notebooks / "costs.json"
    costs = read_json(place) if place.is_file() else {}
    rows = [(profile, one["notebooks"][name], one) for profile, one in costs.items() if name in one["notebooks"]]
    if not rows:
        return "**Cost.** Not measured yet; no download, no key, no GPU needed."
    lines = [
        "**Cost** (measured; downloads 0 MB, no key, no GPU needed)",
        "",
        "| profile | minutes | peak memory | machine | measured |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {profile} | {cost['minutes']:.1f} | {cost['peak_gb']:.1f} GB | {one['machine']} | {one['date']} |"
        for profile, cost, one in rows
    ]
    return "\n".join(lines)


def harvest(run_dir: Path, path: Path | None = None) -> dict[str, Any]:
    """Take time and memory of a finished run into the costs file; other profiles stay as they are.

    Args:
        run_dir: the run folder; its `run.json` was written by the runner.
        path: the costs file, the course's own by default.

    Raises:
        MissingFileError: the run folder has no `run.json`.
    """
    record = run_dir / "run.json"
    if not record.is_file():
        raise MissingFileError(f"{record}: no finished run. `make run` writes it.")
    run = read_json(record)
    measured = {
        row["name"]: {"minutes": round(row["seconds"] / 60, 2), "peak_gb": round(row["peak_gb"], 2)}
        for row in run["editions"].get("solved", {}).values()
    }
    place = path or course().notebooks / "costs.json"
    costs = read_json(place) if place.is_file() else {}
    memory = psutil.virtual_memory().total / 1e9
    costs[run["profile"]] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{psutil.cpu_count()} cores, {memory:.0f} GB, {platform.system()}",
        "notebooks": measured,
    }
    write_json(place, costs)
    return costs


def main() -> None:
    """Harvest the run folder named on the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--run-dir", type=Path, default=Path("runs/laptop"))
    harvest(options.parse_args().run_dir)


if __name__ == "__main__":
    main()
