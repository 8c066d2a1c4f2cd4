from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.world.answers import Facts, matches, read_answer
from tbcore.world.captions import FAMILIES
from tbcore.world.dialogues import Expectation, simulate
from tbcore.world.scenes import Scene
from tbcore.world.sprites import SPRITES


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_every_simulated_reply_is_what_is_expected(split: str) -> None:
    for told in simulate(3, 300, split=split):
        replies = [turn.text for turn in told.dialogue.turns if turn.role == "assistant"]
        for expected, reply in zip(told.expects, replies, strict=True):
            assert matches(expected, reply), (expected.facts, reply)


def test_no_reply_is_right_for_other_facts() -> None:
    """Among replies to the same kind of question, only those with equal facts may match."""
    groups: dict[tuple[str, ...], list[tuple[Expectation, str]]] = {}
    for told in simulate(4, 400):
        replies = [turn.text for turn in told.dialogue.turns if turn.role == "assistant"]
        for expected, reply in zip(told.expects, replies, strict=True):
            if expected.kind in ("describe", "ask", "compare"):
                key = (expected.kind, *sorted(set(expected.facts) - {"noun"}))
                groups.setdefault(key, []).append((expected, reply))
    compared = 0
    for members in groups.values():
        for (expected, _), (other, reply) in zip(members, members[1:] + members[:1], strict=True):
            facts, others = ({k: v for k, v in e.facts.items() if k != "noun"} for e in (expected, other))
            if facts != others:
                compared += 1
                assert not matches(expected, reply), (expected.facts, reply)
    assert compared > 200


def test_kinds_are_told_apart() -> None:
    talk, refuse = Expectation("chat"), Expectation("refuse", facts={"refusal": True})
    ask = Expectation("ask back", facts={"asks_back": True})
    draw = Expectation("draw", draws=True, scene=Scene("desert", ("key",)))
    texts = {"talk": "Paris.", "refuse": "I'm afraid that is too much for me.", "ask": "Which one do you mean?"}
    assert [matches(talk, text) for text in texts.values()] == [True, False, False]
    assert [matches(refuse, text) for text in texts.values()] == [False, True, False]
    assert [matches(ask, text) for text in texts.values()] == [False, False, True]
    assert matches(draw, "")
    assert not matches(draw, texts["ask"])
    assert not matches(talk, " ")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("There isn't a fox here, only two apples.", {"things": ("apple",), "denied": ("fox",), "yes_no": False}),
        ("I see no fox or tiger in the grass", {"denied": ("fox", "tiger"), "backdrops": ("green meadow",)}),
        ("Yep, that's a bunny by the ocean!", {"things": ("rabbit",), "backdrops": ("open sea",), "yes_no": True}),
        ("Exactly three.", {"count": 3}),
        ("I count 2 objects", {"count": 2}),
        ("There's one thing: a hot dog.", {"count": 1, "things": ("hot dog",)}),
        ("The border is purple.", {"frames": ("purple",)}),
        ("Blue.", {"frames": ("blue",)}),
        ("It doesn't have a frame", {"frames": ("none",), "yes_no": False}),
        ("A green meadow", {"frames": (), "backdrops": ("green meadow",)}),
        ("I’m sorry, I can’t draw that.", {"refusal": True}),
        ("No, I can't see a fox.", {"refusal": False, "yes_no": False, "denied": ("fox",)}),
        ("Sure! What colour should it be?", {"asks_back": True}),
        ("Done. Anything else?", {"asks_back": False}),
        ("Not the first but the second one.", {"which": ("second",)}),
        ("It has foxes and bunches of grapes", {"things": ("fox", "bunch of grapes")}),
        ("an orange", {"things": ("orange",), "frames": ()}),
        ("Hello!", {"things": (), "yes_no": None, "count": None}),
    ],
)
def test_facts_in_other_words(text: str, wanted: dict[str, object]) -> None:
    facts = read_answer(text)
    assert {name: getattr(facts, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("a fox on the left and a pig on the right", (("fox", "left"), ("pig", "right"))),
        ("On the left is a fox, in the center a pig", (("fox", "left"), ("pig", "middle"))),
        ("The fox stands to the right of the pig.", (("pig", "left"), ("fox", "right"))),
        ("a fox, a pig and an egg, from right to left", (("egg", "left"), ("pig", "middle"), ("fox", "right"))),
        ("a fox", ()),
    ],
)
def test_where_things_are(text: str, positions: tuple[tuple[str, str], ...]) -> None:
    assert read_answer(text).positions == positions


def test_a_description_must_be_complete_and_in_order() -> None:
    facts = {"things": ["fox", "pig"], "order": ["fox", "pig"], "backdrop": "desert", "frame": "red"}
    expected = Expectation("describe", facts=dict(facts))
    scene = Scene("desert", ("fox", "pig"), "red")
    for write in FAMILIES.values():
        assert matches(expected, f"I see {write(scene)}.")
        for other in (
            Scene("desert", ("pig", "fox"), "red"),
            Scene("desert", ("fox",), "red"),
            Scene("sunset", ("fox", "pig"), "red"),
            Scene("desert", ("fox", "pig")),
            Scene("desert", ("fox", "pig", "egg"), "red"),
        ):
            assert not matches(expected, f"I see {write(other)}.")


def test_a_place_must_be_that_of_the_thing_asked_for() -> None:
    expected = Expectation("ask", facts={"position": "left", "noun": "fox"})
    assert matches(expected, "It's on the left.")
    assert matches(expected, "The pig is on the right and the fox on the left.")
    assert not matches(expected, "The pig is on the left.")
    assert not matches(expected, "On the right.")


def test_every_name_and_plural_is_understood() -> None:
    for noun, sprite in SPRITES.items():
        assert read_answer(f"I see {sprite.article} {noun}.").things == (noun,)
        assert read_answer(f"Many {sprite.plural}!").things == (noun,)


@given(st.text(max_size=200))
def test_it_never_raises(text: str) -> None:
    assert isinstance(read_answer(text), Facts)
