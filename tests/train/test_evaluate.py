"""Scores: counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tbcore.model.decode import Prompt
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn
from tbcore.seeds import stream
from tbcore.train.corpus import dialogue_source
from tbcore.train.evaluate import answer_all, decisions, linear_probe, text_perplexity, wilson
from tbcore.train.features import FeatureBank
from tbcore.train.scores import chance, held_out_scenes, score_texts
from tbcore.world.captions import caption
from tbcore.world.scenes import Scene
from tbcore.world.splits import held_out, split_of


def test_wilson_by_hand():
    share = wilson(8, 10)
    assert (share.value, round(share.low, 3), round(share.high, 3)) == (0.8, 0.490, 0.943)
    assert wilson(0, 5).low == 0
    with pytest.raises(ValueError, match="at least one item"):
        wilson(0, 0)


def test_decisions_are_counted_by_reply(monkeypatch, pictures):
    """A model that opens captions after 'o' and nowhere else is right where the dialogues do just that."""
    model, processor = tiny_model()
    layout = processor.layout
    letter = layout.text.encode("o")[0]
    turns = (
        Turn("user", ("?",)),
        Turn("assistant", ("no", Picture(0))),  # right
        Turn("user", ("?",)),
        Turn("assistant", (Picture(1), "a")),  # wrong: draws too late
        Turn("user", ("?",)),
        Turn("assistant", ("ab",)),  # right
        Turn("user", ("?",)),
        Turn("assistant", ("ok",)),  # wrong: would draw
    )
    bank = FeatureBank(model.vision)
    dialogue = Dialogue("d", turns, ("x", "o"))
    source = dialogue_source("d", [(dialogue, pictures[:2])], processor=processor, bank=bank)
    example = source.examples[0]
    forward = model.forward

    def scripted(**batch):
        out = forward(**batch)
        before = torch.from_numpy(example.ids)[out.columns]
        out.logits.zero_()
        out.logits[:, layout.start_id] = torch.where(before == letter, 1.0, -1.0)
        return out

    monkeypatch.setattr(model, "forward", scripted)
    assert decisions(model, processor, source, bank) == [True, False, True, False]


def test_perplexity_ignores_slices_and_can_ignore_adapters():
    model, processor = tiny_model()
    texts = ["abc", "hello you"]
    plain = text_perplexity(model, processor, texts)
    ids = [torch.tensor([processor.layout.text.encode(text)]) for text in texts]
    losses = [model.language.inner(input_ids=i, labels=i).loss.item() * (i.shape[1] - 1) for i in ids]
    assert plain == pytest.approx(math.exp(sum(losses) / sum(i.shape[1] - 1 for i in ids)), rel=1e-4)
    model.add_lora(rank=2, alpha=4)
    model.slice_head({5, 6})
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_(std=3.0, generator=torch.Generator().manual_seed(0))
    assert text_perplexity(model, processor, texts) != pytest.approx(plain, rel=1e-3)
    assert text_perplexity(model, processor, texts, with_adapters=False) == pytest.approx(plain, rel=1e-5)
    assert model.language.kept.tolist() == [5, 6]
    assert text_perplexity(model, processor, texts) != pytest.approx(plain, rel=1e-3)


def test_answers_come_in_the_order_of_the_prompts(pictures):
    model, processor = tiny_model()
    prompts = [Prompt((Turn("user", (word, Picture(0))),), (pictures[k],)) for k, word in enumerate("abcd")]
    prompts.insert(1, Prompt((Turn("user", ("x",)),)))
    together, alone = ([reply.text for reply in answer_all(model, processor, prompts, batch=size)] for size in (2, 1))
    assert together == alone


def test_a_linear_probe_finds_what_is_linear():
    rng = np.random.default_rng(0)
    seen = torch.from_numpy(rng.normal(size=(400, 2, 3)).astype(np.float32))
    labels = np.stack([seen[:, 0, 1].numpy() > 0, seen[:, 1, 2].numpy() > 0], axis=1)
    found = linear_probe(seen[:300], labels[:300], seen[300:]) > 0
    assert (found == labels[300:]).mean() > 0.9


def test_held_out_scenes_are_held_out():
    scenes = held_out_scenes(stream(0, "t"), 30)
    assert len(set(scenes)) == 30
    assert all(split_of(scene) == "test" and not held_out(scene) for scene in scenes)


def test_captions_are_scored_by_fact():
    one = Scene("sandy beach", ("tiger", "apple"))
    two = Scene("desert", ("drum",))
    swapped = Scene("sandy beach", ("apple", "tiger"))
    seen = score_texts([caption(swapped), caption(two)], [one, two])
    assert (seen.backdrop.value, seen.things.value, seen.thing_recall.value) == (1.0, 0.5, 1.0)
    assert chance([one, two, swapped]) == {"backdrop": 2 / 3, "things": 1 / 3}
