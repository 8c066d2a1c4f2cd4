"""The pictures under the titles: named with alt text by the sources, small, and drawn from what they claim."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tbcore.course import hooks, hooks_late
from tbcore.course.places import course
from tbcore.errors import MissingFileError
from tbcore.seeds import stream
from tbcore.train.scores import held_out_scenes
from tbcore.world.captions import caption


@pytest.mark.parametrize("number", sorted(hooks.HOOKS))
def test_each_hook_is_committed_small_and_named_with_alt_text_under_its_title(number):
    place = course()
    path = place.notebooks / "figures" / f"hook_{number}.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == 1210  # eleven inches: as wide as a projector shows a page
    assert path.stat().st_size < 100_000
    source = next(one for one in place.sources() if one.name.startswith(number)).read_text("utf-8")
    named = re.search(rf"!\[([^\]]+)\]\(figures/hook_{number}\.png\)", source.split("<!-- roadmap -->")[0])
    assert named is not None
    assert len(named.group(1).split()) > 10


def test_a_strip_has_one_panel_per_turn_and_shows_every_picture():
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    panels = [hooks.Panel("user", "Look!", [picture]), hooks.Panel("assistant", "Two:", [picture, picture])]
    figure = hooks.strip(panels)
    place = figure.axes[0]
    assert len(place.images) == 3
    assert [text.get_text() for text in place.texts] == ["Human", "Look!", "Assistant", "Two:"]


def test_the_mirrored_captions_differ_in_one_word_only():
    texts = [text.get_text().replace("\n", " ") for text in hooks.mirror().axes[0].texts]
    true, copy = (next(text for text in texts if f"to the {side} of" in text) for side in ("left", "right"))
    assert [(a, b) for a, b in zip(true.split(), copy.split(), strict=True) if a != b] == [("left", "right")]


def test_what_a_careless_program_reads_has_two_turns_that_nobody_said():
    texts = [text.get_text() for text in hooks.anatomy().axes[0].texts]
    assert texts.count("nobody said this") == 2
    assert sum(text.startswith(("Human: ", "Assistant: ")) for text in texts) == 4


def test_a_drawing_is_shown_with_the_caption_behind_it(tmp_path):
    folder = tmp_path / "07_interactive_demo"
    folder.mkdir()
    turns = [{"role": "user", "parts": ["Draw."]}, {"role": "assistant", "parts": ["Here: ", {"picture": 0}]}]
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    talk = {"turns": turns, "pictures": [{"png": dot, "caption": "a cat"}]}
    (folder / "conversation.json").write_text(json.dumps(talk))
    asked, answer = hooks.talk_of(tmp_path, turns=2)
    assert (asked.words, asked.pictures) == ("Draw.", [])
    assert answer.words == "Here: [drawn from: a cat]"
    assert answer.pictures[0].shape == (1, 1, 3)


def test_what_comes_out_of_the_shards_is_what_went_in():
    tiles = [tile for tile in hooks_late.cut_and_joined().axes[0].patches if tile.get_width() < 1]
    records, shards, joined = (
        sorted(
            (-round(t.get_y(), 2), round(t.get_x() - left, 2), t.get_facecolor())
            for t in tiles
            if low < t.get_x() < high
        )
        for left, low, high in ((0.3, 0, 2), (3.0, 2, 5), (8.7, 8, 11))
    )
    assert len(records) == len(shards) == 12
    assert records == joined
    assert all(len({colour for y, _, colour in shards if y == row}) == 1 for row in {y for y, _, _ in shards})


def test_the_first_words_are_of_a_picture_that_is_read_in_the_end(tmp_path):
    scenes = held_out_scenes(stream(3, "held-out scenes"), 4)
    folder = tmp_path / "06_training"
    folder.mkdir()
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3}))
    for name in ("untrained", "prealigned", "aligned"):
        (folder / f"said_{name}.json").write_text(json.dumps([f"{name} {k}" for k in range(4)]))
    (folder / "said_instructed.json").write_text(json.dumps(["?", "?", caption(scenes[2]), "?"]))
    words = [text.get_text() for text in hooks_late.first_words(tmp_path).axes[0].texts]
    assert [word for word in words if word.startswith("\u201cunt")] == ["\u201cuntrained 2\u201d"]
    assert "after stage 2" in words


def test_a_run_that_is_missing_is_named_with_its_notebook(tmp_path):
    with pytest.raises(MissingFileError, match="only 07"):
        hooks.talk_of(tmp_path)
