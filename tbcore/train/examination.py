"""Every score of a trained model in one go, on held-out pictures, conversations and wishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.painter_port import Painter
from tbcore.model.processor import MIMProcessor
from tbcore.records import Dialogue
from tbcore.train import evaluate, scores
from tbcore.train.features import FeatureBank
from tbcore.train.wishes import draw_wishes, score_wishes
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene

__all__ = ["examine"]

_GREYS = (40, 90, 140, 190, 240)


def examine(
    model: MIMForConditionalGeneration,
    processor: MIMProcessor,
    bank: FeatureBank,
    painter: Painter,
    *,
    scenes: Sequence[Scene],
    known: Sequence[Scene],
    talks: Sequence[tuple[Dialogue, Sequence[NDArray[np.uint8]]]],
    n_turns: int,
    n_drawings: int,
    longest: int,
    max_tokens: int,
    seed: int,
) -> dict[str, Any]:
    """Shares with their intervals, and what was said and drawn.

    Args:
        model: in eval mode.
        processor: of the model.
        bank: features of pictures; the frozen tower looks at each once.
        painter: draws the wishes.
        scenes: held out; described once each, once more as grey squares, and scored against their neighbour's picture.
        known: pictures that the linear probe learns from.
        talks: held-out conversations with their pictures uint8[y x 3], for talk or draw.
        n_turns: replies of them that count.
        n_drawings: wishes to draw.
        longest: tokens of a description.
        max_tokens: of a reply with a drawing.
        seed: of the wishes and of the painter.

    Returns:
        "shares" (name -> `Share` as JSON), "told" and "blank" (texts), "drawn" ([wish, caption, seed] each) and
        "verdicts" (a bool per turn).
    """
    exam = bank[bank.add(render_many(scenes))]
    nothing = bank[bank.add(np.concatenate([evaluate.blank_pictures(1, grey=grey) for grey in _GREYS]))]
    told, blind = (evaluate.describe(model, processor, seen, max_tokens=longest) for seen in (exam, nothing))
    answers = {"seen": told, "blank": (blind * len(told))[: len(told)], "other picture": told[1:] + told[:1]}
    seen = {name: scores.score_texts(texts, scenes) for name, texts in answers.items()}
    shares = {f"backdrop, {name}": one.backdrop for name, one in seen.items()}
    shares |= {f"things, {name}": one.things for name, one in seen.items()}
    shares["things, probe"] = scores.probe_things(bank[bank.add(render_many(known))], known, exam, scenes)
    verdicts = evaluate.decisions(model, processor, talks, bank, n=n_turns)
    shares["talk or draw"] = evaluate.wilson(sum(verdicts), len(verdicts))
    wishes = draw_wishes(model, processor, painter, n=n_drawings, seed=seed, max_tokens=max_tokens)
    shares["drawn caption"], shares["drawn picture"] = score_wishes(wishes)
    drawn = [[wish.asked, wish.drawn.caption, wish.drawn.seed] for wish in wishes if wish.drawn]
    table = {name: one.to_json() for name, one in shares.items()}
    return {"shares": table, "told": told, "blank": blind, "drawn": drawn, "verdicts": verdicts}
