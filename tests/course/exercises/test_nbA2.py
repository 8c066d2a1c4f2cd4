"""Exercises of appendix A2: wrong answers get their own hint, and another right answer passes."""

from __future__ import annotations

import html
import posixpath
import unicodedata

import pytest

from tbcore.course.exercises import Hint, check_of


def points(text, shape="U+{:04X}", wanted=("Cf",)):
    return [shape.format(ord(letter)) for letter in text if unicodedata.category(letter) in wanted]


def once(words):
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        words = words.replace(sign, entity, 1)
    return words


def steps(name):
    depth = 0
    for part in name.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return False
    return name[:1] != "/"


WRONG = [
    (
        "A2.1",
        lambda words: words.replace("<", "&lt;").replace(">", "&gt;").replace("&", "&amp;"),
        "replace & first",
    ),
    ("A2.1", lambda words: words.replace("<", "").replace(">", ""), "throws the sign away"),
    ("A2.1", lambda words: words.replace("<", "&lt;").replace(">", "&gt;"), "must become &amp;"),
    (
        "A2.1",
        lambda words: words.replace("&", "&amp;", 1).replace("<", "&lt;", 1).replace(">", "&gt;", 1),
        "every sign",
    ),
    ("A2.1", lambda words: words, "becomes 'a&lt;b'"),
    ("A2.2", lambda text: points(text, "U+{:04x}"), "in capitals"),
    ("A2.2", lambda text: sorted(points(text)), "order of the text"),
    ("A2.2", lambda text: [], "two format characters"),
    ("A2.2", lambda text: points(text, wanted=("Cf", "Cc", "Lo")), "category 'Cf'"),
    ("A2.2", lambda text: points(text, "U+{:X}"), "four digits or more: U"),
    ("A2.2", lambda text: list(dict.fromkeys(points(text))), "repeats too"),
    ("A2.3", lambda name: ".." not in name, "stays inside; count steps"),
    ("A2.3", lambda name: True, "leaves the folder"),
    (
        "A2.3",
        lambda name: not posixpath.normpath(name.lstrip("/")).startswith("../") and name != "..",
        "root of the disk",
    ),
    (
        "A2.3",
        lambda name: not posixpath.normpath(f"/x/inside/{name}" if name[0] != "/" else name).find("/x/inside/"),
        "must be refused at the first step",
    ),
]


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


RIGHT = [
    ("A2.1", lambda words: html.escape(words, quote=False)),
    ("A2.2", points),
    ("A2.3", steps),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_written_differently_pass(name, answer):
    check_of(name)(answer)
