"""The static twin: same words, same pictures, no markup from outside, and a figure that is not empty."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from tbcore.demo import twin
from tbcore.demo.conversation import Conversation, Drawing, ScriptedAssistant, Transcript

ODD = "<script>alert(1)</script> & \"'`"


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def a_talk(words: str = ODD) -> Transcript:
    chat = Conversation(ScriptedAssistant([words, Drawing(words, card(230))], []))
    chat.send([card(40), words])
    chat.send("bye")
    return chat.transcript


class Words(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.words, self.tags = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += [data] if data.strip() else []


def test_the_page_holds_everything_said_and_nothing_that_runs():
    page = twin.page(a_talk(), title=ODD, note=ODD)
    found = Words(page)
    assert "script" not in found.tags
    assert found.words.count(ODD) == 5  # title, heading, note, question, answer
    assert f"drawn from: {ODD}" in found.words
    assert found.words.count("(no answer)") == 1
    assert found.tags.count("img") == 2
    assert "default-src 'none'" in page
    assert page.count("data:image/png;base64,iVBOR") == 2


def test_view_and_twin_show_the_same():
    from tbcore.demo.view import ChatView

    chat = Conversation(ScriptedAssistant())
    chat.transcript = a_talk()
    assert Words(ChatView(chat).said.value).words == Words(twin.fragment(chat.transcript)).words


def test_the_alt_text_tells_the_conversation():
    told = twin.alt_text(a_talk("hi there"))
    assert told == (
        "You: [a picture you showed] hi there / Assistant: hi there [hi there] / You: bye / Assistant: (no answer)"
    )


def test_the_painting_shows_both_sides_and_the_pictures():
    pixels = twin.paint(a_talk("hello"))
    assert pixels.dtype == np.uint8
    assert pixels.shape[1:] == (760, 3)
    for shade in (40, 230):
        assert (pixels == shade).all(axis=2).sum() >= 160 * 160
    user, assistant = ((pixels == colour).all(axis=2) for colour in ((219, 234, 254), (241, 241, 238)))
    assert np.nonzero(user)[1].mean() > 380 > np.nonzero(assistant)[1].mean()


@pytest.mark.parametrize(
    "words", ["$x_{$ \\frac", "x" * 900, "日本語 🐯 \u202e", "one\n\ntwo", "https://example.org/" + "a/" * 200]
)
def test_any_words_can_be_painted_and_stay_inside(words):
    pixels = twin.paint(a_talk(words))
    assert (pixels[:, -15:] == 255).all()
    assert (pixels[:, :15] == 255).all()


def test_the_figure_is_the_painting_pixel_by_pixel():
    import io

    from PIL import Image

    transcript, buffer = a_talk("hello"), io.BytesIO()
    twin.figure(transcript).savefig(buffer, format="png", dpi=110)
    shown = np.asarray(Image.open(buffer).convert("RGB"))
    assert abs(shown.shape[0] - twin.paint(transcript).shape[0]) <= 1
    assert (shown == 230).all(axis=2).sum() >= 150 * 150


def test_an_empty_conversation_has_a_twin_too():
    assert "Nothing has been said yet." in twin.fragment(Transcript())
    assert twin.paint(Transcript()).shape[0] >= 32
    assert len(twin.alt_text(Transcript()).split()) >= 4
