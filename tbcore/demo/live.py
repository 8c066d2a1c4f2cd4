"""The reply while it grows: words, the caption being written, the picture that emerges."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.demo import markup
from tbcore.demo.engine import Dropped, Emerging, Event, Queued, StreamedParts, Words
from tbcore.demo.transcript import Drawing

__all__ = ["LiveReply"]

_EVERY_S = 0.05


class LiveReply:
    """Puts events on the screen as they come, words at most twenty times a second.

    Attributes:
        tree: the widget to display; what it shows is `tree.value`.

    Args:
        tree: a widget whose `value` is HTML.
    """

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.clear()

    def take(self, event: Event) -> None:
        """Show one event more."""
        self._heard.take(event)
        self._position = event.position if isinstance(event, Queued) else 0
        if isinstance(event, Emerging):
            self._emerging = event.picture
        elif isinstance(event, Drawing | Dropped):
            self._emerging = None
        now = time.monotonic()
        if not isinstance(event, Words) or now - self._shown >= _EVERY_S:
            self._shown = now
            self.tree.value = markup.growing(
                self._heard.parts, caption=self._heard.caption, emerging=self._emerging, position=self._position
            )

    def clear(self) -> None:
        """Show nothing; the reply stands in the conversation now, or is gone."""
        self._heard = StreamedParts()
        self._emerging: NDArray[np.uint8] | None = None
        self._position, self._shown = 0, 0.0
        self.tree.value = ""
