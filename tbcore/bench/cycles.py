"""Describe a picture, draw the description, describe the drawing ...: what is left after one to five rounds?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.contestants import Answer, Contestant, Sofar
from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.metrics.survival import drift
from tbcore.records import Picture, Turn
from tbcore.world.reader import read_many
from tbcore.world.render import SIZE, render_many
from tbcore.world.scenes import Scene

__all__ = ["describe_and_draw", "drift_of"]

_DESCRIBE = "Describe this picture."


def _ask(contestant: Contestant, conversations: list[Sofar]) -> list[Answer]:
    try:
        return list(contestant.answer(conversations))
    except Exception as error:  # as in a run of the benchmark: a bad reply is a result
        return [Answer(failure=f"{type(error).__name__}: {error}"[:500])] * len(conversations)


def describe_and_draw(
    contestant: Contestant, pictures: NDArray[np.uint8], *, batch: int = 48
) -> tuple[list[str], NDArray[np.uint8]]:
    """One round: each picture uint8[n 64 64 3] is described, and each description drawn, in a new conversation.

    Returns:
        The descriptions, and the drawings uint8[n 64 64 3]; grey where nothing was drawn.
    """
    texts: list[str] = []
    drawn = np.full((len(pictures), SIZE, SIZE, 3), 128, dtype=np.uint8)
    for start in range(0, len(pictures), batch):
        here = pictures[start : start + batch]
        seeing = (Turn("user", (Picture(0), f" {_DESCRIBE}")),)
        asked = [Sofar("cycle", 0, seeing, (picture,), ("",), (None,)) for picture in here]
        said = [answer.text.strip() or "a picture" for answer in _ask(contestant, asked)]
        texts += said
        wishes = [Sofar("cycle", 0, (Turn("user", (f"Draw this: {words}",)),), (), (), ()) for words in said]
        for k, answer in enumerate(_ask(contestant, wishes), start=start):
            if answer.drawings:
                drawn[k] = answer.drawings[0].picture
    return texts, drawn


def drift_of(contestant: Contestant, scenes: Sequence[Scene], *, cycles: int = 5, batch: int = 48) -> list[Measure]:
    """Share of pictures that still show the first scene after each round.

    Args:
        contestant: describes and draws.
        scenes: to begin with.
        cycles: rounds.
        batch: conversations asked at once.
    """
    pictures, seen = render_many(scenes), list[list[Scene | None]]()
    for _ in range(cycles):
        _, pictures = describe_and_draw(contestant, pictures, batch=batch)
        seen.append([reading.scene for reading in read_many(pictures)])
    return drift(seen, scenes)
