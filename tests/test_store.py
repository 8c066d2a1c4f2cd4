"""Files are whole or absent; lines that cannot be read are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tbcore.errors import InputError, MissingFileError
from tbcore.store import append_jsonl, read_json, read_jsonl, sha256_of, write_bytes, write_json, write_jsonl


def test_rows_come_back_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"b": "ü\u2028"}]
    write_jsonl(tmp_path / "new" / "x.jsonl", rows)
    with (tmp_path / "new" / "x.jsonl").open("a") as file:
        file.write("\n  \n")
    assert list(read_jsonl(tmp_path / "new" / "x.jsonl")) == rows


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x.jsonl", b'{"a": 1}\n{"a": \n')
    with pytest.raises(InputError, match=r"x\.jsonl:2: each line must be one JSON object"):
        list(read_jsonl(tmp_path / "x.jsonl"))
    write_bytes(tmp_path / "y.jsonl", b"[1]\n")
    with pytest.raises(InputError, match=r"y\.jsonl:1: .* got list"):
        list(read_jsonl(tmp_path / "y.jsonl"))


def test_missing_files_say_so(tmp_path: Path) -> None:
    for use in (lambda p: list(read_jsonl(p)), read_json, sha256_of):
        with pytest.raises(MissingFileError, match="there is no such file"):
            use(tmp_path / "none")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "x.jsonl"
    write_jsonl(place, [{"a": 1}])

    def rows() -> Iterator[dict[str, int]]:
        yield {"a": 2}
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_jsonl(place, rows())
    assert list(read_jsonl(place)) == [{"a": 1}]
    assert [p.name for p in tmp_path.iterdir()] == ["x.jsonl"]


def test_append_closes_a_torn_line_first(tmp_path: Path) -> None:
    place = tmp_path / "journal.jsonl"
    append_jsonl(place, {"n": 1})
    with place.open("a") as file:
        file.write('{"n": 2')
    append_jsonl(place, {"n": 3})
    assert place.read_text() == '{"n": 1}\n{"n": 2\n{"n": 3}\n'


def test_hash_and_json(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": 1, "a": [1.5, None]})
    assert read_json(tmp_path / "x.json") == {"b": 1, "a": [1.5, None]}
    write_bytes(tmp_path / "abc", b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "nan.json", float("nan"))
