"""One stage over shards: the bytes of a plain loop, finished shards kept, other settings done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tbcore.candidates import Candidate
from tbcore.data.filter import funnel, judge_all
from tbcore.errors import InputError
from tbcore.scale.runner import Progress, run_stage
from tbcore.scale.shards import Row
from tbcore.scale.stage import Desk, Stage, Work
from tbcore.scale.stages import JudgeStage
from tbcore.store import read_json, read_jsonl, write_jsonl
from tests.scale.judging import files_of, plain_loop, write_candidates


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    write_candidates(folder / "candidates.jsonl", 150)
    plain_loop(folder / "candidates.jsonl", folder)
    return folder


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_judging_in_shards_gives_the_bytes_of_a_plain_loop(candidates: Path, tmp_path: Path, shards: int) -> None:
    report = run_stage(JudgeStage(), candidates / "candidates.jsonl", tmp_path, shards=shards)
    assert files_of(tmp_path) == files_of(candidates)
    rows = list(read_jsonl(candidates / "candidates.jsonl"))
    counted = funnel(judge_all(map(Candidate.from_json, rows)))
    assert report.codes == {code: n for code, n in sorted(counted.items()) if n and code != "kept"}
    assert report.codes["repeat_response"] >= 15  # the copies meet their originals in one shard
    assert report.written["dialogues"] == counted["kept"]
    assert (report.rows, report.shards, report.found_done) == (len(rows), shards, 0)
    assert read_json(tmp_path / "report.json")["codes"] == report.codes
    assert f"judge: {len(rows)} rows gave {counted['kept']} dialogues" in str(report)


@dataclass(frozen=True)
class Doubling(Stage):
    """Doubles a number, leaves a file that says so, and refuses what is above its limit."""

    limit: int = 1000
    name = "double"

    @property
    def settings(self) -> dict[str, Any]:
        return {"limit": self.limit}

    def ready(self) -> Work:
        def work(rows: Iterable[Row], desk: Desk) -> Iterator[Mapping[str, Row]]:
            worked = desk.kept / "worked"
            worked.write_text(worked.read_text() + "x" if worked.exists() else "x")
            for row in rows:
                if row["n"] > self.limit:
                    raise InputError(f"row {row['id']}: n must be at most {self.limit}; got {row['n']}.")
                if row["n"] != 7:
                    yield {"doubled": {"id": row["id"], "n": 2 * row["n"]}}
                else:
                    yield {"rejections": {"record": row["id"], "code": "seven"}}

        return work


def numbers(path: Path, n: int) -> Path:
    write_jsonl(path, ({"id": f"r{k}", "n": k} for k in range(n)))
    return path


def worked(folder: Path, shards: int) -> list[int]:
    return [len((folder / f"kept-of-{shards:05d}" / f"{k:05d}" / "worked").read_text()) for k in range(shards)]


def test_a_second_run_looks_at_no_finished_shard_and_one_that_is_missing_is_done(tmp_path: Path) -> None:
    source = numbers(tmp_path / "rows.jsonl", 20)
    seen: list[Progress] = []
    first = run_stage(Doubling(), source, tmp_path / "out", shards=3, progress=seen.append)
    assert [(one.done, one.shards) for one in seen] == [(1, 3), (2, 3), (3, 3)]
    assert str(seen[0]).startswith("double: 1 of 3 shards after ")
    before = (tmp_path / "out" / "doubled.jsonl").read_bytes()
    assert (first.written, first.codes) == ({"doubled": 19, "rejections": 1}, {"seven": 1})
    again = run_stage(Doubling(), source, tmp_path / "out", shards=3)
    assert (again.found_done, worked(tmp_path / "out", 3)) == (3, [1, 1, 1])
    done = tmp_path / "out" / "done"
    (done / "00001").rename(done / ".00001.77.part")  # as a dead worker leaves it
    third = run_stage(Doubling(), source, tmp_path / "out", shards=3)
    assert (third.found_done, third.taken_up_again, worked(tmp_path / "out", 3)) == (2, 1, [1, 2, 1])
    assert (tmp_path / "out" / "doubled.jsonl").read_bytes() == before
    assert "1 shards taken up again" in str(third)


def test_an_error_in_one_row_keeps_what_is_done_and_says_which(tmp_path: Path) -> None:
    source = numbers(tmp_path / "rows.jsonl", 20)
    with pytest.raises(InputError, match="row r19: n must be at most 18; got 19"):
        run_stage(Doubling(18), source, tmp_path / "out", shards=2)
    assert not list((tmp_path / "out" / "done").glob(".*"))


def test_other_settings_and_other_rows_are_done_again_and_leave_no_old_file(tmp_path: Path) -> None:
    source = numbers(tmp_path / "rows.jsonl", 20)
    run_stage(Doubling(), source, tmp_path / "out", shards=2)
    run_stage(Doubling(500), source, tmp_path / "out", shards=2)
    assert worked(tmp_path / "out", 2) == [2, 2]
    numbers(source, 5)
    report = run_stage(Doubling(500), source, tmp_path / "out", shards=2)
    assert (report.rows, worked(tmp_path / "out", 2)) == (5, [3, 3])
    assert not (tmp_path / "out" / "rejections.jsonl").exists()


def test_a_folder_belongs_to_one_stage(tmp_path: Path) -> None:
    source = numbers(tmp_path / "rows.jsonl", 2)
    run_stage(Doubling(), source, tmp_path / "out")
    with pytest.raises(InputError, match="belongs to stage 'double'; got 'judge'"):
        run_stage(JudgeStage(), source, tmp_path / "out")


def test_no_rows_are_no_error(tmp_path: Path) -> None:
    source = numbers(tmp_path / "rows.jsonl", 0)
    report = run_stage(Doubling(), source, tmp_path / "out", shards=2)
    assert (report.rows, report.written) == (0, {})
