"""The benchmark's yardstick: equal to ours where it is right, and visibly wrong where it is known to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tbcore.model.batch import collate
from tbcore.model.masks import visible
from tbcore.model.pack import IGNORED
from tbcore.records import Dialogue, Picture, Turn
from tests.benchmarks.model import pack_speedup, resume_trials
from tests.benchmarks.model_baseline import baseline_batch, baseline_lists, baseline_loss
from tests.benchmarks.model_peak import Products


@pytest.fixture
def one_drawing():
    turns = (Turn("user", (Picture(0), "who?")), Turn("assistant", ("a cat", Picture(1), "bye")))
    return Dialogue("one", turns, ("a dog", "a red cat"))


def ours(model, processor, dialogue, pictures):
    example = processor.example(dialogue)
    return collate([example], [model.vision.patches(pictures[: len(example.pictures)])])


def test_equal_where_one_picture_is_drawn(tiny, one_drawing, pictures):
    model, processor = tiny
    batch = ours(model, processor, one_drawing, pictures)
    lists = baseline_lists(one_drawing, processor.layout)
    assert lists.ids == batch.ids[0].tolist()
    assert lists.position == batch.position[0].tolist()
    assert lists.labels[1:] == batch.targets[0, :-1].tolist()
    mask = visible(batch.dialogue, batch.segment, batch.anchor)[0]
    assert torch.equal(torch.tensor(lists.mask, dtype=torch.bool), mask)
    talk = Dialogue("talk", (Turn("user", ("hi",)), Turn("assistant", ("hello there",))), ())
    both = baseline_loss(model, processor.layout, [(one_drawing, pictures[:2]), (talk, [])])
    parts = [model(**ours(model, processor, d, pictures)).loss for d in (one_drawing, talk)]
    counts = [processor.example(d).n_supervised for d in (one_drawing, talk)]
    expected = sum(loss * n for loss, n in zip(parts, counts, strict=True)) / sum(counts)
    torch.testing.assert_close(both, expected, atol=1e-4, rtol=1e-4)


def test_the_second_caption_leaks(tiny, story, pictures):
    """Its second branch reads the first, which cannot be at generation; so its loss is another."""
    model, processor = tiny
    batch = ours(model, processor, story, pictures)
    lists = baseline_lists(story, processor.layout)
    mask = visible(batch.dialogue, batch.segment, batch.anchor)[0]
    extra = torch.tensor(lists.mask, dtype=torch.bool) & ~mask
    rows, columns = extra.nonzero().T
    segment = batch.segment[0]
    assert len(rows) > 0
    assert bool(((segment[rows] > segment[columns]) & (segment[columns] > 0)).all())
    apart = model(**batch).loss - baseline_loss(model, processor.layout, [(story, pictures[:4])])
    assert abs(float(apart)) > 1e-3


def test_cutting_from_the_end_keeps_decisions_without_captions(tiny, story):
    """What our truncation never does (tests/model/test_pack.py), the baseline does at many lengths."""
    _, processor = tiny
    layout = processor.layout
    whole = len(baseline_lists(story, layout).ids)
    torn = 0
    for limit in range(40, whole):
        lists = baseline_lists(story, layout, limit=limit)
        torn += lists.labels.count(layout.start_id) != lists.labels.count(layout.end_id)
        example = processor.example(story, max_columns=limit)
        if example is not None:
            starts, ends = ((example.targets == mark).sum() for mark in (layout.start_id, layout.end_id))
            assert starts == ends == example.segment.max()
    assert torn > 10


def test_padding_of_the_lists(tiny, story, one_drawing):
    _, processor = tiny
    lists = [baseline_lists(d, processor.layout) for d in (story, one_drawing)]
    batch = baseline_batch(lists)
    size = len(lists[1].ids)
    assert batch["mask"].shape == (2, len(lists[0].ids), len(lists[0].ids))
    assert not batch["mask"][1, :size, size:].any()
    assert (batch["labels"][1, size:] == IGNORED).all()
    assert batch["slots"][-1, 0] == lists[1].slots[-1][0] + len(lists[0].ids)


def test_products_are_counted():
    with Products() as products:
        torch.randn(4, 5) @ torch.randn(5, 6)
        torch.bmm(torch.randn(2, 3, 4), torch.randn(2, 4, 5))
        torch.addmm(torch.zeros(6), torch.randn(4, 5), torch.randn(5, 6))
    assert products.flops() == 2 * (4 * 5 * 6) * 2 + 2 * (2 * 3 * 4 * 5)
    assert products.seconds(repeats=1) > 0


def test_the_benchmark_measures(tiny):
    _, processor = tiny
    found = pack_speedup(processor, columns=400, pictures=4, repeats=1)
    assert 400 <= found["pack.columns"] < 440
    assert found["pack.speedup_baseline"] > 1
    assert resume_trials(3, steps=3) == {"resume.trials": 3, "resume.identical": 3}
    assert np.isfinite(found["pack.speedup_baseline"])


def test_attention_counts_as_the_products_it_hides():
    query = torch.zeros(2, 4, 10, 16, requires_grad=True)
    shown = torch.ones(10, 10, dtype=torch.bool)
    attention = torch.nn.functional.scaled_dot_product_attention
    product = 2 * 2 * 4 * 10 * 10 * 16
    with Products() as forward:
        out = attention(query, query, query, attn_mask=shown)
    with Products() as backward:
        out.sum().backward()
    assert (forward.flops(), backward.flops()) == (2 * product, 5 * product)
    assert forward.seconds(repeats=1) > 0
