from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from tbcore.course import figures, roadmap
from tbcore.course.places import project_root
from tbcore.errors import InputError

# Machado, Oliveira and Fernandes (2009), severity 1: what people without one kind of cone see.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)


def linear(colour):
    channels = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["common", "deuteranopia", "protanopia"])
def test_palette_stays_distinct_for_colour_blind_readers(vision):
    seen = [np.cbrt(np.clip(vision @ linear(colour), 0, 1)) for colour in figures.PALETTE]
    gaps = [np.linalg.norm(one - other) for n, one in enumerate(seen) for other in seen[n + 1 :]]
    assert min(gaps) > 0.08


def test_each_colour_has_a_marker():
    assert len(set(figures.MARKERS)) == len(set(figures.PALETTE)) == 8


def test_gallery_draws_every_picture_with_its_title():
    pictures = np.zeros((5, 8, 8, 3), dtype=np.uint8)
    figure = figures.gallery(pictures, [f"caption {n}" for n in range(5)], columns=4)
    drawn = [place for place in figure.axes if place.images]
    assert [place.get_xlabel() for place in drawn] == [f"caption {n}" for n in range(5)]


@pytest.mark.parametrize(
    ("pictures", "titles", "message"),
    [
        ([], [], "at least one picture"),
        (np.zeros((2, 4, 4, 3), dtype=np.uint8), ["x"], "one title per picture; got 1 for 2"),
    ],
)
def test_gallery_refuses(pictures, titles, message):
    with pytest.raises(InputError, match=message):
        figures.gallery(pictures, titles)


def test_contact_sheet_has_one_row_per_group():
    pictures = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    figure = figures.contact_sheet({"cats": pictures, "drums": pictures[:1]}, columns=4)
    assert [place.get_ylabel() for place in figure.axes if place.get_ylabel()] == ["cats", "drums"]
    assert sum(bool(place.images) for place in figure.axes) == 4


@pytest.mark.parametrize("number", [one for one, _, _ in roadmap.STEPS])
def test_committed_roadmaps_are_those_the_script_draws(number):
    path = project_root() / "notebooks" / "figures" / f"roadmap_{number}.svg"
    assert path.read_text("utf-8") == roadmap.draw(number)
    title = ElementTree.fromstring(roadmap.draw(number)).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert f"This is step {number}" in str(title.text)


def test_a_curve_is_smoothed_over_a_twentieth_of_it():
    places, means = figures.smooth(np.arange(40.0))
    assert places[0] == 1
    assert means[:2].tolist() == [0.5, 1.5]
    assert len(places) == len(means) == 39
    places, means = figures.smooth(np.array([3.0, 1.0]))
    assert (places.tolist(), means.tolist()) == ([0, 1], [3.0, 1.0])
