"""The only place of the chat that writes HTML. Whatever anybody said goes through `text`, which leaves no markup in it.

HTML widgets and pages of ours show these strings; widgets that typeset formulas are not used, since text between
dollar signs would be read as commands there.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.inside import Glance, Inside, ReadOut, TokenSeen
from tbcore.demo.pictures import to_png
from tbcore.demo.transcript import ReplyPart, Transcript
from tbcore.records import Turn

__all__ = ["NO_WORDS", "ROLES", "SHOWN", "bubble", "glance", "growing", "inside", "picture", "text"]

ROLES = {"user": "You", "assistant": "Assistant"}
"""Who spoke, in words: colour and side never say it alone."""

SHOWN = "a picture you showed"
"""Alt text of the user's own pictures: nobody told us what they show."""

NO_WORDS = "(no answer)"
"""Stands where the assistant said and drew nothing."""

_COLOURS = {"user": "#dbeafe", "assistant": "#f1f1ee"}


def text(words: str, *, role: str = "") -> str:
    """A paragraph that shows exactly these words."""
    kind = f" role='{html.escape(role)}'" if role else ""
    return (
        f"<p{kind} dir='auto' style='margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere'>{html.escape(words)}</p>"
    )


def picture(pixels: NDArray[np.uint8], *, caption: str = "", alt: str = "", width: int = 160) -> str:
    """A picture from pixels, with alt text; a caption it was drawn from stands below it.

    Args:
        pixels: uint8[y x 3].
        caption: what it was drawn from.
        alt: what it shows, where there is no caption.
        width: in pixels on the page.
    """
    source = base64.b64encode(to_png(pixels)).decode("ascii")
    told = f"drawn from: {caption}" if caption else ""
    below = f"<figcaption dir='auto' style='font-style:italic'>{html.escape(told)}</figcaption>" if told else ""
    return (
        f"<figure style='margin:4px 0;max-width:{2 * int(width)}px'>"
        f"<img alt='{html.escape(caption or alt or SHOWN)}' width='{int(width)}' "
        f"style='image-rendering:pixelated;border-radius:6px' src='data:image/png;base64,{source}'>{below}</figure>"
    )


def bubble(transcript: Transcript, turn: Turn) -> str:
    """One turn of a conversation, texts and pictures in reading order."""
    side = "margin-left:auto" if turn.role == "user" else "margin-right:auto"
    parts = [
        text(part)
        if isinstance(part, str)
        else picture(transcript.pictures[part.index], caption=transcript.captions[part.index])
        for part in turn.parts
    ] or [text(NO_WORDS)]
    return (
        f"<article style='{side};max-width:75%;width:fit-content;padding:6px 12px;margin-top:8px;border-radius:12px;"
        f"color:#111;background:{_COLOURS[turn.role]}'><b>{ROLES[turn.role]}</b>{''.join(parts)}</article>"
    )


def growing(
    parts: Sequence[ReplyPart], *, caption: str = "", emerging: NDArray[np.uint8] | None = None, position: int = 0
) -> str:
    """A reply while it is written: what is there so far, the caption being written, the picture being painted.

    Args:
        parts: said and drawn so far.
        caption: of the picture that comes next.
        emerging: that picture as it is now, uint8[y x 3].
        position: how many others are served first.
    """
    if position:
        return text(f"Waiting: {position} before you.", role="status")
    shown = [text(p) if isinstance(p, str) else picture(p.picture, caption=p.caption) for p in parts]
    if emerging is not None:
        shown.append(picture(emerging, alt="a picture while it is painted"))
    if caption:
        shown.append(text(f"drawing: {caption}"))
    told = "".join(shown) or text("The assistant is writing ...", role="status")
    return (
        f"<article style='margin-right:auto;max-width:75%;width:fit-content;padding:6px 12px;margin-top:8px;"
        f"border-radius:12px;color:#111;background:{_COLOURS['assistant']}'><b>{ROLES['assistant']}</b>{told}</article>"
    )


def inside(seen: Inside, transcript: Transcript, *, seconds: dict[str, float] | None = None) -> str:
    """What there is to see of the last reply: sureness of each token, read-outs, glances, time.

    Args:
        seen: the records.
        transcript: whose pictures the records name.
        seconds: of the reply, by part.
    """
    branches = sorted({token.branch for token in seen.tokens})
    rows = [_branch_row(branch, [t for t in seen.tokens if t.branch == branch]) for branch in branches]
    rows += [_read_out(one) for one in seen.read_outs]
    if seconds:
        rows.append(text("Time: " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())))
    looks = "".join(
        glance(one, transcript.pictures[one.picture]) for one in seen.glances if one.picture < len(transcript.pictures)
    )
    return f"<section aria-label='inside the last reply'>{''.join(rows)}{looks}</section>"


def glance(one: Glance, pixels: NDArray[np.uint8], *, width: int = 48) -> str:
    """Small copies of a picture, one per query token, bright where that query looks.

    Args:
        one: the weights.
        pixels: uint8[y x 3], the picture.
        width: of a copy in pixels on the page.
    """
    high, wide = pixels.shape[:2]
    rows, columns = (np.arange(size) * one.side // size for size in (high, wide))
    tiles: list[str] = []
    for number, line in enumerate(one.weights, start=1):
        weights = np.asarray(line).reshape(one.side, one.side)
        light = 0.2 + 0.8 * weights / max(float(weights.max()), 1e-12)
        lit = (pixels * light[rows][:, columns, None]).round().astype(np.uint8)
        place = np.unravel_index(int(weights.argmax()), weights.shape)
        tiles.append(picture(lit, alt=f"query {number} looks most at row {place[0] + 1}, column {place[1] + 1}",
                             width=width))  # fmt: skip
    head = text(f"What each query looks at in picture {one.picture + 1}:")
    return f"{head}<div style='display:flex;flex-wrap:wrap;gap:2px'>{''.join(tiles)}</div>"


def _branch_row(branch: int, tokens: Sequence[TokenSeen]) -> str:
    name = f"Caption of drawing {branch}" if branch else "Reply"
    shown = "".join(_token(token) for token in tokens)
    return f"<p dir='auto' style='margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere'><b>{name}:</b> {shown}</p>"


def _token(token: TokenSeen) -> str:
    """A token on a ground the darker the less sure it was; the numbers stand in its title and can be focused."""
    others = ", ".join(f"{word!r} {chance:.0%}" for word, chance in token.others)
    told = f"{token.text!r} {token.probability:.0%}; likeliest: {others}"
    doubt = round(255 - 90 * (1 - token.probability))
    line = "underline dotted" if token.probability < 0.5 else "none"
    return (
        f"<span tabindex='0' title='{html.escape(told)}' style='color:#111;background:rgb(255,{doubt},{doubt - 40});"
        f"text-decoration:{line}'>{html.escape(token.text)}</span>"
    )


def _read_out(one: ReadOut) -> str:
    verdict = {True: "as asked", False: "not as asked", None: "cannot be compared"}[one.agrees]
    return text(f"Picture {one.picture + 1}: asked for {one.asked!r}; an exact reader finds {one.found!r}: {verdict}.")
