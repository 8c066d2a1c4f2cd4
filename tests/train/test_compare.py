"""Two connectors, the same time, the same examination."""

from __future__ import annotations

import itertools
import json
import time

import pytest
import torch

from tbcore.model.tiny import tiny_model
from tbcore.train.compare import CpuBudget, compare_connectors
from tbcore.train.features import FeatureBank
from tbcore.train.prealign import caption_words


def test_the_budget_counts_the_processor_and_not_the_wall():
    budget = CpuBudget(seconds=0.2)
    time.sleep(0.1)
    assert budget.progress(steps=0, seconds=100.0) < 0.4
    while time.process_time() - budget.begun < 0.2:
        pass
    assert budget.progress(steps=0, seconds=0.0) == 1.0
    assert CpuBudget(steps=4).progress(steps=3, seconds=0.0) == 0.75


@pytest.fixture
def heap(pictures):
    """A model, its bank, and three pictures with their words."""
    model, processor = tiny_model()
    bank = FeatureBank(model.vision)
    rows = bank.add(pictures[:3])
    return model, bank, (rows, caption_words(["cat", "dog", "ox"], processor.layout.text, most=4))


@pytest.fixture
def ticking(monkeypatch):
    """A processor whose clock goes on by a hundredth of a second at each look: no test depends on the machine."""
    looks = itertools.count()
    monkeypatch.setattr("tbcore.train.compare.process_time", lambda: next(looks) / 100)


def test_each_kind_gets_the_same_time(heap):
    model, bank, known = heap
    for score in compare_connectors(model, bank, known, known, seconds=0.3, batch=4):
        assert score.cpu_seconds >= 0.3
        assert score.updates == len(score.curve) >= 1
        assert 0 < score.curve[-1][0] <= 0.3


def test_each_kind_learns_and_the_model_stays_as_it_was(heap, ticking):
    model, bank, known = heap
    own = model.connector
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, other = compare_connectors(model, bank, known, known, seconds=0.8, batch=4)
    assert [one.kind, other.kind] == ["qformer", "pixel_shuffle"]
    for score in (one, other):
        assert score.updates == len(score.curve) == one.updates > 20
        assert score.curve[-1][1] < score.curve[0][1] / 2
        assert score.curve[0][0] < score.curve[-1][0] <= 0.8
        assert 0.5 < score.words <= 1
        assert json.loads(json.dumps(score.to_json()))["captions"] == score.captions
    assert other.parameters != one.parameters == sum(weight.numel() for weight in own.parameters())
    assert model.connector is own
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(weight.requires_grad for weight in model.parameters())


def test_the_model_has_its_connector_back_after_a_mistake(heap):
    model, bank, known = heap
    own = model.connector
    with pytest.raises(ValueError, match="connector must be"):
        compare_connectors(model, bank, known, known, seconds=0.1, kinds=("mirror",))
    assert model.connector is own


def test_rates_may_differ(heap, ticking):
    model, bank, known = heap
    slow, fast = (
        compare_connectors(model, bank, known, known, seconds=0.3, kinds=("qformer",), rates=rates, batch=4)[0]
        for rates in ({"qformer": 1e-7}, None)
    )
    assert slow.curve[-1][1] > 0.9 * slow.curve[0][1]
    assert fast.curve[-1][1] < 0.9 * fast.curve[0][1]
