"""A scene is a value: what stands on a postcard, and where. Everything else in the world is a function of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tbcore.errors import InputError
from tbcore.world.backdrops import BACKDROPS
from tbcore.world.splits import held_out, split_of
from tbcore.world.sprites import SPRITES, TOPICS, nouns_of

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "BACKDROPS",
    "CLEAR",
    "FAVOURITE_BACKDROPS",
    "FRAMES",
    "LOOSE",
    "Habits",
    "Scene",
    "sample_scene",
    "slot_names",
    "topic_of",
]

FRAMES: tuple[str, ...] = ("red", "blue", "green", "yellow", "purple", "white")

# Topics and backdrops go together more often than chance, so that clustering has something to find.
FAVOURITE_BACKDROPS: dict[str, tuple[str, ...]] = {
    "animals": ("green meadow", "snowy hill"),
    "sea life": ("open sea", "sandy beach"),
    "fruit": ("wooden table", "green meadow"),
    "food": ("wooden table", "city street"),
    "transport": ("city street", "desert"),
    "sports": ("green meadow", "rainy day"),
    "music and art": ("starry night", "sunset"),
    "home and garden": ("rainy day", "sunset"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How strongly topics, backdrops and frames go together; shares in 0..1.

    Attributes:
        favourites: topic -> the backdrops its things are usually seen on.
        favourite: share of scenes on a favourite backdrop of their topic.
        stranger: share of larger scenes in which one thing may be of any topic.
        frame: share of scenes with a frame.
    """

    favourites: Mapping[str, tuple[str, ...]]
    favourite: float
    stranger: float
    frame: float


LOOSE = Habits(favourites=FAVOURITE_BACKDROPS, favourite=0.6, stranger=0.3, frame=0.3)
"""Habits of training and conversation: anything may stand anywhere, so little can be guessed."""

CLEAR = Habits(
    favourites={
        "animals": ("green meadow",),
        "sea life": ("open sea",),
        "fruit": ("wooden table",),
        "food": ("city street",),
        "transport": ("desert",),
        "sports": ("snowy hill",),
        "music and art": ("starry night",),
        "home and garden": ("rainy day",),
    },
    favourite=0.95,
    stranger=0.1,
    frame=0.05,
)
"""Habits of a collection that somebody gathered: each topic has its place, with exceptions."""

_SLOTS: dict[int, tuple[str, ...]] = {1: ("middle",), 2: ("left", "right"), 3: ("left", "middle", "right")}


@dataclass(frozen=True, slots=True)
class Scene:
    """One postcard as a value: hashable, comparable, JSON both ways.

    Attributes:
        backdrop: one of `BACKDROPS`.
        things: one to three different nouns of `SPRITES`, from left to right. Their number fixes the layout.
        frame: one of `FRAMES`, or None.
        jitter_seed: moves each thing by a pixel at most; ignored when scenes are compared.

    Raises:
        InputError: a name is unknown, or things repeat, or there are none or more than three.
    """

    backdrop: str
    things: tuple[str, ...]
    frame: str | None = None
    jitter_seed: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if self.backdrop not in BACKDROPS:
            raise InputError(f"Scene: backdrop must be one of {BACKDROPS}; got {self.backdrop!r}")
        if not 1 <= len(self.things) <= 3 or len(set(self.things)) != len(self.things):
            raise InputError(f"Scene: things must be one to three different nouns; got {self.things!r}")
        if unknown := [noun for noun in self.things if noun not in SPRITES]:
            raise InputError(f"Scene: unknown things {unknown}; the names are the keys of tbcore.world.sprites.SPRITES")
        if self.frame is not None and self.frame not in FRAMES:
            raise InputError(f"Scene: frame must be None or one of {FRAMES}; got {self.frame!r}")

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "backdrop": self.backdrop,
            "things": list(self.things),
            "frame": self.frame,
            "jitter_seed": self.jitter_seed,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Scene:
        """Read what `to_json` wrote.

        Raises:
            InputError: a field is missing, unknown or of the wrong type.
        """
        extra = set(value) - {"backdrop", "things", "frame", "jitter_seed"}
        if extra or not {"backdrop", "things"} <= set(value):
            raise InputError(f"Scene: need backdrop and things, may have frame and jitter_seed; got {sorted(value)}")
        things, frame, jitter = value["things"], value.get("frame"), value.get("jitter_seed", 0)
        if not isinstance(things, (list, tuple)) or not isinstance(jitter, int):
            raise InputError(f"Scene: things must be a list and jitter_seed an integer; got {things!r}, {jitter!r}")
        names = tuple(str(noun) for noun in cast("list[Any]", things))
        return cls(str(value["backdrop"]), names, None if frame is None else str(frame), jitter)


