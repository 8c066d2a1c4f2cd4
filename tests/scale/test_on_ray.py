"""On Ray: the same bytes for 1, 2 and 4 shards, and a worker that is killed loses and pays nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tbcore.data.embed import HashingEncoder
from tbcore.errors import InputError, MissingExtraError, TbcoreError
from tbcore.scale.assign import assign_table
from tbcore.scale.embedding import EmbedStage
from tbcore.scale.runner import run_stage
from tbcore.scale.session import ray_session
from tbcore.scale.stages import JudgeStage
from tbcore.seeds import stream
from tbcore.store import write_jsonl
from tests.scale import killing
from tests.scale.judging import files_of, plain_loop, write_candidates
from tests.scale.pictures import write_pictures

pytestmark = [
    # Ray's own sockets and files are collected after the test that used them.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:ray.*"),
    pytest.mark.timeout(600),  # a few seconds of work; a computer that is busy with other things may take long
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            module = stack.enter_context(ray_session(2))
        except TbcoreError as error:
            # Ray's own programs have some seconds to start, or Ray gives up: that is no finding about this project.
            if "did not start" not in str(error):
                raise
            pytest.skip(str(error))
        yield module


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_judging_on_ray_gives_the_bytes_of_a_plain_loop(ray: Any, tmp_path: Path, shards: int) -> None:
    source = write_candidates(tmp_path / "candidates.jsonl", 120)
    plain_loop(source, tmp_path)
    seen: list[int] = []
    report = run_stage(
        JudgeStage(), source, tmp_path / "out", shards=shards, workers=2, progress=lambda one: seen.append(one.done)
    )
    assert files_of(tmp_path / "out") == files_of(tmp_path)
    assert (report.workers, report.shards, seen[-1]) == (2, shards, shards)


def test_embedding_and_assigning_on_ray_give_the_tables_of_this_program(ray: Any, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", write_pictures(tmp_path / "pictures", 12))
    stage = EmbedStage(root=tmp_path / "pictures", encoder=HashingEncoder, size=32)
    for name, workers in (("here", 0), ("ray", 1)):
        run_stage(stage, tmp_path / "rows.jsonl", tmp_path / name, shards=2, workers=workers)
    table = (tmp_path / "here" / "vectors.npy").read_bytes()
    assert (tmp_path / "ray" / "vectors.npy").read_bytes() == table
    np.save(tmp_path / "v.npy", stream(0, "v").normal(size=(9000, 16)).astype(np.float16))
    np.save(tmp_path / "c.npy", stream(0, "c").normal(size=(8, 16)).astype(np.float32))
    for name, workers in (("a", 0), ("b", 1)):
        assign_table(tmp_path / "v.npy", tmp_path / "c.npy", tmp_path / name, workers=workers, chunk=4096)
    for name in ("labels.npy", "cosines.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_killed_workers_lose_nothing_and_nothing_is_paid_twice(ray: Any, tmp_path: Path) -> None:
    found: dict[str, Any] = {"kills": 0}
    for number in range(20):  # a trial may be over before anybody is killed
        (tmp_path / str(number)).mkdir()
        found = killing.trials(
            tmp_path / str(number), n=1, kills=3, rows=60, shards=4, workers=2, pause_s=0.5, latency_s=0.2
        )
        if found["kills"]:
            break
    assert found["kills"] >= 1
    assert (found["rows_lost"], found["replies_lost"], found["paid_twice"]) == (0, 0, 0)
    assert found["identical"] == found["trials"] == 1
    # What was under way when a worker died is known only to the teacher; the ledger never reports less.
    assert found["paid_in_vain"] <= found["reported"] <= found["kills"] * killing.AT_ONCE


def test_an_error_of_ours_on_a_worker_is_raised_here(ray: Any, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "c.jsonl", [{"id": "a", "reply": "x"}])
    with pytest.raises(InputError, match="Candidate: field 'group' must be text"):
        run_stage(JudgeStage(), tmp_path / "c.jsonl", tmp_path / "out", workers=1)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tbcore\[scale\]'"), ray_session(1):
        pass
