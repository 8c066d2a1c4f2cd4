"""Each metric on three cases counted by hand, and a plausible wrong one that these cases refuse."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.bench.items import Reference
from tbcore.bench.metrics import table
from tbcore.bench.metrics.hallucination import probe_pairs
from tbcore.bench.metrics.perception import chance
from tbcore.bench.metrics.references import references_by
from tbcore.bench.metrics.survival import drift, right_by_turn, survival
from tbcore.world.scenes import Scene
from tests.bench.builders import FOX, FOX_BEACH, FOX_BLUE, PAIR, PAIR_RED, edit, outcome, own, probe, upload

NONE = outcome("ask", text="Yes.", facts={"yes": True})
SURPLUS = outcome("ask", text="Yes.", facts={"yes": True}, seen=(FOX,))
DRAWN = outcome(wanted=FOX, seen=(FOX,))
WRONG = outcome(wanted=FOX, seen=(FOX_BLUE,))
MISSING = outcome(wanted=FOX)
TWICE = outcome(wanted=FOX, seen=(FOX, FOX))
REJECTED = outcome(wanted=FOX, seen=(None,), said=(FOX,))
MUTE = outcome(wanted=FOX, text="", failure="TimeoutError")

BLUER = {"source": FOX, "wanted": FOX_BLUE}
APPLE = Scene("desert", ("apple",))
REFERRED = Reference("ordinal", 0, 2, "user")


def referring(seen, said=None, *, others=(PAIR,), wanted=FOX_BLUE, form=REFERRED, **more):
    return outcome(
        "edit earlier", wanted=wanted, seen=seen, said=said, reference=form, source=FOX, others=others, **more
    )


def refusing(kind, text, **more):
    facts = {"refuse": {"refusal": True}, "ask back": {"asks_back": True}}.get(kind, {})
    return outcome(kind, text=text, facts=facts, **more)


SORRY, WHICH = "Sorry, I cannot draw that.", "Which colour should it have?"


def describing(text, things, item="a"):
    return upload(text, {"things": things, "backdrop": "desert"}, kind="describe", item=item)


def turns(*right, item="a"):
    return [outcome(wanted=FOX, seen=(FOX if one else FOX_BLUE,), item=item, turn=k) for k, one in enumerate(right)]


def mean(verdict):
    """A wrong metric that is a plain mean of some verdict over all outcomes."""
    return lambda outcomes: float(np.mean([verdict(one) for one in outcomes]))


CASES = {
    "turn_em": (
        [([DRAWN, WRONG, NONE, SURPLUS], 0.5), ([TWICE, MUTE], 0.0), ([DRAWN, NONE, NONE], 1.0)],
        mean(lambda one: one.text_right),
    ),
    "when_to_draw_f1": (
        [
            ([DRAWN, MISSING, SURPLUS, NONE], 0.5),  # 1 found, 1 surplus, 1 missed: 2 / 4
            ([DRAWN, WRONG, MISSING], 0.8),  # 4 / 5: what is drawn does not matter
            ([NONE, SURPLUS], 0.0),
        ],
        mean(lambda one: bool(one.seen) == one.draws),  # accuracy
    ),
    "picture_count": (
        [([DRAWN, TWICE], 0.5), ([NONE, SURPLUS, MISSING, WRONG], 0.5), ([TWICE, SURPLUS], 0.0)],
        mean(lambda one: bool(one.seen) == one.draws),  # two count as one
    ),
    "well_formed": (
        [
            ([DRAWN, MUTE], 0.5),
            ([outcome(text="here <start> a fox"), outcome(text="fine")], 0.5),
            ([outcome(wanted=FOX, seen=(FOX,), captions=("",)), outcome(text=" "), DRAWN, NONE], 0.5),
        ],
        mean(lambda one: not one.failure),
    ),
    "caption_em": (
        [
            ([outcome(wanted=FOX, seen=(None,), said=(FOX,)), WRONG], 0.5),  # the picture does not matter
            ([TWICE, DRAWN, MISSING, MUTE], 0.25),
            ([SURPLUS, NONE, DRAWN], 1.0),  # only where a picture is wanted
        ],
        mean(lambda one: one.picture_right),
    ),
    "caption_thing_f1": (
        [
            ([outcome(wanted=PAIR, seen=(None,), said=(FOX,))], 2 / 3),  # found 1, missed 1
            ([outcome(wanted=FOX, seen=(None,), said=(PAIR,)), MISSING], 0.5),  # found 1, wrong 1, missed 1
            ([outcome(wanted=FOX, seen=(FOX_BEACH,)), NONE], 1.0),
        ],
        mean(lambda one: one.caption_right),
    ),
    "caption_fields": (
        [
            ([outcome(wanted=FOX, seen=(None,), said=(FOX_BLUE,))], 0.75),  # backdrop, count, thing of four
            ([outcome(wanted=PAIR, seen=(None,), said=(FOX,)), MISSING], 2 / 9),  # frame, fox; then 0 of 4
            ([DRAWN, SURPLUS], 1.0),
        ],
        mean(lambda one: one.caption_right),
    ),
    "picture_em": (
        [
            ([DRAWN, REJECTED, SURPLUS], 0.5),
            ([TWICE, WRONG], 0.0),
            ([outcome(wanted=FOX, seen=(FOX,), said=(None,))], 1),
        ],
        mean(lambda one: one.caption_right),
    ),
    "faithfulness": (
        [
            ([WRONG, REJECTED], 0.5),  # the first is what its caption says, though not what was wanted
            ([outcome(wanted=FOX, seen=(FOX, FOX_BLUE), said=(FOX, FOX))], 0.5),
            ([outcome(wanted=FOX, seen=(None,), said=(None,)), SURPLUS], 1.0),  # captions without meaning do not count
        ],
        mean(lambda one: one.picture_right),
    ),
    "rejected": (
        [
            ([DRAWN, REJECTED], 0.5),
            ([outcome(wanted=FOX, seen=(FOX, None, FOX))], 1 / 3),
            ([NONE, MISSING, WRONG], 0.0),
        ],
        mean(lambda one: None in one.seen),
    ),
    "reference": (
        [
            ([referring((FOX_BLUE,)), referring((PAIR_RED,))], 0.5),
            # a forgotten edit of the right picture still is of that picture; the other picture is not
            ([referring((FOX,)), referring((None,), said=(PAIR,)), NONE], 0.5),
            ([referring((FOX_BLUE,), others=()), referring((None,), said=(FOX_BLUE,))], 1.0),
        ],
        mean(lambda one: one.picture_right),
    ),
    "edit_success": (
        [
            ([edit((FOX_BLUE,), **BLUER), edit((FOX,), **BLUER)], 0.5),
            ([edit((FOX_BEACH,), source=FOX, wanted=FOX_BEACH), DRAWN], 1.0),
            ([edit((), **BLUER), edit((None,), said=(FOX_BLUE,), **BLUER)], 0.0),
        ],
        mean(lambda one: one.caption_right),
    ),
    "edit_preservation": (
        [
            ([edit((FOX,), **BLUER), edit((FOX_BEACH,), **BLUER)], 0.5),  # a plain copy keeps everything
            ([edit((PAIR,), source=FOX, wanted=PAIR), edit((APPLE,), source=PAIR, wanted=FOX)], 0.5),
            ([edit((), **BLUER), edit((None,), **BLUER)], 0.0),
        ],
        mean(lambda one: one.picture_right),
    ),
    "edit_harmonic": (
        [
            ([edit((FOX_BLUE,), **BLUER), edit((FOX,), **BLUER)], 2 / 3),  # success 1/2, kept 1
            ([edit((FOX,), **BLUER), edit((FOX,), **BLUER)], 0.0),
            ([edit((FOX_BLUE,), **BLUER), DRAWN], 1.0),
        ],
        mean(lambda one: one.picture_right),
    ),
    "perception_uploads": (
        [
            ([upload("Yes.", {"yes": True}), upload("No.", {"yes": True}), own("No.", {"yes": True})], 0.5),
            ([upload("A fox.", {"things": ["fox"]}), upload("A fox and an apple.", {"things": ["fox"]})], 0.5),
            ([outcome("compare", text="The first.", facts={"which": "first"}), NONE], 1.0),
        ],
        mean(lambda one: one.text_right),
    ),
    "perception_own": (
        [
            ([own("Yes.", {"yes": True}), own("No.", {"yes": True}), upload("No.", {"yes": True})], 0.5),
            ([own("Yes.", {"yes": True}), own("No.", {"yes": True}, source_right=False)], 1.0),
            ([own("A fox.", {"things": ["apple"]}), own("Two.", {"count": 2})], 0.5),
        ],
        mean(lambda one: one.text_right),
    ),
    "perception_gap": (
        [
            ([upload("Yes.", {"yes": True}), own("No.", {"yes": True})], 1.0),
            ([upload("Yes.", {"yes": True}), own("No.", {"yes": True}), own("Yes.", {"yes": True})], 0.5),
            ([upload("No.", {"yes": True}), own("Yes.", {"yes": True})], -1.0),
        ],
        mean(lambda one: one.text_right),
    ),
    "invented_things": (
        [
            ([describing("A fox and an apple in the desert.", ["fox"])], 0.5),
            ([describing("A fox.", ["fox"]), describing("An apple, a pear and a fox.", ["fox"])], 0.5),
            ([describing("A fox, no apple.", ["fox"]), upload("An apple.", {"things": ["fox"]})], 0.0),
        ],
        mean(lambda one: not one.text_right),
    ),
    "invented_replies": (
        [
            ([describing("A fox, an apple and a pear.", ["fox"]), describing("A fox.", ["fox"])], 0.5),
            ([describing("A fox.", ["fox", "apple"])], 0.0),  # too little is no invention
            ([describing("An apple.", ["fox"]), NONE], 1.0),
        ],
        mean(lambda one: not one.text_right),
    ),
    "probe_accuracy": (
        [
            ([probe("Yes.", True, "p0b"), probe("Yes.", False, "p0a"), NONE], 0.5),
            ([probe("No.", False, "p0a"), probe("", True, "p0b")], 0.5),
            ([probe("Yes.", True, "p0b", seen=(FOX,)), probe("A fox.", True, "p1b")], 0.0),
        ],
        mean(lambda one: one.text_right),
    ),
    "probe_pairs": (
        [
            ([probe("Yes.", True, "p0b"), probe("Yes.", False, "p0a")], 0.0),
            (
                [
                    probe("Yes.", True, "p0b"),
                    probe("No.", False, "p0a"),
                    probe("No.", True, "p1b"),
                    probe("No.", False, "p1a"),
                ],
                0.5,
            ),
            ([probe("Yes.", True, "p0b"), probe("No.", False, "p0a")], 1.0),
        ],
        mean(lambda one: one.right),
    ),
    "yes_rate": (
        [
            ([probe("Yes.", False, "p0a"), probe("Yes.", True, "p0b")], 1.0),
            ([probe("No.", True, "p0b"), probe("A fox.", True, "p1b"), probe("Yes!", True, "p2b"), NONE], 1 / 3),
            ([probe("No.", True, "p0b")], 0.0),
        ],
        mean(lambda one: one.right),
    ),
    "half_life": (
        [
            ([*turns(True, False), *turns(True, True, item="b")], 2.0),  # 1, then 1/2 exactly at turn 2
            ([*turns(False), *turns(False, item="b")], 0.5),  # from 1 to 0 within the first turn
            ([*turns(True, True)], 3.0),  # never: one more than the longest
        ],
        lambda outcomes: float(
            np.mean([sum(o.right for o in outcomes if o.item == i) for i in {o.item for o in outcomes}])
        ),
    ),
    "limits_f1": (
        [
            ([refusing("refuse", SORRY), refusing("ask back", SORRY)], 0.5),  # 1 found, 1 wrong, 1 missed
            ([refusing("refuse", SORRY, seen=(FOX,)), refusing("ask back", WHICH)], 2 / 3),
            ([refusing("refuse", SORRY), NONE, DRAWN], 1.0),
        ],
        mean(lambda one: one.refuses == (one.kind == "refuse")),
    ),
    "false_refusal": (
        [
            ([outcome(wanted=FOX, text=SORRY), NONE], 0.5),
            ([outcome(wanted=FOX, text=WHICH), DRAWN, refusing("refuse", SORRY), refusing("ask back", WHICH)], 0.5),
            ([outcome(wanted=FOX, seen=(FOX,), text=SORRY), refusing("refuse", SORRY)], 0.0),
        ],
        mean(lambda one: one.refuses),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_metric_on_three_hand_counted_cases(name):
    cases, _ = CASES[name]
    assert len(cases) == 3
    for outcomes, expected in cases:
        measure = table.METRICS[name](outcomes)
        assert measure.metric == name
        assert measure.value == pytest.approx(expected)
        assert measure.low <= measure.value + 1e-9
        assert measure.value <= measure.high + 1e-9


@pytest.mark.parametrize("name", CASES)
def test_cases_refuse_a_wrong_implementation(name):
    cases, wrong = CASES[name]
    assert any(wrong(outcomes) != pytest.approx(expected) for outcomes, expected in cases)


def test_every_metric_has_its_cases():
    assert set(table.METRICS) - set(CASES) == {"perception_chance"}


def test_chance_is_the_best_fixed_answer_to_each_kind_of_question():
    asked = [upload("?", {"yes": yes}) for yes in (True, True, False)] + [upload("?", {"count": 2})]
    assert chance(asked).value == pytest.approx(3 / 4)  # two of three, and one of one
    assert chance([upload("?", {"count": k}) for k in (1, 2, 3)]).value == pytest.approx(1 / 3)
    assert chance([DRAWN]).value is None


def test_references_are_broken_down_by_form_distance_and_origin():
    told = Reference("owner", None, 5, "text")
    found = {m.metric: (m.value, m.n) for m in references_by([referring((FOX_BLUE,)), referring((PAIR,), form=told)])}
    assert found == {
        "reference/form ordinal": (1.0, 1),
        "reference/form owner": (0.0, 1),
        "reference/distance 2": (1.0, 1),
        "reference/distance 5": (0.0, 1),
        "reference/origin text": (0.0, 1),
        "reference/origin user": (1.0, 1),
    }


def test_survival_forgets_what_ended_right_and_keeps_what_went_wrong():
    outcomes = [
        *turns(True),
        *turns(True, False, item="b"),
        *turns(True, True, item="c"),
        *turns(False, True, item="d"),
    ]
    assert [one.value for one in survival(outcomes)] == pytest.approx([3 / 4, 3 / 8])  # 3 of 4, then 1 of 2 left
    assert [one.value for one in right_by_turn(outcomes)] == pytest.approx([3 / 4, 2 / 3])  # turn by turn alone


def test_drift_compares_every_cycle_with_the_first_picture():
    found = drift([[FOX, PAIR], [FOX_BLUE, PAIR], [None, None]], [FOX, PAIR])
    assert [one.value for one in found] == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="argument 2 is"):
        drift([[FOX]], [FOX, PAIR])


def test_pairs_of_probes_need_both():
    assert probe_pairs([probe("Yes.", True, "p0b")]).n == 0
