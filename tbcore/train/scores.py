"""The numbers of the before/after table, on postcards: what the model says of held-out pictures, and what it draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tbcore.train.evaluate import Share, linear_probe, wilson
from tbcore.world.captions import parse_caption
from tbcore.world.scenes import Scene, sample_scene
from tbcore.world.sprites import SPRITES

__all__ = ["Seen", "chance", "held_out_scenes", "probe_things", "read_scene", "score_texts"]


@dataclass(frozen=True, slots=True)
class Seen:
    """How often what was said of pictures is right: the backdrop; all things, in their places; thing by thing."""

    backdrop: Share
    things: Share
    thing_recall: Share

    def __str__(self) -> str:
        return f"backdrop {self.backdrop}; all things {self.things}; each thing {self.thing_recall}"


def held_out_scenes(rng: np.random.Generator, count: int, *, split: str = "test") -> list[Scene]:
    """Scenes that nothing trained on, all different."""
    found: dict[Scene, None] = {}
    while len(found) < count:
        found.setdefault(sample_scene(rng, split=split))
    return list(found)


def read_scene(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The backdrop and the things, from left to right, that a text speaks of.

    Captions are parsed exactly; anything else is read by `tbcore.world.answers`, in the order of mention.
    """
    from tbcore.world.answers import read_answer

    parsed = parse_caption(text)
    if isinstance(parsed, Scene):
        return parsed.backdrop, parsed.things
    facts = read_answer(text)
    backdrops = tuple(facts.backdrops)
    return (backdrops[0] if len(backdrops) == 1 else None), tuple(facts.things)


def score_texts(texts: Sequence[str], scenes: Sequence[Scene]) -> Seen:
    """Compare what was said with what is there.

    Raises:
        ValueError: there are not as many texts as scenes.
    """
    backdrops = things = named = total = 0
    for text, scene in zip(texts, scenes, strict=True):
        backdrop, said = read_scene(text)
        backdrops += backdrop == scene.backdrop
        things += said == scene.things
        named += len(set(said) & set(scene.things))
        total += len(scene.things)
    return Seen(wilson(backdrops, len(scenes)), wilson(things, len(scenes)), wilson(named, total))


def chance(scenes: Sequence[Scene]) -> dict[str, float]:
    """The best that a blind reader can do on these scenes: always name the most frequent backdrop, and things."""
    backdrop = Counter(scene.backdrop for scene in scenes).most_common(1)[0][1]
    things = Counter(scene.things for scene in scenes).most_common(1)[0][1]
    return {"backdrop": backdrop / len(scenes), "things": things / len(scenes)}


def probe_things(train: Tensor, train_scenes: Sequence[Scene], test: Tensor, test_scenes: Sequence[Scene]) -> Share:
    """How often a linear reader of the frozen features finds exactly the right set of things.

    It takes as many of its best guesses as there are things. What it misses, the tower does not tell plainly.

    Args:
        train: float[n p d_vis], features of the pictures it learns from.
        train_scenes: what they show.
        test: float[m p d_vis], features of the pictures it reads.
        test_scenes: what they show.
    """
    nouns = tuple(SPRITES)
    place = {noun: k for k, noun in enumerate(nouns)}
    labels = np.zeros((len(train_scenes), len(nouns)), dtype=bool)
    for row, scene in enumerate(train_scenes):
        labels[row, [place[noun] for noun in scene.things]] = True
    scores = linear_probe(train, labels, test)
    right = 0
    for row, scene in zip(scores, test_scenes, strict=True):
        best = np.argsort(-row, kind="stable")[: len(scene.things)]
        right += {nouns[k] for k in best} == set(scene.things)
    return wilson(right, len(test_scenes))
