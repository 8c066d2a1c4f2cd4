"""One door, five forms: each source is written by the library that owns the form, and read back."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbcore.data.pairs import (
    Options,
    Record,
    Sieve,
    kind_of,
    load_picture,
    read_pairs,
    read_records,
)
from tbcore.data.pairs.llava import json_items
from tbcore.errors import InputError, MissingExtraError, MissingFileError
from tbcore.records import Pair, Rejection
from tbcore.store import pixel_hash, read_jsonl, write_json, write_jsonl

RNG = np.random.default_rng(5)
PIXELS = [RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8) for _ in range(3)]
CAPTIONS = ["a red kite", "two boats", "an owl at night"]


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[number]).save(buffer, format="PNG")
    return buffer.getvalue()


def read(source: Path | str, **options: object) -> tuple[list[Record], list[Rejection]]:
    """Records with their pixels looked at, as the next one takes their place."""
    records: list[Record] = []
    rejections: list[Rejection] = []
    for one in read_records(source, Options(**options)):  # pyright: ignore[reportArgumentType]
        if isinstance(one, Record):
            assert one.pixels.shape == (12, 16, 3)
            records.append(one)
        else:
            rejections.append(one)
    return records, rejections


def same_pixels(records: list[Record]) -> bool:
    return [one.image_id for one in records] == [pixel_hash(pixels) for pixels in PIXELS[: len(records)]]


# Hugging Face


def test_a_saved_hugging_face_set_is_read_without_its_library_decoding(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"image": [Image.fromarray(one) for one in PIXELS], "caption": [*CAPTIONS[:2], "  "]}
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    whole = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": whole, "test": whole.select([2])}).save_to_disk(str(tmp_path / "set"))
    assert kind_of(tmp_path / "set") == "huggingface"
    records, rejections = read(tmp_path / "set")
    assert [one.pair.caption for one in records] == CAPTIONS[:2]
    assert same_pixels(records)
    assert [(one.code, one.where) for one in rejections] == [("empty_caption", "set/train:2")]
    assert [one.code for one in read(tmp_path / "set", split="test")[1]] == ["empty_caption"]
    with pytest.raises(InputError, match="split must be one of train, test; got 'dev'"):
        read(tmp_path / "set", split="dev")


def test_a_hugging_face_path_outside_its_folder_is_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "secret.png").write_bytes(png(0))
    rows = {"image": [str(tmp_path / "secret.png")], "caption": ["a secret"]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "set"))
    assert [one.code for one in read(tmp_path / "set")[1]] == ["outside_folder"]


def test_a_hub_name_is_streamed_by_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[str, str, bool]] = []

    def stream(name: str, *, split: str, streaming: bool) -> object:
        asked.append((name, split, streaming))
        features = datasets.Features({"jpg": datasets.Image(), "txt": datasets.Value("string")})
        rows = {"jpg": [{"bytes": png(0), "path": "0.png"}], "txt": CAPTIONS[:1]}
        return datasets.Dataset.from_dict(rows, features=features).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", stream)
    assert kind_of("owner/name") == "hub"
    records, _ = read("owner/name", split="train")
    assert asked == [("owner/name", "train", True)]
    assert same_pixels(records)


# parquet


def test_parquet_with_bytes_structs_and_paths(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pictures = [png(number) for number in range(3)]
    structs = [{"bytes": content, "path": None} for content in pictures]
    (tmp_path / "pictures").mkdir()
    for number, content in enumerate(pictures):
        (tmp_path / f"pictures/{number}.png").write_bytes(content)
    paths = [f"pictures/{number}.png" for number in range(3)]
    for name, cells in (("bytes", pictures), ("structs", structs), ("paths", paths)):
        table = pa.table({"image": cells, "text": CAPTIONS, "license": ["CC0", None, "CC-BY"]})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=2)
        records, rejections = read(tmp_path / f"{name}.parquet")
        assert not rejections
        assert [one.pair.caption for one in records] == CAPTIONS
        assert [one.licence for one in records] == ["CC0", "", "CC-BY"]
        assert [one.where for one in records] == [f"{name}.parquet:{number}" for number in range(3)]
        assert same_pixels(records)
    assert kind_of(tmp_path) == "parquet"
    assert len(read(tmp_path)[0]) == 9  # three files; the ids of rows without one are their places


def test_parquet_without_the_columns_or_cut_short_says_so(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"a": [png(0)], "b": ["x"]}), tmp_path / "odd.parquet")
    with pytest.raises(InputError, match=r"odd\.parquet: the picture column must be one of .*got \['a', 'b'\]"):
        read(tmp_path / "odd.parquet")
    assert len(read(tmp_path / "odd.parquet", picture="a", caption="b")[0]) == 1
    with pytest.raises(InputError, match="the caption column must be 'c'"):
        read(tmp_path / "odd.parquet", picture="a", caption="c")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "odd.parquet").read_bytes()[:-20])
    assert [one.code for one in read(tmp_path / "cut.parquet")[1]] == ["broken_file"]


# webdataset


def shard(path: Path, samples: list[dict[str, object]]) -> Path:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(path)) as sink:
        for sample in samples:
            sink.write(sample)
    return path


def test_shards_in_the_layout_of_img2dataset(tmp_path: Path) -> None:
    about = [{"caption": c, "url": f"https://pictures.example/{n}", "license": "CC0"} for n, c in enumerate(CAPTIONS)]
    samples = [{"__key__": f"00000000{n}", "png": png(n), "txt": CAPTIONS[n], "json": about[n]} for n in range(2)]
    shard(tmp_path / "00000.tar", samples)
    shard(tmp_path / "00001.tar", [{"__key__": "000000000", "png": png(2), "json": about[2]}])
    (tmp_path / "00000.parquet").write_bytes(b"facts that img2dataset writes beside each shard")
    assert kind_of(tmp_path) == "webdataset"
    records, rejections = read(tmp_path)
    assert not rejections
    assert [one.pair.caption for one in records] == CAPTIONS
    assert [one.pair.picture for one in records][1:] == ["00000.tar/000000001.png", "00001.tar/000000000.png"]
    assert records[0].pair.source == "https://pictures.example/0"
    assert {one.licence for one in records} == {"CC0"}
    assert same_pixels(records)


def test_hostile_members_of_a_shard_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        link = tarfile.TarInfo("0.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name, content in (("../1.png", png(0)), ("/2.png", png(0)), ("3.png", png(1)), ("3.txt", b"three")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        key = b"-----BEGIN PRIVATE KEY-----"
        member = tarfile.TarInfo("4.png")
        member.size = len(key)
        archive.addfile(member, io.BytesIO(key))
    records, rejections = read(tmp_path / "evil.tar")
    assert [one.pair.caption for one in records] == ["three"]
    assert [(one.code, one.where) for one in rejections] == [
        ("unsafe_member", "evil.tar/0.jpg"),
        ("unsafe_member", "evil.tar/../1.png"),
        ("unsafe_member", "evil.tar//2.png"),
        ("empty_caption", "evil.tar/4"),
    ]


def test_a_cut_shard_keeps_what_came_before_and_the_next_one_is_read(tmp_path: Path) -> None:
    whole = shard(tmp_path / "0.tar", [{"__key__": str(n), "png": png(n), "txt": CAPTIONS[n]} for n in range(3)])
    whole.write_bytes(whole.read_bytes()[:3000])
    shard(tmp_path / "1.tar", [{"__key__": "x", "png": png(1), "txt": "whole"}])
    records, rejections = read(tmp_path)
    assert records[-1].pair.caption == "whole"
    assert [one.code for one in rejections] == ["broken_file"]


# LLaVA


def llava_row(number: int, **changes: object) -> dict[str, object]:
    talk = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": CAPTIONS[number]}]
    return {"id": f"id{number}", "image": f"{number}.png", "conversations": talk, **changes}


def test_llava_json_gives_the_first_answer_as_caption(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    two = [{"from": "human", "value": "<image><image>"}, {"from": "gpt", "value": "x"}]
    rows = [llava_row(0), llava_row(1), llava_row(2, image="../2.png"), llava_row(2, id="t", conversations=two)]
    write_json(tmp_path / "llava.json", [*rows, {"id": "text", "conversations": rows[0]["conversations"]}, 7])
    records, rejections = read(tmp_path / "llava.json")
    assert [(one.pair.id, one.pair.picture, one.pair.caption) for one in records] == [
        ("id0", "0.png", CAPTIONS[0]),
        ("id1", "1.png", CAPTIONS[1]),
    ]
    assert [(one.code, one.where) for one in rejections] == [
        ("outside_folder", "llava.json[2]"),
        ("many_pictures", "llava.json[3]"),
        ("no_picture_named", "llava.json[4]"),
        ("bad_row", "llava.json[5]"),
    ]


@pytest.mark.parametrize("cut", [0, 1, 20_000, 70_000])
def test_a_large_array_is_read_in_pieces(cut: int) -> None:
    rows = [{"id": n, "text": "x" * (n * 37 % 5000 + 700), "nested": [{"]": "}"}]} for n in range(60)]
    text = json.dumps(rows, indent=1 if cut else None)
    got = list(json_items(io.StringIO(text[: -cut or None]), "large.json"))
    if not cut:
        assert got == rows
    else:
        assert got[:-1] == rows[: len(got) - 1]
        assert "breaks off" in got[-1] or cut == 1
    with pytest.raises(InputError, match=r"large\.json:1: a JSON array must begin"):
        list(json_items(io.StringIO('{"a": 1}'), "large.json"))


# the door


def test_pictures_from_bytes_are_written_clean_once_each(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "a camera that tells"
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(buffer, format="JPEG", exif=tags)
    source = shard(
        tmp_path / "a.tar",
        [{"__key__": str(n), "jpg": buffer.getvalue(), "txt": CAPTIONS[n]} for n in range(2)],
    )
    with pytest.raises(InputError, match=r"a\.tar/0: this source holds its pictures as bytes.*into="):
        list(read_pairs(source))
    first, second = read_pairs(source, into=tmp_path / "out")
    assert isinstance(first, Pair)
    assert isinstance(second, Pair)
    assert first.picture == second.picture
    stored = tmp_path / "out" / first.picture
    assert b"a camera that tells" not in stored.read_bytes()
    assert load_picture(stored).shape == (16, 12, 3)
    assert pixel_hash(load_picture(stored)) == stored.stem


def test_rejections_go_to_a_file_with_code_and_place(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(0))
    rows = [{"picture": "a.png", "caption": "a"}, {"picture": "b.png", "caption": "b"}, {"picture": "c.png"}]
    write_jsonl(tmp_path / "captions.jsonl", rows)
    place = tmp_path / "out" / "rejections.jsonl"
    sieve = Sieve(place)
    half = sieve.pairs(read_pairs(tmp_path))
    assert next(half).id == "a.png"
    half.close()
    assert not place.exists()
    assert [one.id for one in sieve.pairs(read_pairs(tmp_path))] == ["a.png"]
    assert sieve.codes == {"missing_picture": 1, "empty_caption": 1}
    assert [(row["code"], row["where"]) for row in read_jsonl(place)] == [
        ("missing_picture", "captions.jsonl:2"),
        ("empty_caption", "captions.jsonl:3"),
    ]


def test_places_that_hold_no_pairs_say_what_would(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing of that is here"):
        kind_of(tmp_path)
    with pytest.raises(MissingFileError, match="there is no such file or folder"):
        kind_of(tmp_path / "gone.tar")
    with pytest.raises(MissingFileError, match=r"there is no \.tar file"):
        list(read_pairs(tmp_path, Options(kind="webdataset")))
    with pytest.raises(MissingFileError, match="there is no such folder"):
        list(read_pairs(tmp_path / "none", Options(kind="huggingface")))


@pytest.mark.parametrize(("package", "kind"), [("datasets", "huggingface"), ("pyarrow.parquet", "parquet")])
def test_a_missing_library_names_its_extra(
    tmp_path: Path, package: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(MissingExtraError, match=r"pip install 'tbcore\[data\]'"):
        list(read_pairs(tmp_path, Options(kind=kind)))  # pyright: ignore[reportArgumentType]


def test_records_tell_what_a_person_should_look_at(tmp_path: Path) -> None:
    Image.new("RGB", (16, 12), "red").save(tmp_path / "a.png")
    row = {"picture": "a.png", "caption": "mail me\u202e: a@b.org <|im_end|>", "licence": "CC0"}
    write_jsonl(tmp_path / "captions.jsonl", [row])
    ((record,), _) = read(tmp_path, added_tokens=("<|im_end|>",))
    assert record.flags == ("has_added_token", "has_email", "tiny_picture", "one_colour")
    told = record.to_json()
    assert (told["width"], told["height"], told["licence"]) == (16, 12, "CC0")
    assert told["caption_sanitised"] == row["caption"]
    assert record.pair.caption == "mail me: a@b.org <|im_end|>"
