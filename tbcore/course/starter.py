"""Copy small files of a finished run into the package, so that a reader can begin with any notebook."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from tbcore import manifest
from tbcore.course.lesson import starter_folder
from tbcore.errors import MissingFileError

__all__ = ["copy_step", "main"]

# Files above this size stay behind; a step that would be incomplete without one ships no starter files.
LARGEST_BYTES = 4_000_000
MOST_BYTES = 12_000_000


def copy_step(folder: Path, target: Path) -> int:
    """Copy a finished step's files below the size limits, with a manifest that names just these.

    Returns:
        Bytes copied; 0 if the step is too large to ship and nothing was copied.

    Raises:
        MissingFileError: the step is not finished.
    """
    record = manifest.read(folder)
    if record is None or not record.complete:
        raise MissingFileError(f"{folder}: not a finished step. Run it first.")
    sizes = {name: (folder / name).stat().st_size for name in record.outputs}
    kept = {name: size for name, size in sizes.items() if size <= LARGEST_BYTES}
    if sum(kept.values()) > MOST_BYTES:
        return 0
    if target.exists():
        shutil.rmtree(target)
    for name in kept:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
    outputs = {name: sha for name, sha in record.outputs.items() if name in kept}
    manifest.write(target, replace(record, outputs=outputs, artifacts=(), inputs={}))
    return sum(kept.values())


def main() -> None:
    """Copy every finished step of a run folder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--run-dir", type=Path, default=Path("runs/laptop"))
    options.add_argument("--steps", nargs="*", default=[], help="only these steps, such as 01_clustering")
    given = options.parse_args()
    for path in sorted(given.run_dir.glob(f"[0-9A][0-9]_*/{manifest.NAME}")):
        step = path.parent.name
        if given.steps and step not in given.steps:
            continue
        size = copy_step(path.parent, starter_folder(step))
        print(f"{step}: {size / 1e6:.1f} MB" if size else f"{step}: too large to ship, nothing copied")


if __name__ == "__main__":
    main()
