"""The codec: a dialogue as the text a teacher reads and writes, and back.

    <img0-7f3a>a brown dog</img0-7f3a>                  the pictures, one line each

    Human: <img0-7f3a>a brown dog</img0-7f3a> Is he old?
    Assistant: No, he is about a year old.              the turns; a line without a role continues its turn

A picture is its caption inside a numbered tag. With a *nonce* (`7f3a`, drawn once per run) nobody who wrote
a caption can know the tag; without one the tag is the paper's, `<img0> a brown dog </img0>`. Independently
of that, all markup inside captions and text is written as visible, reversible entities, so data can never
close a tag or open a turn. `parse(render(d)) == d` holds for every dialogue.

Two readers share one pass over the text: `parse` takes exactly what `render` writes; `read_reply` takes
whatever a teacher answered and names each problem with its offset. Source: tags and role words follow
SihengLi99/TextBind (common_utils, constaints); nonce and escaping are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tbcore.entities import escape, unescape
from tbcore.errors import DialogueError, InputError
from tbcore.records import Dialogue, Part, Picture, Role, Turn
from tbcore.seeds import stream

__all__ = [
    "PAPER",
    "ROLE_WORDS",
    "SHIPPED",
    "Codec",
    "Mark",
    "Problem",
    "Reading",
    "escape",
    "parse",
    "read_reply",
    "render",
    "render_captions",
    "render_turns",
    "unescape",
]

ROLE_WORDS: dict[Role, str] = {"user": "Human", "assistant": "Assistant"}
"""How each role's lines begin, before the colon."""

_ROLE_OF: dict[str, Role] = {word: role for role, word in ROLE_WORDS.items()}
_TOKEN = re.compile(r"<(/?)img([0-9]+)(?:-([0-9A-Za-z]+))?>|^(Human|Assistant):", re.MULTILINE)
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Codec:
    """Which tags stand for pictures: the paper's, or tags with a nonce.

    Raises:
        InputError: the nonce is not 4 to 16 lower-case letters or digits.
    """

    nonce: str | None = None

    def __post_init__(self) -> None:
        if self.nonce is not None and not re.fullmatch(r"[0-9a-z]{4,16}", self.nonce):
            raise InputError(
                f"Codec: a nonce is 4 to 16 lower-case letters or digits; got {self.nonce!r}. "
                "Use Codec.from_seed(seed), or None for the paper's tags."
            )

    @classmethod
    def from_seed(cls, seed: int) -> Codec:
        """The run's own nonce: one per run, so that the fixed part of all its prompts is the same bytes."""
        return cls(f"{int(stream(seed, 'nonce').integers(16**4)):04x}")

    @classmethod
    def from_version(cls, version: str) -> Codec:
        """The inverse of `version`; InputError when no codec of this package has that name."""
        codec = cls() if version == "paper-1" else None
        if version.startswith("nonce-1-"):
            codec = cls(version.removeprefix("nonce-1-"))
        if codec is None:
            raise InputError(f"Codec: unknown version {version!r}; known are 'paper-1' and 'nonce-1-...'.")
        return codec

    @property
    def version(self) -> str:
        """Names everything that the rendered bytes depend on; recorded replies are found by it."""
        return "paper-1" if self.nonce is None else f"nonce-1-{self.nonce}"

    def opening(self, index: int) -> str:
        """The tag that opens picture `index`."""
        return f"<img{index}>" if self.nonce is None else f"<img{index}-{self.nonce}>"

    def closing(self, index: int) -> str:
        """The tag that closes picture `index`."""
        return f"</img{index}>" if self.nonce is None else f"</img{index}-{self.nonce}>"

    def tagged(self, index: int, caption: str) -> str:
        """A caption, escaped, inside its tag."""
        space = " " if self.nonce is None else ""
        return f"{self.opening(index)}{space}{escape(caption)}{space}{self.closing(index)}"


PAPER = Codec()
"""The tags of the paper's released code, for its format only."""

SHIPPED = Codec("e046")
"""The codec in which the shipped conversations were recorded."""


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


@dataclass(frozen=True, slots=True)
class _Cut:
    """A tag in the text: removed, or replaced by a picture when it opens or closes a pair."""

    start: int
    end: int
    picture: int | None


@dataclass(frozen=True, slots=True)
class Span:
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
    cuts: tuple[_Cut, ...]

    def turns(self, *, trim: bool = True, start: int = 0) -> tuple[Turn, ...]:
        """The turns from offset `start` on, tags that open or close no pair left out.

        `trim` drops white space at both ends of a turn, as teachers put blank lines between turns.
        """
        return tuple(Turn(span.role, tuple(self._parts(span, trim=trim))) for span in self.spans if span.start >= start)

    def _parts(self, span: Span, *, trim: bool) -> Iterator[Part]:
        start, end = span.body, span.end
        if trim:
            while start < end and self.text[start].isspace():
                start += 1
            while start < end and self.text[end - 1].isspace():
                end -= 1
        elif self.text.startswith(" ", start, end):
            start += 1
        words = ""
        for cut in self.cuts:
            if cut.start < start or cut.start >= end:
                continue
            words += self.text[start : cut.start]
            if cut.picture is not None:
                if words:
                    yield unescape(words)
                    words = ""
                yield Picture(cut.picture)
            start = cut.end
        words += self.text[start:end]
        if words:
            yield unescape(words)


