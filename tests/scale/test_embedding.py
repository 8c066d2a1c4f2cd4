"""Embedding in shards: the table of one machine, to the byte; stored vectors survive a new number of shards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tbcore.data.embed import Encoder, HashingEncoder, VectorStore, embed_into
from tbcore.data.pairs import load_picture
from tbcore.scale.embedding import EmbedStage
from tbcore.scale.runner import run_stage
from tbcore.store import read_json, write_jsonl
from tests.scale.pictures import write_pictures


class Counting(HashingEncoder):
    """Counts the pictures that any of them was shown."""

    seen = 0

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        Counting.seen += len(pictures)
        return super().encode(pictures)


def plain(rows: list[dict[str, Any]], root: Path, folder: Path, encoder: Encoder) -> bytes:
    store = VectorStore(folder / "plain", encoder, preprocessing="square-32")
    done = embed_into(store, ((r["id"], partial(load_picture, root / r["picture"], size=32)) for r in rows), encoder)
    refused = {one.record for one in done.rejections}
    store.write([row["id"] for row in rows if row["id"] not in refused], folder / "plain.npy")
    return (folder / "plain.npy").read_bytes()


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_the_table_of_all_shards_is_the_table_of_one_machine(tmp_path: Path, shards: int) -> None:
    rows = write_pictures(tmp_path / "pictures", 12)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    stage = EmbedStage(root=tmp_path / "pictures", encoder=HashingEncoder, size=32)
    report = run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=shards)
    expected = plain(rows, tmp_path / "pictures", tmp_path, HashingEncoder())
    assert (tmp_path / "out" / "vectors.npy").read_bytes() == expected
    assert read_json(tmp_path / "out" / "vectors.npy.json") == read_json(tmp_path / "plain.npy.json")
    assert report.codes == {"unreadable_picture": 1}
    assert report.written == {"embedded": 13, "rejections": 1}


def test_a_new_number_of_shards_looks_at_no_picture_again(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", write_pictures(tmp_path / "pictures", 10))
    stage = EmbedStage(root=tmp_path / "pictures", encoder=Counting, size=32)
    Counting.seen = 0
    run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=2)
    before = (tmp_path / "out" / "vectors.npy").read_bytes()
    assert Counting.seen == 10
    run_stage(stage, tmp_path / "rows.jsonl", tmp_path / "out", shards=3)
    assert Counting.seen == 10
    assert (tmp_path / "out" / "vectors.npy").read_bytes() == before


def test_the_shipped_tower_gives_the_same_bytes_in_shards(tmp_path: Path) -> None:
    from tbcore.data.embed import TowerEncoder

    rows = write_pictures(tmp_path / "pictures", 14)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    tables = []
    for shards in (1, 3):
        stage = EmbedStage(root=tmp_path / "pictures", encoder=TowerEncoder, size=64, batch_size=4)
        run_stage(stage, tmp_path / "rows.jsonl", tmp_path / f"out{shards}", shards=shards)
        tables.append((tmp_path / f"out{shards}" / "vectors.npy").read_bytes())
    assert tables[0] == tables[1]
