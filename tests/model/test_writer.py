"""The machine that writes one reply, token by token, without any model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.model.pack import Layout
from tbcore.model.replies import DecodeSettings, Drawn
from tbcore.model.tiny import byte_tokenizer
from tbcore.model.tokens import ChatText
from tbcore.model.writer import Writer

LAYOUT = Layout(ChatText(byte_tokenizer()), 4, 259, 260, 261)
STOP = LAYOUT.text.format.stop
MARKS = {"<": LAYOUT.start_id, ">": LAYOUT.end_id, "$": STOP}


def write(script, *, settings=None, may_draw=True, wordless=False):
    """Follow the script as far as the machine allows; a letter it bars is skipped. The writer and its pieces."""
    pieces = []
    chosen = settings or DecodeSettings()
    writer = Writer(0, LAYOUT, chosen, may_draw=may_draw, wordless=wordless, watch=pieces.append)
    tokens = [i for c in script for i in ([MARKS[c]] if c in MARKS else LAYOUT.text._encode(c))]
    for token in tokens:
        if writer.mode == "done":
            break
        if writer.must_close:
            writer.take(LAYOUT.end_id)
        elif token not in writer.barred():
            writer.take(token)
        if writer.mode == "waiting":
            picture = np.zeros((2, 2, 3), np.uint8)
            writer.drawn(Drawn(writer.caption, picture, 0) if writer.caption or wordless else None)
    return writer, pieces


def said(writer):
    return [part if isinstance(part, str) else [part.caption] for part in writer.reply.parts]


@pytest.mark.parametrize(
    ("script", "parts", "finish"),
    [
        ("hi$", ["hi"], "stop"),
        ("ok<cat>yes$", ["ok", ["cat"], "yes"], "stop"),
        ("a>b$", ["ab"], "stop"),  # stray
        ("<a<b>$", [["ab"]], "stop"),  # nested
        ("x<>b>c$", ["x", ["b"], "c"], "stop"),  # empty: it cannot be closed yet
        ("x<  >y<z>$", ["x", "yz"], "stop"),  # blank: nothing is drawn, and nothing more will be
        ("<abcdefgh.i$", [["abcdefgh"], "i"], "stop"),  # too long: closed where the limit lies
        ("ab<c$d>$", ["ab", ["cd"]], "stop"),  # a reply cannot end inside a caption
        ("<a><b><c>d$", [["a"], ["b"], "cd"], "stop"),  # two pictures are allowed
        ("abcdefghijklmno", ["abcdefghijkl"], "length"),
        ("abcdefghij<kl", ["abcdefghij"], "length"),  # the open caption goes whole
        ("", [], "stop"),
    ],
)
def test_every_way_has_a_result(script, parts, finish):
    writer, _ = write(script, settings=DecodeSettings(max_tokens=12, max_caption=8, max_pictures=2))
    assert said(writer) == parts
    assert writer.reply.finish == finish


def test_without_leave_nothing_is_opened():
    writer, _ = write("<a>b$", may_draw=False)
    assert said(writer) == ["ab"]


def test_without_words_a_mark_is_enough():
    writer, pieces = write("a<b<$", wordless=True, settings=DecodeSettings(max_pictures=1))
    assert said(writer) == ["a", [""], "b"]
    assert [piece.kind for piece in pieces] == ["text", "drawing", "text", "end"]


SCRIPTS = st.text(alphabet="ab é漢<>$ ", max_size=40)


@given(SCRIPTS)
def test_laws_of_every_reply(script):
    """Whatever is chosen: no mark in any text, no caption empty, never more pictures or tokens than allowed."""
    settings = DecodeSettings(max_tokens=20, max_caption=6, max_pictures=2)
    writer, _ = write(script, settings=settings)
    assert len(writer.said) <= settings.max_tokens
    assert len(writer.reply.drawings) <= 2
    for part in writer.reply.parts:
        text = part if isinstance(part, str) else part.caption
        assert text == text.strip() != ""
        assert not {"<", ">", "$"} & set(text)


@given(SCRIPTS)
def test_pieces_join_to_the_reply(script):
    writer, pieces = write(f"{script}a>$", settings=DecodeSettings(max_tokens=25, max_caption=6, max_pictures=2))
    parts, text = [], ""
    for piece in pieces:
        if piece.kind == "text":
            text += piece.text
            continue
        if text:
            parts.append(text)
            text = ""
        if piece.kind == "drawing":
            parts.append([piece.drawn.caption])
    assert parts + ([text] if text else []) == said(writer)
    captions = [""]
    for piece in pieces:
        if piece.kind == "caption":
            captions[-1] += piece.text
        elif piece.kind == "drawing":
            assert captions[-1] == piece.drawn.caption
            captions.append("")
        elif piece.kind == "dropped":
            captions[-1] = ""
    assert [piece.text for piece in pieces if piece.kind == "end"] == [writer.reply.finish]


def test_a_letter_of_several_bytes_comes_whole():
    _, pieces = write("a漢 b$")
    assert [piece.text for piece in pieces] == ["a", "漢", " b", "stop"]
