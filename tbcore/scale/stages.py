"""Stages whose results are rows: judging replies, finding pictures that show the same, exporting.

Each is the function of tbcore.data and the few lines that feed it. Where rows must meet, the shard's key is what
they share: equal replies for the rule that remembers them, one cluster for pictures that may show the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tbcore.candidates import Candidate
from tbcore.data.duplicates import find_perceptual, find_semantic, perception_hash
from tbcore.data.export import to_llava, to_official, to_openai, to_sharegpt, write_parquet, write_webdataset
from tbcore.data.filter import CAPTION_THRESHOLD, RULES, VERSION, Further, Judgement, further_rules, judge_all
from tbcore.data.pairs import load_picture
from tbcore.errors import InputError
from tbcore.records import Dialogue, Rejection
from tbcore.scale.shards import Row
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.store import read_jsonl, write_jsonl

__all__ = [
    "CellDuplicateStage",
    "ExportStage",
    "JudgeStage",
    "PartStage",
    "PerceptualStage",
    "judged_row",
    "write_part_rows",
]

_FORMATS = {"llava": to_llava, "official": to_official, "openai": to_openai, "sharegpt": to_sharegpt}


def judged_row(judgement: Judgement) -> dict[str, Row]:
    """What is written of a judgement: every objection; and the dialogue, or the first objection as a rejection."""
    against = [one.to_json() for one in judgement.verdicts if not one.passed]
    rows: dict[str, Row] = {"judgements": {"id": judgement.candidate.id, "objections": against}}
    if judgement.dialogue is not None:
        return {**rows, "dialogues": judgement.dialogue.to_json()}
    rejection = judgement.rejection("filter")
    return rows if rejection is None else {**rows, "rejections": rejection.to_json()}


@dataclass(frozen=True, kw_only=True)
class JudgeStage(Stage):
    """Candidates to `dialogues`, `rejections` and `judgements`, by `judge_all`.

    Shards go by the reply: whoever gave an equal one before is in the same shard, so every verdict is that of
    one machine.

    Args:
        canary, caption_threshold, exact_captions: as `judge_all` takes them.
        further: also ask the further rules, with these settings.

    Raises:
        InputError: on a worker, when the further rules would need conversations of other shards.
    """

    canary: str = ""
    caption_threshold: float = CAPTION_THRESHOLD
    exact_captions: bool = False
    further: Further | None = None

    name = "judge"
    loads = False
    key = "reply"

    @property
    def settings(self) -> dict[str, Any]:
        """The version of the rules, and everything they are told."""
        told = {"rules": VERSION, "canary": self.canary, "threshold": self.caption_threshold}
        return {**told, "exact": self.exact_captions, "further": repr(self.further)}

    def ready(self) -> Work:
        """Make the rules."""
        rules = dict(RULES)
        if self.further is not None:
            # What resembles an earlier conversation may lie in any shard: it is asked of what is left, afterwards.
            rules |= {name: rule for name, rule in further_rules(self.further).items() if name != "near_duplicate"}

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            del desk
            told = {"canary": self.canary, "caption_threshold": self.caption_threshold}
            candidates = map(Candidate.from_json, rows)
            yield from map(judged_row, judge_all(candidates, exact_captions=self.exact_captions, rules=rules, **told))

        return work


@dataclass(frozen=True, kw_only=True)
class PerceptualStage(Stage):
    """Rows {id, picture} to `hashes` and `rejections`; then `duplicates.jsonl`, by place in the list of hashes.

    Hashing is the work and is done in shards; comparing 64-bit numbers is cheap and is done once.

    Args:
        root: the folder of the pictures.
        most: bits that may differ.
    """

    root: Path
    most: int = 6

    name = "perceptual"
    loads = False

    @property
    def settings(self) -> dict[str, Any]:
        """Where the pictures are, and how many bits may differ."""
        return {"root": str(self.root), "most": self.most}

    def ready(self) -> Work:
        """Nothing is loaded."""

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            del desk
            for row in rows:
                try:
                    value = perception_hash(load_picture(self.root / row["picture"]))
                except (InputError, OSError) as error:
                    refused = Rejection(row["id"], "unreadable_picture", None, str(error), self.name)
                    yield {"rejections": refused.to_json()}
                else:
                    yield {"hashes": {"id": row["id"], "hash": f"{value:016x}"}}

        return work

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Compare the hashes; the earlier picture wins."""
        del desks
        place = folder / "hashes.jsonl"
        rows = list(read_jsonl(place)) if place.is_file() else []
        found = find_perceptual([int(row["hash"], 16) for row in rows], most=self.most)
        write_jsonl(folder / "duplicates.jsonl", (one.to_json() for one in found))
        return {"duplicates": len(found)}


