"""One reply in the making: a small machine that moves by one token at a time, and tells what it has written.

    text ──<start>──► caption ──<end>──► waiting ──drawn, or nothing to draw──► text ──stop──► done

It knows nothing of models and pictures, so every way a caption can go wrong is tested without either.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

from tbcore.model.pack import Layout
from tbcore.model.replies import DecodeSettings, Drawn, Piece, Reply, Watch

__all__ = ["Writer"]


class Writer:
    """The state of one reply.

    Args:
        number: which prompt it answers.
        layout: which ids mean what.
        settings: limits.
        may_draw: whether `<start>` may be chosen at all.
        wordless: a caption is closed as soon as it is opened: something other than words says what to draw.
        watch: is told every piece.
    """

    def __init__(
        self,
        number: int,
        layout: Layout,
        settings: DecodeSettings,
        *,
        may_draw: bool,
        wordless: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.number, self.layout, self.settings = number, layout, settings
        self.may_draw, self.wordless, self.watch = may_draw, wordless, watch
        self.mode: Literal["text", "caption", "waiting", "done"] = "text"
        self.said: list[int] = []  # all tokens, for penalties on repetition
        self.columns: list[Hashable] = []  # what the memory holds, column by column
        self.before_caption = 0  # length of the memory before `<start>`
        self.n_pictures = 0
        self._words: list[int] = []
        self._caption: list[int] = []
        self._parts: list[str | Drawn] = []
        self._finish: Literal["stop", "length"] = "stop"
        self._sent = ""

    @property
    def reply(self) -> Reply:
        """What has been written so far."""
        return Reply(tuple(self._parts), self._finish)

    @property
    def caption(self) -> str:
        """The caption so far."""
        return self.layout.text.decode(self._caption).strip()

    @property
    def must_close(self) -> bool:
        """Whether the caption is as long as it may be: nothing but `<end>` can follow."""
        return self.mode == "caption" and len(self._caption) >= self.settings.max_caption

    def barred(self) -> list[int]:
        """Control tokens that cannot be chosen now."""
        layout, captioning = self.layout, self.mode == "caption"
        ids = [layout.text.format.stop] if captioning else []
        if captioning or not self.may_draw or self.n_pictures >= self.settings.max_pictures:
            ids.append(layout.start_id)
        if not (captioning and self._caption):
            ids.append(layout.end_id)
        return ids

    def take(self, token: int) -> None:
        """Move by one token."""
        layout = self.layout
        self.said.append(token)
        if token == layout.start_id:
            self._flush()
            self.mode = "waiting" if self.wordless else "caption"
        elif token == layout.end_id:
            self._tell("caption", self.caption)
            self.mode = "waiting"
        elif token == layout.text.format.stop:
            self._close("stop")
        else:
            words = self._caption if self.mode == "caption" else self._words
            words.append(token)
            self._stream(words)
        self._check_limit()

    def drawn(self, drawing: Drawn | None) -> None:
        """Go on after the picture has been painted; None: there was nothing to draw, and there will not be."""
        self._caption.clear()
        self._sent = ""
        if drawing is None:
            self.may_draw = False
            self._report(Piece(self.number, "dropped"))
        else:
            self._parts.append(drawing)
            self.n_pictures += 1
            self._report(Piece(self.number, "drawing", drawn=drawing))
        self.mode = "text"
        self._check_limit()

    def _check_limit(self) -> None:
        if len(self.said) >= self.settings.max_tokens and self.mode in ("text", "caption"):
            if self.mode == "caption":
                self._report(Piece(self.number, "dropped"))
            self._close("length")

    def _close(self, finish: Literal["stop", "length"]) -> None:
        self._flush()
        self.mode, self._finish = "done", finish
        self._report(Piece(self.number, "end", finish))

    def _flush(self) -> None:
        if text := self.layout.text.decode(self._words).strip():
            if self.mode == "text":
                self._tell("text", text)
            self._parts.append(text)
        self._words.clear()
        self._sent = ""

    def _stream(self, words: list[int]) -> None:
        """Tell the new letters, but neither half a letter nor a space that may turn out to be the last."""
        if self.watch is None:
            return
        text = self.layout.text.decode(words).strip()
        if not text.endswith("\ufffd"):
            self._tell("caption" if self.mode == "caption" else "text", text)

    def _tell(self, kind: Literal["text", "caption"], text: str) -> None:
        if text.startswith(self._sent) and text != self._sent:
            self._report(Piece(self.number, kind, text.removeprefix(self._sent)))
            self._sent = text

    def _report(self, piece: Piece) -> None:
        if self.watch is not None:
            self.watch(piece)
