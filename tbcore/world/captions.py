"""From a scene to a sentence and back: many phrasings, one exact inverse.

Words determine the scene: the number of things fixes the layout, and their order from left to right fixes the slots.
The parser reads every phrasing this module writes, tolerates case, articles and punctuation, and otherwise says what
it did not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from tbcore.world.backdrops import BACKDROPS
from tbcore.world.scenes import FRAMES, Scene, slot_names
from tbcore.world.splits import HELD_OUT_PHRASING
from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "BACKDROP_PHRASES",
    "FAMILIES",
    "Problem",
    "backdrop_phrase",
    "caption",
    "parse_caption",
    "thing_phrase",
]

BACKDROP_PHRASES: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "green meadow": ("in", "a green meadow"),
        "sandy beach": ("on", "a sandy beach"),
        "starry night": ("on", "a starry night"),
        "snowy hill": ("on", "a snowy hill"),
        "wooden table": ("on", "a wooden table"),
        "desert": ("in", "the desert"),
        "open sea": ("on", "the open sea"),
        "city street": ("on", "a city street"),
        "rainy day": ("on", "a rainy day"),
        "sunset": ("at", "sunset"),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a caption could not be read.

    Attributes:
        reason: the rule that was broken, for a person.
        offset: where in the text, in characters.
        found: the words at that place.
    """

    reason: str
    offset: int
    found: str


def thing_phrase(noun: str) -> str:
    """Return the noun with its article: "a tiger", "an apple"."""
    return f"{SPRITES[noun].article} {noun}"


def backdrop_phrase(name: str) -> str:
    """Return where something is: "on a sandy beach", "at sunset"."""
    return " ".join(BACKDROP_PHRASES[name])


def _by_position(things: tuple[str, ...]) -> str:
    """A tiger on the left and an apple on the right; a lone thing just stands there."""
    if len(things) == 1:
        return thing_phrase(things[0])
    where = {"left": "on the left", "middle": "in the middle", "right": "on the right"}
    parts = [f"{thing_phrase(noun)} {where[s]}" for noun, s in zip(things, slot_names(len(things)), strict=True)]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _by_relation(things: tuple[str, ...]) -> str:
    phrases = [thing_phrase(noun) for noun in things]
    if len(things) == 3:
        return f"{phrases[0]}, {phrases[1]} and {phrases[2]}, from left to right,"
    return " to the left of ".join(phrases)


def _plain(scene: Scene) -> str:
    frame = f", in {'an' if scene.frame[0] in 'aeiou' else 'a'} {scene.frame} frame" if scene.frame else ""
    return f"{_by_relation(scene.things)} {backdrop_phrase(scene.backdrop)}{frame}"


def _mirrored(scene: Scene) -> str:
    phrases = [thing_phrase(noun) for noun in reversed(scene.things)]
    frame = f", framed in {scene.frame}" if scene.frame else ""
    if len(phrases) == 3:
        things = f"{phrases[0]}, {phrases[1]} and {phrases[2]}, from right to left,"
    else:
        things = " to the right of ".join(phrases)
    return f"{things} {backdrop_phrase(scene.backdrop)}{frame}"


def _place_first(scene: Scene) -> str:
    frame = f", in a {scene.frame} frame" if scene.frame else ""
    return f"{backdrop_phrase(scene.backdrop)}: {_by_position(scene.things)}{frame}"


def _postcard(scene: Scene) -> str:
    frame = f"a {scene.frame} framed postcard" if scene.frame else "a postcard"
    return f"{frame} of {_by_position(scene.things)}, {backdrop_phrase(scene.backdrop)}"


def _with(scene: Scene) -> str:
    frame = f", inside a {scene.frame} border" if scene.frame else ""
    return f"{BACKDROP_PHRASES[scene.backdrop][1]} with {_by_position(scene.things)}{frame}"


FAMILIES: MappingProxyType[str, Callable[[Scene], str]] = MappingProxyType(
    {
        "plain": _plain,
        "mirrored": _mirrored,
        "place first": _place_first,
        "postcard": _postcard,
        "with": _with,
    }
)
"""Family name -> the function that writes it. `HELD_OUT_PHRASING` names the one that no training caption uses."""


def caption(scene: Scene, rng: np.random.Generator | None = None, *, held_out: bool = False) -> str:
    """Say what a scene shows, so that the words determine it.

    Args:
        scene: what to describe.
        rng: without it the canonical phrasing; with it one of the training families.
        held_out: True: the family that no training caption uses.
    """
    if held_out:
        return FAMILIES[HELD_OUT_PHRASING](scene)
    if rng is None:
        return _plain(scene)
    families = [name for name in FAMILIES if name != HELD_OUT_PHRASING]
    return FAMILIES[families[int(rng.integers(len(families)))]](scene)


