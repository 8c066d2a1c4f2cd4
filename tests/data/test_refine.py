"""Labels are appended, counted and compared; only clear favourites are promoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbcore.data.examples import load_seed_examples
from tbcore.data.refine import (
    CHARACTER_TAGS,
    ERROR_TAGS,
    QUALITIES,
    Label,
    Quality,
    SimulatedRater,
    add_label,
    agreement,
    latest,
    promoted,
    rating_guide,
    read_labels,
    rule_of_thumb,
)
from tbcore.errors import InputError
from tbcore.records import Dialogue, Turn

SEEDS = load_seed_examples().examples


def label(record: str, rater: str, quality: Quality) -> Label:
    return Label(record, rater, quality, ("incoherent",) if quality == "Poor" else ())


def test_labels_are_appended_and_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    assert read_labels(path) == []
    given = [label("d", "ann", "Poor"), label("d", "bob", "Excellent"), label("d", "ann", "Excellent")]
    for one in given:
        add_label(path, one)
    assert read_labels(path) == given
    assert latest(given)["d", "ann"].quality == "Excellent"


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Label("d", "a", "Good"), "quality must be one of"),  # pyright: ignore[reportArgumentType]
        (lambda: Label("d", "a", "Poor"), "Poor needs at least one of"),
        (lambda: Label("d", "a", "Poor", ("story",)), "'story' does not go with Poor"),
        (lambda: Label("d", "a", "Excellent", ("invented",)), "'invented' does not go with Excellent"),
        (lambda: Label.from_json({"record": "d", "rater": "a", "quality": 1}), "field 'quality' must be text"),
        (lambda: SimulatedRater("ann", 0.1, 0), "the name begins with 'simulated'"),
    ],
)
def test_labels_that_make_no_sense_are_refused(make: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make()  # pyright: ignore[reportCallIssue]


def test_promotion_needs_two_votes_and_no_poor() -> None:
    labels = [
        label(SEEDS[0].id, "ann", "Excellent"),
        label(SEEDS[0].id, "ann", "Excellent"),
        label(SEEDS[1].id, "ann", "Excellent"),
        label(SEEDS[1].id, "bob", "Excellent"),
        label(SEEDS[2].id, "ann", "Excellent"),
        label(SEEDS[2].id, "bob", "Excellent"),
        label(SEEDS[2].id, "cat", "Poor"),
    ]
    assert promoted(labels, SEEDS) == [SEEDS[1]]
    assert promoted(labels, SEEDS, votes=1) == [SEEDS[0], SEEDS[1]]


def test_the_guide_defines_every_label_and_tag() -> None:
    guide = rating_guide()
    for name in (*CHARACTER_TAGS, *ERROR_TAGS):
        assert f"| `{name}` |" in guide
    for quality in QUALITIES:
        assert f"**{quality}.**" in guide


def test_simulated_raters_err_at_their_rate_and_repeat_themselves() -> None:
    rater = SimulatedRater("simulated-1", 0.2, seed=3)
    given = [rater.rate(f"d{k}", "Satisfactory") for k in range(500)]
    wrong = sum(one.quality != "Satisfactory" for one in given)
    assert 70 <= wrong <= 130
    assert given[7] == rater.rate("d7", "Satisfactory")
    assert SimulatedRater("simulated-2", 0, 0).rate("d", "Poor").quality == "Poor"


def test_agreement_by_hand() -> None:
    pairs = [("Poor", "Poor"), ("Poor", "Satisfactory"), ("Excellent", "Excellent"), ("Satisfactory", "Satisfactory")]
    labels = [label(f"d{k}", who, q) for k, pair in enumerate(pairs) for who, q in zip("ab", pair, strict=True)]
    found = agreement(labels, "a", "b")
    assert (found.n, found.raw) == (4, 0.75)
    # observed disagreement 1/4; expected from (2,1,1)/4 and (1,2,1)/4: (4+2+1+1+2+2)/16 = 14/16 - 2/16
    assert found.kappa == pytest.approx(1 - 0.25 / 0.875)
    assert found.interval is not None
    assert found.interval[0] <= found.kappa <= found.interval[1]


def test_agreement_without_variety_or_overlap() -> None:
    same = [label("d", "a", "Poor"), label("d", "b", "Poor")]
    assert agreement(same, "a", "b").kappa is None
    with pytest.raises(InputError, match="rated no record in common"):
        agreement(same, "a", "c")


def test_the_rule_of_thumb_counts_and_does_not_read() -> None:
    assert rule_of_thumb(SEEDS[0]) == "Excellent"
    assert rule_of_thumb(SEEDS[9]) == "Satisfactory"
    assert rule_of_thumb(Dialogue("d", (Turn("user", ("hi",)), Turn("assistant", ("no",))), ())) == "Poor"
