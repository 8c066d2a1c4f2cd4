"""What is measured of the shipped parts, each measure on a case whose answer is known."""

from __future__ import annotations

import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from tbcore.seeds import stream
from tbcore.train import check_zoo
from tbcore.train.check_zoo import check_reader, confusions, noisy, paint_scenes, trade_off
from tbcore.train.pretrain_reader import disturbed
from tbcore.weights.zoo import ZOO
from tbcore.world.reader import read_many
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene, sample_scene
from tests.model.painter.small import small_painter

SCENES = [
    Scene("green meadow", ("tiger",)),
    Scene("sunset", ("owl", "egg"), "white"),
    Scene("desert", ("car", "drum", "strawberry"), None, 5),
]


def second(change: int | None = None) -> SimpleNamespace:
    """A reader that repeats the first one, and errs at one place if told so."""

    def read(pictures: NDArray[np.uint8]) -> list[Scene | None]:
        said = [reading.scene for reading in read_many(pictures)]
        return [Scene("open sea", ("tiger",)) if k == change else scene for k, scene in enumerate(said)]

    return SimpleNamespace(read_many=read)


def test_noise_has_its_width_and_the_shift_is_one_pixel() -> None:
    pictures = np.random.default_rng(0).integers(60, 196, (40, 64, 64, 3), dtype=np.uint8)
    rough = noisy(pictures, stream(0, "test/noise")).astype(float)
    seen = set()
    for before, after in zip(pictures, rough, strict=True):
        wide = np.pad(before, ((1, 1), (1, 1), (0, 0)), mode="edge").astype(float)
        moves = {(y, x): after - wide[1 + y : 65 + y, 1 + x : 65 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)}
        best = min(moves, key=lambda move: float(np.square(moves[move]).mean()))
        assert np.sqrt(np.square(moves[best]).mean()) == pytest.approx(8, rel=0.05)
        seen.add(best)
    assert (0, 0) not in seen
    assert len(seen) == 8


def test_the_readers_own_row_by_row_noise_stays_near_the_picture() -> None:
    rng = stream(0, "test/disturbed")
    clean = render_many([sample_scene(rng) for _ in range(8)])
    rough = disturbed(clean, rng)
    assert rough.dtype == np.uint8
    assert (rough != clean).any((1, 2, 3)).all()
    assert np.abs(rough.astype(float) - clean).mean() < 20


def test_a_planted_mistake_is_counted() -> None:
    pictures = render_many(SCENES)
    assert confusions(pictures, SCENES) == Counter()
    told = [Scene("green meadow", ("panda",)), SCENES[1], Scene("desert", ("car", "egg", "owl"))]
    assert confusions(pictures, told) == Counter({("panda", "tiger"): 1, ("egg", "drum"): 1, ("owl", "strawberry"): 1})
    fewer = [Scene("green meadow", ("tiger", "egg")), *SCENES[1:]]
    assert confusions(pictures, fewer) == Counter({("(the number of things)", "(another number)"): 1})


def test_a_wider_limit_never_loses_a_picture() -> None:
    rng = stream(1, "test/trade-off")
    scenes = [sample_scene(rng) for _ in range(12)]
    good = disturbed(render_many(scenes), rng)
    bad = (render_many(scenes) // 2 + render_many([sample_scene(rng) for _ in scenes]) // 2).astype(np.uint8)
    curve = trade_off(good, scenes, bad, [0.0, 5.0, 10.0, 20.0, 40.0, 300.0])
    assert [row["limit"] for row in curve] == [0.0, 5.0, 10.0, 20.0, 40.0, 300.0]
    for name in ("good_read_right", "bad_accepted"):
        shares = [row[name] for row in curve]
        assert shares == sorted(shares)
        assert shares[0] == 0
    assert curve[-1]["good_read_right"] >= 11 / 12
    assert curve[-1]["bad_accepted"] > curve[2]["bad_accepted"]


def test_agreement_counts_accepted_pictures_only() -> None:
    pictures = np.concatenate([render_many(SCENES), np.full((1, 64, 64, 3), 99, np.uint8)])
    assert check_zoo._agreement(second(), pictures) == (3, 3)
    assert check_zoo._agreement(second(change=1), pictures) == (2, 3)
    assert check_zoo._agreement(second(), pictures[3:]) == (0, 0)


def test_the_readers_rows() -> None:
    grey = np.full((2, 64, 64, 3), 99, np.uint8)
    rows = check_reader(second(), grey, n=6)
    assert rows["reader.clean"]["value"] == 1
    assert rows["reader.agreement"] == rows["reader.agreement"] | {"value": 1, "n": 12}
    assert "reader.agreement_painted" not in rows  # nothing was accepted, so nothing can be said
    assert rows["reader.agreement_clean"]["low"] < 1


def test_pictures_depend_on_their_place_not_on_the_batch() -> None:
    painter = small_painter()
    together = paint_scenes(painter, SCENES, batch=3, num_inference_steps=2)
    alone = paint_scenes(painter, SCENES, batch=1, num_inference_steps=2)
    assert together.shape == (3, 64, 64, 3)
    assert np.abs(together.astype(int) - alone).max() <= 1  # batching may round differently
    other = paint_scenes(painter, SCENES, seed=1, batch=3, num_inference_steps=2)
    assert (other != together).any()


@pytest.mark.skipif(not (ZOO / "scores.json").is_file(), reason="the shipped weights have not been measured yet")
def test_the_scores_belong_to_the_shipped_weights() -> None:
    scores = json.loads((ZOO / "scores.json").read_text(encoding="utf-8"))
    assert scores["weights"] == json.loads((ZOO / "hashes.json").read_text(encoding="utf-8"))
    wanted = {"tower.recall_at_1", "tower.probe_things", "painter.ceiling", "painter.seconds_per_picture"}
    wanted |= {f"painter.scene_exact_{count}" for count in (1, 2, 3)}
    wanted |= {"reader.clean", "reader.noisy", "reader.agreement"}
    assert wanted <= set(scores["rows"])
    for row in scores["rows"].values():
        assert set(row) == {"value", "low", "high", "n"}
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] > 0
