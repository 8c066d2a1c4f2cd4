"""Looking inside: whatever the model or a caption says, it is shown as text."""

from __future__ import annotations

import pytest

from tbcore.demo.conversation import Conversation, Drawing
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.inside import Glance, Inside, ReadOut, TokenSeen
from tbcore.demo.view import ChatView
from tests.demo.attacks import ATTACKS
from tests.demo.pages import ATTRIBUTES, TAGS, Page, card, say


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_is_seen_inside_becomes_markup(attack):
    class Open(ScriptedEngine):
        def look_inside(self, transcript):
            return Inside(
                (TokenSeen(attack, 0.25, ((attack, 0.5),), 0), TokenSeen("cat", 0.9, (), 1)),
                (Glance(0, 2, ((0.1, 0.2, 0.3, 0.4),)),),
                (ReadOut(0, attack, attack, False),),
            )

    view = ChatView(Conversation(Open([Drawing(attack, card(1)), attack])))
    say(view, attack)
    view.look.click()
    assert view.error is None
    shown = Page(view.inside.value)
    assert shown.tags <= TAGS | {"section", "span", "div"}
    assert shown.names <= ATTRIBUTES | {"title", "tabindex", "aria-label"}
    assert attack in shown.words
    assert "query 1 looks most at row 2, column 2" in shown.alts
    assert any("not as asked" in words for words in shown.words)
