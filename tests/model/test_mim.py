"""The forward pass: packed equals alone, and the loss counts what it should."""

from __future__ import annotations

import pytest
import torch

from tbcore.model import mim
from tbcore.model.batch import collate
from tbcore.model.mim import MIMForConditionalGeneration, splice
from tbcore.model.pack import IGNORED
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn


def run_alone(model, example, features, branch):
    """Logits of one caption branch, with nothing before it but the prefix it may read."""
    language = model.language
    rows = (example.segment == branch).nonzero()[0]
    first = int(example.anchor[rows[0]])
    words = language.embed(torch.from_numpy(example.ids)[None])
    filled = splice(words, model.connector(features), torch.from_numpy(example.slots))
    inputs = torch.cat([filled[:, :first], filled[:, rows]], dim=1)
    size = inputs.shape[1]
    mask = torch.ones(1, size, size, dtype=torch.bool).tril()
    hidden, _ = language.hidden(inputs, mask, torch.arange(size)[None])
    return language.logits(hidden[0, first:])


def packed_and_alone(model, processor, story, pictures):
    other = Dialogue(
        "other",
        (Turn("user", ("draw it",)), Turn("assistant", ("ok", Picture(0), Picture(1)))),
        ("a tree", "sun"),
    )
    examples = [processor.example(story), processor.example(other)]
    features = [model.vision.patches(pictures[:4]), model.vision.patches(pictures[4:])]
    batch = collate(examples, features, columns=400)
    assert len(batch.ids) == 1
    out = model(**{**batch, "targets": torch.full_like(batch.targets, IGNORED)})
    pairs = []
    start = 0
    for example, seen in zip(examples, features, strict=True):
        for branch in range(1, example.segment.max() + 1):
            here = torch.from_numpy((example.segment == branch).nonzero()[0]) + start
            pairs.append((out.logits[here], run_alone(model, example, seen, branch)))
        start += len(example)
    return pairs


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_packed_branches_equal_branches_alone(kind, story, pictures):
    model, processor = tiny_model(kind=kind)
    pairs = packed_and_alone(model, processor, story, pictures)
    assert len(pairs) == 5
    for packed, alone in pairs:
        torch.testing.assert_close(packed, alone, atol=2e-4, rtol=1e-4)


def test_a_leaking_mask_is_noticed(monkeypatch, story, pictures):
    """Branches that see one another, as in the released collator, must fail the comparison above."""

    honest = mim.visible
    monkeypatch.setattr(mim, "visible", lambda *a: _leak(honest, *a))
    model, processor = tiny_model()
    apart = [
        float((packed - alone).abs().max()) for packed, alone in packed_and_alone(model, processor, story, pictures)
    ]
    assert apart[0] < 2e-4  # the first branch has nobody to read
    assert apart[1] > 1e-2
    assert apart[4] > 1e-2


def _leak(honest, dialogue, segment, anchor):
    branches = (segment[..., :, None] > 0) & (segment[..., None, :] > 0)
    same = dialogue[..., :, None] == dialogue[..., None, :]
    mask = honest(dialogue, segment, anchor)
    return mask | (branches & same & torch.ones_like(mask).tril())


def test_neither_packing_nor_padding_nor_order_moves_the_loss(tiny, story, pictures):
    model, processor = tiny
    short = Dialogue("short", (Turn("user", (Picture(0), "q")), Turn("assistant", ("answer",))), ("x",))
    examples = [processor.example(story), processor.example(short)]
    features = [model.vision.patches(pictures[:4]), model.vision.patches(pictures[4:5])]
    counts = [example.n_supervised for example in examples]
    alone = [model(**collate([e], [f])).loss for e, f in zip(examples, features, strict=True)]
    expected = sum(loss * n for loss, n in zip(alone, counts, strict=True)) / sum(counts)
    for columns, flip in ((0, False), (400, False), (400, True)):
        order = [1, 0] if flip else [0, 1]
        batch = collate([examples[k] for k in order], [features[k] for k in order], columns=columns)
        torch.testing.assert_close(model(**batch).loss, expected, atol=1e-4, rtol=1e-5)


