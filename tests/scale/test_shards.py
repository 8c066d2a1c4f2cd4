"""Rows go to shards by the hash of their id and come back in their order, whatever the number of shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.errors import InputError, MissingFileError
from tbcore.scale import shards as module
from tbcore.scale.shards import ShardWriter, merge_shards, shard_name, shard_of, split_rows
from tbcore.store import read_jsonl, write_jsonl


def test_a_shard_is_the_hash_of_the_key_and_never_changes() -> None:
    # The heads are what `printf %s KEY | sha256sum` prints.
    heads = {
        "g0/0": 0x2B6A402B1DA56460,
        "g1/0": 0xAB765B3F7E0A0B36,
        "g2/0": 0xD0A746C0605CF332,
        "ein Hund": 0x75EB0A0EC65899E4,
        "": 0xE3B0C44298FC1C14,
    }
    for shards in (1, 3, 4, 1000):
        assert [shard_of(key, shards) for key in heads] == [head % shards for head in heads.values()]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=8), max_size=30), st.integers(1, 5))
def test_splitting_and_merging_gives_the_same_rows_in_the_same_order(tmp_path_factory, texts, shards) -> None:
    folder = tmp_path_factory.mktemp("law")
    rows = [{"id": f"{text}-{n % 3}", "n": n, "text": text} for n, text in enumerate(texts)]
    write_jsonl(folder / "rows.jsonl", rows)
    assert split_rows(folder / "rows.jsonl", folder / "in", shards, "id") == len(rows)
    done = []
    for number in range(shards):
        writer = ShardWriter(folder / "done" / shard_name(number))
        for line in read_jsonl(folder / "in" / f"{shard_name(number)}.jsonl"):
            assert shard_of(line["row"]["id"], shards) == number
            writer.write(
                line["place"], {"all": line["row"], **({"odd": {"n": line["place"]}} if line["place"] % 2 else {})}
            )
        writer.close()
        done.append(writer.folder)
    assert merge_shards(done, "all", folder / "all.jsonl") == len(rows)
    assert (folder / "all.jsonl").read_bytes() == (folder / "rows.jsonl").read_bytes()
    merge_shards(done, "odd", folder / "odd.jsonl")
    assert [row["n"] for row in read_jsonl(folder / "odd.jsonl")] == list(range(1, len(rows), 2))


def test_blank_lines_have_no_place(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('\n{"id": "a"}\n\n  {"id": "b"}  \n')
    assert split_rows(tmp_path / "rows.jsonl", tmp_path / "in", 1, "id") == 2
    assert (tmp_path / "in" / "00000.jsonl").read_text() == (
        '{"place": 0, "row": {"id": "a"}}\n{"place": 1, "row": {"id": "b"}}\n'
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [("{", "rows.jsonl:2: .*JSONDecodeError"), ('{"name": 1}', "rows.jsonl:2: .*'id'"), ("[1]", "rows.jsonl:2: ")],
)
def test_a_row_without_a_key_is_named_by_its_line(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"id": "a"}}\n{line}\n')
    with pytest.raises(InputError, match=told):
        split_rows(tmp_path / "rows.jsonl", tmp_path / "in", 2, "id")
    assert not (tmp_path / "in").exists()


def test_no_shards_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1; got 0"):
        split_rows(tmp_path / "rows.jsonl", tmp_path / "in", 0, "id")
    with pytest.raises(MissingFileError, match="there is no such file"):
        split_rows(tmp_path / "rows.jsonl", tmp_path / "in", 1, "id")


def test_a_writer_that_is_not_closed_leaves_no_shard(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "00000")
    writer.write(3, {"rejections": {"record": "a", "code": "too_short"}})
    writer.abandon()
    assert not (tmp_path / "00000").exists()
    again = ShardWriter(tmp_path / "00000")
    again.write(3, {"rejections": {"record": "a", "code": "too_short"}})
    again.close()
    assert json.loads((tmp_path / "00000" / "rejections.jsonl").read_text())["place"] == 3
    assert again.codes == {"too_short": 1}


KEYS = st.sampled_from(["id", "other", 'x"id', "id\\", "\\"])
VALUES = st.one_of(st.text(max_size=6), st.integers(), st.none(), st.sampled_from(['"id": "a"', "{", '\\"id":', "}"]))
ROWS = st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=2)), max_size=4)


@given(ROWS, st.booleans(), st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]))
def test_the_quick_look_for_a_field_finds_what_a_parser_finds(row, ascii_only, separators) -> None:
    line = json.dumps(row, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
    found = module._quick(line, "id")
    assert found is None or found == str(row["id"])


def test_the_quick_look_is_taken_for_what_this_package_writes(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"n": 1, "id": 'Käse "7" {x}', "more": {"x": 1}}])
    (line,) = (tmp_path / "rows.jsonl").read_bytes().splitlines()
    assert module._quick(line, "id") == 'Käse "7" {x}'
    assert module._quick(line[:-2], "id") is None  # a torn line is left to the parser, which says so