def render_captions(captions: Sequence[str], codec: Codec) -> str:
    """One line per picture: its tag around its caption, in order of index."""
    return "\n".join(codec.tagged(index, caption) for index, caption in enumerate(captions))


def render_turns(dialogue: Dialogue, codec: Codec) -> str:
    """The turns, each beginning a line with its role word; line breaks in text stay line breaks."""
    lines: list[str] = []
    for turn in dialogue.turns:
        said = "".join(
            "\n".join(escape(line) for line in part.split("\n"))
            if isinstance(part, str)
            else codec.tagged(part.index, dialogue.captions[part.index])
            for part in turn.parts
        )
        lines.append(f"{ROLE_WORDS[turn.role]}: {said}" if turn.parts else f"{ROLE_WORDS[turn.role]}:")
    return "\n".join(lines)


def render(dialogue: Dialogue, codec: Codec) -> str:
    """The whole dialogue: captions, a blank line, turns."""
    return f"{render_captions(dialogue.captions, codec)}\n\n{render_turns(dialogue, codec)}"


def parse(
    text: str,
    codec: Codec,
    *,
    record: str = "",
    pictures: Sequence[str] = (),
    source: str = "",
    group: str = "",
) -> Dialogue | Problem:
    """The exact inverse of `render`; what `render` would not write is a problem with its offset.

    The keywords fill the fields of a dialogue that its text does not hold.
    """
    reading = _scan(text, codec, trim=False)
    if reading.problems:
        return reading.problems[0]
    first_turn = reading.spans[0].start if reading.spans else len(text)
    captions = tuple(mark.caption for mark in reading.marks if mark.start < first_turn)
    try:
        dialogue = Dialogue(record, reading.turns(trim=False), captions, tuple(pictures), source, group)
    except DialogueError as error:
        return Problem("not_canonical", first_turn, str(error))
    again = render(dialogue, codec)
    if again != text:
        return Problem("not_canonical", _first_difference(again, text), "render would write this otherwise")
    return dialogue


def read_reply(text: str, codec: Codec) -> Reading:
    """Read what a teacher wrote, good or bad: it never raises; problems come with code and offset.

    What the teacher wrote inside a tag is kept as it came, to be judged; records store the originals.
    """
    return _scan(text, codec, trim=True)


def _scan(text: str, codec: Codec, *, trim: bool) -> Reading:
    marks: list[Mark] = []
    opens: list[tuple[int, int]] = []
    starts: list[tuple[Role, int, int]] = []
    problems: list[Problem] = []
    cuts: list[_Cut] = []
    opened: re.Match[str] | None = None

    def abandon() -> None:
        if opened is not None:
            problems.append(Problem("unpaired_open", opened.start(), opened.group()))
            cuts.append(_Cut(opened.start(), opened.end(), None))

    for token in _TOKEN.finditer(text):
        slash, digits, nonce, role = token.groups()
        if role is not None:
            abandon()
            opened = None
            starts.append((_ROLE_OF[role], token.start(), token.end()))
        elif nonce != codec.nonce:
            problems.append(Problem("foreign_tag", token.start(), token.group()))
        elif not slash:
            abandon()
            opened = token
            opens.append((_index(digits), token.start()))
        elif opened is None:
            problems.append(Problem("unpaired_close", token.start(), token.group()))
            cuts.append(_Cut(token.start(), token.end(), None))
        elif _index(opened[2]) != _index(digits):
            abandon()
            problems.append(Problem("mismatched_close", token.start(), f"{opened.group()}...{token.group()}"))
            cuts.append(_Cut(token.start(), token.end(), None))
            opened = None
        else:
            caption = _inside(text[opened.end() : token.start()], codec, trim=trim)
            marks.append(Mark(_index(digits), caption, opened.start(), token.end()))
            cuts.append(_Cut(opened.start(), token.end(), _index(digits)))
            opened = None
    abandon()
    spans = _spans(starts, len(text), trim=trim)
    cuts.sort(key=lambda cut: cut.start)
    return Reading(text, tuple(marks), tuple(opens), spans, tuple(problems), tuple(cuts))


def _spans(starts: Sequence[tuple[Role, int, int]], length: int, *, trim: bool) -> tuple[Span, ...]:
    ends = [start for _, start, _ in starts[1:]] + [length]
    last = len(starts) - 1
    return tuple(
        # The line break before the next role word parts the turns; it is not said by anybody.
        Span(role, start, body, end if trim or place == last else end - 1)
        for place, ((role, start, body), end) in enumerate(zip(starts, ends, strict=False))
    )


def _inside(words: str, codec: Codec, *, trim: bool) -> str:
    if trim:
        words_inside = words.strip()
    elif codec.nonce is None and len(words) >= 2 and words[0] == words[-1] == " ":
        words_inside = words[1:-1]
    else:
        words_inside = words
    return unescape(words_inside)


def _index(digits: str) -> int:
    # Python refuses to read thousands of digits; such an index points nowhere anyhow.
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _first_difference(one: str, other: str) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))
