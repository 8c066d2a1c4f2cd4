"""Who draws, and how often: a query head in place of captions, and a painter that paints nothing twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tbcore.bench.controls import ExactPainter
from tbcore.bench.items import load_items
from tbcore.bench.metrics.pictures import picture_em
from tbcore.bench.mim import MIMContestant, PaintedOnce
from tbcore.bench.outcomes import read_outcomes
from tbcore.bench.runner import run
from tbcore.model.decode import DecodeSettings
from tbcore.model.query_head import QueryHead
from tbcore.world.captions import caption


class Coded:
    """A painter that knows so many captions, each by a vector of its own, and paints the nearest."""

    def __init__(self, captions):
        self.captions = list(captions)
        self.codes = torch.randn(len(self.captions), 2, 8, generator=torch.Generator().manual_seed(0))

    def tell(self, captions):
        return self.codes[[self.captions.index(words) for words in captions]]

    def paint(self, captions, seeds):
        return self.paint_told(self.tell(captions), seeds)

    def paint_told(self, told, seeds):
        nearest = torch.cdist(told.flatten(1), self.codes.flatten(1)).argmin(1)
        return ExactPainter().paint([self.captions[int(k)] for k in nearest], [0] * len(nearest))


class KnownHead(QueryHead):
    """A head that tells what is right, because it is told."""

    def forward(self, hidden):
        return self.right


@pytest.fixture
def wishes():
    items = [item for item in load_items() if item.exchanges[0].expect.draws][:24]
    captions = [caption(item.exchanges[0].expect.scene) for item in items]
    return items, captions


def drawing(monkeypatch, model):
    """Let the model draw once, whatever it is asked, and stop."""
    stop = 2

    def logits(hidden):
        wanted = torch.zeros(len(hidden), len(model.language.emitted))
        wanted[:, model.language.start_id], wanted[:, stop] = 10.0, 5.0
        return wanted

    monkeypatch.setattr(model.language, "logits", logits)


def head(kind, model):
    torch.manual_seed(0)
    return kind(
        text_width=model.language.width, n_told=2, told_width=8, n_tokens=3, width=16, n_layers=1, n_heads=2
    ).eval()


def test_an_untrained_query_head_is_at_chance_and_a_right_one_is_right(tiny, monkeypatch, wishes):
    model, processor = tiny
    items, captions = wishes
    drawing(monkeypatch, model)
    painter, settings = Coded(captions), DecodeSettings(max_pictures=1)
    contestant = MIMContestant(
        model, processor, painter, settings=settings, name="query head", head=head(QueryHead, model)
    )
    first = [replace(item, exchanges=item.exchanges[:1]) for item in items]
    outcomes = read_outcomes(first, run(first, contestant))
    assert all(one.captions == ("",) and len(one.seen) == 1 for one in outcomes)
    assert picture_em(outcomes).value <= 4 / len(items)  # one of 24 would be right by chance
    known = head(KnownHead, model)
    known.right = painter.tell(captions)
    told = contestant.drawing_with(painter, "known head", head=known)
    by_size = MIMContestant.answer

    def in_order(self, conversations):
        known.right = painter.tell([captions[[item.id for item in items].index(one.item)] for one in conversations])
        return by_size(self, conversations)

    monkeypatch.setattr(MIMContestant, "answer", in_order)
    assert picture_em(read_outcomes(first, run(first, told))).value == 1.0


def test_the_same_caption_and_seed_are_painted_once():
    asked = []

    class Spy(ExactPainter):
        def paint(self, captions, seeds):
            asked.extend(zip(captions, seeds, strict=True))
            return super().paint(captions, seeds)

    painter = PaintedOnce(Spy())
    captions = ["a fox in the desert", "a cat in the desert", "a fox in the desert"]
    first = painter.paint(captions, [0, 0, 0])
    assert asked == [("a fox in the desert", 0), ("a cat in the desert", 0)]
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(
        painter.paint(["a fox in the desert"], [7]), ExactPainter().paint(["a fox in the desert"], [7])
    )
    assert len(asked) == 3  # another seed is another picture
    assert np.array_equal(painter.paint(captions, [0, 0, 0]), ExactPainter().paint(captions, [0, 0, 0]))
    assert len(asked) == 3
    assert painter.paint([], []).shape == (0, 64, 64, 3)
