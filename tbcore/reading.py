r"""One pass over a text with tagged pictures and turns: what is where, good or bad.

    <img0-7f3a>a dog</img0-7f3a>\n\nHuman: <img0-7f3a>a dog</img0-7f3a> Is he old?
    mark                           span (user), with a mark inside

The pass never raises: what does not fit the format is a problem with the offset of its first character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from tbcore.entities import unescape
from tbcore.records import Part, Picture, Role, Turn

__all__ = ["ROLE_WORDS", "Mark", "Problem", "ProblemCode", "Reading", "Span", "scan"]

ROLE_WORDS: dict[Role, str] = {"user": "Human", "assistant": "Assistant"}
"""How each role's lines begin, before the colon."""

_ROLE_OF: dict[str, Role] = {word: role for role, word in ROLE_WORDS.items()}
# Patterns that begin with a fixed character: the engine jumps from one to the next instead of trying each place.
_NEXT_ROLE = re.compile(r"\n(Human|Assistant):")
_FIRST_ROLE = re.compile(r"(Human|Assistant):")
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Mark:
    """A well-paired tag: which picture, what stands inside (unescaped), and where, in characters."""

    index: int
    caption: str
    start: int
    end: int


ProblemCode = Literal["foreign_tag", "mismatched_close", "not_canonical", "unpaired_close", "unpaired_open"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not fit the format, and the offset of its first character."""

    code: ProblemCode
    offset: int
    detail: str = ""


class Cut(NamedTuple):
    """A tag in the text: removed, or replaced by a picture when it opens or closes a pair."""

    start: int
    end: int
    picture: int | None


class Span(NamedTuple):
    """A turn's place in the text: role word from `start`, what is said in `body`..`end`."""

    role: Role
    start: int
    body: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass over a text found; offsets count characters.

    Args:
        marks: well-paired tags, wherever they stand.
        opens: index and offset of every opening tag, paired or not.
        spans: the turns' places, in order; what precedes the first belongs to nobody.
    """

    text: str
    marks: tuple[Mark, ...]
    opens: tuple[tuple[int, int], ...]
    spans: tuple[Span, ...]
    problems: tuple[Problem, ...]
    cuts: tuple[Cut, ...]

    def turns(self, *, trim: bool = True, start: int = 0) -> tuple[Turn, ...]:
        """The turns from offset `start` on, tags that open or close no pair left out.

        `trim` drops white space at both ends of a turn, as teachers put blank lines between turns.
        """
        found: list[Turn] = []
        cuts, place = self.cuts, 0
        for span in self.spans:
            while place < len(cuts) and cuts[place].start < span.body:
                place += 1
            first = place
            while place < len(cuts) and cuts[place].start < span.end:
                place += 1
            if span.start < start:
                continue
            if trim and first == place:  # no tag: all that is said is one text
                said = self.text[span.body : span.end].strip()
                found.append(Turn(span.role, (unescape(said),) if said else ()))
            else:
                found.append(Turn(span.role, self._parts(*self._bounds(span, trim=trim), cuts[first:place])))
        return tuple(found)

    def _bounds(self, span: Span, *, trim: bool) -> tuple[int, int]:
        """Where what is said begins and ends, without the space around it."""
        said = self.text[span.body : span.end]
        if not trim:
            return span.body + said.startswith(" "), span.end
        begin = span.body + len(said) - len(said.lstrip())
        return begin, max(begin, span.body + len(said.rstrip()))

    def _parts(self, start: int, end: int, cuts: Sequence[Cut]) -> tuple[Part, ...]:
        parts: list[Part] = []
        words = ""
        for cut in cuts:
            words += self.text[start : cut.start]
            if cut.picture is not None:
                if words:
                    parts.append(unescape(words))
                    words = ""
                parts.append(Picture(cut.picture))
            start = cut.end
        words += self.text[start:end]
        if words:
            parts.append(unescape(words))
        return tuple(parts)


def scan(text: str, nonce: str | None, *, trim: bool) -> Reading:
    """Read a text in one pass.

    Args:
        text: whatever came.
        nonce: what the tags of this codec carry; None for the paper's tags.
        trim: drop white space at both ends of captions, and count the line break before a role word as said.
    """
    starts = _role_starts(text)
    lines = [start for _, start, _ in starts]
    lines.append(len(text) + 1)
    found = _Pass(text, nonce, trim, None, [], [], [], [])
    line = 0
    for token in _tags(nonce).finditer(text):
        start, end = token.span()
        while lines[line] < start:  # nothing stays open across a change of speaker
            found.abandon()
            line += 1
        if token[1] is None:
            found.take(token, start, end)
        else:
            found.abandon()
            found.pair(int(token[1]), start, end, token[2])
    found.abandon()
    spans = _spans(starts, len(text), trim=trim)
    return Reading(text, tuple(found.marks), tuple(found.opens), spans, tuple(found.problems), tuple(found.cuts))


@dataclass(slots=True)
class _Pass:
    """What the pass has met so far; `opened` is index, start and end of the tag that is open."""

    text: str
    nonce: str | None
    trim: bool
    opened: tuple[int, int, int] | None
    marks: list[Mark]
    opens: list[tuple[int, int]]
    problems: list[Problem]
    cuts: list[Cut]

    def abandon(self) -> None:
        """Give up the open tag: what closes it cannot come any more."""
        if self.opened is not None:
            _, start, end = self.opened
            self.problems.append(Problem("unpaired_open", start, self.text[start:end]))
            self.cuts.append(Cut(start, end, None))
            self.opened = None

    def pair(self, index: int, start: int, end: int, inside: str) -> None:
        """Take a tag that opens and closes."""
        if self.opens and self.opens[-1][1] == start:  # it was met when it opened
            self.opens.pop()
        self.opens.append((index, start))
        self.marks.append(Mark(index, _inside(inside, self.nonce, trim=self.trim), start, end))
        self.cuts.append(Cut(start, end, index))
        self.opened = None

    def take(self, token: re.Match[str], start: int, end: int) -> None:
        """Take a tag that stands alone so far."""
        slash, digits, nonce = token.group(3, 4, 5)
        if nonce != self.nonce:
            self.problems.append(Problem("foreign_tag", start, token.group()))
            return
        index, opened = _index(digits), self.opened
        if not slash:
            self.abandon()
            self.opened = index, start, end
            self.opens.append((index, start))
        elif opened is None:
            self.problems.append(Problem("unpaired_close", start, token.group()))
            self.cuts.append(Cut(start, end, None))
        elif opened[0] != index:
            self.abandon()
            detail = f"{self.text[opened[1] : opened[2]]}...{token.group()}"
            self.problems.append(Problem("mismatched_close", start, detail))
            self.cuts.append(Cut(start, end, None))
        else:
            self.pair(index, opened[1], end, self.text[opened[2] : start])


@cache
def _tags(nonce: str | None) -> re.Pattern[str]:
    """A whole pair of this codec with nothing but words inside, which is what nearly all tags are, or any one tag."""
    own = "" if nonce is None else f"-{nonce}"
    pair = rf"img([0-9]{{1,{_MOST_DIGITS}}}){own}>([^<\n]*)</img\1{own}>"
    return re.compile(rf"<(?:{pair}|(/?)img([0-9]+)(?:-([0-9A-Za-z]+))?>)")


def _role_starts(text: str) -> list[tuple[Role, int, int]]:
    """Role, start and end of every role word that begins a line."""
    first = _FIRST_ROLE.match(text)
    starts: list[tuple[Role, int, int]] = []
    if first is not None:
        starts.append((_ROLE_OF[first[1]], 0, first.end()))
    starts.extend((_ROLE_OF[found[1]], found.start() + 1, found.end()) for found in _NEXT_ROLE.finditer(text))
    return starts


def _spans(starts: Sequence[tuple[Role, int, int]], length: int, *, trim: bool) -> tuple[Span, ...]:
    spans: list[Span] = []
    last = len(starts) - 1
    for place, (role, start, body) in enumerate(starts):
        end = length if place == last else starts[place + 1][1]
        # The line break before the next role word parts the turns; it is not said by anybody.
        spans.append(Span(role, start, body, end if trim or place == last else end - 1))
    return tuple(spans)


def _inside(words: str, nonce: str | None, *, trim: bool) -> str:
    if trim:
        words_inside = words.strip()
    elif nonce is None and len(words) >= 2 and words[0] == words[-1] == " ":
        words_inside = words[1:-1]
    else:
        words_inside = words
    return unescape(words_inside)


def _index(digits: str) -> int:
    # Python refuses to read thousands of digits; such an index points nowhere anyhow.
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
