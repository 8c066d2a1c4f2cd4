"""Pictures on slides: as large as the room allows, beside the words or above them, and long ones cut into columns.

wide      ────────    above the words, over the whole width
square    ▢ words     beside the words, over the whole height
several   ▢ ▢         side by side
long      ▯ -> ▯ ▯ ▯  cut where nothing is drawn, then side by side
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Shown", "arranged", "cut_long", "shortened", "shown"]

_BESIDE = 1.45  # pictures narrower than this, width by height, stand beside the words
_LONG = 0.55  # pictures narrower than this are cut
_COLUMN = 0.9  # what the columns of a cut picture should be about, width by height
_MOST_COLUMNS = 4
_SLACK = 0.3  # how far from its best place a cut may move, in columns
_FEWEST, _MOST = 12, 160  # letters of a finding


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on a slide: its data address, its finding, its width by its height, whether it is part of one."""

    address: str
    alt: str
    ratio: float
    cut: bool = False


def shown(png: bytes, alt: str) -> list[Shown]:
    """A figure as one picture, or as columns if it is much longer than wide.

    Args:
        png: the file.
        alt: what it shows, or "".
    """
    with Image.open(io.BytesIO(png)) as image:
        pieces = cut_long(np.asarray(image.convert("RGB")))
    if len(pieces) == 1:
        return [Shown(_address(png), alt, pieces[0].shape[1] / pieces[0].shape[0])]
    return [
        Shown(_address(_png(piece)), alt if n == 0 else "continued", piece.shape[1] / piece.shape[0], cut=True)
        for n, piece in enumerate(pieces)
    ]


def cut_long(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Columns of a long picture [y x 3], cut at rows in which nothing is drawn; the picture itself if there are none.

    All columns get the same height, filled up with the colour of the first corner.
    """
    height, width = picture.shape[:2]
    if width / height >= _LONG:
        return [picture]
    count = min(_MOST_COLUMNS, round(height / width * _COLUMN) or 1)
    empty = np.flatnonzero((picture == picture[0, 0]).all(axis=(1, 2)))
    if count < 2 or not len(empty):
        return [picture]
    wanted = [height * k / count for k in range(1, count)]
    cuts = [int(empty[np.abs(empty - place).argmin()]) for place in wanted]
    if any(abs(cut - place) > _SLACK * height / count for cut, place in zip(cuts, wanted, strict=True)):
        return [picture]
    edges = [0, *cuts, height]
    tallest = max(np.diff(edges))
    columns: list[NDArray[np.uint8]] = []
    for top, bottom in pairwise(edges):
        column = np.empty((tallest, width, 3), np.uint8)
        column[:] = picture[0, 0]
        column[: bottom - top] = picture[top:bottom]
        columns.append(column)
    return columns


def arranged(parts: Sequence[str | Shown]) -> str:
    """The parts of a slide as HTML, pictures where there is most room for them.

    Args:
        parts: HTML of texts, and pictures, in reading order.
    """
    pictures = [part for part in parts if isinstance(part, Shown)]
    texts = [part for part in parts if isinstance(part, str)]
    if len(pictures) == 1 and pictures[0].ratio < _BESIDE:
        words = "\n".join([_finding(pictures[0]), *texts])
        return f'<div class="beside">{_figure(pictures[0], finding=False)}<div>{words}</div></div>'
    if len(pictures) > 1:
        ratio = sum(picture.ratio for picture in pictures)
        names = "row cut" if any(picture.cut for picture in pictures) else "row"
        row = "".join(_figure(picture, finding=False) for picture in pictures)
        before = [part for part in parts[: parts.index(pictures[0])] if isinstance(part, str)]
        after = [text for text in texts if text not in before]
        findings = [_finding(picture) for picture in pictures if not picture.cut]
        return "\n".join([*before, f'<div class="{names}" style="--ratio:{ratio:.3f}">{row}</div>', *findings, *after])
    return "\n".join(part if isinstance(part, str) else _figure(part, finding=True) for part in parts)


def _figure(picture: Shown, *, finding: bool) -> str:
    alt = html.escape(picture.alt)
    below = f"<figcaption>{html.escape(shortened(picture.alt))}</figcaption>" if finding and picture.alt else ""
    size = f'style="--ratio:{picture.ratio:.3f}"'
    return f'<figure {size}><img src="{picture.address}" alt="{alt}">{below}</figure>'


def _finding(picture: Shown) -> str:
    return f'<p class="finding">{html.escape(shortened(picture.alt))}</p>' if picture.alt else ""


def shortened(text: str) -> str:
    """A finding that fits below a picture: whole sentences or clauses if they fit, else whole words."""
    if len(text) <= _MOST:
        return text
    sentence, clause = text.find(". ", _FEWEST, _MOST), text.rfind("; ", _FEWEST, _MOST)
    if (cut := sentence if sentence > 0 else clause) > 0:
        return f"{text[:cut]}."
    return f"{text[:_MOST].rsplit(' ', 1)[0].rstrip(',;:')} …"


def _png(picture: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
