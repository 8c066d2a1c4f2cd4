"""Recordings are found by codec, group and ordered captions, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tbcore.chat.messages import Params, Subject, ordered_caption_hash
from tbcore.chat.recorded import RecordedTeacher, Recording
from tbcore.errors import InputError, RecordingMissingError
from tbcore.store import write_jsonl

CAPTIONS = ordered_caption_hash(["a cat", "a hat"])
ONE = Recording("nonce-1-7f3a", "g1", CAPTIONS, 0, "Human: hi", "a large language model", "2026-01-01")
SUBJECT = Subject("nonce-1-7f3a", "g1", CAPTIONS)
TEACHER = RecordedTeacher([ONE, replace(ONE, sample=1, reply=""), replace(ONE, group="g2")])


def test_the_reply_comes_back_as_it_was_recorded() -> None:
    assert TEACHER.complete([], Params(subject=SUBJECT)).text == "Human: hi"
    assert TEACHER.complete([], Params(subject=SUBJECT, sample_index=1)).finish_reason == "empty"
    assert [one.sample for one in TEACHER.samples(SUBJECT)] == [0, 1]


@pytest.mark.parametrize(
    ("subject", "sample", "why"),
    [
        (SUBJECT, 2, "it has 2 samples, and sample_index is 2"),
        (
            replace(SUBJECT, group="g9"),
            0,
            "no recorded reply; nothing was recorded for this group",
        ),
        (
            replace(SUBJECT, captions=ordered_caption_hash(["a hat", "a cat"])),
            0,
            "its captions or their order differ",
        ),
        (replace(SUBJECT, codec="paper-1"), 0, "recorded with codec nonce-1-7f3a, not paper-1"),
        (None, 0, "params.subject is not set"),
    ],
)
def test_what_is_missing_is_said_and_never_replaced(subject: Subject | None, sample: int, why: str) -> None:
    with pytest.raises(RecordingMissingError, match=why):
        TEACHER.complete([], Params(subject=subject, sample_index=sample))


def test_files_are_read_and_bad_records_named(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_jsonl(path, [ONE.to_json()])
    assert RecordedTeacher.from_files(path).samples(SUBJECT) == (ONE,)
    write_jsonl(path, [ONE.to_json(), {**ONE.to_json(), "sample": "1"}])
    with pytest.raises(InputError, match=r"r\.jsonl, record 2: .*'sample' must be int; got '1'"):
        RecordedTeacher.from_files(path)
    write_jsonl(path, [ONE.to_json()] * 2)
    with pytest.raises(InputError, match="sample 0 is there twice"):
        RecordedTeacher.from_files(path)
