"""All scores at once, on a model that knows nothing."""

from __future__ import annotations

import json

from tbcore.model.painter_port import SolidPainter
from tbcore.model.tiny import tiny_model
from tbcore.seeds import stream
from tbcore.train.examination import examine
from tbcore.train.features import FeatureBank
from tbcore.train.scores import held_out_scenes
from tbcore.world.dialogues import simulate
from tbcore.world.render import render_many
from tbcore.world.scenes import sample_scene


def test_a_model_that_knows_nothing_gets_nothing():
    model, processor = tiny_model()
    bank = FeatureBank(model.vision)
    scenes = held_out_scenes(stream(0, "exam"), 3)
    known = [sample_scene(stream(0, f"known {k}"), split="train") for k in range(8)]
    talks = [(one.dialogue, render_many(one.scenes)) for one in simulate(0, 2, split="test", weights={"draw": 1})]
    marks = examine(
        model,
        processor,
        bank,
        SolidPainter(),
        scenes=scenes,
        known=known,
        talks=talks,
        n_turns=2,
        n_drawings=2,
        longest=6,
        max_tokens=6,
        seed=0,
    )
    assert json.loads(json.dumps(marks)) == marks
    assert (len(marks["told"]), len(marks["blank"]), len(marks["verdicts"])) == (3, 5, 2)
    counts = {name: (one["right"], one["total"]) for name, one in marks["shares"].items() if name != "things, probe"}
    assert counts == {
        "backdrop, seen": (0, 3),
        "backdrop, blank": (0, 3),
        "backdrop, other picture": (0, 3),
        "things, seen": (0, 3),
        "things, blank": (0, 3),
        "things, other picture": (0, 3),
        "talk or draw": (sum(marks["verdicts"]), 2),
        "drawn caption": (0, 2),
        "drawn picture": (0, 2),
    }
