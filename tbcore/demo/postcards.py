"""What to start from: a palette of postcards, examples, and a postcard put together from a backdrop and things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.seeds import stream
from tbcore.world.backdrops import BACKDROPS
from tbcore.world.captions import caption
from tbcore.world.render import render
from tbcore.world.scenes import FRAMES, Scene, sample_scene
from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["EXAMPLES", "Example", "PostcardMaker", "palette"]

_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Example:
    """A message to start from.

    Attributes:
        words: what is said.
        card: which picture of the palette stands before the words, from 0; None: none.
    """

    words: str
    card: int | None = None


EXAMPLES = (
    Example("What do you see?", card=0),
    Example("Please draw a tiger on a sandy beach."),
    Example("Hello! What can you do?"),
)
"""A question about a picture, a wish, and a greeting."""


def palette(n: int = 6, *, seed: int = 0) -> dict[str, NDArray[np.uint8]]:
    """Different postcards of two things, of the test split, which no training has seen.

    Args:
        n: how many.
        seed: chooses them.

    Returns:
        Captions and pictures uint8[64 64 3].
    """
    rng, found = stream(seed, "demo palette"), list[Scene]()
    while len(found) < n:
        scene = replace(sample_scene(rng, n_things=2, split="test"), frame=None)
        if scene not in found:
            found.append(scene)
    return {caption(scene): render(scene) for scene in found}


class PostcardMaker:
    """Choose a backdrop, up to three things and a frame; `tree` is the widget to display.

    Attributes:
        backdrop: a choice.
        things: three choices, from left to right.
        frame: a choice.
        add: the button that takes the postcard.
    """

    def __init__(self) -> None:
        import ipywidgets as widgets

        nouns = sorted(SPRITES)

        def choice(what: str, names: list[str]) -> Any:
            return widgets.Dropdown(options=names, description=what, style={"description_width": "7.5em"})

        self.backdrop = choice("Backdrop", list(BACKDROPS))
        self.things = [
            choice("First thing", nouns),
            choice("Second thing", [_NOTHING, *nouns]),
            choice("Third thing", [_NOTHING, *nouns]),
        ]
        self.frame = choice("Frame", [_NOTHING, *FRAMES])
        self.add = widgets.Button(
            description="Add this postcard", layout=widgets.Layout(width="auto", align_self="flex-start")
        )
        self.tree: VBox = widgets.VBox([self.backdrop, *self.things, self.frame, self.add])

    def scene(self) -> Scene:
        """The postcard as chosen.

        Raises:
            InputError: a thing was chosen twice.
        """
        things = tuple(str(one.value) for one in self.things if one.value != _NOTHING)
        frame = None if self.frame.value == _NOTHING else str(self.frame.value)
        return Scene(str(self.backdrop.value), things, frame)

    def picture(self) -> NDArray[np.uint8]:
        """The postcard drawn: uint8[64 64 3].

        Raises:
            InputError: a thing was chosen twice.
        """
        return render(self.scene())
