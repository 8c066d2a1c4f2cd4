"""Who may read whom: the visibility mask of the main sequence and its caption branches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["PADDING", "visible"]

PADDING = -1
"""The dialogue number of padding columns: they belong to nobody."""


def visible(dialogue: Tensor, segment: Tensor, anchor: Tensor) -> Tensor:
    """Who (row) may read whom (column): same dialogue, not later, and the same segment or main before the anchor.

        u I I a J J b | c c | d d      c: caption branch of I   d: caption branch of J
      b x x x x x x x | . . | . .      the dialogue reads pictures, never captions
      c x . . . . . . | x x | . .      a caption reads what precedes its picture, then itself
      d x x x x . . . | . . | x x      the next one too: the earlier picture, never its caption

    Everything starts hidden, so a column nobody wrote about is seen by nobody. Padding sees itself alone: a row
    that saw nothing would turn into not-a-number in the softmax.

    Args:
        dialogue: int [... s], number of the dialogue within its row; `PADDING` for padding.
        segment: int [... s], 0 for the main sequence, k for the k-th caption branch.
        anchor: int [... s], for branch columns the column of the first slot of their picture; else unused.

    Returns:
        bool [... s s]; True: may read.
    Source: TextBind (arXiv:2309.08637), with the leak between captions of its released collator closed.
    """
    size = dialogue.shape[-1]
    dialogue, segment, anchor = (x.to(torch.int32) for x in (dialogue, segment, anchor))  # half the memory to compare
    at = torch.arange(size, device=dialogue.device, dtype=torch.int32)
    row, column = (..., slice(None), None), (..., None, slice(None))
    place = torch.where(segment == 0, at, size)  # a branch precedes no picture
    mask = place[column] < anchor[row]
    mask |= segment[row] == segment[column]
    mask &= dialogue[row] == dialogue[column]
    mask &= (dialogue != PADDING)[column]
    mask = mask.tril()  # nobody reads what comes later
    mask.diagonal(dim1=-2, dim2=-1).fill_(True)
    return mask
