"""What was said and drawn, as a list from which something can be chosen and written anew."""

from __future__ import annotations

from dataclasses import dataclass

from tbcore.demo.conversation import Conversation
from tbcore.demo.engine import Watch
from tbcore.demo.transcript import Transcript, UserPart

__all__ = ["Past", "past_of"]


@dataclass(frozen=True, slots=True)
class Past:
    """One thing that can be changed.

    Attributes:
        name: what a reader calls it.
        words: as they are now.
        turn: where it stands.
        place: which drawing of the turn; None: the words of the turn.
    """

    name: str
    words: str
    turn: int
    place: int | None = None

    def change(self, conversation: Conversation, words: str, *, watch: Watch) -> None:
        """Edit the user's message, correct the assistant's words, or redraw a picture, in a new branch.

        Pictures of a turn whose words are changed stay in front of the new words.

        Raises:
            InputError: the new words are blank.
        """
        if self.place is not None:
            tries = len(conversation.branches) - 1
            conversation.redraw(self.turn, self.place, words, seed=tries, watch=watch)
        elif self.turn % 2:
            kept = [part for part in conversation.transcript.reply(self.turn) if not isinstance(part, str)]
            conversation.correct(self.turn, [words, *kept] if words.strip() else [])
        else:
            shown: list[UserPart] = [p for p in conversation.transcript.message(self.turn) if not isinstance(p, str)]
            conversation.edit(self.turn, [*shown, words], watch=watch)


def past_of(transcript: Transcript) -> tuple[Past, ...]:
    """Messages, replies and drawings of a conversation, in reading order."""
    found: list[Past] = []
    for number, turn in enumerate(transcript.turns):
        said = "Your message" if number % 2 == 0 else "Reply"
        found.append(Past(f"{said} {number // 2 + 1}", turn.text, number))
        found += [
            Past(f"Drawing {place + 1} of reply {number // 2 + 1}", drawing.caption, number, place)
            for place, drawing in enumerate(transcript.drawings(turn))
        ]
    return tuple(found)
