"""The one list of what nothing may train on, read by tower, painter, simulator, recordings and bench alike.

Membership is a pure function of the scene (a checksum of its names), so there is no list to lose or to edit by mistake.
"""

from __future__ import annotations

import zlib
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    from tbcore.world.scenes import Scene

__all__ = ["HELD_OUT_BLOCK", "HELD_OUT_PHRASING", "held_out", "may_train", "split_of"]

HELD_OUT_BLOCK: frozenset[tuple[str, str]] = frozenset(
    {
        ("desert", "sea life"),
        ("starry night", "fruit"),
        ("snowy hill", "transport"),
        ("open sea", "animals"),
        ("sunset", "food"),
    }
)
"""(backdrop, topic) combinations that no training scene shows."""

HELD_OUT_PHRASING = "with"
"""The family of caption phrasings (`tbcore.world.captions.FAMILIES`) that no training caption uses."""


def _bucket(*parts: str) -> int:
    """Return 0..99, a checksum of names: stable over machines, versions and years."""
    return zlib.crc32("|".join(parts).encode()) % 100


def split_of(scene: Scene) -> Literal["train", "val", "test"]:
    """Return the split of a scene: 80 % train, 10 % validation, 10 % test; frame and jitter do not matter."""
    bucket = _bucket("split", scene.backdrop, *scene.things)
    return "train" if bucket < 80 else "val" if bucket < 90 else "test"


def held_out(scene: Scene) -> frozenset[str]:
    """Return why a scene is kept from all training, or the empty set.

    Reasons:
        "pair": two of its things are never seen together in training (5 % of all pairs).
        "block": a thing's topic is never seen on this backdrop in training (`HELD_OUT_BLOCK`).
        "triple": these three things, in any order, are never seen together in training (10 % of all triples).
    """
    reasons: set[str] = set()
    if any(_bucket("pair", *sorted(pair)) < 5 for pair in combinations(scene.things, 2)):
        reasons.add("pair")
    if any((scene.backdrop, SPRITES[noun].topic) in HELD_OUT_BLOCK for noun in scene.things):
        reasons.add("block")
    if len(scene.things) == 3 and _bucket("triple", *sorted(scene.things)) < 10:
        reasons.add("triple")
    return frozenset(reasons)


def may_train(scene: Scene) -> bool:
    """Return whether any part of the course may train on this scene."""
    return split_of(scene) == "train" and not held_out(scene)
