"""Two connectors, the same time, the same examination."""

from __future__ import annotations

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


def test_each_kind_gets_its_time_and_learns(heap):
    model, bank, known = heap
    own = model.connector
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, other = compare_connectors(model, bank, known, known, seconds=0.6, batch=4)
    assert [one.kind, other.kind] == ["qformer", "pixel_shuffle"]
    for score in (one, other):
        assert 0.5 < score.cpu_seconds < 3
        assert score.updates == len(score.curve) > 5
        assert score.curve[-1][1] < score.curve[0][1] / 2
        assert score.curve[0][0] < score.curve[-1][0] <= 0.6
        assert 0.5 < score.words <= 1
        assert json.loads(json.dumps(score.to_json()))["captions"] == score.captions
    assert other.updates > one.updates
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


def test_rates_may_differ(heap):
    model, bank, known = heap
    slow, fast = (
        compare_connectors(model, bank, known, known, seconds=0.3, kinds=("qformer",), rates=rates, batch=4)[0]
        for rates in ({"qformer": 1e-7}, None)
    )
    assert slow.curve[-1][1] > 0.9 * slow.curve[0][1]
    assert fast.curve[-1][1] < 0.9 * fast.curve[0][1]
