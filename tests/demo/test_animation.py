"""The film of the chat: which frames are kept, how long they are shown, how large the file is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tbcore.demo.animation import Film, Talk, rehearse
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.postcards import palette
from tbcore.demo.transcript import Drawing
from tbcore.errors import InputError
from tbcore.world.captions import parse_caption
from tbcore.world.render import render
from tbcore.world.scenes import Scene


def shade(value: int, *, noisy: bool = False) -> Image.Image:
    rng = np.random.default_rng(value)
    pixels = rng.integers(0, 256, (120, 160, 3)) if noisy else np.full((120, 160, 3), value)
    return Image.fromarray(pixels.astype(np.uint8))


def film_of(*shots: tuple[float, int], noisy: bool = False) -> Film:
    film = Film()
    for second, value in shots:
        film.take(second, shade(value, noisy=noisy))
    return film


def test_what_has_not_changed_is_one_frame():
    film = film_of((0.0, 1), (0.5, 1), (1.0, 2), (1.5, 2), (2.0, 1))
    assert [second for second, _ in film.frames] == [0.0, 1.0, 2.0]


def test_waiting_is_shortened_and_all_adds_up():
    film = film_of((0.0, 1), (0.3, 2), (60.0, 3), (60.3, 4))
    shown = film.durations(10)
    assert sum(shown) == 10_000
    assert shown[1] == 2 * shown[0] == 2 * shown[2]
    assert shown[3] == 2000
    assert film_of((0.0, 1)).durations(10) == [10_000]
    with pytest.raises(InputError, match="nothing was taken"):
        Film().durations(10)


def test_the_file_is_an_animation_of_that_length(tmp_path):
    film = film_of((0.0, 10), (1.0, 120), (2.0, 240))
    size = film.save(tmp_path / "deep" / "film.webp", seconds=4)
    content = (tmp_path / "deep" / "film.webp").read_bytes()
    assert len(content) == size
    with Image.open(io.BytesIO(content)) as opened:
        assert (opened.format, opened.n_frames, opened.size) == ("WEBP", 3, (160, 120))


def test_a_film_that_is_too_large_is_made_smaller_or_refused(tmp_path):
    film = film_of(*((float(k), k) for k in range(4)), noisy=True)
    whole = film.save(tmp_path / "whole.webp")
    assert film.save(tmp_path / "small.webp", most_bytes=whole - 1) < whole
    with pytest.raises(InputError, match="do not fit into 100 bytes"):
        film.save(tmp_path / "none.webp", most_bytes=100)


def test_the_first_talk_that_goes_well_is_chosen():
    cards, wishes = palette(3), ("a tiger on a sandy beach", "a pig in a green meadow")
    told = list(cards)
    beach, meadow = (render(scene) for wish in wishes if isinstance(scene := parse_caption(wish), Scene))
    engine = ScriptedEngine(
        "a key in a green meadow",  # of the first card it forgets a thing
        told[1],
        ["Here it is:", Drawing(wishes[0], meadow)],  # drawn otherwise than wished
        [Drawing(wishes[1], meadow)],
    )
    assert rehearse(engine, cards, wishes) == Talk(1, wishes[1], told[1], tried=3)
    last = engine.asked[-1][0]
    assert [turn.text for turn in last.turns] == ["What do you see?", told[1], "Please draw a pig in a green meadow."]
    assert rehearse(ScriptedEngine(told[0], [Drawing(wishes[0], beach)]), cards, wishes).tried == 1


def test_no_talk_that_goes_badly_is_chosen():
    cards = palette(2)
    with pytest.raises(InputError, match=r"of 2 talks none went well\. Train longer"):
        rehearse(ScriptedEngine(), cards, ["a pig in a green meadow"])
    with pytest.raises(InputError, match="'a red boat' is no caption of a postcard"):
        rehearse(ScriptedEngine(), cards, ["a red boat"])
