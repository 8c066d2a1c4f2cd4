"""The chat without a browser: set values, click, look at what would be shown."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from tbcore.demo.conversation import Conversation, Drawing, ScriptedAssistant
from tbcore.demo.pictures import to_png
from tbcore.demo.view import ChatView
from tbcore.errors import InputError

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    '" onmouseover="alert(1)',
    "</p></article><iframe src=javascript:alert(1)>",
    "&lt;b&gt; &amp;",
    "$\\href{javascript:alert(1)}{x}$",
)
TAGS = {"article", "b", "p", "figure", "figcaption", "img"}
ATTRIBUTES = {"style", "dir", "role", "alt", "width", "src"}


class Page(HTMLParser):
    """The tags, attributes and words of a piece of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags, self.names, self.words, self.alts = set(), set(), [], []
        self.sources = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.alts += [value for name, value in attrs if name == "alt"]
        self.sources += [value for name, value in attrs if name == "src"]

    def handle_data(self, data):
        self.words.append(data)


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def view_of(*replies) -> ChatView:
    palette = {"a tiger on a sandy beach": card(10), "an apple <b>": card(20)}
    return ChatView(Conversation(ScriptedAssistant(*replies)), palette)


def say(view: ChatView, words: str) -> None:
    view.message.value = words
    view.send.click()


def give(view: ChatView, name: str, content: bytes) -> None:
    file = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content)}
    view.upload.value = ({**file, "last_modified": datetime(2026, 1, 1, tzinfo=UTC)},)


def test_pick_write_send_and_read_the_answer():
    view = view_of(["Here it is:", Drawing("a tiger and an apple", card(99))])
    view.pick[0].click()
    say(view, "Add an apple.")
    shown = Page(view.said.value)
    assert shown.words == ["You", "Add an apple.", "Assistant", "Here it is:", "drawn from: a tiger and an apple"]
    assert shown.alts == ["a picture you showed", "a tiger and an apple"]
    assert view.message.value == ""
    assert view.drafted.value == ""
    assert view.status.value == ""
    assert int(view.conversation.transcript.pictures[0][0, 0, 0]) == 10


def test_pictures_stand_where_they_were_added():
    view = view_of("ok")
    view.message.value = "first this"
    view.pick[1].click()
    view.message.value = "then that"
    view.pick[0].click()
    say(view, "and why?")
    parts = view.conversation.turns[0].parts
    assert [part if isinstance(part, str) else part.index for part in parts] == [
        "first this", 0, "then that", 1, "and why?",
    ]  # fmt: skip
    assert [int(p[0, 0, 0]) for p in view.conversation.transcript.pictures] == [20, 10]


def test_several_turns_undo_and_reset():
    view = view_of("one", "two", "three")
    assert view.undo.disabled
    assert view.reset.disabled
    say(view, "a")
    say(view, "b")
    assert Page(view.said.value).words == ["You", "a", "Assistant", "one", "You", "b", "Assistant", "two"]
    view.undo.click()
    assert Page(view.said.value).words == ["You", "a", "Assistant", "one"]
    assert view.draft == ["b"]
    view.reset.click()
    assert view.conversation.turns == ()
    assert view.draft == []
    assert view.undo.disabled
    say(view, "c")
    assert Page(view.said.value).words[-1] == "three"


def test_an_upload_is_reencoded_and_can_be_sent():
    view = view_of("nice")
    give(view, "mine.png", to_png(np.full((80, 120, 3), 77, dtype=np.uint8)))
    assert view.upload.value == ()
    assert "Your message so far:" in Page(view.drafted.value).words
    say(view, "What is it?")
    assert view.conversation.transcript.pictures[0].shape == (64, 64, 3)
    assert int(view.conversation.transcript.pictures[0][5, 5, 0]) == 77


def test_a_broken_upload_gives_a_message_and_the_conversation_goes_on():
    view = view_of("one", "two")
    say(view, "a")
    give(view, "<script>x.png", b"GIF89a but not really")
    assert isinstance(view.error, InputError)
    assert "cannot be decoded" in view.status.value
    assert "<script>" not in view.status.value
    assert "role='alert'" in view.status.value
    assert view.draft == []
    say(view, "b")
    assert view.error is None
    assert view.status.value == ""
    assert len(view.conversation.turns) == 4


@pytest.mark.parametrize("trouble", [ZeroDivisionError("by <zero>"), InputError("message: too odd")])
def test_a_failing_assistant_is_seen_and_the_message_is_kept(trouble):
    view = view_of(trouble, "better")
    view.pick[0].click()
    view.message.value = "hello"
    view.send.click()
    assert view.error is trouble
    assert Page(view.status.value).words in (["ZeroDivisionError: by <zero>"], ["message: too odd"])
    assert view.message.value == "hello"
    assert len(view.draft) == 1
    assert not view.send.disabled
    view.send.click()
    assert view.conversation.turns[1].text == "better"


def test_an_empty_message_is_refused_in_words():
    view = view_of("never")
    view.send.click()
    assert "message: it is empty" in view.status.value


def test_while_the_assistant_writes_nothing_can_be_sent():
    seen = []

    class Slow:
        def reply(self, history):
            seen.append((view.send.disabled, Page(view.status.value).words))
            return ["done"]

    view = ChatView(Conversation(Slow()))
    say(view, "hi")
    assert seen == [(True, ["The assistant is writing ..."])]
    assert not view.send.disabled


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_is_said_becomes_markup(attack):
    view = view_of([attack, Drawing(attack, card(1))], InputError(attack))
    view.message.value = attack
    view.pick[0].click()
    drafted = Page(view.drafted.value)
    assert drafted.words == ["Your message so far:", attack]
    view.send.click()
    shown = Page(view.said.value)
    assert shown.tags <= TAGS
    assert shown.names <= ATTRIBUTES
    assert shown.words == ["You", attack, "Assistant", attack, f"drawn from: {attack}"]
    assert shown.alts == ["a picture you showed", attack]
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in shown.sources)
    say(view, "again")
    assert Page(view.status.value).words == [attack]
    assert Page(view.status.value).tags == {"p"}


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def test_only_widgets_that_do_not_typeset_show_words():
    view = view_of()
    kinds = {type(widget).__name__ for widget in every(view.tree)}
    assert kinds == {"VBox", "HBox", "HTML", "Textarea", "Button", "FileUpload"}


def test_everything_that_can_be_operated_has_a_name():
    view = view_of()
    named = [w.description for w in every(view.tree) if type(w).__name__ in {"Button", "Textarea", "FileUpload"}]
    assert all(named)
    assert len(set(named)) == len(named)
