"""The chat as ipywidgets: pick or upload pictures, write, send, read the answer with its drawings.

Everything somebody said is shown through `tbcore.demo.markup`; titles of buttons are ours alone. An exception in a
callback never vanishes: its message stands in the line below the buttons, and the conversation goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.demo import markup
from tbcore.demo.conversation import Conversation, UserPart
from tbcore.demo.pictures import read_upload
from tbcore.errors import MissingExtraError, TbcoreError

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["ChatView"]


class ChatView:
    """A conversation on the screen; `tree` is the widget to display.

    A picture stands where it is added: what was written before the click comes before the picture, what is
    written after it comes after.

    Attributes:
        said, message, send, undo, reset, upload, clear, status: the widgets, by what they are for.
        pick: one button per picture of the palette.
        draft: parts of the message that are fixed already.
        error: what the last callback raised, or None.

    Args:
        conversation: shown and changed.
        palette: pictures to pick from, uint8[y x 3], each with what it shows.

    Raises:
        MissingExtraError: ipywidgets is not installed.
    """

    def __init__(self, conversation: Conversation, palette: Mapping[str, NDArray[np.uint8]] | None = None) -> None:
        try:
            import ipywidgets
        except ModuleNotFoundError as error:
            raise MissingExtraError("ChatView needs ipywidgets: pip install ipywidgets") from error
        self.conversation = conversation
        self.palette = dict(palette or {})
        self.draft: list[UserPart] = []
        self.error: Exception | None = None
        self._build(ipywidgets)
        self.tree: VBox = self._arrange(ipywidgets)
        self.refresh()

    def refresh(self) -> None:
        """Show the conversation and the draft as they are now."""
        transcript = self.conversation.transcript
        turns = "".join(markup.bubble(transcript, turn) for turn in transcript.turns)
        self.said.value = turns or markup.text("Nothing has been said yet. Pick a picture, or just say hello.")
        shown = [
            markup.text(part) if isinstance(part, str) else markup.picture(part, alt="a picture you are about to send")
            for part in self.draft
        ]
        self.drafted.value = "".join([markup.text("Your message so far:"), *shown]) if shown else ""
        self.clear.disabled = not self.draft
        self.undo.disabled = self.reset.disabled = not transcript.turns

    def offer(self, name: str, content: bytes) -> None:
        """Add a file to the message as an upload does; what is wrong with it is shown."""
        self._guarded(lambda: self._add(read_upload(name, content)))(None)

    def _build(self, widgets: Any) -> None:
        wide = widgets.Layout(width="auto")
        self.said = widgets.HTML()
        self.drafted = widgets.HTML()
        self.message = widgets.Textarea(
            description="Message", placeholder="Write here, then press Send", layout=widgets.Layout(width="95%")
        )
        self.send = widgets.Button(description="Send", button_style="primary", layout=wide)
        self.undo = widgets.Button(description="Undo last exchange", layout=wide)
        self.reset = widgets.Button(description="Reset conversation", layout=wide)
        self.clear = widgets.Button(description="Clear message", layout=wide)
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="Upload a picture", layout=wide)
        self.status = widgets.HTML()
        self.pick = [
            widgets.Button(description=f"Add postcard {number}", tooltip=f"Add postcard {number} to your message")
            for number in range(1, len(self.palette) + 1)
        ]
        for button, picture in zip(self.pick, self.palette.values(), strict=True):
            button.on_click(self._guarded(lambda picture=picture: self._add(picture)))
        self.send.on_click(self._guarded(self._send))
        self.undo.on_click(self._guarded(self._undo))
        self.reset.on_click(self._guarded(self._reset))
        self.clear.on_click(self._guarded(self._clear))
        self.upload.observe(self._guarded(self._uploaded), names="value")

    def _arrange(self, widgets: Any) -> VBox:
        cards = [
            widgets.VBox([widgets.HTML(markup.picture(picture, alt=name, width=96)), button])
            for (name, picture), button in zip(self.palette.items(), self.pick, strict=True)
        ]
        shelf = widgets.HBox(cards, layout=widgets.Layout(flex_flow="row wrap"))
        buttons = widgets.HBox([self.send, self.clear, self.undo, self.reset, self.upload])
        return widgets.VBox([self.said, shelf, self.drafted, self.message, buttons, self.status])

    def _guarded(self, action: Callable[[], None]) -> Callable[[Any], None]:
        """A callback that shows what went wrong, and always leaves the view usable."""

        def call(_event: Any) -> None:
            self.error, self.status.value = None, ""
            try:
                action()
            except Exception as error:  # a callback has nobody to raise to but the reader
                self.error = error
                told = str(error) if isinstance(error, TbcoreError) else f"{type(error).__name__}: {error}"
                self.status.value = markup.text(told, role="alert")
            finally:
                self.send.disabled = False
                self.refresh()

        return call

    def _send(self) -> None:
        self.send.disabled = True
        self.status.value = markup.text("The assistant is writing ...", role="status")
        self.conversation.send([*self.draft, self.message.value])
        self.draft.clear()
        self.message.value = ""
        self.status.value = ""

    def _add(self, picture: NDArray[np.uint8]) -> None:
        if self.message.value.strip():
            self.draft.append(self.message.value)
        self.draft.append(picture)
        self.message.value = ""

    def _uploaded(self) -> None:
        if not self.upload.value:
            return
        files = list(self.upload.value)
        self.upload.value = ()
        for file in files:
            self.offer(str(file["name"]), bytes(file["content"]))

    def _undo(self) -> None:
        self.draft = self.conversation.undo()

    def _reset(self) -> None:
        self.conversation.reset()
        self._clear()

    def _clear(self) -> None:
        self.draft.clear()
        self.message.value = ""
