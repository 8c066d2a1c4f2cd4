"""The chat without a browser: set values, click, look at what would be shown."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np
import pytest

from tbcore.demo.conversation import Conversation, Drawing, ScriptedAssistant
from tbcore.demo.engine import Ask, ScriptedEngine, Words
from tbcore.demo.pictures import to_png
from tbcore.demo.view import ChatView
from tbcore.errors import InputError
from tests.demo.attacks import ATTACKS
from tests.demo.pages import ATTRIBUTES, TAGS, Page, card, say

OPERATED = {"Button", "Textarea", "FileUpload", "Dropdown"}


def view_of(*replies) -> ChatView:
    palette = {"a tiger on a sandy beach": card(10), "an apple <b>": card(20)}
    return ChatView(Conversation(ScriptedAssistant(*replies)), palette)


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


def test_a_click_cannot_overtake_what_is_written_and_send_comes_back_last():
    view, seen = view_of("nice"), []
    assert not view.message.continuous_update
    assert not view.rewrite.continuous_update
    for one in (view.send, view.stop, view.undo, view.reset, view.again, view.look, view.upload, view.branch):
        one.observe(lambda change: seen.append((change["owner"].description, change["new"])), names="disabled")
    say(view, "hello")
    assert seen[-1] == ("Send", False)
    assert ("Stop", True) in seen


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
    assert kinds == {"VBox", "HBox", "HTML", "Textarea", "Button", "FileUpload", "Dropdown", "DropZone"}


def test_everything_that_can_be_operated_has_a_name():
    view = view_of()
    named = [w.description for w in every(view.tree) if type(w).__name__ in OPERATED]
    assert all(named)
    assert len(set(named)) == len(named)


def engine_view(*replies, **more):
    engine = ScriptedEngine(*replies)
    return ChatView(Conversation(engine), **more), engine


def test_the_reply_is_seen_growing():
    view, engine = engine_view(["One two", Drawing("a cat", card(8))])
    grown = []
    view.live.tree.observe(lambda change: grown.append(Page(change["new"]).words), names="value")
    say(view, "hi")
    assert any("drawing: a cat" in words for words in grown)
    assert any(words[:2] == ["Assistant", "One two"] for words in grown)
    assert view.live.tree.value == ""
    assert engine.asked[0][1].conversation == view.conversation.id


def test_stop_keeps_what_was_said(monkeypatch):
    engine = ScriptedEngine("one two three four", "never", "fine")
    view = ChatView(Conversation(engine))
    take, stop_at = view.live.take, [2]

    def counting(event):
        take(event)
        stop_at[0] -= isinstance(event, Words)
        if not stop_at[0]:
            assert not view.stop.disabled
            view.stop.click()

    monkeypatch.setattr(view.live, "take", counting)
    say(view, "hi")
    assert view.conversation.turns[1].text == "one two three"
    assert view.stop.disabled
    stop_at[0] = 99
    view._stopping.set()
    say(view, "again")  # a new message is not stopped by an old click
    assert view.conversation.turns[3].text == "never"


def test_stopped_before_the_first_word_leaves_the_message(monkeypatch):
    class Silent(ScriptedEngine):
        def answer(self, history, ask, watch):
            return type(super().answer(history, Ask(), lambda event: None))((), "stopped")

    view = ChatView(Conversation(Silent("x")))
    say(view, "hello")
    assert Page(view.status.value).words == ["Stopped."]
    assert (view.conversation.turns, view.message.value) == ((), "hello")


def test_in_the_background_a_click_returns_at_once():
    gate = threading.Event()
    view = ChatView(Conversation(ScriptedEngine("done", wait=lambda: gate.wait(10))), background=True)
    say(view, "hi")
    assert view.send.disabled
    assert not view.stop.disabled
    assert view.conversation.turns == ()
    working = view.working
    view.send.click()  # nothing: the first is still being answered
    gate.set()
    working.join(10)
    assert view.conversation.turns[1].text == "done"
    assert not view.send.disabled
    assert view.working is None


def test_answer_again_makes_a_branch_one_can_leave():
    view, engine = engine_view("first", "second")
    say(view, "hi")
    view.again.click()
    assert view.conversation.turns[1].text == "second"
    assert [ask.attempt for _, ask in engine.asked] == [0, 1]
    assert [name for name, _ in view.branch.options] == ["Branch 1 of 2", "Branch 2 of 2"]
    view.branch.value = 0
    assert Page(view.said.value).words[-1] == "first"


def choose(view: ChatView, name: str) -> None:
    view.past.value = dict(view.past.options)[name]


def test_a_message_a_reply_and_a_drawing_can_be_changed():
    view, engine = engine_view(["See:", Drawing("a cat", card(1))], "two", "two again", "other")
    say(view, "draw")
    say(view, "and?")
    assert [name for name, _ in view.past.options] == [
        "Your message 1", "Reply 1", "Drawing 1 of reply 1", "Your message 2", "Reply 2",
    ]  # fmt: skip
    choose(view, "Drawing 1 of reply 1")
    assert view.rewrite.value == "a cat"
    view.rewrite.value = "a dog"
    view.change.click()
    assert engine.redrawn == [("a dog", 0)]
    assert view.conversation.transcript.captions == ("a dog",)
    assert [turn.text for turn in view.conversation.turns] == ["draw", "See:", "and?", "two again"]
    assert view.conversation.transcript.corrected == (1,)
    choose(view, "Your message 2")
    view.rewrite.value = "or?"
    view.change.click()
    assert [turn.text for turn in view.conversation.turns][2:] == ["or?", "other"]
    choose(view, "Reply 1")
    view.rewrite.value = "Look:"
    view.change.click()
    assert [turn.text for turn in view.conversation.turns] == ["draw", "Look:"]
    assert view.conversation.transcript.captions == ("a dog",)
    view.rewrite.value = " "
    choose(view, "Reply 1")
    view.rewrite.value = " "
    view.change.click()
    assert "would become empty" in view.status.value
    assert len(view.conversation.branches) == 4


def test_a_postcard_can_be_put_together():
    view = view_of("nice")
    view.maker.things[1].value = "tiger"
    view.maker.things[0].value = "pig"
    view.maker.add.click()
    assert view.maker.scene().things == ("pig", "tiger")
    np.testing.assert_array_equal(view.draft[0], view.maker.picture())
    view.maker.things[0].value = "tiger"
    view.maker.add.click()
    assert "different nouns" in view.status.value
    assert len(view.draft) == 1


def test_other_models_answer_beside():
    view, _ = engine_view("ours", "ours too", beside={"other": ScriptedEngine("theirs", InputError("no <b>"))})
    say(view, "hi")
    assert Page(view.status.value).words == ["other says:", "Assistant", "theirs"]
    assert len(view.conversation.turns) == 2
    say(view, "more")
    assert Page(view.status.value).words == ["other: no <b>"]
