"""Checks of appendix A2: escaping, invisible characters, names that lead out of a folder."""

from __future__ import annotations

from typing import Any

from tbcore.course.exercises import Hint, exercise

__all__: list[str] = []


@exercise("A2.1")
def check_a2_1(my_escape: Any) -> None:
    """Three signs as entities, reversibly."""
    got = my_escape("a<b")
    if got == "a&amp;lt;b":
        raise Hint("replace & first: your own entities were escaped a second time")
    if got in {"ab", "a b"}:
        raise Hint("that throws the sign away; escaping keeps it as an entity")
    if got != "a&lt;b":
        raise Hint(f"'a<b' becomes 'a&lt;b'; got {got!r}")
    if my_escape("&lt;") == "&lt;":
        raise Hint("an & that was there before must become &amp;, or '&lt;' and '<' look the same afterwards")
    if my_escape("&lt;") != "&amp;lt;":
        raise Hint(f"'&lt;' becomes '&amp;lt;'; got {my_escape('&lt;')!r}")
    if my_escape("<<>>&&") != "&lt;&lt;&gt;&gt;&amp;&amp;":
        raise Hint("replace every sign, not only the first of its kind")
    if my_escape("a brown dog") != "a brown dog":
        raise Hint("words without markup stay as they are")


@exercise("A2.2")
def check_a2_2(reveal: Any) -> None:
    """Code points of invisible format characters."""
    got = reveal("a\u202eb\u200b")
    if got == ["U+202e", "U+200b"]:
        raise Hint("code points are written in capitals: use the format X, not x")
    if isinstance(got, set) or got == ["U+200B", "U+202E"]:
        raise Hint("keep the order of the text")
    if got != ["U+202E", "U+200B"]:
        raise Hint(f"'a', a right-to-left override, 'b' and a zero-width space: two format characters; got {got}")
    if reveal("caf\u00e9 狗 \n"):
        raise Hint("letters of other scripts and line breaks are no format characters; look for category 'Cf'")
    if reveal("\u00ad") == ["U+AD"]:
        raise Hint("four digits or more: U+00AD")
    if reveal("\u00ad\u200b\u200b\U000e0041") != ["U+00AD", "U+200B", "U+200B", "U+E0041"]:
        raise Hint("name every one, repeats too, with four digits or more")


@exercise("A2.3")
def check_a2_3(stays_inside: Any) -> None:
    """Whether a relative name stays inside its folder at every step."""
    for name in ("a.png", "a/b.png", "a/../b.png", "./a.png", "a//b.png", "..a/b.png", "a..png"):
        if not stays_inside(name):
            raise Hint(f"{name!r} stays inside; count steps, and compare whole parts with '..'")
    for name in ("../a.png", "a/../../b.png", "..", "a/b/../../../c.png"):
        if stays_inside(name):
            raise Hint(f"{name!r} leaves the folder: the depth falls below zero")
    if stays_inside("/etc/passwd"):
        raise Hint("a name that starts with a slash begins at the root of the disk, not in the folder")
    if stays_inside("../inside/a.png"):
        raise Hint("'../inside/a.png' leaves first and comes back; it must be refused at the first step")
