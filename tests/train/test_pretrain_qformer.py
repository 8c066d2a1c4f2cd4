"""The Q-Former in its long training: resumable, repeatable, on training scenes only; and the one that is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tbcore.errors import CheckpointError
from tbcore.model.tiny import tiny_model
from tbcore.model.tokens import ChatText
from tbcore.train import pretrain_qformer
from tbcore.train.build import assemble, load_shipped_qformer
from tbcore.train.pretrain_qformer import QFormerTraining, long_words, practice_scenes, reads
from tbcore.weights.smollm import load_tokenizer
from tbcore.world.splits import may_train


@pytest.fixture
def four_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many words as the tiny model has queries."""
    monkeypatch.setattr(pretrain_qformer, "LONG_WORDS", 4)


def training(*, steps: int = 4, seed: int = 0, scenes: int = 12) -> QFormerTraining:
    model, processor = tiny_model()
    chosen = practice_scenes(seed, scenes)
    return QFormerTraining(model, processor.layout.text, chosen, steps=steps, seed=seed, batch=6)


def test_practice_scenes_may_be_trained_on_and_half_of_them_have_no_habits() -> None:
    scenes = practice_scenes(3, 400)
    assert len(scenes) == 400
    assert scenes == practice_scenes(3, 401)[:400]
    assert all(may_train(scene) for scene in scenes)
    assert {len(scene.things) for scene in scenes} == {1, 2, 3}


def test_a_caption_has_the_same_words_whatever_stands_beside_it() -> None:
    text = ChatText(load_tokenizer())
    one = "a gold medal, a badminton racket and a skateboard, from left to right, on a rainy day"
    alone, beside = long_words([one], text), long_words([one, "a rose at sunset"], text)
    assert alone[0] == beside[0]
    said = [word for word in text.decode(list(alone[0])).split() if word != "from"]
    assert said == ["gold", "medal", "badminton", "racket", "skateboard", "rainy", "day"]


@pytest.mark.usefixtures("four_words")
def test_kill_and_resume_is_the_unbroken_run(tmp_path: Path) -> None:
    one = training()
    unbroken = [one.update() for _ in range(4)]
    other = training()
    before = [other.update() for _ in range(2)]
    other.save(tmp_path)
    resumed = training()
    resumed.load(tmp_path)
    assert before + [resumed.update() for _ in range(2)] == unbroken
    for name, value in one.model.connector.state_dict().items():
        assert torch.equal(value, resumed.model.connector.state_dict()[name])
    for wrong in (training(steps=5), training(seed=1), training(scenes=13)):
        with pytest.raises(CheckpointError, match="this run was started with"):
            wrong.load(tmp_path)


@pytest.mark.usefixtures("four_words")
def test_only_the_connector_learns() -> None:
    run = training(steps=120)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    losses = [run.update()[0] for _ in range(120)]
    assert sum(losses[-6:]) < 0.75 * sum(losses[:6])
    after = run.model.state_dict()
    assert {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])} == {
        "connector"
    }


def test_the_shipped_one_reads_pictures_of_no_heap_that_trained() -> None:
    model, processor = assemble()
    untrained = reads(model, processor.layout.text)
    made = load_shipped_qformer(model)
    words, whole = reads(model, processor.layout.text)
    assert untrained[1] < 0.01
    assert words > 0.93
    assert whole > 0.75
    assert made["words"] == pretrain_qformer.LONG_WORDS
    assert made["updates"] > 0
