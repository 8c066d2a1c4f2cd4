"""Files dropped onto the chat: what arrives is checked before it is believed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tbcore.demo import dropping
from tbcore.demo.conversation import Conversation, ScriptedAssistant
from tbcore.demo.dropping import MAX_FILES, drop_zone, dropped_file
from tbcore.demo.pictures import to_png
from tbcore.demo.view import ChatView
from tbcore.errors import InputError, MissingExtraError
from tests.demo.pages import Page, card


def test_a_file_is_a_name_and_one_buffer():
    assert dropped_file({"kind": "file", "name": "a.png"}, [memoryview(b"xyz")]) == ("a.png", b"xyz")


@pytest.mark.parametrize(
    ("content", "buffers", "told"),
    [
        (None, [], "what arrived is no file"),
        ({"kind": "file"}, [b"x"], "what arrived is no file"),
        ({"kind": "file", "name": 3}, [b"x"], "what arrived is no file"),
        ({"kind": "run", "name": "a"}, [b"x"], "what arrived is no file"),
        ({"kind": "file", "name": "a.png"}, [], "a.png: it arrived without its content"),
        ({"kind": "file", "name": "a.png"}, [b"x", b"y"], "a.png: it arrived without its content"),
        ({"kind": "too large", "name": "a\n b.png"}, [], r"a b.png: at most 8,388,608 bytes"),
        ({"kind": "too many", "name": ""}, None, f"picture: at most {MAX_FILES} files"),
    ],
)
def test_anything_else_is_refused_in_words(content, buffers, told):
    with pytest.raises(InputError, match=told):
        dropped_file(content, buffers)


def arrive(zone, content, buffers=()):
    zone._handle_custom_msg(content, list(buffers))


def test_messages_of_the_browser_reach_the_chat_like_uploads():
    view = ChatView(Conversation(ScriptedAssistant("nice")), {"a card": card(1)})
    arrive(view.drop, {"kind": "file", "name": "mine.png"}, [to_png(np.full((80, 120, 3), 77, np.uint8))])
    assert [part.shape for part in view.draft] == [(64, 64, 3)]
    assert int(view.draft[0][5, 5, 0]) == 77
    arrive(view.drop, {"kind": "file", "name": "<b>.png"}, [b"<script>"])
    assert isinstance(view.error, InputError)
    assert Page(view.status.value).tags == {"p"}
    arrive(view.drop, "nonsense")
    assert "what arrived is no file" in view.status.value
    assert len(view.draft) == 1


def test_the_browser_is_told_the_limits_and_loads_nothing():
    zone = drop_zone(lambda name, content: None, lambda error: None)
    assert (zone.most_bytes, zone.most_files, zone.home) == (8 << 20, MAX_FILES, "tbcore-chat")
    source = dropping._SOURCE.read_text(encoding="utf-8")
    assert "innerHTML" not in source
    assert "import " not in source
    assert "http" not in source


def test_without_anywidget_pictures_can_still_be_uploaded(monkeypatch):
    dropping._kind.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    try:
        with pytest.raises(MissingExtraError, match="pip install anywidget"):
            drop_zone(lambda name, content: None, lambda error: None)
        view = ChatView(Conversation(ScriptedAssistant("nice")))
        assert view.drop is None
        view.offer("mine.png", to_png(card(5)))
        assert len(view.draft) == 1
    finally:
        dropping._kind.cache_clear()
