"""Exercises of notebook 05: the size of adapters, the targets of packed columns, how much a mask can leak."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbcore.course.exercises import Hint, exercise

__all__: list[str] = []

_NOTHING = -100
_MOST_COLUMNS, _LEAST_LEAK = 30, 200


@exercise("05.1")
def check_05_1(lora_size: Any) -> None:
    """Two thin matrices for each adapted layer of each block."""
    one = lora_size(1, 2, [(10, 20)])
    if one == 400:
        raise Hint(
            "that is rank x inputs x outputs; the adapter is two thin matrices, rank x inputs and outputs x rank"
        )
    if one == 200:
        raise Hint("that is the layer itself, inputs x outputs; count the two thin matrices beside it")
    if one in (20, 40):
        raise Hint("you counted one of the two matrices; rank x inputs and outputs x rank add up")
    if one != 60:
        raise Hint(f"one layer from 10 to 20 numbers with rank 2: 2 x 10 + 20 x 2 = 60; got {one!r}")
    if lora_size(30, 2, [(10, 20)]) == 60:
        raise Hint("every block has adapters of its own; n_layers blocks, so so many times as much")
    if lora_size(30, 8, [(576, 576), (576, 192)]) != 460_800:
        raise Hint("add up all shapes of the list, then multiply by the number of blocks")


@exercise("05.2")
def check_05_2(targets_of: Any) -> None:
    """Shifted by one; `<start>` before a drawing; nothing in user text and slots."""
    # u u | sure I I then a J J bye      I, J: two slots each; 9 is the id of a slot, 50 of <start>
    ids = [11, 12, 21, 9, 9, 22, 23, 9, 9, 24]
    said = [False, False, True, False, False, True, True, False, False, True]
    wanted = [_NOTHING, 21, 50, _NOTHING, 22, 23, 50, _NOTHING, 24, _NOTHING]
    answer = list(targets_of(list(ids), list(said), {3, 7}, 50))
    if None in answer:
        raise Hint(f"'nothing' is written as the number {_NOTHING}, one for every column that learns nothing; got None")
    found = [int(value) for value in answer]
    if len(found) != len(ids):
        raise Hint(f"one target per column: {len(ids)} columns, but {len(found)} targets came back")
    if 9 in found:
        raise Hint("some column learns to predict <image>; slots are filled with vectors, nobody says them")
    if found[2] == found[3] == 50:
        raise Hint("several columns learn <start> for one picture; only the one before its first slot does")
    if found[1] == 21 and found[3] == 50:
        raise Hint(
            "<start> stands on the picture's first slot; the column before it has to decide that a picture comes"
        )
    if found[1] == _NOTHING and found[5] == 23:
        raise Hint(
            "a column is left out because it is not the assistant's own; ask what stands next, not what stands here"
        )
    if found == [word if own else _NOTHING for word, own in zip(ids, said, strict=True)] or found[3] == 50:
        raise Hint("the targets stand one column too far right; column j predicts what stands in column j + 1")
    if 50 not in found:
        raise Hint("no column learns <start>; the column before the first slot of an assistant's picture does")
    if found[0] == 12:
        raise Hint("the user's own words are learned; only what the assistant says is a target")
    if found != wanted:
        at = next(k for k, (got, want) in enumerate(zip(found, wanted, strict=True)) if got != want)
        raise Hint(f"column {at} should have target {wanted[at]}, got {found[at]}")


def _leak(lengths: Sequence[int]) -> int:
    """Cells in which a caption would read an earlier one."""
    return sum(m * n for k, m in enumerate(lengths) for n in lengths[:k])


@exercise("05.3")
def check_05_3(lengths: Any) -> None:
    """Lengths of captions that leak much in few columns."""
    try:
        chosen = [int(length) for length in lengths]
    except (TypeError, ValueError) as error:
        raise Hint("the answer is a list of whole numbers, one length per caption, such as [3, 5]") from error
    if any(length < 3 for length in chosen):
        raise Hint("a caption has at least 3 columns: <start>, one word, <end>")
    columns = 1 + sum(1 + length for length in chosen)
    if columns > _MOST_COLUMNS:
        raise Hint(f"that takes {columns} columns; each caption costs its length and one slot, and the user has one")
    if len(chosen) < 2:
        raise Hint("with fewer than two captions there is nothing to leak")
    if _leak(chosen) < _LEAST_LEAK:
        raise Hint(
            f"{_leak(chosen)} forbidden cells, {_LEAST_LEAK} are wanted; more captions make more pairs, "
            "until the slots eat the columns"
        )
