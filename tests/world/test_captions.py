from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.world.backdrops import BACKDROPS
from tbcore.world.captions import FAMILIES, Problem, caption, parse_caption
from tbcore.world.scenes import FRAMES, Scene
from tbcore.world.sprites import SPRITES

scenes = st.builds(
    Scene,
    backdrop=st.sampled_from(BACKDROPS),
    things=st.lists(st.sampled_from(sorted(SPRITES)), min_size=1, max_size=3, unique=True).map(tuple),
    frame=st.sampled_from((None, *FRAMES)),
)


@settings(max_examples=300)
@given(scenes, st.integers(0, 2**32))
def test_reading_inverts_every_phrasing(scene: Scene, seed: int) -> None:
    assert parse_caption(caption(scene)) == scene
    assert parse_caption(caption(scene, np.random.default_rng(seed))) == scene
    for write in FAMILIES.values():
        assert parse_caption(write(scene)) == scene
        assert parse_caption(write(scene).upper()) == scene


def test_the_canonical_words() -> None:
    scene = Scene("sandy beach", ("tiger", "apple"), "blue")
    assert caption(scene) == "a tiger to the left of an apple on a sandy beach, in a blue frame"
    three = Scene("sunset", ("egg", "drum", "hot dog"))
    assert caption(three) == "an egg, a drum and a hot dog, from left to right, at sunset"


@pytest.mark.parametrize(
    ("text", "reason", "found"),
    [
        ("a unicorn on a sandy beach", "a word that no caption", "unicorn"),
        ("a tiger", "one backdrop; found 0", ""),
        ("on a sandy beach", "one to three things; found 0", ""),
        ("a tiger and a tiger on a sandy beach", "different from each other", "tiger"),
        ("a tiger on the left and a fox on the left on a sandy beach", "do not fit together", "left left"),
        ("a tiger, a fox, a pig and an egg at sunset", "one to three things; found 4", "egg"),
        ("a tiger at sunset on a sandy beach", "one backdrop; found 2", "sandy beach"),
        ("", "one to three things; found 0", ""),
    ],
)
def test_says_what_it_did_not_understand(text: str, reason: str, found: str) -> None:
    problem = parse_caption(text)
    assert isinstance(problem, Problem)
    assert reason in problem.reason
    assert problem.found == found
    assert text[problem.offset :].startswith(found.split(" ")[0])


def test_other_words_for_the_same_scene() -> None:
    assert parse_caption("Tiger left of apple, beach!") == Scene("sandy beach", ("tiger", "apple"))
    assert parse_caption("a fox and an owl in the rain") == Scene("rainy day", ("fox", "owl"))
