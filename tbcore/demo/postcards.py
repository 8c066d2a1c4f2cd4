"""Pictures to talk about: a palette, and a postcard put together from a backdrop and things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.world.backdrops import BACKDROPS
from tbcore.world.render import render
from tbcore.world.scenes import FRAMES, Scene
from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["PostcardMaker"]

_NOTHING = "(nothing)"


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
            return widgets.Dropdown(options=names, description=what, style={"description_width": "6em"})

        self.backdrop = choice("Backdrop", list(BACKDROPS))
        self.things = [
            choice("First thing", nouns),
            choice("Second thing", [_NOTHING, *nouns]),
            choice("Third thing", [_NOTHING, *nouns]),
        ]
        self.frame = choice("Frame", [_NOTHING, *FRAMES])
        self.add = widgets.Button(description="Add this postcard", layout=widgets.Layout(width="auto"))
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
