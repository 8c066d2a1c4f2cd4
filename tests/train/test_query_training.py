"""A query head learns what the painter is told, from states that are computed once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tbcore.model.batch import collate
from tbcore.model.query_head import query_columns, query_example, query_forward
from tbcore.model.tiny import tiny_model
from tbcore.train.query_training import (
    branch_states,
    compare_interfaces,
    draw_requests,
    fresh_head,
    score_interface,
    train_query_head,
)
from tbcore.train.stages import Budget
from tbcore.world.render import render_many


class Palette:
    """A painter that is told three vectors of two numbers, and paints one of its known pictures: the nearest."""

    def __init__(self, captions, pictures):
        self.known, self.pictures = {caption: k for k, caption in enumerate(captions)}, pictures
        drawn = torch.randn(len(captions), 3, 2, generator=torch.Generator().manual_seed(3))
        self.table = drawn

    def tell(self, captions):
        return torch.stack([self.table[self.known.get(caption, 0)] for caption in captions])

    def paint_told(self, told, seeds):
        apart = torch.cdist(told.flatten(1), self.table.flatten(1))
        return self.pictures[apart.argmin(dim=1).numpy()]


@pytest.fixture(scope="module")
def asked():
    """Six requests with their scenes, and a painter that knows their pictures."""
    dialogues, scenes = draw_requests(0, 6)
    return dialogues, scenes, Palette([one.captions[-1] for one in dialogues], render_many(scenes))


def test_states_are_those_of_the_whole_branch(asked):
    dialogues, _, painter = asked
    model, processor = tiny_model()
    head = fresh_head(model, painter, n_tokens=4, width=16)
    states = branch_states(model, processor, head, dialogues, batch=4)
    assert states.shape == (6, 4, model.language.width)
    end = processor.layout.end_id
    for dialogue, found in zip(dialogues[:2], states, strict=False):
        example = query_example(processor.example(dialogue), n_tokens=4, end_id=end)
        seen = torch.zeros(len(example.pictures), model.vision.n_patches, model.vision.width)
        batch = collate([example], [seen])
        assert query_columns(batch, n_tokens=4, start_id=processor.layout.start_id).shape == (1, 4)
        whole = query_forward(model, head, batch, torch.zeros(1, 3, 2))
        torch.testing.assert_close(head(found[None]), whole.told, atol=1e-4, rtol=1e-4)


def test_a_head_learns_and_its_pictures_come_right(asked):
    dialogues, scenes, painter = asked
    model, processor = tiny_model()
    head = fresh_head(model, painter, n_tokens=4, width=16)
    tokens = head.tokens.detach().clone()
    wanted = painter.tell([one.captions[-1] for one in dialogues])
    states = branch_states(model, processor, head, dialogues)
    before = score_interface(painter, head(states).detach(), wanted, scenes)
    steps = list(train_query_head(head, states, wanted, budget=Budget(steps=100), rate=1e-2, batch=6))
    after = score_interface(painter, head(states).detach(), wanted, scenes)
    assert steps[-1].loss < steps[0].loss / 10
    assert [step.number for step in steps] == list(range(100))
    assert after.error < 0.1 < before.error
    assert after.exact.right == 6 > before.exact.right
    assert torch.equal(head.tokens, tokens)
    perfect = score_interface(painter, wanted, wanted, scenes)
    mean = score_interface(painter, wanted.mean(dim=0).expand_as(wanted), wanted, scenes)
    assert perfect.error == 0
    assert mean.error == pytest.approx(1.0)
    assert perfect.to_json()["exact"]["value"] == 1.0
    assert isinstance(perfect.pictures, np.ndarray)


def test_the_same_seed_takes_the_same_way(asked):
    dialogues, _, painter = asked
    model, processor = tiny_model()
    wanted = painter.tell([one.captions[-1] for one in dialogues])
    found = []
    for seed in (0, 0, 1):
        head = fresh_head(model, painter, n_tokens=2, width=16)
        states = branch_states(model, processor, head, dialogues)
        steps = train_query_head(head, states, wanted, budget=Budget(steps=3), batch=3, seed=seed)
        found.append([step.loss for step in steps])
    assert found[0] == found[1] != found[2]


def test_what_does_not_fit_is_refused(asked, story):
    painter = asked[2]
    model, processor = tiny_model()
    head = fresh_head(model, painter, n_tokens=2, width=16)
    with pytest.raises(ValueError, match="shows a picture before"):
        branch_states(model, processor, head, [story])
    with pytest.raises(ValueError, match="1 states, but 2 conditions"):
        next(train_query_head(head, torch.zeros(1, 2, 32), torch.zeros(2, 3, 2), budget=Budget(steps=1)))


def test_both_interfaces_are_asked_for_the_same():
    model, processor = tiny_model()
    exam, scenes = draw_requests(0, 3, split="test")
    painter = Palette([one.captions[-1] for one in exam], render_many(scenes))
    written = {one.turns[0].text: one.captions[-1] for one in exam[:2]}
    head, found = compare_interfaces(
        model, processor, painter, written=written, n_practice=4, n_exam=3, budget=Budget(steps=2)
    )
    assert list(found) == ["captions", "query head"]
    assert found["captions"].exact.right == 2
    assert found["captions"].error > 0
    assert found["query head"].exact.total == 3
    assert not any(weight.requires_grad for weight in head.parameters())
