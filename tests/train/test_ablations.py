"""Captions that may read earlier captions, beside captions that may not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tbcore.model.masks import visible
from tbcore.model.tiny import tiny_model
from tbcore.records import Dialogue, Picture, Turn
from tbcore.train.ablations import READINGS, caption_loss, column_losses, compare_readings, leaking, practise, read_as
from tbcore.train.features import FeatureBank
from tbcore.train.stages import Stage

STAGE = Stage(name="all of it", learns={"connector.*": 3e-3, "language.*": 3e-3}, weight_decay=0.0)


def test_the_released_mask_differs_only_between_captions():
    # u I a J b | <start> c <end> | <start> d <end>, then another dialogue in the same row, and padding
    dialogue = torch.tensor([0] * 11 + [1] * 4 + [-1])
    segment = torch.tensor([0] * 5 + [1] * 3 + [2] * 3 + [0, 0, 1, 1] + [0])
    anchor = torch.tensor([0] * 5 + [1] * 3 + [3] * 3 + [0, 0, 12, 12] + [0])
    honest, leak = visible(dialogue, segment, anchor), leaking(dialogue, segment, anchor)
    assert (honest & ~leak).sum() == 0
    more = (leak & ~honest).nonzero().tolist()
    assert more == [[row, column] for row in (8, 9, 10) for column in (5, 6, 7)]
    both = leaking(dialogue[None].repeat(2, 1), segment[None].repeat(2, 1), anchor[None].repeat(2, 1))
    assert torch.equal(both[1], leak)


@pytest.fixture
def world(story, pictures):
    """A model, its processor and bank, and two dialogues with pictures: one drawing, and three."""
    model, processor = tiny_model()
    short = Dialogue("short", (Turn("user", ("go",)), Turn("assistant", (Picture(0),))), ("xy",))
    told = [(story, list(pictures[:4])), (short, list(pictures[4:5]))]
    return model, processor, FeatureBank(model.vision), told


def test_honest_losses_are_those_of_the_model(world):
    model, processor, bank, told = world
    ((batch, mask),) = read_as(told, "honest", processor=processor, bank=bank)
    with torch.no_grad():
        losses, columns = column_losses(model, batch, mask)
        out = model(**batch)
    torch.testing.assert_close(losses.mean(), out.loss)
    assert torch.equal(columns, out.columns)


def test_first_captions_cannot_tell_a_leak_and_later_ones_can(world):
    model, processor, bank, told = world
    honest, leak, kept = (caption_loss(model, processor, told, bank, reading=one) for one in READINGS)
    letters = [len(caption) + 1 for caption in story_captions(told)]  # each letter and `<end>`
    assert (honest.n_first, honest.n_later) == (letters[0] + 3, letters[1] + letters[2])
    assert (leak.n_first, leak.n_later) == (kept.n_first, kept.n_later) == (honest.n_first, honest.n_later)
    assert leak.first == pytest.approx(honest.first, abs=1e-4)
    assert kept.first == pytest.approx(honest.first, abs=1e-4)
    assert abs(leak.later - honest.later) > 1e-3
    assert abs(kept.later - honest.later) > 1e-3
    assert honest.by_dialogue == (pytest.approx(honest.later),)
    with pytest.raises(ValueError, match="no dialogue has two captions"):
        caption_loss(model, processor, told[1:], bank)


def story_captions(told):
    """What the assistant draws in the story."""
    return told[0][0].captions[1:]


def test_practice_with_a_leak_helps_under_the_leak_and_not_without(pictures):
    """All prompts are alike and captions are chance, but the second repeats the first: only a leak tells it."""
    model, processor = tiny_model()
    bank = FeatureBank(model.vision)
    rng, told = np.random.default_rng(0), []
    for k in range(6):
        word = "".join(chr(97 + c) for c in rng.integers(26, size=3))
        turns = (Turn("user", ("go",)), Turn("assistant", (Picture(0), Picture(1))))
        told.append((Dialogue(f"twice-{k}", turns, (word, word)), [pictures[0], pictures[0]]))
    batches = list(read_as(told, "leaking", processor=processor, bank=bank, size=6))
    losses = practise(model, batches * 50, stage=STAGE)
    assert losses[-1] < losses[0] / 2
    leak, honest = (caption_loss(model, processor, told, bank, reading=one) for one in ("leaking", "honest"))
    assert honest.later > leak.later + 0.5
    assert honest.first == pytest.approx(leak.first, abs=1e-3)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_practice_leaves_the_model_as_it_was(world):
    model, processor, bank, told = world
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = compare_readings(model, processor, bank, practice=told, test=told[:1], stage=STAGE)
    assert list(found) == ["honest", "leaking", "kept", "practised honest", "practised leaking"]
    assert found["practised honest"].later != found["honest"].later != found["practised leaking"].later
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    again = caption_loss(model, processor, told[:1], bank)
    assert again.later == found["honest"].later
