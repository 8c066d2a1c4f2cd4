"""Writing the next message: what is sent, what stays, examples, several files at once."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tbcore.demo.conversation import Conversation, ScriptedAssistant
from tbcore.demo.pictures import to_png
from tbcore.demo.postcards import EXAMPLES, palette
from tbcore.demo.view import ChatView
from tbcore.errors import InputError
from tests.demo.pages import Page, card, say


def view_of(*replies) -> ChatView:
    return ChatView(Conversation(ScriptedAssistant(*replies)), {"a tiger": card(10), "an apple": card(20)})


def test_what_was_sent_is_seen_while_the_reply_comes():
    seen = []

    class Slow:
        def reply(self, history):
            seen.append((Page(view.said.value).words, view.message.value, view.drafted.value, view.draft))
            view.pick[0].click()  # meant for the next message
            return ["done"]

    view = ChatView(Conversation(Slow()), {"a card": card(3)})
    view.pick[0].click()
    say(view, "hi")
    assert seen == [(["You", "hi"], "", "", view.draft)]
    assert Page(view.said.value).words == ["You", "hi", "Assistant", "done"]
    assert len(view.draft) == 1


def test_a_message_that_failed_comes_back_before_what_was_written_meanwhile():
    class Failing:
        def reply(self, history):
            view.message.value = "meanwhile"
            raise InputError("too odd")

    view = ChatView(Conversation(Failing()))
    say(view, "hi")
    assert (view.message.value, view.conversation.turns) == ("hi\nmeanwhile", ())
    assert "Nothing has been said yet" in view.said.value


def test_examples_fill_the_message():
    view = view_of("nice")
    assert [button.description for button in view.tries] == [f"Try: {one.words}" for one in EXAMPLES]
    view.tries[0].click()
    assert view.message.value == "What do you see?"
    assert [int(part[0, 0, 0]) for part in view.draft] == [10]
    view.tries[1].click()
    assert (view.message.value, len(view.draft)) == ("Please draw a tiger on a sandy beach.", 1)
    bare = ChatView(Conversation(ScriptedAssistant()))
    assert len(bare.tries) == sum(one.card is None for one in EXAMPLES)


def test_of_several_files_those_that_can_be_read_are_taken():
    view = view_of("nice")
    when = {"type": "image/png", "size": 1, "last_modified": datetime(2026, 1, 1, tzinfo=UTC)}
    contents = {"a.png": b"GIF89a", "b.png": to_png(card(7)), "<b>": b""}
    view.upload.value = tuple(
        {"name": name, "content": memoryview(content), **when} for name, content in contents.items()
    )
    assert len(view.draft) == 1
    told = Page(view.status.value).words[0].split("\n")
    assert [line.split(":")[0] for line in told] == ["a.png", "<b>"]


def test_the_palette_is_the_same_each_time_and_has_no_postcard_twice():
    cards = palette(4, seed=3)
    assert len(cards) == 4
    assert all(np.array_equal(picture, palette(4, seed=3)[name]) for name, picture in cards.items())
    assert list(cards) != list(palette(4, seed=4))
