"""The static twin: a whole conversation as a page or as one picture, for print and for readers without widgets."""

from __future__ import annotations

import html
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tbcore.demo import markup
from tbcore.demo.conversation import Transcript
from tbcore.records import Turn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["alt_text", "figure", "fragment", "page", "paint"]

_WIDTH, _EDGE, _GAP, _PAD, _PICTURE = 760, 16, 12, 12, 160
_WORDS, _SMALL = 15, 12
_FILL = {"user": (219, 234, 254), "assistant": (241, 241, 238)}
_INK, _PALE = (17, 17, 17), (75, 75, 75)
_ON_PAGE = "body{font:16px sans-serif;max-width:46rem;margin:1rem auto;padding:0 1rem;background:#fff;color:#111}"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def fragment(transcript: Transcript) -> str:
    """The conversation as HTML to put into a page: escaped text, pictures as data, no scripts."""
    turns = "".join(markup.bubble(transcript, turn) for turn in transcript.turns)
    return f"<section aria-label='conversation'>{turns or markup.text('Nothing has been said yet.')}</section>"


def page(transcript: Transcript, *, title: str = "A conversation with pictures", note: str = "") -> str:
    """The conversation as a page that stands alone; its policy lets it load nothing and run nothing.

    Args:
        transcript: the conversation.
        title: the heading.
        note: a line below the heading, such as which model answered.
    """
    heading = html.escape(title)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{heading}</title><style>{_ON_PAGE}</style></head>\n<body><main><h1>{heading}</h1>"
        f"{markup.text(note) if note else ''}\n{fragment(transcript)}\n"
        "<footer><p><small>Artwork in the postcards: Twemoji, CC-BY 4.0.</small></p></footer></main></body></html>\n"
    )


def alt_text(transcript: Transcript) -> str:
    """What the twin shows, in one line: who said what, what was shown and what was drawn."""
    told: list[str] = []
    for turn in transcript.turns:
        parts = [
            part if isinstance(part, str) else f"[{transcript.captions[part.index] or markup.SHOWN}]"
            for part in turn.parts
        ]
        told.append(f"{markup.ROLES[turn.role]}: {' '.join(parts) or markup.NO_WORDS}")
    return " ".join(" / ".join(told).split()) or "An empty conversation, nothing said yet."


def figure(transcript: Transcript) -> Figure:
    """The conversation as a matplotlib figure that holds `paint`'s pixels one to one, for `checks.show`."""
    from matplotlib.figure import Figure

    pixels = paint(transcript)
    high, wide = pixels.shape[:2]
    made = Figure(figsize=(wide / 110, high / 110), dpi=110, facecolor="white")
    place = made.add_axes((0, 0, 1, 1))
    place.imshow(pixels, interpolation="nearest", aspect="auto")
    place.set_axis_off()
    return made


def paint(transcript: Transcript) -> NDArray[np.uint8]:
    """The conversation as pixels: the user on the right, the assistant on the left; uint8[y x 3]."""
    bubbles = [_Bubble.of(transcript, turn) for turn in transcript.turns]
    high = 2 * _EDGE + sum(one.height + _GAP for one in bubbles)
    canvas = Image.new("RGB", (_WIDTH, max(high, 60)), "white")
    pen, top = ImageDraw.Draw(canvas), _EDGE
    for one in bubbles:
        one.draw(canvas, pen, top)
        top += one.height + _GAP
    return np.asarray(canvas)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of words, or a picture with its lines below; sizes in pixels."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    ink: tuple[int, int, int]
    leading: int
    picture: Image.Image | None = None

    @property
    def height(self) -> int:
        return len(self.lines) * self.leading + (self.picture.height + 6 if self.picture else 0)

    @property
    def width(self) -> int:
        widths = [round(self.font.getlength(line)) for line in self.lines]
        return max([*widths, self.picture.width if self.picture else 0, 40])


@dataclass(frozen=True, slots=True)
class _Bubble:
    """One turn, laid out."""

    role: str
    blocks: tuple[_Block, ...]

    @classmethod
    def of(cls, transcript: Transcript, turn: Turn) -> _Bubble:
        words, small, bold = _font(_WORDS), _font(_SMALL, "-Oblique"), _font(_SMALL, "-Bold")
        room = int(_WIDTH * 0.72) - 2 * _PAD
        blocks = [_Block((markup.ROLES[turn.role],), bold, _PALE, 20)]
        for part in turn.parts or (markup.NO_WORDS,):
            if isinstance(part, str):
                blocks.append(_Block(_wrap(part, words, room), words, _INK, 21))
                continue
            caption = transcript.captions[part.index]
            lines = _wrap(f"drawn from: {caption}", small, room) if caption else ()
            blocks.append(_Block(lines, small, _PALE, 17, _enlarged(transcript.pictures[part.index])))
        return cls(turn.role, tuple(blocks))

    @property
    def height(self) -> int:
        return 2 * _PAD + sum(block.height + 4 for block in self.blocks)

    def draw(self, canvas: Image.Image, pen: ImageDraw.ImageDraw, top: int) -> None:
        width = max(block.width for block in self.blocks) + 2 * _PAD
        left = _WIDTH - _EDGE - width if self.role == "user" else _EDGE
        pen.rounded_rectangle((left, top, left + width, top + self.height), radius=12, fill=_FILL[self.role])
        down = top + _PAD
        for block in self.blocks:
            if block.picture is not None:
                canvas.paste(block.picture, (left + _PAD, down))
                down += block.picture.height + 6
            for line in block.lines:
                pen.text((left + _PAD, down), line, font=block.font, fill=block.ink)
                down += block.leading
            down += 4


def _enlarged(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(pixels)
    scale = _PICTURE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _font(size: int, style: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib and knows many scripts."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{style}.ttf"), size)


def _wrap(words: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: int) -> tuple[str, ...]:
    """Lines no wider than `room` pixels; words that are longer are cut."""
    lines: list[str] = []
    for paragraph in words.split("\n"):
        line = ""
        for word in paragraph.split():
            joined = f"{line} {word}".strip()
            if font.getlength(joined) <= room:
                line = joined
                continue
            lines += [line] if line else []
            line = word
            while font.getlength(line) > room:
                cut = max(1, bisect_right(range(len(line) + 1), room, key=lambda k: font.getlength(line[:k])) - 1)
                lines.append(line[:cut])
                line = line[cut:]
        lines.append(line)
    return tuple(lines)