@dataclass(frozen=True, kw_only=True)
class CellDuplicateStage(Stage):
    """Rows {row, cluster} to `duplicates`, by `find_semantic`: shards hold whole clusters, so nothing is missed.

    Args:
        vectors: a table (npy) of length one; `row` counts in it.
        least: cosine above which two pictures show the same.
    """

    vectors: Path
    least: float = 0.95

    name = "cell-duplicates"
    loads = False
    key = "cluster"

    @property
    def settings(self) -> dict[str, Any]:
        """The table, and the limit."""
        return {"vectors": str(self.vectors), "least": self.least}

    def ready(self) -> Work:
        """Map the table; pictures are read as clusters need them."""
        table = np.load(self.vectors, mmap_mode="r", allow_pickle=False)

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            del desk
            members = [(int(row["row"]), int(row["cluster"])) for row in rows]
            if not members:
                return
            places, labels = np.array(members, np.int64).T
            found = {one.loser: one for one in find_semantic(table[places], labels, least=self.least)}
            for number, place in enumerate(places.tolist()):
                if (one := found.get(number)) is None:
                    yield {}
                else:
                    yield {"duplicates": {**one.to_json(), "loser": place, "winner": int(places[one.winner])}}

        return work


@dataclass(frozen=True, kw_only=True)
class ExportStage(Stage):
    """Dialogues to the rows of a format; dialogues that cannot be said in it become rejections.

    Args:
        form: llava, official, openai or sharegpt; the file has its name.
    """

    form: Literal["llava", "official", "openai", "sharegpt"]

    name = "export"
    loads = False

    @property
    def settings(self) -> dict[str, Any]:
        """The format."""
        return {"form": self.form}

    def ready(self) -> Work:
        """Choose the function."""
        make = _FORMATS[self.form]

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            del desk
            for row in rows:
                try:
                    yield {self.form: make(Dialogue.from_json(row))}
                except InputError as error:
                    refused = Rejection(str(row["id"]), "not_in_format", None, str(error), f"export {self.form}")
                    yield {"rejections": refused.to_json()}

        return work


def write_part_rows(dialogues: Path, rows: Path, per_part: int) -> int:
    """Cut a file of dialogues into parts of `per_part`: rows for `PartStage`; how many parts there are.

    Raises:
        InputError: `per_part` is below 1.
    """
    if per_part < 1:
        raise InputError(f"write_part_rows: per_part must be at least 1; got {per_part}.")
    starts: list[int] = []
    offset = 0
    with dialogues.open("rb") as lines:
        for number, line in enumerate(lines):
            if number % per_part == 0:
                starts.append(offset)
            offset += len(line)
    parts = ({"id": f"{n:05d}", "start": start, "rows": per_part} for n, start in enumerate(starts))
    write_jsonl(rows, parts)
    return len(starts)


@dataclass(frozen=True, kw_only=True)
class PartStage(Stage):
    """Parts of a file of dialogues to `00000.parquet` or `00000.tar` and on, pictures inside.

    Which dialogues are in a part depends on their order alone. Keys inside a tar count from 0 in each of them.

    Args:
        dialogues: the file that `write_part_rows` cut.
        form: parquet or webdataset.
        pictures: the folder of the pictures; None leaves them out.
    """

    dialogues: Path
    form: Literal["parquet", "webdataset"]
    pictures: Path | None = None

    name = "parts"
    loads = False

    @property
    def settings(self) -> dict[str, Any]:
        """The file, the format, the pictures."""
        return {"dialogues": str(self.dialogues), "form": self.form, "pictures": str(self.pictures)}

    def ready(self) -> Work:
        """Nothing is loaded."""

        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            for row in rows:
                some = self._some(row)
                if self.form == "parquet":
                    name, n = f"{row['id']}.parquet", len(some)
                    write_parquet(desk.out / name, some, self.pictures)
                else:
                    name, n = f"{row['id']}.tar", len(some)
                    (made,) = write_webdataset(desk.out / row["id"], some, self.pictures, per_shard=max(1, n))
                    made.replace(desk.out / name)
                    made.parent.rmdir()
                yield {"parts": {"id": row["id"], "file": name, "dialogues": n}}

        return work

    def finish(self, folder: Path, desks: Sequence[Desk]) -> dict[str, Any]:
        """Bring the parts together."""
        for desk in desks:
            for made in (*desk.out.glob("*.parquet"), *desk.out.glob("*.tar")):
                target = folder / made.name
                target.unlink(missing_ok=True)
                target.hardlink_to(made)
        return {}

    def _some(self, row: Row) -> list[Dialogue]:
        import json

        with self.dialogues.open("rb") as lines:
            lines.seek(row["start"])
            return [Dialogue.from_json(json.loads(line)) for line in islice(lines, row["rows"])]
