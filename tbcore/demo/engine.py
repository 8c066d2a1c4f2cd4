"""The port to whoever answers while somebody watches: what is asked, what happens meanwhile, what comes back.

    history + Ask ──► Engine.answer ──► Answer
                          │ watch: Queued, Words, Captioning, Emerging, Dropped, Drawing

The trained model, a scripted stand-in and the client of a server are engines, so the server and the view can be put
before any of them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tbcore.demo.transcript import Drawing, ReplyPart, Transcript
from tbcore.errors import InputError

__all__ = [
    "Answer",
    "Ask",
    "Captioning",
    "Dropped",
    "Emerging",
    "Engine",
    "Event",
    "Finish",
    "Queued",
    "Remembering",
    "ScriptedEngine",
    "Stopped",
    "StreamedParts",
    "Usage",
    "Watch",
    "Words",
    "unwatched",
]

Finish = Literal["stop", "length", "stopped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """How one reply is wanted; None leaves the choice to the engine.

    Attributes:
        max_tokens: of the reply, captions included.
        max_pictures: of the reply.
        temperature: 0 means always the likeliest token.
        top_p: sample from the likeliest tokens that together have this probability.
        seed: of the sampling and of the painter.
        attempt: 0 at first; counts the times the same reply was asked for again, so that another one comes.
        conversation: names the conversation that is kept in memory; may be empty.
        previews: whether pictures are wanted while they are painted.
    """

    max_tokens: int | None = None
    max_pictures: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    attempt: int = 0
    conversation: str = ""
    previews: bool = False


@dataclass(frozen=True, slots=True)
class Queued:
    """So many others are served first."""

    position: int


@dataclass(frozen=True, slots=True)
class Words:
    """New letters of the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Captioning:
    """New letters of the caption of a picture that will be drawn."""

    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The caption so far is taken back: nothing will be drawn from it."""


@dataclass(frozen=True, slots=True, eq=False)
class Emerging:
    """A picture while it is painted, uint8[y x 3]; `done` runs from 0 to 1."""

    picture: NDArray[np.uint8]
    done: float


Event: TypeAlias = Queued | Words | Captioning | Dropped | Emerging | Drawing
Watch: TypeAlias = Callable[[Event], None]
"""Is told every event as it happens; raising `Stopped` ends the reply where it is."""


class Stopped(Exception):
    """Raised by a watcher who has heard enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a reply cost.

    Attributes:
        prompt: columns of the conversation so far, tokens and picture slots.
        reused: of these, how many were in memory already.
        recomputed: columns that had been in memory at the end of the turn before and were read again nevertheless.
        written: tokens written, captions included.
        seconds: by part: "first" until the first event, "painting" of all pictures, "total".
    """

    prompt: int = 0
    reused: int = 0
    recomputed: int = 0
    written: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A whole reply: what is said and drawn, why it ended, what it cost."""

    parts: tuple[ReplyPart, ...]
    finish: Finish = "stop"
    usage: Usage = field(default_factory=Usage)

    @property
    def text(self) -> str:
        """The texts joined by spaces, drawings left out."""
        return " ".join(part for part in self.parts if isinstance(part, str))


@runtime_checkable
class Engine(Protocol):
    """Whoever answers while somebody watches."""

    @property
    def name(self) -> str:
        """What clients call the model."""
        ...

    def answer(self, history: Transcript, ask: Ask, watch: Watch) -> Answer:
        """Reply to a conversation whose last turn is the user's.

        Raises:
            InputError: the conversation cannot be read, for example because it is too long.
        """
        ...

    def draw(self, caption: str, *, seed: int) -> NDArray[np.uint8]:
        """Draw a caption, uint8[y x 3]; the same caption and seed give the same picture.

        Raises:
            InputError: there is no painter, or the caption is blank.
        """
        ...


@runtime_checkable
class Remembering(Protocol):
    """An engine that keeps conversations in memory between turns."""

    def forget(self, conversation: str) -> None:
        """Give up what is kept of this conversation; nothing happens where nothing is kept."""
        ...


def unwatched(_event: Event) -> None:
    """For those who only want the answer."""


class StreamedParts:
    """Puts events together to the parts of a reply, also of one that was stopped half-way."""

    def __init__(self) -> None:
        self._parts: list[ReplyPart] = []
        self._words = ""
        self.caption = ""

    def take(self, event: Event) -> None:
        """Note one event."""
        match event:
            case Words(text):
                self._words += text
            case Captioning(text):
                self._flush()
                self.caption += text
            case Dropped():
                self.caption = ""
            case Drawing():
                self._flush()
                self.caption = ""
                self._parts.append(event)
            case Queued() | Emerging():
                return

    @property
    def parts(self) -> tuple[ReplyPart, ...]:
        """What has been said and drawn; an open caption is left out."""
        return (*self._parts, self._words.strip()) if self._words.strip() else tuple(self._parts)

    def _flush(self) -> None:
        if self._words.strip():
            self._parts.append(self._words.strip())
        self._words = ""


class ScriptedEngine:
    """Says and draws what it was given, word by word; for tests and for lessons without a model.

    Args:
        replies: each a text, a list of parts, or an exception; when they are used up, what was asked is counted.
        name: of the model.
        wait: is called before each word; a test can hold the reply there.

    Attributes:
        asked: every conversation and request so far.
        redrawn: captions and seeds of what was drawn alone.
    """

    def __init__(
        self,
        *replies: str | Sequence[ReplyPart] | Exception,
        name: str = "scripted",
        wait: Callable[[], None] | None = None,
    ) -> None:
        self.replies = deque(replies)
        self.asked: list[tuple[Transcript, Ask]] = []
        self.redrawn: list[tuple[str, int]] = []
        self._name, self._wait = name, wait
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def answer(self, history: Transcript, ask: Ask, watch: Watch) -> Answer:
        """The next reply of the script."""
        with self._lock:
            self.asked.append((history, ask))
            said = self.replies.popleft() if self.replies else f"That was message {(len(history.turns) + 1) // 2}."
        if isinstance(said, Exception):
            raise said
        heard, written = StreamedParts(), 0
        try:
            for event in _events([said] if isinstance(said, str) else said):
                if self._wait is not None:
                    self._wait()
                heard.take(event)
                written += 1
                watch(event)
        except Stopped:
            return Answer(heard.parts, "stopped", Usage(prompt=len(history.turns), written=written))
        return Answer(heard.parts, "stop", Usage(prompt=len(history.turns), written=written))

    def draw(self, caption: str, *, seed: int) -> NDArray[np.uint8]:
        """One colour, chosen by caption and seed."""
        if not caption.strip():
            raise InputError("draw: the caption is blank. Say what to draw.")
        self.redrawn.append((caption, seed))
        shade = sum(caption.encode()) + seed
        return np.full((64, 64, 3), (shade % 251, shade % 241, shade % 239), dtype=np.uint8)


def _events(parts: Sequence[ReplyPart]) -> list[Event]:
    """A reply as it would be streamed."""
    events: list[Event] = []
    for part in parts:
        if isinstance(part, str):
            words = part.split(" ")
            events += [Words(word if k == 0 else f" {word}") for k, word in enumerate(words)]
        else:
            events += [Captioning(part.caption), Emerging(part.picture, 0.5), part]
    return events
