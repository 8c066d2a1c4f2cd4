"""A teacher that says what it was given to say."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tbcore.chat.messages import Message, Params, Reply
from tbcore.errors import TeacherError

__all__ = ["ScriptedTeacher"]


class ScriptedTeacher:
    """Gives its replies in order and remembers what it was asked; an exception among them is raised."""

    name = "scripted"

    def __init__(self, *replies: str | Reply | Exception) -> None:
        self.replies = deque(replies)
        self.asked: list[tuple[tuple[Message, ...], Params]] = []

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """The next reply.

        Raises:
            TeacherError: the script is at its end.
        """
        self.asked.append((tuple(messages), params))
        if not self.replies:
            raise TeacherError(
                f"ScriptedTeacher: asked {len(self.asked)} times, but the script had fewer replies. Add one."
            )
        reply = self.replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return Reply(reply, raw=reply) if isinstance(reply, str) else reply
