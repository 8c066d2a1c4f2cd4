from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tbcore.errors import InputError
from tbcore.seeds import stream
from tbcore.world.scenes import FAVOURITE_BACKDROPS, Scene, sample_scene, slot_names, topic_of
from tbcore.world.splits import HELD_OUT_BLOCK, held_out, may_train, split_of
from tbcore.world.sprites import SPRITES, TOPICS, artwork, nouns_of


def test_the_table_of_things() -> None:
    assert len(SPRITES) == 96
    assert [len(nouns_of(topic)) for topic in TOPICS] == [12] * 8
    assert SPRITES["apple"].article == "an"
    assert SPRITES["strawberry"].plural == "strawberries"
    assert len({sprite.code for sprite in SPRITES.values()}) == 96


def test_artwork_is_trimmed_and_shared() -> None:
    pixels = artwork("tiger", 20)
    assert pixels.shape == (20, 20, 4)
    assert (pixels[..., 3].max(0) > 0).all() or (pixels[..., 3].max(1) > 0).all()
    assert artwork("tiger", 20) is pixels
    with pytest.raises(ValueError, match="no thing is called 'unicorn'"):
        artwork("unicorn", 20)


def test_scenes_compare_by_what_they_show() -> None:
    one = Scene("desert", ("car", "bus"), "red", jitter_seed=1)
    assert one == Scene("desert", ("car", "bus"), "red", jitter_seed=2)
    assert len({one, Scene("desert", ("car", "bus"), "red", 9)}) == 1
    assert one != Scene("desert", ("bus", "car"), "red")
    assert Scene.from_json(one.to_json()).jitter_seed == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"backdrop": "moon", "things": ["car"]}, "backdrop must be one of"),
        ({"backdrop": "desert", "things": []}, "one to three different nouns"),
        ({"backdrop": "desert", "things": ["car", "car"]}, "one to three different nouns"),
        ({"backdrop": "desert", "things": ["unicorn"]}, "unknown things"),
        ({"backdrop": "desert", "things": ["car"], "frame": "pink"}, "frame must be None or one of"),
        ({"backdrop": "desert"}, "need backdrop and things"),
        ({"backdrop": "desert", "things": "car"}, "things must be a list"),
        ({"backdrop": "desert", "things": ["car"], "path": "/etc"}, "need backdrop and things"),
    ],
)
def test_impossible_scenes_are_refused(value: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scene.from_json(value)


def test_sampling_keeps_to_its_split() -> None:
    rng = stream(0, "test")
    for split in ("train", "val", "test"):
        scenes = [sample_scene(rng, split=split) for _ in range(300)]
        assert all(split_of(scene) == split and not held_out(scene) for scene in scenes)
    assert all(may_train(sample_scene(rng)) for _ in range(300))
    assert all(held_out(sample_scene(rng, split="held-out")) for _ in range(50))
    assert all(len(sample_scene(rng, n_things=3).things) == 3 for _ in range(50))


def test_topics_have_favourite_backdrops() -> None:
    rng = stream(0, "test/habits")
    fruit = [sample_scene(rng, topic="fruit") for _ in range(400)]
    share = np.mean([scene.backdrop in FAVOURITE_BACKDROPS["fruit"] for scene in fruit])
    assert 0.6 < share < 0.9  # 0.6 on purpose, the rest by chance
    assert np.mean([topic_of(scene) == "fruit" for scene in fruit]) > 0.8


def test_held_out_reasons() -> None:
    for backdrop, topic in HELD_OUT_BLOCK:
        assert "block" in held_out(Scene(backdrop, (nouns_of(topic)[0],)))
    pairs = list(combinations(SPRITES, 2))
    share = np.mean(["pair" in held_out(Scene("rainy day", pair)) for pair in pairs])
    assert 0.03 < share < 0.07
    one, two = next(pair for pair in pairs if "pair" in held_out(Scene("rainy day", pair)))
    assert "pair" in held_out(Scene("sandy beach", (two, one)))
    assert not held_out(Scene("sandy beach", (one,)))


def test_slots() -> None:
    assert slot_names(3) == ("left", "middle", "right")
    with pytest.raises(ValueError, match="must be 1, 2 or 3; got 4"):
        slot_names(4)
