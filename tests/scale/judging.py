"""Candidates in a file, and what a plain loop over tbcore.data makes of them."""

from __future__ import annotations

from pathlib import Path

from tbcore.candidates import Candidate
from tbcore.data.filter import judge_all
from tbcore.scale.stages import judged_row
from tbcore.store import read_jsonl, write_jsonl
from tests.data import adversarial

NAMES = ("dialogues", "judgements", "rejections")


def write_candidates(path: Path, n: int, seed: int = 0) -> Path:
    """A file of candidates, every seventh of them a second time under another name."""
    rows = [one.to_json() for one in adversarial.candidates(n, seed)]
    again = [{**row, "id": f"{row['id']}-again"} for row in rows[::7]]
    write_jsonl(path, rows + again)
    return path


def plain_loop(source: Path, folder: Path) -> None:
    """The same work without shards: read, judge, write."""
    rows = [judged_row(one) for one in judge_all(map(Candidate.from_json, read_jsonl(source)))]
    for name in NAMES:
        write_jsonl(folder / f"{name}.jsonl", (row[name] for row in rows if name in row))


def files_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in NAMES}
