"""The film of the chat: which frames are kept, how long they are shown, how large the file is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tbcore.demo.animation import Film
from tbcore.errors import InputError


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
