"""Wishes: the writer is blamed for captions, writer and painter for pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.model.decode import Drawn
from tbcore.model.painter_port import SolidPainter
from tbcore.model.tiny import tiny_model
from tbcore.train.wishes import Wish, draw_wishes, score_wishes
from tbcore.world.captions import caption
from tbcore.world.render import render
from tbcore.world.scenes import Scene

FOX, OWL = Scene("sandy beach", ("fox",)), Scene("starry night", ("owl",))


def drawn(words, scene):
    return Drawn(words, render(scene), 0)


def test_writer_and_painter_are_scored_apart():
    wishes = [
        Wish("a fox", FOX, drawn(caption(FOX), FOX)),
        Wish("a fox", FOX, drawn(caption(FOX), OWL)),  # the painter's fault
        Wish("a fox", FOX, drawn(caption(OWL), OWL)),  # the writer's
        Wish("a fox", FOX, drawn("a thing", FOX)),  # luck: the words say nothing
        Wish("a fox", FOX, None),
    ]
    written, painted = score_wishes(wishes)
    assert (written.right, written.total) == (2, 5)
    assert (painted.right, painted.total) == (2, 5)


def test_nothing_drawn_is_nothing_right_and_no_wishes_are_refused():
    assert [share.right for share in score_wishes([Wish("a fox", FOX, None)])] == [0, 0]
    with pytest.raises(ValueError, match="at least one item"):
        score_wishes([])


def test_wishes_are_requests_for_held_out_scenes():
    model, processor = tiny_model()
    wishes = draw_wishes(model, processor, SolidPainter(), n=2, seed=3, max_tokens=8)
    assert len({wish.scene for wish in wishes}) == len(wishes) == 2
    assert all(wish.asked.strip() for wish in wishes)
    assert all(wish.drawn is None or wish.drawn.picture.dtype == np.uint8 for wish in wishes)
