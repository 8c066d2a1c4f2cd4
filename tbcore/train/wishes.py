"""Asking the model for pictures: what was wished for, which caption it wrote, and what an exact reader sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbcore.model.decode import DecodeSettings, Drawn, Prompt
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.painter_port import Painter
from tbcore.model.processor import MIMProcessor
from tbcore.train.evaluate import Share, answer_all, drawings, wilson
from tbcore.world.captions import parse_caption
from tbcore.world.dialogues import simulate
from tbcore.world.reader import read_many
from tbcore.world.scenes import Scene

__all__ = ["Wish", "draw_wishes", "score_wishes"]


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """One request: the user's words, the scene they describe, and the first drawing of the reply, if any."""

    asked: str
    scene: Scene
    drawn: Drawn | None


def draw_wishes(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    painter: Painter,
    *,
    n: int,
    seed: int,
    max_tokens: int = 96,
    split: str = "test",
) -> list[Wish]:
    """Let the model answer requests to draw, writing freely.

    Args:
        model: in eval mode.
        processor: the model's.
        painter: draws the captions.
        n: how many requests.
        seed: of the requests and of the painter.
        max_tokens: of a reply, caption included.
        split: of the scenes; nothing trains on "test".
    """
    told = simulate(seed, n, split=split, weights={"draw": 1}, exchanges=(1, 1))
    prompts = [Prompt(one.dialogue.turns[:1]) for one in told]
    settings = DecodeSettings(max_tokens=max_tokens, max_pictures=1, seed=seed)
    found = drawings(answer_all(model, processor, prompts, painter=painter, settings=settings))
    return [Wish(one.dialogue.turns[0].text, one.scenes[-1], drawn) for one, drawn in zip(told, found, strict=True)]


def score_wishes(wishes: Sequence[Wish]) -> tuple[Share, Share]:
    """How many captions, and how many pictures, show exactly the scene that was wished for.

    The first blames the writer, the second writer and painter together. A reply without a drawing is wrong in both.

    Raises:
        ValueError: there are no wishes.
    """
    drawn = [(wish.scene, wish.drawn) for wish in wishes if wish.drawn is not None]
    written = sum(parse_caption(one.caption) == scene for scene, one in drawn)
    readings = read_many(np.stack([one.picture for _, one in drawn])) if drawn else []
    painted = sum(reading.scene == scene for reading, (scene, _) in zip(readings, drawn, strict=True))
    return wilson(written, len(wishes)), wilson(painted, len(wishes))
