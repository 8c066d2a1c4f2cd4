"""Any chat model that sees pictures as a contestant, over the same port as the teachers of the course.

It reads messages with pictures and draws by writing a caption between two marks, as our own model does; a painter
draws it. So two assistants differ in what they see and write, and not in how they are asked.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from PIL import Image

from tbcore.bench.contestants import Answer, Drawing, Sofar
from tbcore.bench.controls import Paints
from tbcore.chat.messages import ChatClient, Message, Params, PictureBytes
from tbcore.errors import TeacherError
from tbcore.records import Picture
from tbcore.world.captions import BACKDROP_PHRASES
from tbcore.world.scenes import FRAMES
from tbcore.world.sprites import SPRITES

__all__ = ["INSTRUCTIONS", "ChatContestant", "read_drawings"]

INSTRUCTIONS = (
    "You look at small postcards and draw new ones. To draw, write <draw>caption</draw> where the picture should "
    "stand; draw only when the user wants a picture, and one at a time. Answer in one short sentence.\n"
    "A caption names one to three different things from left to right, one backdrop and perhaps a frame, such as: "
    '"a tiger to the left of an apple on a sandy beach, in a blue frame" or "a fox, a cat and a kiwi, from left to '
    'right, in the desert". Each picture in this conversation is a postcard of that kind.\n'
    f"Backdrops: {', '.join(' '.join(words) for words in BACKDROP_PHRASES.values())}.\n"
    f"Frames: {', '.join(FRAMES)}.\n"
    f"Things: {', '.join(SPRITES)}.\n"
    "Refuse what cannot be drawn with these, and say why. If something is missing in a request, ask for it."
)
"""What a chat model is told about this world."""

_DRAW = re.compile(r"<draw>(.*?)</draw>", re.DOTALL)


def read_drawings(text: str) -> list[str | tuple[str]]:
    """Split a reply into texts and captions; a caption is a tuple of one."""
    parts: list[str | tuple[str]] = []
    for k, part in enumerate(_DRAW.split(text)):
        if part.strip():
            parts.append((part.strip(),) if k % 2 else part.strip())
    return parts


class ChatContestant:
    """A chat model with a painter.

    Args:
        client: an endpoint, a recording, a script.
        painter: draws what it writes between the marks.
        params: how to answer.
        size: pictures are enlarged to this side, in pixels, for models made for larger ones.
    """

    def __init__(self, client: ChatClient, painter: Paints, *, params: Params | None = None, size: int = 256) -> None:
        self.client, self.painter, self.size = client, painter, size
        self.params = params or Params(temperature=0.0, max_tokens=200, seed=0)

    @property
    def name(self) -> str:
        """The client's name."""
        return self.client.name

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """One call for each conversation; a call that fails is a failed reply, with its reason."""
        return [self._one(conversation) for conversation in conversations]

    def _one(self, sofar: Sofar) -> Answer:
        try:
            reply = self.client.complete(self._messages(sofar), self.params)
        except TeacherError as error:
            return Answer(failure=f"{type(error).__name__}: {error}"[:500])
        parts: list[str | Drawing] = []
        for part in read_drawings(reply.text):
            if isinstance(part, str):
                parts.append(part)
            else:
                seed = 100 * sofar.number + len(parts)
                parts.append(Drawing(part[0], self.painter.paint(part, [seed])[0]))
        return Answer(tuple(parts), "" if parts else f"nothing was said; it ended by {reply.finish_reason!r}")

    def _messages(self, sofar: Sofar) -> list[Message]:
        messages = [Message.of("system", INSTRUCTIONS)]
        for turn in sofar.turns:
            parts: list[str | PictureBytes] = []
            for part in turn.parts:
                if isinstance(part, Picture) and turn.role == "assistant":  # endpoints take pictures of the user only
                    parts.append(f"<draw>{sofar.captions[part.index]}</draw>")
                elif isinstance(part, Picture):
                    parts.append(self._png(sofar, part.index))
                else:
                    parts.append(part)
            messages.append(Message(turn.role, tuple(parts)))
        return messages

    def _png(self, sofar: Sofar, index: int) -> PictureBytes:
        picture = Image.fromarray(sofar.pictures[index]).resize((self.size, self.size), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        return PictureBytes(buffer.getvalue())