def slot_names(n_things: int) -> tuple[str, ...]:
    """Return where the things of a scene stand: ("middle",), ("left", "right") or ("left", "middle", "right")."""
    if n_things not in _SLOTS:
        raise ValueError(f"slot_names: n_things must be 1, 2 or 3; got {n_things}")
    return _SLOTS[n_things]


def topic_of(scene: Scene) -> str:
    """Return the topic most of the scene's things belong to; the leftmost wins a tie."""
    topics = [SPRITES[noun].topic for noun in scene.things]
    return max(topics, key=lambda topic: (topics.count(topic), -topics.index(topic)))


def sample_scene(
    rng: np.random.Generator,
    *,
    topic: str | None = None,
    n_things: int | None = None,
    split: str | None = "train",
    habits: Habits = LOOSE,
) -> Scene:
    """Draw a scene: mostly things of one topic on a backdrop that suits it, with exceptions.

    Args:
        rng: source of randomness.
        topic: one of `TOPICS`, or None for any.
        n_things: 1, 2 or 3, or None for any (weights 3 : 4 : 3).
        split: "train", "val" or "test" (nothing held out in any of them), "held-out" (at least one reason of
            `tbcore.world.splits.held_out`), or None for no condition.
        habits: how strongly topics and backdrops go together.

    Raises:
        ValueError: unknown topic or split.
    """
    if topic is not None and topic not in TOPICS:
        raise ValueError(f"sample_scene: topic must be one of {TOPICS}; got {topic!r}")
    if split not in ("train", "val", "test", "held-out", None):
        raise ValueError(f"sample_scene: split must be train, val, test, held-out or None; got {split!r}")
    for _ in range(10_000):
        scene = _draw(rng, topic, n_things, habits)
        reasons = held_out(scene)
        if split is None or (bool(reasons) if split == "held-out" else not reasons and split_of(scene) == split):
            return scene
    raise ValueError(f"sample_scene: no scene with n_things={n_things} is in the split {split!r}")


def _draw(rng: np.random.Generator, topic: str | None, n_things: int | None, habits: Habits) -> Scene:
    chosen = TOPICS[int(rng.integers(len(TOPICS)))] if topic is None else topic
    count = int(rng.choice((1, 2, 3), p=(0.3, 0.4, 0.3))) if n_things is None else n_things
    names = nouns_of(chosen)
    things = [names[k] for k in rng.choice(len(names), size=count, replace=False)]
    if count > 1 and rng.random() < habits.stranger:  # an exception: one thing of any topic
        stranger = tuple(SPRITES)[int(rng.integers(len(SPRITES)))]
        if stranger not in things:
            things[int(rng.integers(count))] = stranger
    favourites = habits.favourites[chosen]
    if rng.random() < habits.favourite:
        backdrop = favourites[int(rng.integers(len(favourites)))]
    else:
        backdrop = BACKDROPS[int(rng.integers(len(BACKDROPS)))]
    frame = FRAMES[int(rng.integers(len(FRAMES)))] if rng.random() < habits.frame else None
    return Scene(backdrop, tuple(things), frame, int(rng.integers(2**31)))
