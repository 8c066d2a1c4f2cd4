"""Copy small files of a finished run into the package, so that a reader can begin with any notebook.

    runs/laptop ─► 06_training    what was learned, in 8 bits
                   01_clustering  some of the sampled picture sets
                   03_...         some candidates, those that the filter rejects among them
                   04_filtering   as many conversations, with their pictures, as there is room for

Only what a later notebook reads is copied. All together stays below `MOST_BYTES`: the course is sent by mail
and carried on memory sticks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tbcore import manifest
from tbcore.course.lesson import starter_folder
from tbcore.errors import InputError, MissingFileError
from tbcore.store import read_json, read_jsonl, write_bytes, write_jsonl, write_text
from tbcore.train.narrow import eight_bits

__all__ = ["MOST_BYTES", "STEPS", "copy_step", "main", "spread", "write_all"]

MOST_BYTES = 8_200_000
"""All starter files together, in bytes."""

_SETS, _CANDIDATES, _DIALOGUES = 40, 100, 60
_FEWEST_DIALOGUES = 12
_MANIFEST_BYTES = 60_000  # room for the records of hashes and the page that explains the files
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Room:
    """What a step may still take.

    Args:
        step: the finished step's folder.
        bytes_left: of `MOST_BYTES`.
    """

    step: Path
    bytes_left: int


def spread(rows: Sequence[_T], n: int) -> list[_T]:
    """At most n rows, evenly from all over the list, in their order."""
    n = min(n, len(rows))
    return [rows[k * len(rows) // n] for k in range(n)]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _training(room: Room, target: Path) -> None:
    """The model after both stages, and after the first alone: notebook 08 compares them."""
    for name in ("checkpoint", "aligned"):
        eight_bits(room.step / name, target / name)


def _clustering(room: Room, target: Path) -> None:
    """Sampled sets of postcards; their pictures are drawn again from the scenes."""
    sets = list(read_jsonl(room.step / "samples.jsonl"))
    drawn = [one for one in sets if one.get("scenes")]
    if not drawn:
        raise InputError(f"{room.step}: sets of postcards are wanted as starter files. Run with pairs='postcards'.")
    write_jsonl(target / "samples.jsonl", spread(drawn, _SETS))


def _generation(room: Room, target: Path) -> None:
    """Candidates: all that the filter rejects, and others from all over the list."""
    candidates = list(read_jsonl(room.step / "candidates.jsonl"))
    filtered = room.step.parent / "04_filtering" / "rejections.jsonl"
    bad = {row["record"] for row in read_jsonl(filtered)} if filtered.is_file() else set[str]()
    others = [row for row in candidates if row["id"] not in bad]
    kept = bad | {row["id"] for row in spread(others, max(_CANDIDATES - len(bad), 1))}
    write_jsonl(target / "candidates.jsonl", [row for row in candidates if row["id"] in kept])
    unanswered = read_json(room.step / "answers.json")["unanswered"]
    write_text(target / "answers.json", _compact({"unanswered": unanswered}))


def _filtering(room: Room, target: Path) -> None:
    """Conversations with their pictures and splits: as many as there is room for."""
    rows = list(read_jsonl(room.step / "dialogues.jsonl"))
    splits = read_json(room.step / "splits.json")
    for n in range(min(_DIALOGUES, len(rows)), 0, -1):
        kept = spread(rows, n)
        size = sum(_dialogue_bytes(row, room.step) for row in kept)
        if size <= room.bytes_left:
            break
    else:
        n, kept = 0, []
    if n < min(_FEWEST_DIALOGUES, len(rows)):
        raise InputError(
            f"starter files: {room.bytes_left / 1e6:.2f} MB are left for conversations, room for {n} of at least "
            f"{_FEWEST_DIALOGUES}. Make the checkpoint of notebook 06 smaller, or raise MOST_BYTES."
        )
    names = {row["id"] for row in kept}
    write_jsonl(target / "dialogues.jsonl", kept)
    write_text(
        target / "splits.json",
        _compact({part: [name for name in listed if name in names] for part, listed in splits.items()}),
    )
    for name in sorted({name for row in kept for name in row["pictures"]}):
        write_bytes(target / name, (room.step / name).read_bytes())


def _dialogue_bytes(row: dict[str, Any], folder: Path) -> int:
    text = len(json.dumps(row, ensure_ascii=False).encode()) + 2 * len(row["id"]) + 8
    # A picture also costs a line in the record of hashes.
    return text + sum((folder / name).stat().st_size + len(name) + 72 for name in row["pictures"])


STEPS: dict[str, Callable[[Room, Path], None]] = {
    "06_training": _training,
    "01_clustering": _clustering,
    "03_dialogue_generation": _generation,
    "04_filtering": _filtering,
}
"""What is shipped of each step that a later notebook reads; the last one takes the room that is left."""


def copy_step(folder: Path, target: Path, *, bytes_left: int = MOST_BYTES) -> int:
    """Copy what later notebooks read of a finished step, with a manifest that names just these files.

    Args:
        folder: the step's folder in a run.
        target: replaced, whole or not at all.
        bytes_left: what the copy may take.

    Returns:
        Bytes written.

    Raises:
        MissingFileError: the step is not finished.
        ManifestError: its files are not those it wrote.
        InputError: it does not fit, or nothing of this step is ever read by another.
    """
    record = manifest.read(folder)
    if record is None or not record.complete:
        raise MissingFileError(f"{folder}: not a finished step. Run it first.")
    if faults := manifest.problems(folder, record):
        raise InputError(f"{faults[0]}. Starter files are made of untouched steps only; run the notebook again.")
    if record.step not in STEPS:
        raise InputError(f"{folder}: no later notebook reads step {record.step}. Steps to ship: {', '.join(STEPS)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as fresh:
        written = Path(fresh) / target.name
        written.mkdir()
        STEPS[record.step](Room(folder, bytes_left), written)
        outputs = manifest.outputs_of(written)
        kept = replace(record, outputs=outputs, artifacts=(), inputs={}, parameters={}, results={})
        manifest.write(written, kept)
        size = _bytes_of(written)
        if size > bytes_left:
            raise InputError(f"starter files of {record.step}: {size / 1e6:.2f} MB, {bytes_left / 1e6:.2f} MB are left")
        shutil.rmtree(target, ignore_errors=True)
        written.rename(target)
    return size


def write_all(run_dir: Path, *, steps: Collection[str] = (), most: int = MOST_BYTES) -> dict[str, int]:
    """Copy every shipped step of a run folder into the package; returns bytes by step.

    Args:
        run_dir: of a finished laptop run.
        steps: only these; empty: all, and a page that says what they are.
        most: bytes all starter files may take together.

    Raises:
        MissingFileError, ManifestError, InputError: see `copy_step`.
    """
    chosen = [step for step in STEPS if not steps or step in steps]
    kept = [starter_folder(step) for step in STEPS if step not in chosen and starter_folder(step).is_dir()]
    left = most - _MANIFEST_BYTES - sum(_bytes_of(folder) for folder in kept)
    sizes: dict[str, int] = {}
    for step in chosen:
        sizes[step] = copy_step(run_dir / step, starter_folder(step), bytes_left=left)
        left -= sizes[step]
    if not steps:
        write_text(starter_folder("README.md"), _page(run_dir, sizes))
    return sizes


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _page(run_dir: Path, sizes: dict[str, int]) -> str:
    records = {step: manifest.read(run_dir / step) for step in sizes}
    lines = [
        "# Starter files",
        "",
        "Small files of a finished run. A notebook that is opened in an empty run folder goes on with them and says",
        "so in a banner; its numbers then differ from those of a whole chain. Written by `make starter`.",
        "",
        "| step | profile, seed | size | what it holds |",
        "|---|---|---|---|",
    ]
    for step in sorted(sizes):
        record = records[step]
        run = f"{record.profile}, {record.seed}" if record else ""
        what = (STEPS[step].__doc__ or "").rstrip(".")
        lines.append(f"| `{step}` | {run} | {sizes[step] / 1e6:.2f} MB | {what} |")
    lines += [
        "",
        "The two checkpoints of `06_training` hold their large matrices as 8-bit floats (e4m3) and the rest in 16",
        "bits. They load like any other checkpoint. The frozen parts they stand on are compared by hash, as always.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Copy every shipped step of a run folder."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run-dir", type=Path, default=Path("runs/laptop"))
    options.add_argument("--steps", nargs="*", default=[], help="only these steps, such as 01_clustering")
    given = options.parse_args()
    sizes = write_all(given.run_dir, steps=given.steps)
    for step, size in sorted(sizes.items()):
        print(f"{step}: {size / 1e6:.2f} MB")
    print(f"all: {sum(sizes.values()) / 1e6:.2f} MB, at most {MOST_BYTES / 1e6:g} MB")


if __name__ == "__main__":
    main()
