"""The map of pictures: what is in it, and what a caption cannot do to it."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tbcore.course.maps import hover_map
from tbcore.errors import InputError

RED = np.full((32, 32, 3), (255, 0, 0), np.uint8)
BLUE = np.full((32, 32, 3), (0, 0, 255), np.uint8)
POINTS = np.array([[0.0, 0.0], [10.0, 5.0]])


def test_every_picture_has_a_dot_with_its_cluster_and_its_own_pixels():
    text = hover_map(POINTS, [RED, BLUE], ["red", "blue"], [0, 11])
    assert re.findall(r'aria-label="(cluster [^"]*)"', text) == ["cluster 0: red", "cluster 11: blue"]
    found = [base64.b64decode(code) for code in re.findall(r"base64,([^\"]*)", text)]
    colours = [Image.open(io.BytesIO(png)).convert("RGB").getpixel((5, 5)) for png in found]
    assert colours == [(255, 0, 0), (0, 0, 255)]


def test_the_first_axis_goes_right_and_the_second_goes_up():
    places = re.findall(r"left:([\d.]+)%;top:([\d.]+)%", hover_map(POINTS, [RED, BLUE], ["a", "b"], [0, 1]))
    assert places == [("4.0", "96.0"), ("96.0", "4.0")]


def test_captions_stay_text():
    caption = '"><script>alert(1)</script><img src=x onerror="alert(2)">'
    text = hover_map(POINTS, [RED, BLUE], [caption, "b"], [0, 1])
    assert "<script" not in text
    assert text.count("<img ") == 2
    assert "&lt;script&gt;" in text


def test_points_in_one_place_do_not_divide_by_zero():
    assert hover_map(np.zeros((2, 2)), [RED, BLUE], ["a", "b"], [0, 1]).count("left:4.0%") == 2


@pytest.mark.parametrize("captions", [["a"], []])
def test_numbers_must_agree(captions):
    with pytest.raises(InputError, match="one point, picture, caption and label each"):
        hover_map(POINTS[: len(captions)], [RED, BLUE][: 2 * len(captions)], captions, [0, 1])
