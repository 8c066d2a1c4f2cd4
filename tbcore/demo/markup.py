"""The only place of the chat that writes HTML. Whatever anybody said goes through `text`, which leaves no markup in it.

HTML widgets and pages of ours show these strings; widgets that typeset formulas are not used, since text between
dollar signs would be read as commands there.
"""

from __future__ import annotations

import base64
import html

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.conversation import Transcript
from tbcore.demo.pictures import to_png
from tbcore.records import Turn

__all__ = ["NO_WORDS", "ROLES", "SHOWN", "bubble", "picture", "text"]

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
