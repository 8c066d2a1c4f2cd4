"""Duplicates against slow, obvious references and against the library that made the hashes known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tbcore.data import duplicates
from tbcore.data.duplicates import (
    difference_hash,
    find_exact,
    find_perceptual,
    find_semantic,
    keep_winners,
    perception_hash,
)
from tbcore.data.pairs import load_picture
from tbcore.data.photos import PHOTOS, photo_path
from tbcore.errors import InputError

PHOTOGRAPHS = [load_picture(photo_path(photo), size=128) for photo in PHOTOS]


def test_our_hashes_are_those_of_imagehash() -> None:
    imagehash = pytest.importorskip("imagehash")

    def packed(bits: np.ndarray) -> int:
        return int.from_bytes(np.packbits(bits).tobytes(), "big")

    for picture in PHOTOGRAPHS:
        image = Image.fromarray(picture)
        assert difference_hash(picture) == packed(imagehash.dhash(image).hash)
        assert perception_hash(picture) == packed(imagehash.phash(image).hash)


def test_recompressed_and_resized_photographs_are_found_and_others_are_not(tmp_path) -> None:
    smaller = [np.asarray(Image.fromarray(one).resize((90, 90))) for one in PHOTOGRAPHS]
    worse = []
    for number, one in enumerate(PHOTOGRAPHS):
        Image.fromarray(one).save(tmp_path / f"{number}.jpg", quality=40)
        worse.append(load_picture(tmp_path / f"{number}.jpg"))
    n = len(PHOTOGRAPHS)
    found = find_perceptual([perception_hash(one) for one in PHOTOGRAPHS + smaller + worse])
    assert {(one.loser, one.winner) for one in found} == {(place, place % n) for place in range(n, 3 * n)}
    priority = [0] * n + [1] * n + [2] * n
    found = find_perceptual([perception_hash(one) for one in PHOTOGRAPHS + smaller + worse], priority=priority)
    assert {(one.loser, one.winner) for one in found} == {(place, place % n + 2 * n) for place in range(2 * n)}


def test_exact_duplicates_point_to_the_first() -> None:
    found = find_exact(["a", "b", "a", "c", "a", "b"])
    assert [one.to_json() for one in found] == [
        {"loser": 2, "winner": 0, "kind": "exact", "distance": 0.0},
        {"loser": 4, "winner": 0, "kind": "exact", "distance": 0.0},
        {"loser": 5, "winner": 1, "kind": "exact", "distance": 0.0},
    ]
    assert keep_winners(6, found).tolist() == [0, 1, 3]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.data(), st.integers(0, 8))
def test_no_near_pair_of_hashes_is_missed(seeds: list[int], data: st.DataObject, most: int) -> None:
    hashes = list(seeds)
    for one in seeds:
        flips = data.draw(st.lists(st.integers(0, 63), max_size=9, unique=True))
        hashes.append(one ^ sum(1 << bit for bit in flips))
    winners: list[int] = []
    expected: dict[int, int] = {}
    for place, value in enumerate(hashes):
        near = [(((hashes[one] ^ value).bit_count()), one) for one in winners]
        if near and min(near)[0] <= most:
            expected[place] = min(near)[1]
        else:
            winners.append(place)
    assert {one.loser: one.winner for one in find_perceptual(hashes, most=most)} == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(-0.5, 0.99))
def test_semantic_duplicates_equal_the_slow_reference(seed: int, n: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(-1, 3, n)
    priority = rng.integers(0, 4, n).tolist()
    winners: list[int] = []
    expected: dict[int, int] = {}
    for place in sorted(range(n), key=lambda one: (-priority[one], one)):
        rivals = [one for one in winners if labels[one] == labels[place] >= 0]
        cosines = [float(vectors[one] @ vectors[place]) for one in rivals]
        if any(abs(one - least) < 1e-5 for one in cosines):
            return  # rounding may decide either way
        if cosines and max(cosines) > least:
            expected[place] = rivals[int(np.argmax(cosines))]
        elif labels[place] >= 0:
            winners.append(place)
    original = duplicates._BLOCK
    duplicates._BLOCK = 7
    try:
        found = find_semantic(vectors, labels, least=least, priority=priority)
    finally:
        duplicates._BLOCK = original
    assert {one.loser: one.winner for one in found} == expected
    assert {one.winner for one in found}.isdisjoint(one.loser for one in found)


def test_impossible_requests_say_so() -> None:
    with pytest.raises(InputError, match="most must be from 0 to 31 bits; got 32"):
        find_perceptual([1], most=32)
    with pytest.raises(InputError, match="find_perceptual: one priority per picture is needed; got 1 for 2"):
        find_perceptual([1, 2], priority=[1])
    with pytest.raises(InputError, match="one label per vector"):
        find_semantic(np.ones((2, 2)), np.zeros(1, int))
