"""Statistics by hand, the official format both ways, splits by group, and the card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tbcore.data.examples import load_seed_examples
from tbcore.data.export import Card, from_official, split_by_group, to_official
from tbcore.data.stats import distinct_n, diversity, summary, words
from tbcore.errors import InputError
from tbcore.records import Dialogue, Picture, Turn

ONE = Dialogue(
    "d",
    (
        Turn("user", (Picture(1), "a b a b a")),
        Turn("assistant", ("It's so.", Picture(0), "see")),
        Turn("user", ("a b c d",)),
        Turn("assistant", ("x",)),
    ),
    ("one", "two"),
    ("1.png", "2.png"),
    group="g",
)
SEEDS = load_seed_examples().examples


def test_words_and_distinct_n() -> None:
    assert words("It's so, isn\u2019t it?") == ["It's", "so", ",", "isn\u2019t", "it", "?"]
    assert distinct_n([list("ababa")], 2) == 0.5
    assert distinct_n([["a"]], 2) is None


def test_the_diversity_score_by_hand() -> None:
    found = diversity([ONE], "user")
    # "a b a b a" has 2 of 4 pairs, 2 of 3 triples and 2 of 2 quadruples different; "a b c d" all
    assert found.by_exchange == pytest.approx((0.5 + 2 / 3 + 1, 3))
    assert found.score == pytest.approx((0.5 + 2 / 3 + 1 + 3) / 2)
    assert found.pools == (5, 4)
    assert diversity([], "both").score is None
    assert diversity([ONE], "assistant").by_exchange == pytest.approx((3,))


def test_diversity_falls_when_a_dataset_repeats_itself() -> None:
    once = diversity(SEEDS).score
    twice = diversity(SEEDS * 2).score
    assert once is not None
    assert twice is not None
    assert twice == pytest.approx(once / 2)


def test_the_summary_counts_exchanges_pictures_and_words() -> None:
    found = summary([ONE])
    assert found == {
        "dialogues": 1,
        "groups": 1,
        "exchanges_mean": 2,
        "messages_mean": 4,
        "pictures_mean": 2,
        "user_pictures": 1,
        "user_words_mean": 4.5,
        "assistant_pictures": 1,
        "assistant_words_mean": 2.5,
        "all_pictures_used": 1,
    }
    assert summary([]) == {}


def test_the_official_format_and_back() -> None:
    record = to_official(ONE)
    assert record["conversation"][0] == {
        "role": "user",
        "content": "<image>a b a b a",
        "image_list": ["2.png"],
        "caption_list": ["two"],
        "url_list": [""],
    }
    assert record["conversation"][2]["image_list"] == []
    again = from_official(record, name="d", group="g")
    assert again.captions == ("two", "one")
    assert to_official(again) == record
    for seed in SEEDS:
        assert from_official(to_official(seed), name=seed.id, source="seed", group=seed.group) == seed


def test_what_the_official_format_cannot_hold_is_refused() -> None:
    with pytest.raises(InputError, match="dialogue 'd', turn 0: its text holds '<image>'"):
        to_official(replace(ONE, turns=(Turn("user", ("an <image>",)),)))
    record = to_official(ONE)
    record["conversation"][0]["caption_list"] = []
    with pytest.raises(InputError, match="message 0: 1 <image> marks, 0 captions"):
        from_official(record)


def test_a_group_never_crosses_parts() -> None:
    many = [replace(ONE, id=str(k), group=f"g{k // 3}") for k in range(60)]
    parts = split_by_group(many, seed=1)
    assert {name: len(part) for name, part in parts.items()} == {"train": 48, "val": 6, "test": 6}
    groups = [{d.group for d in part} for part in parts.values()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    again = split_by_group(many[::-1], seed=1)
    assert {d.id for d in again["test"]} == {d.id for d in parts["test"]}
    assert [len(part) for part in split_by_group(many[:9], seed=0).values()] == [3, 3, 3]
    with pytest.raises(InputError, match="must leave something for train"):
        split_by_group(many, seed=0, val=0.5, test=0.5)


def test_the_card_tells_what_was_kept_and_holds_no_markup() -> None:
    card = Card(
        title="Talks <b>",
        text="Conversations.",
        parts={"train": 3},
        funnel={"no_image": 2, "kept": 3},
        alone={"no_image": 1},
        numbers={"diversity": None, "exchanges": 2.5},
        provenance={"seed": 0},
        licences=["a | b"],
        limits=["written by a model"],
    ).markdown()
    assert card.startswith("# Talks &lt;b>\n")
    assert "| no_image | 2 | 1 |\n| kept | 3 |  |" in card
    assert "| diversity | undefined |\n| exchanges | 2.5 |" in card
    assert "- a \\| b" in card
