from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tbcore import manifest
from tbcore.candidates import Candidate
from tbcore.course import lesson, starter
from tbcore.course.places import course
from tbcore.errors import InputError, MissingFileError
from tbcore.records import Dialogue, PictureGroup
from tbcore.store import read_json, read_jsonl, sha256_of, write_bytes, write_json, write_jsonl

UPSTREAM = re.compile(r"step\.upstream\(\"(\w+)\"\)")


def a_step(run, name, files):
    folder = run / name
    for path, value in files.items():
        if path.endswith(".jsonl"):
            write_jsonl(folder / path, value)
        elif path.endswith(".json"):
            write_json(folder / path, value)
        else:
            write_bytes(folder / path, value)
    outputs = manifest.outputs_of(folder)
    manifest.write(
        folder,
        manifest.Manifest(step=name, version="0", profile="laptop", seed=0, outputs=outputs, complete=True),
    )
    return folder


def talks(n, picture=b"x" * 100):
    rows = [{"id": f"g{k}/0", "group": f"g{k}", "pictures": [f"pictures/g{k}-0.png"]} for k in range(n)]
    files = {f"pictures/g{k}-0.png": picture for k in range(n)}
    names = [row["id"] for row in rows]
    return {"dialogues.jsonl": rows, "splits.json": {"train": names[: n // 2], "test": names[n // 2 :]}, **files}


def test_rows_are_spread_over_the_whole_list():
    assert starter.spread([*range(10)], 4) == [0, 2, 5, 7]
    assert starter.spread([1, 2], 5) == [1, 2]


def test_conversations_come_with_their_pictures_and_splits_only(tmp_path):
    folder = a_step(tmp_path / "run", "04_filtering", {**talks(100), "official.jsonl": [{"not": "needed"}]})
    target = tmp_path / "starter" / "04_filtering"
    size = starter.copy_step(folder, target)
    kept = [row["id"] for row in read_jsonl(target / "dialogues.jsonl")]
    splits = read_json(target / "splits.json")
    assert len(kept) == 60
    assert splits["train"] + splits["test"] == kept
    assert len(list((target / "pictures").iterdir())) == 60
    assert not (target / "official.jsonl").exists()
    record = manifest.read(target)
    assert record is not None
    assert manifest.problems(target, record) == []
    assert size == sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def test_as_many_conversations_as_there_is_room_for(tmp_path):
    folder = a_step(tmp_path / "run", "04_filtering", talks(100, picture=b"x" * 10_000))
    target = tmp_path / "starter" / "04_filtering"
    assert starter.copy_step(folder, target, bytes_left=400_000) < 400_000
    assert 30 < len(list(read_jsonl(target / "dialogues.jsonl"))) < 40
    with pytest.raises(InputError, match=r"0\.05 MB are left for conversations, room for 4 of at least 12"):
        starter.copy_step(folder, target, bytes_left=50_000)
    assert 30 < len(list(read_jsonl(target / "dialogues.jsonl"))) < 40


def test_rejected_candidates_are_among_those_shipped(tmp_path):
    rows = [{"id": f"g{k}/0", "reply": "hello"} for k in range(400)]
    a_step(tmp_path, "04_filtering", {"rejections.jsonl": [{"record": "g3/0"}, {"record": "g399/0"}]})
    answers = {"candidates": rows, "unanswered": [{"record": "g7/1"}]}
    folder = a_step(tmp_path, "03_dialogue_generation", {"candidates.jsonl": rows, "answers.json": answers})
    target = tmp_path / "starter" / "03_dialogue_generation"
    starter.copy_step(folder, target)
    kept = [row["id"] for row in read_jsonl(target / "candidates.jsonl")]
    assert len(kept) == 100
    assert {"g3/0", "g399/0"} <= set(kept)
    assert json.loads((target / "answers.json").read_text("utf-8")) == {"unanswered": [{"record": "g7/1"}]}


def test_an_unfinished_step_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="not a finished step"):
        starter.copy_step(tmp_path, tmp_path / "starter")


def test_a_step_changed_by_hand_is_refused(tmp_path):
    folder = a_step(tmp_path / "run", "04_filtering", talks(20))
    write_jsonl(folder / "dialogues.jsonl", [])
    with pytest.raises(InputError, match=r"dialogues\.jsonl: was changed after the step wrote it"):
        starter.copy_step(folder, tmp_path / "starter" / "04_filtering")


def test_a_step_that_nobody_reads_is_refused(tmp_path):
    folder = a_step(tmp_path / "run", "02_prompt_design", {"prompts.jsonl": [{}]})
    with pytest.raises(InputError, match="no later notebook reads step 02_prompt_design"):
        starter.copy_step(folder, tmp_path / "starter" / "02_prompt_design")


def test_the_checkpoints_come_first_and_the_conversations_take_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "starter_folder", lambda step: tmp_path / "starter" / step)
    monkeypatch.setattr(
        starter,
        "STEPS",
        {"01_clustering": starter.STEPS["01_clustering"], "04_filtering": starter.STEPS["04_filtering"]},
    )
    sets = [{"id": f"set-{k}", "scenes": [{"backdrop": "beach" * 20}]} for k in range(200)]
    a_step(tmp_path / "run", "01_clustering", {"samples.jsonl": sets})
    a_step(tmp_path / "run", "04_filtering", talks(100, picture=b"x" * 2000))
    sizes = starter.write_all(tmp_path / "run", most=160_000)
    assert sum(sizes.values()) <= 160_000
    assert len(list(read_jsonl(tmp_path / "starter" / "01_clustering" / "samples.jsonl"))) == 40
    page = (tmp_path / "starter" / "README.md").read_text("utf-8")
    assert "| `04_filtering` | laptop, 0 |" in page


def test_every_step_that_a_lesson_reads_is_shipped_whole():
    read = {name for source in course().sources() for name in UPSTREAM.findall(source.read_text("utf-8"))}
    assert read == set(starter.STEPS)
    for name in read:
        folder = lesson.starter_folder(name)
        record = manifest.read(folder)
        assert record is not None, f"{name} has no starter files: make starter"
        assert manifest.problems(folder, record) == []
        assert replace(record, outputs=manifest.outputs_of(folder)) == record


def test_shipped_files_are_small_and_hold_what_the_lessons_read():
    root = lesson.starter_folder("")
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) <= starter.MOST_BYTES
    for row in read_jsonl(root / "01_clustering" / "samples.jsonl"):
        assert PictureGroup.from_json(row).scenes
    candidates = [Candidate.from_json(row) for row in read_jsonl(root / "03_dialogue_generation" / "candidates.jsonl")]
    assert len(candidates) >= 50
    dialogues = [Dialogue.from_json(row) for row in read_jsonl(root / "04_filtering" / "dialogues.jsonl")]
    splits = read_json(root / "04_filtering" / "splits.json")
    assert sorted(name for names in splits.values() for name in names) == sorted(one.id for one in dialogues)
    assert len(splits["train"]) >= 10
    for one in dialogues:
        assert all(len(sha256_of(root / "04_filtering" / name)) == 64 for name in one.pictures)


@pytest.mark.parametrize("name", ["aligned", "checkpoint"])
def test_shipped_checkpoints_stand_on_the_shipped_tower(name):
    from tbcore.train.build import shipped_tower
    from tbcore.train.checkpoint import tensor_hash

    parts = read_json(lesson.starter_folder("06_training") / name / "mim.json")["config"]["parts"]
    assert parts["vision"] == tensor_hash(shipped_tower().state_dict())
