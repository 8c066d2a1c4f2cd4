"""How the tests of the chat read what it shows, and speak to it."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from tbcore.demo.view import ChatView

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


def say(view: ChatView, words: str) -> None:
    view.message.value = words
    view.send.click()