_FILLER = """
a an the of and with in on at to from is are there it its this that shows showing picture postcard photo image card
inside stands standing side by next beside which who where you see can we please draw sky scene under
""".split()  # noqa: SIM905  (a list of words reads better as words)


@cache
def _pattern() -> re.Pattern[str]:
    """One alternative per kind of word, longest names first, so that "hot dog" is never a stray "dog"."""

    def either(words: list[str]) -> str:
        return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))

    colours = either(list(FRAMES))
    return re.compile(
        rf"""(?P<frame>\b(?:(?P<c1>{colours})[\s-]+(?:frame|border|framed)|framed\s+in\s+(?:a\s+)?(?P<c2>{colours}))\b)
        |(?P<noun>\b(?:{either(list(SPRITES))})\b)
        |(?P<place>\b(?:{either([*BACKDROPS, "meadow", "beach", "starry sky", "sea", "street", "rain"])})\b)
        |(?P<order>\bfrom\s+(?:left\s+to\s+right|right\s+to\s+left)\b)
        |(?P<relation>\b(?:left|right)\s+of\b)
        |(?P<position>\b(?:left|middle|center|centre|right)\b)
        |(?P<filler>\b(?:{"|".join(_FILLER)})\b|[\s,.:;!'"()-]+)
        |(?P<unknown>\w+|.)""",
        re.VERBOSE | re.IGNORECASE,
    )


_SHORT_PLACES = {
    "meadow": "green meadow",
    "beach": "sandy beach",
    "starry sky": "starry night",
    "sea": "open sea",
    "street": "city street",
    "rain": "rainy day",
}


def parse_caption(text: str) -> Scene | Problem:
    """Read a caption back into its scene; the exact inverse of every phrasing of `caption`, up to jitter.

    Returns:
        The scene (jitter seed 0), or the first `Problem`.
    """
    found: dict[str, list[tuple[str, int]]] = {
        k: [] for k in ("frame", "noun", "place", "order", "relation", "position")
    }
    for match in _pattern().finditer(text):
        kind = match.lastgroup if match.lastgroup not in ("c1", "c2") else "frame"
        words = " ".join(match[0].lower().split())
        if kind == "unknown":
            return Problem("a word that no caption of this world uses", match.start(), match[0])
        if kind == "frame":
            words = (match["c1"] or match["c2"]).lower()
        if kind is not None and kind != "filler":
            found[kind].append((words, match.start()))
    for kind, least, most in (("noun", 1, 3), ("place", 1, 1), ("frame", 0, 1)):
        if not least <= len(found[kind]) <= most:
            what = {"noun": "one to three things", "place": "one backdrop", "frame": "at most one frame"}[kind]
            extra = found[kind][most] if len(found[kind]) > most else ("", len(text))
            return Problem(f"a scene has {what}; found {len(found[kind])}", extra[1], extra[0])
    nouns = [noun for noun, _ in found["noun"]]
    if len(set(nouns)) != len(nouns):
        return Problem(
            "the things of a scene are different from each other", found["noun"][-1][1], found["noun"][-1][0]
        )
    things = _ordered(nouns, found)
    if isinstance(things, Problem):
        return things
    place = found["place"][0][0]
    return Scene(_SHORT_PLACES.get(place, place), things, found["frame"][0][0] if found["frame"] else None)


def _ordered(nouns: list[str], found: dict[str, list[tuple[str, int]]]) -> tuple[str, ...] | Problem:
    """Put the things from left to right by what the text says of their places."""
    said = [*found["order"], *found["relation"], *found["position"]]
    where = min((offset for _, offset in said), default=0)
    contradiction = Problem("the places of the things do not fit together", where, " ".join(word for word, _ in said))
    if len([kind for kind in ("order", "relation", "position") if found[kind]]) > 1:
        return contradiction
    if found["position"]:
        slots = slot_names(len(nouns))
        positions = ["middle" if word.startswith("cent") else word for word, _ in found["position"]]
        if sorted(positions) != sorted(slots):
            return contradiction
        return tuple(nouns[positions.index(slot)] for slot in slots)
    if found["relation"] and len(found["relation"]) != len(nouns) - 1:
        return contradiction
    directions = {word.split()[-1 if found["order"] else 0] for word, _ in [*found["order"], *found["relation"]]}
    if len(directions) > 1:
        return contradiction
    reverse = directions == ({"left"} if found["order"] else {"right"})
    return tuple(reversed(nouns)) if reverse else tuple(nouns)
