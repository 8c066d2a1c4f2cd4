from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.world.edits import (
    EDIT_KINDS,
    Add,
    ChangeBackdrop,
    ChangeFrame,
    Edit,
    Move,
    Remove,
    RemoveFrame,
    Replace,
    Swap,
    apply,
    clause,
    invert,
    phrase,
    sample_edit,
)
from tbcore.world.scenes import Scene, sample_scene
from tbcore.world.splits import may_train

TWO = Scene("sandy beach", ("tiger", "apple"), "blue")
THREE = Scene("sandy beach", ("tiger", "apple", "drum"))


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.sampled_from(EDIT_KINDS))
def test_inverting_undoes(seed: int, kind: type[Edit]) -> None:
    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, split=None)
    edit = sample_edit(scene, rng, kinds=[kind])
    if edit is not None:
        after = apply(scene, edit)
        assert after != scene
        assert apply(after, invert(scene, edit)) == scene


@pytest.mark.parametrize(
    ("edit", "things"),
    [
        (Add("fox", "left"), ("fox", "tiger", "apple")),
        (Add("fox", "middle"), ("tiger", "fox", "apple")),
        (Remove("tiger"), ("apple",)),
        (Replace("apple", "fox"), ("tiger", "fox")),
        (Swap("tiger", "apple"), ("apple", "tiger")),
        (Move("tiger", "right"), ("apple", "tiger")),
    ],
)
def test_what_becomes_of_the_things(edit: Edit, things: tuple[str, ...]) -> None:
    assert apply(TWO, edit) == Scene("sandy beach", things, "blue")


def test_moving_keeps_the_order_of_the_others() -> None:
    assert apply(THREE, Move("drum", "left")).things == ("drum", "tiger", "apple")
    assert invert(THREE, Move("drum", "left")) == Move("drum", "right")


def test_backdrop_and_frame() -> None:
    assert apply(TWO, ChangeBackdrop("desert")) == Scene("desert", TWO.things, "blue")
    assert apply(TWO, RemoveFrame()) == Scene("sandy beach", TWO.things)
    assert invert(THREE, ChangeFrame("red")) == RemoveFrame()
    assert invert(TWO, ChangeFrame("red")) == ChangeFrame("blue")


@pytest.mark.parametrize(
    ("scene", "edit", "rule"),
    [
        (THREE, Add("fox", "left"), "three things are the most"),
        (TWO, Add("tiger", "left"), "already a 'tiger'"),
        (TWO, Add("unicorn", "left"), "no 'unicorn'"),
        (Scene("desert", ("key",)), Add("fox", "middle"), "the places are"),
        (TWO, Remove("fox"), "there is no 'fox'"),
        (Scene("desert", ("key",)), Remove("key"), "the last thing must stay"),
        (TWO, Swap("tiger", "tiger"), "two different things"),
        (TWO, Move("tiger", "left"), "stands there already"),
        (TWO, ChangeBackdrop("sandy beach"), "another one of"),
        (TWO, ChangeFrame("pink"), "another one of"),
        (THREE, RemoveFrame(), "there is no frame"),
    ],
)
def test_the_impossible_is_refused(scene: Scene, edit: Edit, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        apply(scene, edit)
    with pytest.raises(ValueError, match=rule):
        invert(scene, edit)


def test_sampled_edits_stay_where_they_may() -> None:
    rng = np.random.default_rng(0)
    kinds: set[type[Edit]] = set()
    for _ in range(200):
        scene = sample_scene(rng)
        edit = sample_edit(scene, rng, allowed=may_train)
        assert edit is not None
        assert may_train(apply(scene, edit))
        kinds.add(type(edit))
    assert kinds == set(EDIT_KINDS)
    assert sample_edit(TWO, rng, allowed=lambda scene: False) is None


def test_words_say_the_edit() -> None:
    rng = np.random.default_rng(1)
    said = {clause(Add("owl", "left"), rng) for _ in range(200)}
    assert "add an owl on the left" in said
    assert len(said) > 12
    assert all("an owl" in words and "left" in words for words in said)
    assert phrase(RemoveFrame(), np.random.default_rng(2)) == phrase(RemoveFrame(), np.random.default_rng(2))
    assert len({phrase(RemoveFrame(), rng) for _ in range(300)}) > 40
