"""The chat as ipywidgets: pick, compose or upload pictures, write, send, watch the answer come, change what was said.

Everything somebody said is shown through `tbcore.demo.markup`; titles of buttons are ours alone. An exception in a
callback never vanishes: its message stands in the line below the buttons, and the conversation goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.demo import markup
from tbcore.demo.conversation import Conversation, UserPart
from tbcore.demo.engine import Engine, Event, Stopped
from tbcore.demo.inside import Insight
from tbcore.demo.live import LiveReply
from tbcore.demo.past import Past, past_of
from tbcore.demo.pictures import read_upload
from tbcore.demo.postcards import PostcardMaker
from tbcore.errors import InputError, MissingExtraError, TbcoreError

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["ChatView"]


class ChatView:
    """A conversation on the screen; `tree` is the widget to display.

    A picture stands where it is added: what was written before the click comes before the picture, what is
    written after it comes after.

    Attributes:
        said, message, send, stop, undo, again, reset, upload, clear, status: the widgets, by what they are for.
        live: the reply while it is written.
        pick: one button per picture of the palette.
        maker: puts a postcard together.
        past, rewrite, change: choose something said or drawn, write it anew, apply it.
        branch: choose among the branches of the conversation.
        look, inside: look inside the last reply; what is seen.
        draft: parts of the message that are fixed already.
        error: what the last callback raised, or None.
        working: the thread of the last reply, where replies come in the background.

    Args:
        conversation: shown and changed.
        palette: pictures to pick from, uint8[y x 3], each with what it shows.
        background: replies come on a thread, so that they are seen growing and can be stopped; for a page that
            somebody looks at. Without it, a click returns when the reply is there.
        beside: further engines by name; each answers the same messages, for comparison, outside the conversation.

    Raises:
        MissingExtraError: ipywidgets is not installed.
    """

    def __init__(
        self,
        conversation: Conversation,
        palette: Mapping[str, NDArray[np.uint8]] | None = None,
        *,
        background: bool = False,
        beside: Mapping[str, Engine] | None = None,
    ) -> None:
        try:
            import ipywidgets
        except ModuleNotFoundError as error:
            raise MissingExtraError("ChatView needs ipywidgets: pip install ipywidgets") from error
        self.conversation, self.background = conversation, background
        self.palette, self.beside = dict(palette or {}), dict(beside or {})
        self.draft: list[UserPart] = []
        self.error: Exception | None = None
        self.working: threading.Thread | None = None
        self._stopping = threading.Event()
        self._past: tuple[Past, ...] = ()
        self._listing = False
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
        self._list_choices()
        self._enable()

    def _list_choices(self) -> None:
        """What can be changed, and the branches; a new list picks its first entry, which is nobody's wish."""
        chat, self._listing = self.conversation, True
        self._past = past_of(chat.transcript)
        self.past.options = [(one.name, k) for k, one in enumerate(self._past)]
        self.past.value = len(self._past) - 1 if self._past else None
        self.branch.options = [(f"Branch {k + 1} of {len(chat.branches)}", k) for k in range(len(chat.branches))]
        self.branch.value = chat.current
        self._listing = False
        self._choose_past(None)

    def offer(self, name: str, content: bytes) -> None:
        """Add a file to the message as an upload does; what is wrong with it is shown."""
        self._guarded(lambda: self._add(read_upload(name, content)))(None)

    def _build(self, widgets: Any) -> None:
        def button(words: str, action: Callable[[], None], *, slow: bool = False, **more: Any) -> Any:
            made = widgets.Button(description=words, layout=widgets.Layout(width="auto"), **more)
            made.on_click(self._started(action) if slow else self._guarded(action))
            return made

        self.said, self.drafted, self.status, self.inside = (widgets.HTML() for _ in range(4))
        self.live = LiveReply(widgets.HTML())
        self.message = widgets.Textarea(
            description="Message", placeholder="Write here, then press Send", layout=widgets.Layout(width="95%")
        )
        self.send = button("Send", self._send, slow=True, button_style="primary")
        self.stop = button("Stop", self._stopping.set)
        self.undo = button("Undo last exchange", self._undo)
        self.again = button("Answer again", self._again, slow=True)
        self.reset = button("Reset conversation", self._reset)
        self.clear = button("Clear message", self._clear)
        self.look = button("Look inside the last reply", self._look, slow=True)
        self.change = button("Apply change", self._change, slow=True)
        self.past = widgets.Dropdown(description="Change", options=[])
        self.branch = widgets.Dropdown(description="Branch", options=[])
        self.rewrite = widgets.Textarea(description="New words", layout=widgets.Layout(width="95%"))
        self.upload = widgets.FileUpload(
            accept="image/*", multiple=True, description="Upload pictures", layout=widgets.Layout(width="auto")
        )
        self.maker = PostcardMaker()
        self.maker.add.on_click(self._guarded(lambda: self._add(self.maker.picture())))
        self.pick = [
            button(
                f"Add postcard {number}", lambda picture=picture: self._add(picture), tooltip=f"Add postcard {number}"
            )
            for number, picture in enumerate(self.palette.values(), start=1)
        ]
        self.upload.observe(self._guarded(self._uploaded), names="value")
        self.past.observe(self._choose_past, names="value")
        self.branch.observe(self._switched, names="value")

    def _arrange(self, widgets: Any) -> VBox:
        cards = [
            widgets.VBox([widgets.HTML(markup.picture(picture, alt=name, width=96)), button])
            for (name, picture), button in zip(self.palette.items(), self.pick, strict=True)
        ]
        wrap = widgets.Layout(flex_flow="row wrap")
        more = widgets.Accordion(
            [
                self.maker.tree,
                widgets.VBox([self.past, self.rewrite, self.change]),
                widgets.VBox([self.look, self.inside]),
            ],
            titles=("Make a postcard", "Change something said or drawn", "Look inside"),
        )
        buttons = [self.send, self.stop, self.clear, self.upload]
        others = [self.undo, self.again, self.reset, self.branch]
        shown = [self.said, self.live.tree, widgets.HBox(cards, layout=wrap), self.drafted, self.message]
        rows = [widgets.HBox(buttons, layout=wrap), widgets.HBox(others, layout=wrap)]
        return widgets.VBox([*shown, *rows, self.status, more])

    def _enable(self, *, busy: bool = False) -> None:
        """What can be pressed now."""
        quiet = not self.conversation.turns
        self.send.disabled = self.upload.disabled = busy
        self.stop.disabled = not busy
        self.clear.disabled = busy or not self.draft
        for button in (self.undo, self.reset, self.again, self.look, self.change):
            button.disabled = busy or quiet
        self.branch.disabled = busy

    def _guarded(self, action: Callable[[], None]) -> Callable[[Any], None]:
        """A callback that shows what went wrong, and always leaves the view usable."""

        def call(_event: Any) -> None:
            busy = self.working is not None and self.working.is_alive()
            self.error, self.status.value = None, ""
            try:
                action()
            except Exception as error:  # a callback has nobody to raise to but the reader
                self._show(error)
            if not busy:
                self.refresh()

        return call

    def _started(self, action: Callable[[], None]) -> Callable[[Any], None]:
        """A callback for what takes time: on a thread where the view works in the background."""

        def run() -> None:
            try:
                action()
            except Stopped:
                self.status.value = markup.text("Stopped.", role="status")
            except Exception as error:  # as above
                self._show(error)
            finally:
                self.live.clear()
                self.working = None
                self.refresh()

        def call(_event: Any) -> None:
            if self.working is not None:
                return
            self.error = None
            self.status.value = markup.text("The assistant is writing ...", role="status")
            self._stopping.clear()
            self._enable(busy=True)
            if not self.background:
                run()
                return
            self.working = threading.Thread(target=run, name="chat-view", daemon=True)
            self.working.start()

        return call

    def _show(self, error: Exception) -> None:
        self.error = error
        told = str(error) if isinstance(error, TbcoreError) else f"{type(error).__name__}: {error}"
        self.status.value = markup.text(told, role="alert")

    def _watch(self, event: Event) -> None:
        if self._stopping.is_set():
            raise Stopped("stopped by the reader")
        self.live.take(event)

    def _send(self) -> None:
        self.conversation.send([*self.draft, self.message.value], watch=self._watch)
        self.draft.clear()
        self.message.value = self.status.value = ""
        self._compare()

    def _again(self) -> None:
        self.conversation.regenerate(watch=self._watch)
        self.status.value = ""

    def _change(self) -> None:
        if self.past.value is None:
            raise InputError("change: nothing has been said yet. Send a message first.")
        self._past[self.past.value].change(self.conversation, self.rewrite.value, watch=self._watch)
        self.status.value = ""

    def _look(self) -> None:
        engine, transcript = self.conversation.assistant, self.conversation.transcript
        if not isinstance(engine, Insight):
            raise InputError("look inside: this assistant cannot be looked into. Use the trained model.")
        latest = self.conversation.latest
        seconds = latest.usage.seconds if latest is not None else None
        self.inside.value = markup.inside(engine.look_inside(transcript), transcript, seconds=seconds)
        self.status.value = ""

    def _compare(self) -> None:
        """What the engines beside say to the same; shown in place of the status, no part of the conversation."""
        asked = self.conversation.transcript.until(len(self.conversation.turns) - 1)
        told: list[str] = []
        for name, engine in self.beside.items():
            try:
                answer = engine.answer(asked, self.conversation.ask, self._pass)
                told.append(markup.text(f"{name} says:") + markup.growing(answer.parts))
            except TbcoreError as error:
                told.append(markup.text(f"{name}: {error}", role="alert"))
        self.status.value = "".join(told)

    def _pass(self, _event: Event) -> None:
        if self._stopping.is_set():
            raise Stopped("stopped by the reader")

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
            self._add(read_upload(str(file["name"]), bytes(file["content"])))

    def _choose_past(self, _event: Any) -> None:
        if not self._listing:
            self.rewrite.value = "" if self.past.value is None else self._past[self.past.value].words

    def _switched(self, event: Any) -> None:
        if not self._listing and event["new"] is not None:
            self._guarded(lambda: self.conversation.switch(event["new"]))(None)

    def _undo(self) -> None:
        self.draft = self.conversation.undo()

    def _reset(self) -> None:
        self.conversation.reset()
        self._clear()

    def _clear(self) -> None:
        self.draft.clear()
        self.message.value = ""
