"""A conversation while it is being made: the pictures so far, what the next words refer to, what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from tbcore.records import Dialogue, Part, Picture, Turn
from tbcore.world.captions import caption
from tbcore.world.scenes import Scene, sample_scene
from tbcore.world.splits import held_out, split_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SPLITS", "Expectation", "SimulatedDialogue", "Story", "fits"]

SPLITS: tuple[str, ...] = ("train", "val", "test", "held-out")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an assistant turn must do; `tbcore.world.answers.matches` checks a text against it.

    Attributes:
        kind: the kind of exchange, such as "describe", "ask", "draw" or "refuse".
        draws: whether the turn must show exactly one picture (else none).
        scene: the scene it must show, where it draws.
        facts: what its text must say. Keys: things (list), backdrop, backdrops (list in order), frame (a colour, or
            "none" where the text must deny it, or None where it must not claim one), count, yes, position with
            noun, which ("first" or "second"), keywords (list), refusal, asks_back; reason, about and order inform.
    """

    kind: str
    draws: bool = False
    scene: Scene | None = None
    facts: dict[str, object] = field(default_factory=dict[str, object])

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        scene = None if self.scene is None else self.scene.to_json()
        return {"kind": self.kind, "draws": self.draws, "scene": scene, "facts": self.facts}


@dataclass(frozen=True, slots=True)
class SimulatedDialogue:
    """A simulated conversation with all that is known about it.

    Attributes:
        dialogue: turns and captions; pictures are not attached.
        scenes: parallel to `dialogue.captions`.
        owners: parallel to `dialogue.captions`: who showed the picture.
        expects: one per assistant turn.
    """

    dialogue: Dialogue
    scenes: tuple[Scene, ...]
    owners: tuple[Literal["user", "assistant"], ...]
    expects: tuple[Expectation, ...]


def fits(scene: Scene, split: str) -> bool:
    """Return whether a scene may occur in a split; "train", "val" and "test" hold nothing that is held out."""
    reasons = held_out(scene)
    return bool(reasons) if split == "held-out" else not reasons and split_of(scene) == split


@dataclass(slots=True)
class Story:
    """The state of the walk.

    Attributes:
        rng: source of all its randomness.
        split: the split all scenes come from.
        left: exchanges that may still be made.
        current: the picture that "it" means, or None.
        before: the scene that "undo" brings back, or None.
    """

    rng: np.random.Generator
    split: str
    left: int
    held_out_phrasing: bool = False
    current: int | None = None
    before: Scene | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    scenes: list[Scene] = field(default_factory=list[Scene])
    owners: list[Literal["user", "assistant"]] = field(default_factory=list[Literal["user", "assistant"]])
    expects: list[Expectation] = field(default_factory=list[Expectation])

    def fits(self, scene: Scene) -> bool:
        """Return whether the scene is of this story's split."""
        return fits(scene, self.split)

    def sample(self, n_things: int | None = None) -> Scene:
        """Draw a scene of this story's split."""
        return sample_scene(self.rng, n_things=n_things, split=self.split)

    def pick(self, options: Sequence[_T]) -> _T:
        """Draw one of several, all equally likely."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, share: float) -> bool:
        """Return True in this share of cases."""
        return float(self.rng.random()) < share

    def show(self, scene: Scene, owner: Literal["user", "assistant"]) -> Picture:
        """Enter a picture and make it the current one."""
        self.scenes.append(scene)
        self.owners.append(owner)
        self.current = len(self.scenes) - 1
        return Picture(self.current)

    def exchange(self, asked: Sequence[Part], answered: Sequence[Part], expected: Expectation) -> None:
        """Enter what the user says and what the assistant answers."""
        self.turns += [Turn("user", tuple(asked)), Turn("assistant", tuple(answered))]
        self.expects.append(expected)
        self.left -= 1

    def around(self, picture: Picture, words: str) -> list[Part]:
        """Put a picture before (more often) or after some words."""
        return [picture, f" {words}"] if self.chance(0.65) else [f"{words} ", picture]

    def finish(self, name: str) -> SimulatedDialogue:
        """Return the conversation; every picture carries its canonical caption."""
        captions = tuple(caption(scene) for scene in self.scenes)
        dialogue = Dialogue(name, tuple(self.turns), captions, source="simulated", group=name)
        return SimulatedDialogue(dialogue, tuple(self.scenes), tuple(self.owners), tuple(self.expects))
