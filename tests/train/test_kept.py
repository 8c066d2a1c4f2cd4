"""Training in a folder: an interrupted run goes on, and ends in the same delta and curve."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from safetensors.torch import load_file

from tbcore.errors import CheckpointError
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn
from tbcore.store import read_jsonl
from tbcore.train.corpus import Corpus, dialogue_source
from tbcore.train.features import FeatureBank
from tbcore.train.kept import CURVE, train_in
from tbcore.train.stages import ALIGN, Budget

STAGE = replace(ALIGN, columns=60, row=60)


def fresh(pictures, *, answer="a cat", seed=0):
    """An untrained model, and a corpus of one dialogue."""
    model, processor = tiny_model()
    bank = FeatureBank(model.vision)
    talk = Dialogue("talk", (Turn("user", (Picture(0), "q")), Turn("assistant", (answer,))), ("x",))
    source = dialogue_source("one", [(talk, pictures[:1])], processor=processor, bank=bank)
    return model, Corpus([source], bank, STAGE, seed=seed)


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path, pictures):
    model, corpus = fresh(pictures)
    losses = [step.loss for step in train_in(tmp_path / "straight", model, STAGE, corpus, Budget(steps=5), every=2)]
    model, corpus = fresh(pictures)
    for _ in islice(train_in(tmp_path / "halted", model, STAGE, corpus, Budget(steps=5), every=2), 4):
        pass  # dropped after the fourth step, when the state of four had been saved
    model, corpus = fresh(pictures)
    resumed = list(train_in(tmp_path / "halted", model, STAGE, corpus, Budget(steps=5), every=2))
    assert [step.number for step in resumed] == [4]
    rows = list(read_jsonl(tmp_path / "halted" / CURVE))
    assert [row["number"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["loss"] for row in rows] == losses
    one, other = (load_file(tmp_path / name / "delta.safetensors") for name in ("straight", "halted"))
    assert one.keys() == other.keys()
    assert all(value.equal(other[name]) for name, value in one.items())
    assert not (tmp_path / "halted" / "state").exists()


def test_a_state_of_other_data_is_refused(tmp_path, pictures):
    model, corpus = fresh(pictures)
    for _ in islice(train_in(tmp_path, model, STAGE, corpus, Budget(steps=5), every=1), 2):
        pass
    model, corpus = fresh(pictures, answer="a dog")
    with pytest.raises(CheckpointError, match="its data is"):
        next(train_in(tmp_path, model, STAGE, corpus, Budget(steps=5)))
