"""Operations and memory of an update, against counts by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tbcore.model.batch import collate
from tbcore.model.tiny import tiny_model
from tbcore.train.costs import count_flops, step_memory


def test_operations_of_products_and_attention_are_counted():
    layer, rows = nn.Linear(8, 5), torch.zeros(3, 8)
    assert count_flops(lambda: layer(rows)) == 2 * 3 * 8 * 5
    query = torch.zeros(2, 4, 10, 16)
    shown = torch.ones(10, 10, dtype=torch.bool)
    attention = nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: attention(query, query, query, attn_mask=shown)) == 2 * 2 * 2 * 4 * 10 * 10 * 16


def test_layers_that_torch_would_fuse_are_counted_too():
    fast = torch.backends.mha.get_fastpath_enabled()
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True).eval()
    words = torch.zeros(3, 8, 16)
    with torch.no_grad():
        found = count_flops(lambda: layer(words))
    products = 2 * 3 * 8 * 16 * (4 * 16 + 2 * 32)
    assert found == products + 2 * 2 * 3 * 8 * 8 * 16
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_a_module_may_take_a_parameter():
    layer, token = nn.Linear(8, 5), nn.Parameter(torch.zeros(1, 8))
    with torch.no_grad():
        assert count_flops(lambda: layer(token)) == 2 * 8 * 5
    assert count_flops(lambda: layer(token).sum().backward()) == 3 * 2 * 8 * 5


@pytest.fixture
def batch_of(story, pictures):
    def make(model, processor):
        example = processor.example(story)
        return collate([example], [model.vision.patches(pictures[: len(example.pictures)])])

    return make


def test_memory_follows_who_learns(batch_of):
    model, processor = tiny_model()
    batch = batch_of(model, processor)
    nobody, seam, everybody = (
        step_memory(model, batch, learns)
        for learns in ({}, {"connector.*": 1.0}, {"connector.*": 1.0, "language.*": 1.0})
    )
    assert nobody.gradients == nobody.optimizer == nobody.kept == 0
    assert nobody.weights == seam.weights == 4 * sum(weight.numel() for weight in model.parameters())
    assert seam.gradients == 4 * sum(weight.numel() for weight in model.connector.parameters())
    assert seam.optimizer == 2 * seam.gradients
    assert 0 < seam.kept < everybody.kept
    assert everybody.total == sum((everybody.weights, everybody.gradients, everybody.optimizer, everybody.kept))
    assert everybody.to_json()["total"] == everybody.total
    assert not any(weight.requires_grad for weight in model.parameters())


def test_what_is_kept_grows_with_the_columns(batch_of, story, pictures):
    model, processor = tiny_model()
    one = batch_of(model, processor)
    example = processor.example(story)
    seen = model.vision.patches(pictures[: len(example.pictures)])
    two = collate([example, example], [seen, seen])
    learns = {"language.*": 1.0}
    small, large = (step_memory(model, batch, learns).kept for batch in (one, two))
    assert 1.9 < large / small < 2.1
    with pytest.raises(ValueError, match="matches no parameter"):
        step_memory(model, one, {"painter.*": 1.0})
