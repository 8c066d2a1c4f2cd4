"""The conversation: a state machine without widgets, and the port to whoever answers.

    waiting for the user ──send──► the assistant replies ──► waiting for the user
                 ◄──undo, reset, load──
                 ──edit, regenerate, correct, redraw──► a new branch; the old one stays and can be switched to

A message either gets its reply or leaves no trace: when the assistant fails, the conversation is what it was before.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tbcore.demo.engine import Answer, Ask, Engine, Remembering, Stopped, Watch, unwatched
from tbcore.demo.transcript import Drawing, ReplyPart, Transcript, UserPart
from tbcore.errors import DialogueError, InputError
from tbcore.records import Turn
from tbcore.store import read_json, write_json

__all__ = ["Assistant", "Conversation", "Drawing", "Limits", "ReplyPart", "ScriptedAssistant", "Transcript", "UserPart"]


class Assistant(Protocol):
    """The simplest port: whoever answers with a whole reply. An `Engine` can do more and may stand in its place."""

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """What is said and drawn after this conversation, whose last turn is the user's."""
        ...


class ScriptedAssistant:
    """Says and draws what it was given, in order, and remembers what it was asked; an exception is raised instead.

    Args:
        replies: each a text, a list of parts, or an exception.
    """

    def __init__(self, *replies: str | Sequence[ReplyPart] | Exception) -> None:
        self.replies = deque(replies)
        self.asked: list[Transcript] = []

    def reply(self, history: Transcript) -> Sequence[ReplyPart]:
        """The next reply.

        Raises:
            InputError: the script is at its end.
        """
        self.asked.append(history)
        if not self.replies:
            raise InputError(f"ScriptedAssistant: nothing left to say after {len(self.asked) - 1} replies. Add one.")
        said = self.replies.popleft()
        if isinstance(said, Exception):
            raise said
        return [said] if isinstance(said, str) else said


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How large one message may be, and how many branches are kept."""

    words: int = 200
    characters: int = 4000
    pictures: int = 4
    branches: int = 16


class Conversation:
    """Who said and drew what so far, and the assistant who answers.

    Args:
        assistant: answers; only an `Engine` can be watched, stopped, or asked to redraw.
        limits: of one message.
        ask: how an engine shall reply; attempt and conversation are filled in.

    Attributes:
        latest: the last answer of an engine, with what it cost.
    """

    def __init__(self, assistant: Assistant | Engine, *, limits: Limits | None = None, ask: Ask | None = None) -> None:
        self.assistant = assistant
        self.limits = limits or Limits()
        self.ask = ask or Ask()
        self.latest: Answer | None = None
        self.id = ""
        """Names the conversation in the memory of an engine."""
        self.reset()

    @property
    def transcript(self) -> Transcript:
        """The branch that is being talked in."""
        return self._branches[self._current]

    @transcript.setter
    def transcript(self, transcript: Transcript) -> None:
        self._branches[self._current] = transcript

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns so far: none, or an even number."""
        return self.transcript.turns

    @property
    def branches(self) -> tuple[Transcript, ...]:
        """All branches, the oldest first."""
        return tuple(self._branches)

    @property
    def current(self) -> int:
        """Which of the branches is being talked in."""
        return self._current

    def send(self, parts: Sequence[UserPart] | str, *, watch: Watch = unwatched) -> Turn:
        """Say and show something; returns the reply's turn. `transcript.drawings(turn)` gives what it drew.

        Args:
            parts: text and pictures uint8[y x 3] in reading order.
            watch: is told what an engine does meanwhile.

        Raises:
            InputError: the message is empty or too large. As after any exception, nothing has changed.
            Stopped: the watcher stopped the reply before anything was said.
        """
        answered = self._exchange(self.transcript, parts, watch=watch)
        self._branches[self._current] = answered
        return answered.turns[-1]

    def undo(self) -> list[UserPart]:
        """Take the last message and its reply back; returns the message, empty when there is none."""
        if not self.turns:
            return []
        number = len(self.turns) - 2
        message = self.transcript.message(number)
        self._branches[self._current] = self.transcript.until(number)
        return message

    def edit(self, number: int, parts: Sequence[UserPart] | str, *, watch: Watch = unwatched) -> Turn:
        """Say something else in the user's turn `number`, and go on from there in a new branch.

        Raises:
            InputError: there is no such turn, or it is not the user's.
        """
        if not 0 <= number < len(self.turns) or number % 2:
            raise InputError(f"edit: turn {number} is not one of the user's {len(self.turns) // 2}. Count 0, 2, 4, ...")
        self._branch(self._exchange(self.transcript.until(number), parts, watch=watch))
        return self.turns[-1]

    def regenerate(self, *, watch: Watch = unwatched) -> Turn:
        """Ask for another reply to the last message, in a new branch.

        Raises:
            InputError: nothing has been said yet.
        """
        if not self.turns:
            raise InputError("regenerate: nothing has been said yet. Send a message first.")
        asked = self.transcript.until(len(self.turns) - 1)
        tries = sum(_begins(branch, asked) for branch in self._branches)
        self._branch(asked.adding("assistant", self._answer(asked, attempt=tries, watch=watch)))
        return self.turns[-1]

    def correct(self, number: int, parts: Sequence[ReplyPart] | str) -> Turn:
        """Write the assistant's turn `number` yourself, in a new branch that ends there.

        Raises:
            InputError: there is no such turn, it is not the assistant's, or the correction is empty.
        """
        self._check_answer("correct", number)
        corrected = self.transcript.until(number).correcting([parts] if isinstance(parts, str) else parts)
        if not corrected.turns[-1].parts:
            raise InputError(f"correct: turn {number} would become empty. Write what the assistant should have said.")
        self._branch(corrected)
        return self.turns[-1]

    def redraw(
        self, number: int, place: int, caption: str, *, seed: int = 0, follow: bool = True, watch: Watch = unwatched
    ) -> Turn:
        """Draw a picture of the assistant's again from other words, in a new branch; the conversation follows.

        Args:
            number: the assistant's turn.
            place: which of its drawings, from 0.
            caption: the new words.
            seed: of the painter.
            follow: ask what the user said afterwards again, so that later replies fit the new picture; else the
                branch ends with this turn.
            watch: is told what is drawn and said anew.

        Returns:
            The turn with the new picture.

        Raises:
            InputError: there is no such drawing, the caption is blank, or the assistant cannot draw alone.
        """
        self._check_answer("redraw", number)
        parts = self.transcript.reply(number)
        drawn = [k for k, part in enumerate(parts) if isinstance(part, Drawing)]
        if not 0 <= place < len(drawn):
            raise InputError(f"redraw: turn {number} has {len(drawn)} drawings; got number {place}. Count from 0.")
        if not caption.strip():
            raise InputError("redraw: the caption is blank. Say what to draw.")
        if not isinstance(self.assistant, Engine):
            raise InputError("redraw: this assistant cannot draw alone. Use an engine, such as the trained model.")
        made = Drawing(caption, self.assistant.draw(caption, seed=seed), seed)
        watch(made)
        parts[drawn[place]] = made
        whole, following = self.transcript, self.transcript.until(number).correcting(parts)
        for later in range(number + 1, len(whole.turns) if follow else 0, 2):
            following = self._exchange(following, whole.message(later), watch=watch)
        self._branch(following)
        return self.turns[number]

    def switch(self, branch: int) -> None:
        """Go on in another branch.

        Raises:
            InputError: there is no such branch.
        """
        if not 0 <= branch < len(self._branches):
            raise InputError(f"switch: there are {len(self._branches)} branches, counted from 0; got {branch}.")
        self._current = branch

    def reset(self) -> None:
        """Begin anew; all branches are forgotten, also by an engine that remembers."""
        if self.id and isinstance(self.assistant, Remembering):
            self.assistant.forget(self.id)
        self._branches, self._current = [Transcript()], 0
        self.id = secrets.token_hex(8)

    def to_json(self) -> dict[str, Any]:
        """The conversation as a JSON object: the present branch, and the others below `branches` if there are any."""
        row = self.transcript.to_json()
        if len(self._branches) > 1:
            others = [None if k == self._current else one.to_json() for k, one in enumerate(self._branches)]
            row["branches"] = others
        return row

    def save(self, path: Path | str) -> None:
        """Write the conversation with its branches as JSON, atomically."""
        write_json(path, self.to_json())

    def load(self, path: Path | str) -> None:
        """Take up a saved conversation; when it cannot be read, this one stays as it is.

        Raises:
            InputError, DialogueError: the file is not a whole conversation; the message names it.
        """
        row = read_json(path)
        if not isinstance(row, dict):
            raise InputError(f"{path}: must hold a JSON object. Save the conversation again.")
        try:
            self.take_up(row)
        except (InputError, DialogueError) as error:
            raise type(error)(f"{path}: {error}") from error

    def take_up(self, row: Mapping[str, Any]) -> None:
        """Go on with a conversation from `to_json`; when it cannot be read, this one stays as it is.

        Raises:
            InputError, DialogueError: it is not a whole conversation.
        """
        branches, current = _read_branches(row)
        if any(len(found.turns) % 2 for found in branches):
            raise DialogueError("the conversation ends without a reply. Save it again.")
        self.reset()
        self._branches, self._current = branches, current

    def _exchange(self, before: Transcript, parts: Sequence[UserPart] | str, *, watch: Watch) -> Transcript:
        """A message and its reply; nothing of this conversation changes."""
        asked = before.adding("user", [parts] if isinstance(parts, str) else parts)
        self._check(asked.turns[-1])
        return asked.adding("assistant", self._answer(asked, attempt=0, watch=watch))

    def _answer(self, asked: Transcript, *, attempt: int, watch: Watch) -> Sequence[ReplyPart]:
        if not isinstance(self.assistant, Engine):
            return self.assistant.reply(asked)
        ask = replace(self.ask, attempt=attempt, conversation=self.id)
        self.latest = self.assistant.answer(asked, ask, watch)
        if self.latest.finish == "stopped" and not self.latest.parts:
            raise Stopped("stopped before anything was said")
        return self.latest.parts

    def _branch(self, transcript: Transcript) -> None:
        """Go on in a new branch; when there are too many, the oldest other one is forgotten."""
        self._branches.append(transcript)
        if len(self._branches) > self.limits.branches:
            del self._branches[0]
        self._current = len(self._branches) - 1

    def _check(self, turn: Turn) -> None:
        words, most = turn.text.split(), self.limits
        if not turn.parts:
            raise InputError("message: it is empty. Write something, or pick a picture.")
        if len(words) > most.words or len(turn.text) > most.characters:
            raise InputError(
                f"message: at most {most.words} words and {most.characters} characters; got {len(words)} and "
                f"{len(turn.text)}. Say it in two messages."
            )
        if len(turn.pictures) > most.pictures:
            raise InputError(f"message: at most {most.pictures} pictures; got {len(turn.pictures)}. Show them in turn.")

    def _check_answer(self, what: str, number: int) -> None:
        if not 0 <= number < len(self.turns) or not number % 2:
            count = len(self.turns) // 2
            raise InputError(f"{what}: turn {number} is not one of the assistant's {count}. Count 1, 3, 5, ...")


def _begins(branch: Transcript, asked: Transcript) -> bool:
    """Whether a branch begins with these turns and pictures."""
    count = len(asked.pictures)
    return branch.turns[: len(asked.turns)] == asked.turns and all(
        np.array_equal(one, other) for one, other in zip(branch.pictures[:count], asked.pictures, strict=True)
    )


def _read_branches(row: Mapping[str, Any]) -> tuple[list[Transcript], int]:
    present, listed = Transcript.from_json(row), row.get("branches", [None])
    if not isinstance(listed, list) or listed.count(None) != 1:
        raise InputError("conversation: field 'branches' must be a list with one null, for the present branch.")
    if not all(one is None or isinstance(one, dict) for one in listed):
        raise InputError("conversation: field 'branches' must hold objects beside its null. Save it again.")
    return [present if one is None else Transcript.from_json(one) for one in listed], listed.index(None)
