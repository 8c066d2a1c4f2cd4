"""How the parts of the chat stand on the page, and what is folded away until it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tbcore.demo import markup
from tbcore.demo.dropping import HOME

if TYPE_CHECKING:
    from ipywidgets import VBox

    from tbcore.demo.view import ChatView

__all__ = ["Fold", "arranged", "folds"]


class Fold:
    """Something below a button that shows and hides it. Unlike the header of an accordion, keys reach a button.

    Attributes:
        button: shows and hides.
        content: the widget below it.
        tree: both, to be displayed.

    Args:
        title: what there is to see.
        content: the widget.
        opened: seen from the start.
    """

    def __init__(self, title: str, content: Any, *, opened: bool = False) -> None:
        import ipywidgets as widgets

        self.title, self.content = title, content
        self.button = widgets.Button(layout=widgets.Layout(width="auto", align_self="flex-start"))
        self.button.on_click(lambda _: self.turn(not self.opened))
        self.tree: VBox = widgets.VBox([self.button, content])
        self.turn(opened)

    @property
    def opened(self) -> bool:
        """Whether the content is seen."""
        return self.content.layout.display != "none"

    def turn(self, opened: bool) -> None:
        """Show the content, or hide it."""
        self.content.layout.display = None if opened else "none"
        self.button.description = f"{'Hide' if opened else 'Show'}: {self.title}"


def folds(view: ChatView) -> dict[str, Fold]:
    """What a chat folds away, by title."""
    import ipywidgets as widgets

    contents = {
        "Make a postcard": view.maker.tree,
        "Change something said or drawn": widgets.VBox([view.past, view.rewrite, view.change]),
        "Look inside": widgets.VBox([view.look, view.inside]),
    }
    return {title: Fold(title, content) for title, content in contents.items()}


def arranged(view: ChatView) -> VBox:
    """The chat in reading order, which is also the order in which keys reach it."""
    import ipywidgets as widgets

    def row(*parts: Any) -> Any:
        return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))

    cards = [
        widgets.VBox([widgets.HTML(markup.picture(picture, alt=name, width=96)), button])
        for (name, picture), button in zip(view.palette.items(), view.pick, strict=True)
    ]
    composer = [row(*cards), row(*view.tries), view.drafted, view.message]
    buttons = [row(view.send, view.stop, view.clear, view.upload), row(view.undo, view.again, view.reset, view.branch)]
    dropping = [] if view.drop is None else [view.drop]
    folded = [fold.tree for fold in view.folds.values()]
    tree = widgets.VBox([view.said, view.live.tree, view.status, *composer, *dropping, *buttons, *folded])
    tree.add_class(HOME)
    return tree
