"""Duplicates, exports and parts in shards: what the functions of tbcore.data say of the whole list."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbcore.data.duplicates import find_perceptual, find_semantic, perception_hash
from tbcore.data.export import read_parquet, to_llava, write_parquet
from tbcore.errors import InputError
from tbcore.records import Dialogue, Picture, Turn
from tbcore.scale.runner import run_stage
from tbcore.scale.stages import CellDuplicateStage, ExportStage, PartStage, PerceptualStage, write_part_rows
from tbcore.seeds import stream
from tbcore.store import read_jsonl, write_jsonl


def dialogues(n: int) -> list[Dialogue]:
    return [
        Dialogue(
            f"d{k}",
            (Turn("user", (Picture(0), f"What is this, number {k}?")), Turn("assistant", ("A cat.",))),
            ("a cat",),
            (f"{k}.png",),
        )
        for k in range(n)
    ]


def pictures(folder: Path) -> list[dict[str, str]]:
    """Eight pictures: the fourth is the first a bit brighter, the seventh is no picture."""
    folder.mkdir()
    rng = stream(0, "pictures")
    rows = []
    for number in range(8):
        pixels = np.kron(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
        pixels = np.array(Image.open(folder / "0.png")) + np.uint8(9) if number == 3 else pixels
        if number == 6:
            (folder / "6.png").write_bytes(b"no picture")
        else:
            Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append({"id": f"{number:064x}", "picture": f"{number}.png"})
    return rows


@pytest.mark.parametrize("shards", [1, 3])
def test_pictures_that_look_alike_are_found_across_shards(tmp_path: Path, shards: int) -> None:
    rows = pictures(tmp_path / "pictures")
    write_jsonl(tmp_path / "rows.jsonl", rows)
    stage = PerceptualStage(root=tmp_path / "pictures")
    report = run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=shards)
    assert report.codes == {"unreadable_picture": 1}
    hashes = [perception_hash(np.array(Image.open(tmp_path / "pictures" / f"{k}.png"))) for k in range(8) if k != 6]
    assert [int(row["hash"], 16) for row in read_jsonl(tmp_path / "out" / "hashes.jsonl")] == hashes
    found = [one.to_json() for one in find_perceptual(hashes)]
    assert [(one["loser"], one["winner"]) for one in found] == [(3, 0)]
    assert list(read_jsonl(tmp_path / "out" / "duplicates.jsonl")) == found


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_whole_clusters_in_a_shard_find_what_one_machine_finds(tmp_path: Path, shards: int) -> None:
    rng = stream(0, "cells")
    vectors = rng.normal(size=(60, 8))
    vectors[30:45] = vectors[:15] + 0.05 * rng.normal(size=(15, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    labels = np.arange(60) % 5
    np.save(tmp_path / "vectors.npy", vectors)
    write_jsonl(tmp_path / "rows.jsonl", ({"row": k, "cluster": int(labels[k])} for k in range(60)))
    stage = CellDuplicateStage(vectors=tmp_path / "vectors.npy", least=0.9)
    run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=shards)
    expected = [one.to_json() for one in find_semantic(vectors, labels, least=0.9)]
    assert len(expected) >= 10
    assert list(read_jsonl(tmp_path / "out" / "duplicates.jsonl")) == expected


def test_exported_rows_are_those_of_the_format_and_what_it_cannot_say_is_refused(tmp_path: Path) -> None:
    some = dialogues(5)
    bad = Dialogue("bad", (Turn("user", ("look: <image>",)), Turn("assistant", ("Where?",))), (), ())
    write_jsonl(tmp_path / "d.jsonl", (one.to_json() for one in [*some, bad]))
    report = run_stage(ExportStage(form="llava"), tmp_path / "d.jsonl", tmp_path / "out", shards=2)
    assert list(read_jsonl(tmp_path / "out" / "llava.jsonl")) == [to_llava(one) for one in some]
    assert report.codes == {"not_in_format": 1}


def test_parts_hold_the_dialogues_in_their_order_whatever_the_shards(tmp_path: Path) -> None:
    some = dialogues(7)
    write_jsonl(tmp_path / "d.jsonl", (one.to_json() for one in some))
    assert write_part_rows(tmp_path / "d.jsonl", tmp_path / "rows.jsonl", 3) == 3
    found = []
    for shards in (1, 2):
        stage = PartStage(dialogues=tmp_path / "d.jsonl", form="parquet")
        run_stage(stage, tmp_path / "rows.jsonl", tmp_path / f"out{shards}", shards=shards)
        files = sorted((tmp_path / f"out{shards}").glob("*.parquet"))
        assert [one for file in files for one in read_parquet(file)] == some
        found.append([file.read_bytes() for file in files])
    assert found[0] == found[1]
    write_parquet(tmp_path / "plain.parquet", some[3:6])
    assert found[0][1] == (tmp_path / "plain.parquet").read_bytes()
    with pytest.raises(InputError, match="at least 1; got 0"):
        write_part_rows(tmp_path / "d.jsonl", tmp_path / "rows.jsonl", 0)


def test_a_tar_part_holds_its_dialogues(tmp_path: Path) -> None:
    import tarfile

    some = dialogues(4)
    write_jsonl(tmp_path / "d.jsonl", (one.to_json() for one in some))
    write_part_rows(tmp_path / "d.jsonl", tmp_path / "rows.jsonl", 3)
    stage = PartStage(dialogues=tmp_path / "d.jsonl", form="webdataset")
    run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=2)
    with tarfile.open(tmp_path / "out" / "00001.tar") as tar:
        (name,) = tar.getnames()
        member = tar.extractfile(name)
        assert member is not None
        assert Dialogue.from_json(json.load(member)) == some[3]
