"""Each export is read back, by the library that owns the format, to equal records."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tbcore.data.examples import load_seed_examples
from tbcore.data.export import (
    Card,
    from_llava,
    from_openai,
    from_row,
    from_sharegpt,
    licence_lines,
    picture_bytes,
    read_parquet,
    to_llava,
    to_openai,
    to_row,
    to_sharegpt,
    write_huggingface,
    write_parquet,
    write_webdataset,
)
from tbcore.errors import InputError
from tbcore.records import Dialogue, Picture, Turn

SEEDS = list(load_seed_examples().examples)


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Dialogue]]:
    """The seed examples with a small picture for each caption, and one dialogue of odd texts."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(4)
    odd = Dialogue(
        "odd/../id",
        (
            Turn("user", ("<ima", Picture(2), "ge> =1+1", Picture(0))),
            Turn("assistant", ("\u202e\n狗",)),
            Turn("user", ()),
        ),
        ("a </img0>", "never shown", "Human: {x}"),
        group="g",
    )
    found: list[Dialogue] = []
    for number, one in enumerate([*SEEDS[:5], odd]):
        names = tuple(f"{number}/{index}.{'jpg' if index else 'png'}" for index in range(len(one.captions)))
        (root / str(number)).mkdir()
        for name in names:
            Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).save(root / name)
        found.append(replace(one, pictures=names))
    return root, found


def test_llava_and_sharegpt_come_back_equal(pictured: tuple[Path, list[Dialogue]]) -> None:
    _, dialogues = pictured
    for one in dialogues:
        for to, back, images, messages, text in (
            (to_llava, from_llava, "image", "conversations", "value"),
            (to_sharegpt, from_sharegpt, "images", "messages", "content"),
        ):
            record = json.loads(json.dumps(to(one)))
            assert back(record) == one
            assert isinstance(record[images], list)
            assert sum(message[text].count("<image>") for message in record[messages]) == len(record[images])


def test_foreign_records_are_read_and_unequal_ones_refused() -> None:
    foreign = {
        "id": "7",
        "image": "a.png",
        "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}],
    }
    found = from_llava(foreign)
    assert found.turns == (Turn("user", (Picture(0), "\nWhat?")), Turn("assistant", ("A dog.",)))
    assert found.pictures == ("a.png",)
    with pytest.raises(InputError, match="1 <image> marks and 2 pictures"):
        from_llava({**foreign, "image": ["a.png", "b.png"]})
    with pytest.raises(InputError, match="unknown speaker 'system'"):
        from_llava({**foreign, "conversations": [{"from": "system", "value": "<image>"}]})
    with pytest.raises(InputError, match="its text holds '<image>'"):
        to_llava(Dialogue("d", (Turn("user", ("an <image>",)),), ()))


def test_openai_messages_are_what_its_library_declares(pictured: tuple[Path, list[Dialogue]]) -> None:
    from openai.types.chat import ChatCompletionMessageParam
    from pydantic import TypeAdapter

    declared = TypeAdapter(list[ChatCompletionMessageParam])
    root, dialogues = pictured
    for one in dialogues:
        record = json.loads(json.dumps(to_openai(one, root)))
        declared.validate_python(record["messages"])
        assert from_openai(record) == one
        urls = [part["image_url"]["url"] for m in record["messages"] for part in m["content"] if "image_url" in part]
        assert all(url.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for url in urls)
        assert len(urls) == sum(len(turn.pictures) for turn in one.turns if turn.role == "user")
    assert to_openai(dialogues[0])["messages"] != to_openai(dialogues[0], root)["messages"]
    with pytest.raises(InputError, match="its text holds '<start>'"):
        to_openai(Dialogue("d", (Turn("assistant", ("<start>x",)),), ()))
    with pytest.raises(InputError, match="no pictures are attached"):
        to_openai(SEEDS[0])
    with pytest.raises(InputError, match="'tbcore' is missing"):
        from_openai({"messages": []})


def test_parquet_with_its_own_library(pictured: tuple[Path, list[Dialogue]], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    root, dialogues = pictured
    assert write_parquet(tmp_path / "d.parquet", dialogues * 100, root) == 600
    assert list(read_parquet(tmp_path / "d.parquet")) == dialogues * 100
    table = pq.read_table(tmp_path / "d.parquet")
    assert pq.ParquetFile(tmp_path / "d.parquet").num_row_groups == 3
    rows = table.slice(0, 6).to_pylist()
    assert [from_row(row) for row in rows] == dialogues
    assert rows[0]["images"][0]["bytes"] == picture_bytes(root, dialogues[0].pictures[0])


def test_hugging_face_datasets_with_its_own_library(pictured: tuple[Path, list[Dialogue]], tmp_path: Path) -> None:
    import datasets

    root, dialogues = pictured
    assert write_huggingface(tmp_path / "hf", dialogues, root) == 6
    loaded = datasets.load_from_disk(str(tmp_path / "hf"))
    assert [from_row(row) for row in loaded.remove_columns("images")] == dialogues
    shown = loaded[0]["images"]
    assert [picture.size for picture in shown] == [(7, 5)] * len(dialogues[0].captions)
    assert np.array_equal(np.asarray(shown[0]), np.asarray(Image.open(root / dialogues[0].pictures[0])))


def test_webdataset_with_its_own_library(pictured: tuple[Path, list[Dialogue]], tmp_path: Path) -> None:
    import webdataset

    root, dialogues = pictured
    shards = write_webdataset(tmp_path / "wds", dialogues, root, per_shard=4)
    assert [shard.name for shard in shards] == ["00000.tar", "00001.tar"]
    samples = list(webdataset.WebDataset([str(shard) for shard in shards], shardshuffle=False))
    assert [Dialogue.from_json(json.loads(sample["json"])) for sample in samples] == dialogues
    assert [sample["__key__"] for sample in samples] == [f"{n:08d}" for n in range(6)]
    assert Image.open(io.BytesIO(samples[0]["0.png"])).size == (7, 5)
    again = write_webdataset(tmp_path / "again", dialogues, root, per_shard=4)
    assert [shard.read_bytes() for shard in again] == [shard.read_bytes() for shard in shards]
    with pytest.raises(InputError, match="per_shard must be at least 1"):
        write_webdataset(tmp_path / "no", dialogues, per_shard=0)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_rows_come_back_equal(captions: list[str], said: list[str]) -> None:
    turns = tuple(Turn("user", (text, *((Picture(n),) if n < len(captions) else ()))) for n, text in enumerate(said))
    one = Dialogue("d", turns, tuple(captions), source="s", group="g")
    assert from_row(json.loads(json.dumps(to_row(one)))) == one
    with pytest.raises(InputError, match="a part is text or picture"):
        from_row({**to_row(one), "turns": [{"role": "user", "parts": [{"text": None, "picture": None}]}]})


def test_licences_are_rolled_up_and_the_card_lists_files() -> None:
    assert licence_lines(["CC0", "CC-BY 4.0", "CC0", ""]) == (
        "CC0: 2 pictures",
        "CC-BY 4.0: 1 picture",
        "no licence named: 1 picture",
    )
    card = Card(title="t", text="x", hashes={"a.jsonl": "12ab"}, agreement={"ann, bob": "0.8"}, cost={"calls": 3})
    for line in ("| a.jsonl | 12ab |", "| ann, bob | 0.8 |", "| calls | 3 |"):
        assert line in card.markdown()
