"""The frozen conversations: their bytes can be made again, and nothing in them may be trained on."""

from __future__ import annotations

from collections import Counter

import pytest

from tbcore.bench.compose import COUNTS, LITE, write_items
from tbcore.bench.items import ITEMS_FILE, SPLITS, Item, load_items
from tbcore.bench.moves import age, name_of
from tbcore.errors import InputError, ManifestError
from tbcore.records import Picture
from tbcore.seeds import stream
from tbcore.store import read_json, read_jsonl
from tbcore.world.answers import matches
from tbcore.world.dialogue_story import Expectation, Story
from tbcore.world.scenes import Scene
from tbcore.world.splits import held_out, may_train, split_of


@pytest.fixture(scope="module")
def items():
    return load_items()


def test_generator_writes_the_same_bytes(tmp_path):
    again = tmp_path / ITEMS_FILE.name
    about = write_items(again)
    assert again.read_bytes() == ITEMS_FILE.read_bytes()
    assert about == read_json(ITEMS_FILE.with_suffix(".json"))
    assert ITEMS_FILE.stat().st_size <= 3_000_000


def test_nothing_may_be_trained_on(items):
    scenes = [scene for item in items for scene in item.scenes]
    assert len(scenes) > 1000
    assert [scene for scene in scenes if may_train(scene)] == []


def test_splits_hold_what_they_say(items):
    assert Counter(item.split for item in items) == COUNTS
    assert Counter(item.split for item in items if item.lite) == LITE
    assert {*COUNTS, "paraphrase"} == set(SPLITS)
    for item in items:
        if item.split == "held-out":
            assert all(held_out(scene) for scene in item.scenes)
        else:
            assert all(split_of(scene) == "test" and not held_out(scene) for scene in item.scenes)
        if item.split == "long":
            assert 6 <= len(item.exchanges) <= 9


def test_lite_is_a_part_of_full(items):
    lite = load_items("lite")
    assert len(lite) == 60
    assert lite == [item for item in items if item.lite]
    pairs = Counter(item.id[:-1] for item in lite if item.split == "probe")
    assert set(pairs.values()) == {2}


def test_every_kind_form_distance_and_origin_occurs(items):
    exchanges = [one for item in items for one in item.exchanges]
    assert {one.expect.kind for one in exchanges} == {
        *("describe", "ask", "compare", "draw", "edit", "edit upload", "edit earlier", "combine", "undo"),
        *("refuse", "ask back", "chat", "remember", "draw told"),
    }
    met = {(one.reference.form, one.reference.distance) for one in exchanges if one.reference}
    assert met >= {(f, d) for f in ("pronoun", "ordinal", "attribute", "owner", "quote") for d in range(1, 7)}
    assert {one.reference.origin for one in exchanges if one.reference} == {"user", "assistant", "text"}


def test_references_say_the_truth(items):
    """Distance and owner follow from the conversation alone."""
    for item in items:
        shown = {
            part.index: number
            for number, one in enumerate(item.exchanges)
            for part in (*one.asked, *one.reply)
            if isinstance(part, Picture)
        }
        for number, one in enumerate(item.exchanges):
            reference = one.reference
            if reference is not None and reference.picture is not None:
                assert reference.distance == number - shown[reference.picture]
                assert reference.origin == item.owners[reference.picture]


def test_own_replies_satisfy_what_is_expected(items):
    for item in items:
        for one in item.exchanges:
            text = "".join(part for part in one.reply if isinstance(part, str))
            assert matches(one.expect, text), (item.id, text)
            drawn = [part.index for part in one.reply if isinstance(part, Picture)]
            assert [item.scenes[k] for k in drawn] == ([one.expect.scene] if one.expect.draws else [])


def test_probes_are_pairs_one_fact_apart(items):
    probes = {item.id: item for item in items if item.split == "probe"}
    for name, first in probes.items():
        if name.endswith("a"):
            second = probes[f"{name[:-1]}b"]
            assert first.scenes == second.scenes
            assert (first.exchanges[0].expect.facts, second.exchanges[0].expect.facts) == (
                {"yes": False},
                {"yes": True},
            )
            mine, theirs = (str(one.exchanges[0].asked[1]).split() for one in (first, second))
            assert mine != theirs
            assert mine[:2] == theirs[:2]


def test_no_conversation_twice(items):
    said = [(tuple(e.asked for e in item.exchanges), item.scenes) for item in items]
    assert len(set(said)) == len(said)


def test_json_both_ways(items):
    for item in items[::20]:
        assert Item.from_json(item.to_json()) == item


def test_changed_file_is_refused(tmp_path):
    copy = tmp_path / "bench.jsonl"
    copy.write_bytes(ITEMS_FILE.read_bytes().replace(b"fox", b"owl", 1))
    copy.with_suffix(".json").write_bytes(ITEMS_FILE.with_suffix(".json").read_bytes())
    with pytest.raises(ManifestError, match=r"SHA-256 must be .* Restore it"):
        load_items(path=copy)


def test_unknown_suite_and_broken_row_are_named():
    with pytest.raises(InputError, match="suite must be one of"):
        load_items("tiny")
    row = next(iter(read_jsonl(ITEMS_FILE)))
    with pytest.raises(InputError, match="'iid-0000': a field is missing"):
        Item.from_json({key: value for key, value in row.items() if key != "owners"})


def test_a_name_fits_one_picture_only():
    story = Story(stream(0, "names"), "test", 5)
    fox, other = Scene("desert", ("fox", "apple")), Scene("desert", ("fox", "key"))
    for scene in (fox, other):
        story.exchange([story.show(scene, "user")], ["Nice."], Expectation("chat"))
    assert name_of(story, 0, "attribute") == "the picture with the apple"  # the fox and the desert are in both
    assert name_of(story, 0, "owner") is None
    assert name_of(story, 1, "ordinal") == "the second picture"
    assert name_of(story, 0, "quote") == 'the picture "a fox to the left of an apple in the desert"'
    assert (age(story, 0), age(story, 1)) == (2, 1)
