"""What is folded away, and in which order things stand on the page."""

from __future__ import annotations

import ipywidgets

from tbcore.demo.conversation import Conversation, ScriptedAssistant
from tbcore.demo.panels import Fold
from tbcore.demo.view import ChatView
from tests.demo.pages import card


def test_a_fold_is_opened_and_closed_by_its_button():
    fold = Fold("More", ipywidgets.HTML("x"))
    seen = [(fold.opened, fold.button.description, fold.content.layout.display)]
    for _ in range(2):
        fold.button.click()
        seen.append((fold.opened, fold.button.description, fold.content.layout.display))
    assert seen == [(False, "Show: More", "none"), (True, "Hide: More", None), (False, "Show: More", "none")]
    assert Fold("More", ipywidgets.HTML("x"), opened=True).opened


def test_keys_reach_send_right_after_the_message_and_the_rest_afterwards():
    view = ChatView(Conversation(ScriptedAssistant()), {"a card": card(1)})

    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    order = [id(widget) for widget in walk(view.tree)]
    wanted = [view.said, view.pick[0], view.tries[0], view.message, view.drop, view.send, view.stop, view.undo]
    places = [order.index(id(widget)) for widget in [*wanted, *(fold.button for fold in view.folds.values())]]
    assert places == sorted(places)
    assert "tbcore-chat" in view.tree._dom_classes