def test_only_supervised_columns_count(tiny, story, pictures):
    model, processor = tiny
    batch = collate([processor.example(story)], [model.vision.patches(pictures[:4])])
    out = model(**batch)
    targets = batch.targets[batch.targets != IGNORED]
    by_hand = -out.logits.log_softmax(-1)[torch.arange(len(targets)), targets].mean()
    torch.testing.assert_close(out.loss, by_hand)
    assert len(out.columns) == batch.n_supervised == len(targets)
    # the caption's words appear in the inputs too; only the targets are taken away here
    fewer = batch.targets.masked_fill(batch.segment > 0, IGNORED)
    kept = model(**{**batch, "targets": fewer})
    main = batch.segment.flatten()[out.columns] == 0
    torch.testing.assert_close(kept.logits, out.logits[main])


def test_split_batches_add_up_to_one(story, pictures):
    model, processor = tiny_model()
    short = Dialogue("short", (Turn("user", (Picture(0), "q")), Turn("assistant", ("an answer",))), ("x",))
    examples = [processor.example(story), processor.example(short)]
    features = [model.vision.patches(pictures[:4]), model.vision.patches(pictures[4:5])]
    model.connector.requires_grad_(True)
    whole = collate(examples, features)
    model(**whole).loss.backward()
    expected = model.connector.projection.weight.grad.clone()
    model.connector.zero_grad()
    for example, seen in zip(examples, features, strict=True):
        model(**collate([example], [seen]), num_items_in_batch=whole.n_supervised).loss.backward()
    torch.testing.assert_close(model.connector.projection.weight.grad, expected, atol=1e-6, rtol=1e-4)


def test_pictures_matter_and_their_order_too(tiny, story, pictures):
    model, processor = tiny
    example, seen = processor.example(story), model.vision.patches(pictures[:4])
    right = model(**collate([example], [seen])).logits
    blind = model(**collate([example], [torch.zeros_like(seen)])).logits
    swapped = model(**collate([example], [seen[[1, 0, 2, 3]]])).logits
    assert (right - blind).abs().max() > 1e-2
    assert (right - swapped).abs().max() > 1e-2


def test_sliced_head_is_the_full_head_without_the_rest(story, pictures):
    model, processor = tiny_model()
    batch = collate([processor.example(story)], [model.vision.patches(pictures[:4])])
    full = model(**batch).logits
    kept = {int(i) for i in batch.targets.unique() if 0 <= i < processor.vocab_size} | {7, 8}
    model.slice_head(kept)
    sliced = model(**batch)
    allowed = torch.full((full.shape[1],), -torch.inf)
    allowed[model.language.emitted] = 0
    targets = batch.targets[batch.targets != IGNORED]
    expected = torch.nn.functional.cross_entropy(full + allowed, targets)
    torch.testing.assert_close(sliced.loss, expected)
    assert sliced.logits.shape[1] == len(kept) + 3
    model.slice_head({5})
    with pytest.raises(ValueError, match="was sliced away"):
        model(**batch)


def test_full_save_and_load(tmp_path, story, pictures):
    model, processor = tiny_model()
    model.add_lora(rank=2, alpha=4)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(generator=torch.Generator().manual_seed(0))
    model.slice_head(set(range(240)))
    batch = collate([processor.example(story)], [model.vision.patches(pictures[:4])])
    model.save_pretrained(tmp_path)
    again = MIMForConditionalGeneration.from_pretrained(tmp_path)
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)
    assert again.config.qformer.n_queries == 4


def test_processor_save_and_load(tmp_path, story):
    from tbcore.model.processor import MIMProcessor

    _, processor = tiny_model(history="keep_caption")
    processor.save_pretrained(tmp_path)
    again = MIMProcessor.from_pretrained(tmp_path)
    assert again.example(story).ids.tolist() == processor.example(story).ids.tolist()
    assert again.history == "keep_caption"


def test_collate_names_what_does_not_fit(tiny, story, pictures):
    model, processor = tiny
    with pytest.raises(ValueError, match="dialogue 'story' shows 4 pictures, but features of 2"):
        collate([processor.example(story)], [model.vision.patches(pictures[:2])])
    with pytest.raises(ValueError, match="no examples"):
        collate([], [])
