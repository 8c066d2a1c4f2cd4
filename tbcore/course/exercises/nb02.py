"""Exercises of notebook 02: a safe tag, the bill of a teacher with a prefix cache, an attack on a quick script."""

from __future__ import annotations

from typing import Any

from tbcore.course.exercises import Hint, exercise
from tbcore.dialogue import PAPER, Codec, read_reply

__all__: list[str] = []

_LONGEST_ATTACK = 60


@exercise("02.1")
def check_02_1(tag: Any) -> None:
    """The caption inside its tag, markup written as entities."""
    plain = tag(0, "a cat", "7f3a")
    if plain == "<img0-7f3a>a cat<img0-7f3a>":
        raise Hint("the closing tag needs its slash: </img0-7f3a>")
    if plain == "<img0-7f3a>a cat</img>":
        raise Hint("the closing tag repeats number and nonce, so that it can be matched with its opening tag")
    if plain != "<img0-7f3a>a cat</img0-7f3a>":
        raise Hint(f"tag(0, 'a cat', '7f3a') should be '<img0-7f3a>a cat</img0-7f3a>'; got {plain!r}")
    if tag(3, "a cat", "beef") != "<img3-beef>a cat</img3-beef>":
        raise Hint("number and nonce come from the arguments; try tag(3, 'a cat', 'beef')")
    marked = tag(0, "a < b & c > d", "7f3a")
    if "<img0-7f3a>a < b" in marked:
        raise Hint("the angle bracket of the caption came through as it is; write < as &lt;")
    if "&amp;lt;" in marked:
        raise Hint("&lt; was escaped a second time; replace & first, then < and >")
    if " & " in marked:
        raise Hint("& itself must become &amp;, or nobody can tell your entities from the caption's own")
    if marked != Codec("7f3a").tagged(0, "a < b & c > d"):
        raise Hint(f"three signs become entities, &amp; &lt; &gt;; got {marked!r}")


@exercise("02.2")
def check_02_2(cached_bill: Any) -> None:
    """Two full blocks and one begun: three calls pay the full price for the shared tokens."""
    alone = cached_bill(1, 8, 1000, 100, 200, 1.0, 0.1, 5.0)
    if abs(alone - 2100.0) < 1e-6:
        raise Hint("prices are per million tokens; divide by 1e6")
    if abs(alone - 0.0012) < 1e-9:
        raise Hint("a call that is the first of its block reads the shared tokens at the full price")
    if abs(alone - 0.0021) > 1e-9:
        raise Hint(f"one call: 1,000 shared + 100 own tokens at 1, 200 written at 5, is 0.0021; got {alone:g}")
    cases = {
        "full": (17, 8, 1000, 0, 0, 1.0, 0.1, 5.0),
        "rest": (17, 8, 1000, 100, 200, 1.0, 0.1, 5.0),
    }
    shared = cached_bill(*cases["full"])
    if abs(shared - 0.017) < 1e-9:
        raise Hint("no call was charged the cached price; only the first of each block pays the full one")
    if abs(shared - 0.0035) < 1e-9:
        raise Hint("17 calls in blocks of 8 make three blocks; the last, incomplete one counts too")
    if abs(shared - 0.0026) < 1e-9:
        raise Hint("every block has a first call, not only the very first block")
    if abs(shared - 0.0044) > 1e-9:
        raise Hint(f"17 calls, 1,000 shared tokens: 3 at the full price, 14 cached, is 0.0044; got {shared:g}")
    if abs(cached_bill(*cases["rest"]) - 0.0231) > 1e-9:
        raise Hint("each call pays for its own tokens and its reply in full, cached or not")


@exercise("02.3")
def check_02_3(attack: Any) -> None:
    """A caption that forges a Human turn in unescaped text while its picture is still found."""
    if not isinstance(attack, str) or len(attack) > _LONGEST_ATTACK:
        raise Hint(f"an attack is a caption, a string of at most {_LONGEST_ATTACK} characters")
    reading = read_reply(f"Human: What is this? <img0>{attack}</img0>\nAssistant: A nice picture.", PAPER)
    roles = [turn.role for turn in reading.turns()]
    if len(roles) == 2:
        raise Hint("a reader still finds two turns; a role word counts only at the start of a line")
    if 0 not in [mark.index for mark in reading.marks]:
        raise Hint("your turn is in, but picture 0 is lost, and that would be noticed; close its tag first")
    forged = [turn for turn in reading.turns()[1:-1] if turn.role == "user"]
    if not forged:
        raise Hint("you forged a turn, but not one of Human")
    if not any(turn.text.strip() for turn in forged):
        raise Hint("your Human turn says nothing; give it some words")
