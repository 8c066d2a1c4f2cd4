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
from collections.abc import Sequence
from dataclasses import dataclass

from tbcore.entities import escape, unescape
from tbcore.errors import DialogueError, InputError
from tbcore.reading import ROLE_WORDS, Mark, Problem, Reading, scan
from tbcore.records import Dialogue
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
    reading = scan(text, codec.nonce, trim=False)
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
    return scan(text, codec.nonce, trim=True)


def _first_difference(one: str, other: str) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))
