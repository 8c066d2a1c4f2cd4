"""Teaching the connector the language model's words without running it."""

from __future__ import annotations

import torch

from tbcore.model.tiny import byte_tokenizer, tiny_model
from tbcore.model.tokens import ChatText
from tbcore.train.features import FeatureBank
from tbcore.train.prealign import caption_words, prealign, word_accuracy
from tbcore.train.stages import Budget


def test_the_commonest_words_are_left_out_first():
    text = ChatText(byte_tokenizer())
    words = caption_words(["axay", "azaw"], text, most=2)
    assert [text.decode(list(chosen)) for chosen in words] == ["xy", "zw"]
    assert [text.decode(list(chosen)) for chosen in caption_words(["abc"], text, most=9)] == ["abc"]


def test_a_connector_learns_to_name_words(pictures):
    model, processor = tiny_model()
    bank = FeatureBank(model.vision)
    rows = bank.add(pictures[:3])
    words = caption_words(["cat", "dog", "ox"], processor.layout.text, most=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    untrained = word_accuracy(model, bank, rows, words)
    steps = list(prealign(model, bank, rows, words, budget=Budget(steps=150), batch=8))
    assert steps[-1].loss < steps[0].loss / 3
    assert word_accuracy(model, bank, rows, words) == (1.0, 1.0)
    assert untrained[1] < 1
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"connector"}


def test_the_same_seed_takes_the_same_way(pictures):
    losses = []
    for seed in (0, 0, 1):
        model, processor = tiny_model()
        bank = FeatureBank(model.vision)
        words = caption_words(["cat", "dog", "ox"], processor.layout.text, most=4)
        steps = prealign(model, bank, bank.add(pictures[:3]), words, budget=Budget(steps=3), batch=2, seed=seed)
        losses.append([step.loss for step in steps])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
