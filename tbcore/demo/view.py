"""The chat as ipywidgets: pick, compose or upload pictures, write, send, watch the answer come, change what was said.

Everything somebody said is shown through `tbcore.demo.markup`; titles of buttons are ours alone. An exception in a
callback never vanishes: its message stands in the line below the buttons, and the conversation goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tbcore.demo import markup
from tbcore.demo.conversation import Conversation, UserPart
from tbcore.demo.dropping import drop_zone
from tbcore.demo.engine import Engine, Event, Stopped
from tbcore.demo.inside import Insight
from tbcore.demo.live import LiveReply
from tbcore.demo.panels import arranged, folds
from tbcore.demo.past import Past, past_of
from tbcore.demo.pictures import read_upload
from tbcore.demo.postcards import EXAMPLES, Example, PostcardMaker
from tbcore.demo.transcript import Transcript
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
        tries: one button per example.
        drop: takes pictures that are dropped or pasted; None where anywidget is not installed.
        folds: what is folded away, by title.
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
        examples: messages to start from.

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
        examples: Sequence[Example] = EXAMPLES,
    ) -> None:
        try:
            import ipywidgets
        except ModuleNotFoundError as error:
            raise MissingExtraError("ChatView needs ipywidgets: pip install ipywidgets") from error
        self.conversation, self.background = conversation, background
        self.palette, self.beside = dict(palette or {}), dict(beside or {})
        self.examples = tuple(one for one in examples if one.card is None or one.card < len(self.palette))
        self.draft: list[UserPart] = []
        self.error: Exception | None = None
        self.working: threading.Thread | None = None
        self._stopping = threading.Event()
        self._past: tuple[Past, ...] = ()
        self._listing = False
        self._build(ipywidgets)
        self.folds = folds(self)
        self.tree: VBox = arranged(self)
        self.refresh()

    def refresh(self) -> None:
        """Show the conversation and the draft as they are now."""
        self._show_turns(self.conversation.transcript)
        self._show_draft()
        self._list_choices()
        self._enable()

    def _show_turns(self, transcript: Transcript) -> None:
        turns = "".join(markup.bubble(transcript, turn) for turn in transcript.turns)
        self.said.value = turns or markup.text("Nothing has been said yet. Pick a picture, or just say hello.")

    def _show_draft(self) -> None:
        shown = [
            markup.text(part) if isinstance(part, str) else markup.picture(part, alt="a picture you are about to send")
            for part in self.draft
        ]
        self.drafted.value = "".join([markup.text("Your message so far:"), *shown]) if shown else ""

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
        self._guarded(lambda: self._take([(name, content)]))(None)

    def _build(self, widgets: Any) -> None:
        def button(words: str, action: Callable[[], None], *, slow: bool = False, **more: Any) -> Any:
            room = widgets.Layout(width="auto", align_self="flex-start")
            made = widgets.Button(description=words, layout=room, **more)
            made.on_click(self._started(action) if slow else self._guarded(action))
            return made

        self.said, self.drafted, self.status, self.inside = (widgets.HTML() for _ in range(4))
        self.live = LiveReply(widgets.HTML())
        # Letters that travel one by one can be overtaken by the click on Send; leaving the field sends them together.
        written = {"continuous_update": False, "layout": widgets.Layout(width="95%")}
        self.message = widgets.Textarea(description="Message", placeholder="Write here, then press Send", **written)
        strong = {"button_color": "#1d4ed8", "text_color": "#ffffff"}
        self.send = button("Send", self._send, slow=True, style=strong)
        self.stop = button("Stop", self._stopping.set)
        self.undo = button("Undo last exchange", self._undo)
        self.again = button("Answer again", self._again, slow=True)
        self.reset = button("Reset conversation", self._reset)
        self.clear = button("Clear message", self._clear)
        self.look = button("Look inside the last reply", self._look, slow=True)
        self.change = button("Apply change", self._change, slow=True)
        self.past = widgets.Dropdown(description="Change", options=[])
        self.branch = widgets.Dropdown(description="Branch", options=[])
        self.rewrite = widgets.Textarea(description="New words", **written)
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
        self.tries = [button(f"Try: {one.words}", lambda one=one: self._try(one)) for one in self.examples]
        self.drop = self._drop_zone()
        self.upload.observe(self._guarded(self._uploaded), names="value")
        self.past.observe(self._choose_past, names="value")
        self.branch.observe(self._switched, names="value")

    def _drop_zone(self) -> Any:
        def fail(error: Exception) -> None:
            self._guarded(lambda: self._raise(error))(None)

        try:
            return drop_zone(self.offer, fail)
        except MissingExtraError:
            return None  # uploading does the same

    @staticmethod
    def _raise(error: Exception) -> None:
        raise error

    def _enable(self, *, busy: bool = False) -> None:
        """What can be pressed now; Send comes last, so when it is on again all the rest is settled."""
        quiet = not self.conversation.turns
        self.stop.disabled = not busy
        self.clear.disabled = busy or not self.draft
        for button in (self.undo, self.reset, self.again, self.look, self.change):
            button.disabled = busy or quiet
        self.branch.disabled = self.upload.disabled = busy
        self.send.disabled = busy

    def _guarded(self, action: Callable[[], None]) -> Callable[[Any], None]:
        """A callback that shows what went wrong, and always leaves the view usable."""

        def call(_event: Any) -> None:
            busy = self.working is not None and self.working.is_alive()
            self.error, self.status.value = None, ""
            try:
                action()
            except Exception as error:  # a callback has nobody to raise to but the reader
                self._show(error)
            if busy:
                self._show_draft()
            else:
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
        """What is written or picked while the reply comes belongs to the next message; a failed one comes back."""
        draft, words = list(self.draft), self.message.value
        self.draft.clear()
        self.message.value = self.drafted.value = ""
        try:
            if draft or words.strip():
                self._show_turns(self.conversation.transcript.adding("user", [*draft, words]))
            self.conversation.send([*draft, words], watch=self._watch)
        except BaseException:
            self.draft[:0] = draft
            self.message.value = "\n".join(one for one in (words, self.message.value) if one)
            raise
        self.status.value = ""
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

    def _try(self, example: Example) -> None:
        self.message.value = ""
        if example.card is not None:
            self._add(list(self.palette.values())[example.card])
        self.message.value = example.words

    def _uploaded(self) -> None:
        if not self.upload.value:
            return
        files = list(self.upload.value)
        self.upload.value = ()
        self._take((str(file["name"]), bytes(file["content"])) for file in files)

    def _take(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Add what can be read; then say of the others why they cannot."""
        refused: list[str] = []
        for name, content in files:
            try:
                self._add(read_upload(name, content))
            except InputError as error:
                refused.append(str(error))
        if refused:
            raise InputError("\n".join(refused))

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
