"""Who may read whom."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tbcore.model.masks import PADDING, visible


def test_the_drawn_mask_is_the_mask():
    #         u I I a J J b c c d d
    segment = [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
    anchor = [0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 4]
    drawn = [
        "x..........",
        "xx.........",
        "xxx........",
        "xxxx.......",
        "xxxxx......",
        "xxxxxx.....",
        "xxxxxxx....",
        "x......x...",
        "x......xx..",
        "xxxx.....x.",
        "xxxx.....xx",
    ]
    mask = visible(torch.zeros(11, dtype=torch.long), torch.tensor(segment), torch.tensor(anchor))
    assert ["".join("x" if seen else "." for seen in row) for row in mask.tolist()] == drawn


@st.composite
def layouts(draw):
    """Some dialogues side by side, each a main sequence and branches, then padding."""
    dialogue, segment, anchor = [], [], []
    for number in range(draw(st.integers(1, 3))):
        start, main = len(dialogue), draw(st.integers(1, 6))
        dialogue += [number] * main
        segment += [0] * main
        anchor += [0] * main
        for branch in range(1, 1 + draw(st.integers(0, 3))):
            size, first = draw(st.integers(1, 3)), start + draw(st.integers(0, main - 1))
            dialogue += [number] * size
            segment += [branch] * size
            anchor += [first] * size
    padding = draw(st.integers(0, 2))
    dialogue += [PADDING] * padding
    return [torch.tensor(x + [0] * (len(dialogue) - len(x))) for x in (dialogue, segment, anchor)]


@given(layouts())
def test_laws_of_the_mask(layout):
    dialogue, segment, anchor = layout
    mask = visible(dialogue, segment, anchor)
    other = dialogue[:, None] != dialogue[None, :]
    row, column = segment[:, None], segment[None, :]
    at = torch.arange(len(dialogue))
    assert not mask.triu(1).any()  # nobody reads the future
    assert mask.diagonal().all()  # everybody reads itself
    assert not mask[other].any()  # nobody reads another dialogue
    assert not mask[(column > 0) & (row != column)].any()  # nobody reads another caption; the main sequence none
    late = (row > 0) & (column == 0) & (at[None, :] >= anchor[:, None])
    assert not mask[late].any()  # a caption reads neither its picture nor what follows
    pad = dialogue == PADDING
    assert mask[pad].sum() == pad.sum()  # padding reads itself alone
