"""Self-drawn history: the assistant's pictures as the painter really draws them, for the last part of training.

A model that met only perfect pictures in training compounds its errors when it has to live with its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from tbcore.model.pack import Layout
from tbcore.model.painter_port import Painter
from tbcore.train.corpus import Source
from tbcore.train.features import FeatureBank

__all__ = ["redraw"]


def redraw(
    sources: Iterable[Source],
    bank: FeatureBank,
    painter: Painter,
    *,
    layout: Layout,
    seed: int = 0,
    most: int | None = None,
    batch: int = 32,
) -> dict[int, int]:
    """Paint the captions of the assistant's pictures, and let the tower see what came of them.

    Args:
        sources: as the corpus has them.
        bank: of their features; the new pictures join it.
        painter: the one that replies are made with.
        layout: of the processor that encoded the sources.
        seed: of the painter; picture k is painted with seed + k.
        most: pictures to paint at most, in the order of the sources; None: all.
        batch: pictures painted together.

    Returns:
        Row of a picture -> row of its drawn twin, for `Corpus(redrawn=...)`.
    """
    captions: dict[int, str] = {}
    for source in sources:
        for example, rows in zip(source.examples, source.rows, strict=True):
            for place, words in example.drawings(layout).items():
                captions.setdefault(rows[place], layout.text.decode(list(words)).strip())
    wanted = list(captions.items())[:most]
    twins: dict[int, int] = {}
    for start in range(0, len(wanted), batch):
        chosen = wanted[start : start + batch]
        seeds = [seed + start + number for number in range(len(chosen))]
        drawn = bank.add(painter.paint([caption for _, caption in chosen], seeds))
        twins.update(zip((row for row, _ in chosen), drawn, strict=True))
    return twins
