"""Scores: counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tbcore.model.decode import Prompt
from tbcore.model.tiny import tiny_model
from tbcore.model.writer import Writer
from tbcore.records import Dialogue, Picture, Turn
from tbcore.seeds import stream
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
    """A model that opens a caption where the user says 'draw', before or after words, and nowhere else."""
    model, processor = tiny_model()
    turns = (
        Turn("user", ("draw",)),
        Turn("assistant", ("no", Picture(0))),  # right, though it opens the caption at once
        Turn("user", ("?",)),
        Turn("assistant", (Picture(1), "a")),  # wrong: it only talks
        Turn("user", ("?",)),
        Turn("assistant", ("ab",)),  # right
        Turn("user", ("draw",)),
        Turn("assistant", ("ok",)),  # wrong: it draws
        Turn("user", ("?",)),
        Turn("assistant", ("far",)),  # not asked for: four replies count
    )
    asked = []

    def scripted(model, layout, prompts, *, painter, settings, watch):
        asked.extend(prompts)
        says = {"draw": "<ab>c$", "?": "abc$"}
        marks = {"<": layout.start_id, ">": layout.end_id, "$": layout.text.format.stop}
        for number, prompt in enumerate(prompts):
            writer = Writer(number, layout, settings, may_draw=painter is not None, watch=watch)
            for letter in says[prompt.turns[-1].text]:
                if writer.mode in ("text", "caption"):
                    writer.take(marks[letter] if letter in marks else layout.text._encode(letter)[0])

    monkeypatch.setattr("tbcore.train.evaluate.generate", scripted)
    bank = FeatureBank(model.vision)
    dialogue = Dialogue("d", turns, ("x", "o"))
    talks = [(dialogue, pictures[:2]), (dialogue, pictures[:2])]
    assert decisions(model, processor, talks, bank, n=4, batch=3) == [True, False, True, False]
    assert len(asked) == 4
    assert sorted(len(prompt.turns) for prompt in asked) == [1, 3, 5, 7]
    assert all(len(prompt.pictures) == 2 for prompt in asked)


def test_a_caption_counts_only_where_it_is_opened_in_time(pictures):
    model, processor = tiny_model()
    turns = (Turn("user", (Picture(0), "hi")), Turn("assistant", ("ok",)))
    talks = [(Dialogue("d", turns, ("x",)), pictures[:1])]
    bank, start = FeatureBank(model.vision), processor.layout.start_id
    logits, rows = model.language.logits, model.language.emitted == start
    verdicts = {}
    for push in (100.0, -100.0):
        model.language.logits = lambda hidden, push=push: logits(hidden) + push * rows
        verdicts[push] = decisions(model, processor, talks, bank, n=1, longest=3)
    assert verdicts == {100.0: [False], -100.0: [True]}


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
