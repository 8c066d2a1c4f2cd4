from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbcore.seeds import stream
from tbcore.world.backdrops import BACKDROPS, backdrop_pixels
from tbcore.world.pairs import write_postcards
from tbcore.world.render import FRAME_COLOURS, JITTER, SIZE, SLOT_BOXES, offsets, render, render_many
from tbcore.world.scenes import Scene, sample_scene


def test_slots_never_overlap_and_stay_inside_the_frame() -> None:
    for count, boxes in SLOT_BOXES.items():
        most_x, most_y = JITTER[count]
        for k, (x, y, side) in enumerate(boxes):
            assert x - most_x >= 2
            assert x + side + most_x <= SIZE - 2
            assert y - most_y >= 2
            assert y + side + most_y <= SIZE - 2
            if k:
                assert boxes[k - 1][0] + boxes[k - 1][2] + most_x <= x - most_x


def test_rendering_is_a_function() -> None:
    rng = stream(0, "test/render")
    scenes = [sample_scene(rng) for _ in range(20)]
    first, again = render_many(scenes), render_many(scenes)
    assert first.dtype == np.uint8
    assert first.shape == (20, 64, 64, 3)
    assert (first == again).all()
    assert (first[3] == render(scenes[3])).all()
    assert not any((first[k] == first[k + 1]).all() for k in range(19))


def test_parts_are_where_they_should_be() -> None:
    bare = backdrop_pixels("desert")
    card = render(Scene("desert", ("tiger",), "blue"))
    assert (card[0] == FRAME_COLOURS["blue"]).all()
    assert (card[:, 63] == FRAME_COLOURS["blue"]).all()
    plain = render(Scene("desert", ("tiger",)))
    changed = (plain != bare).any(-1)
    rows, columns = np.nonzero(changed)
    assert columns.min() >= 10
    assert columns.max() < 54
    assert rows.min() >= 13
    assert rows.max() < 57
    assert changed.sum() > 400


def test_jitter_moves_but_not_far() -> None:
    moves = {offsets(Scene("desert", ("tiger",), jitter_seed=seed)) for seed in range(200)}
    assert len(moves) == 9
    assert max(abs(d) for ((dx, dy),) in moves for d in (dx, dy)) == 1


def test_larger_pictures_and_bad_sizes() -> None:
    assert render(Scene("sunset", ("car",)), 128).shape == (128, 128, 3)
    with pytest.raises(ValueError, match="multiple of 64; got 100"):
        render(Scene("sunset", ("car",)), 100)
    with pytest.raises(ValueError, match="name must be one of"):
        backdrop_pixels("moon")
    assert len({backdrop_pixels(name).tobytes() for name in BACKDROPS}) == 10


def test_a_longer_list_of_pairs_starts_the_same(tmp_path: Path) -> None:
    short = write_postcards(tmp_path / "a", n=5, seed=3)
    long = write_postcards(tmp_path / "b", n=9, seed=3)
    assert long[:5] == short
    assert len({str(row["scene"]) for row in long}) == 9
    for row in short:
        name = str(row["picture"])
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        with Image.open(tmp_path / "a" / name) as picture:
            assert (np.asarray(picture) == render(Scene.from_json(row["scene"]))).all()
