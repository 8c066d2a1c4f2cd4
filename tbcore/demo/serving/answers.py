"""What goes back: chat completions, chunks of a stream, pictures, errors, in the OpenAI format.

A reply's texts stand in `content`, joined by spaces, where every client looks. The whole reply in reading order, with
the drawings, stands beside it:

    "parts": [{"type": "text", "text": "Here it is:"},
              {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."},
               "caption": "a tiger on a sandy beach", "seed": 100}]

In a stream each drawing comes as a `delta` with `parts` of that one picture, between the letters of the text. With
"progress", a delta may also carry "textbind": {"event": "queued", "position": 2}, {"event": "caption", "text": "a ti"},
{"event": "dropped"}, or {"event": "emerging", "done": 0.5, "png": "..."}.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tbcore.demo.engine import Answer, Captioning, Dropped, Emerging, Event, Queued, Usage, Words
from tbcore.demo.pictures import to_png
from tbcore.demo.transcript import Drawing, ReplyPart

__all__ = ["Completion", "part_to_json", "picture_url", "usage_to_json"]

_FINISH = {"stop": "stop", "length": "length", "stopped": "stop"}


class Completion:
    """One reply on its way: the frame that all its chunks share.

    Args:
        name: id of the completion.
        model: what answered.
        created: seconds since 1970.
    """

    def __init__(self, name: str, *, model: str, created: int) -> None:
        self.name, self.model, self.created = name, model, created
        self._begun = False

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The body of a reply that was not streamed."""
        said: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
        said["parts"] = [part_to_json(part) for part in answer.parts]
        choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _FINISH[answer.finish]}
        return {**self._frame("chat.completion"), "choices": [choice], "usage": usage_to_json(answer.usage)}

    def chunk(self, event: Event, *, progress: bool) -> str | None:
        """An event as a line of the stream; None for what a client did not ask to know."""
        match event:
            case Words(text):
                return self._delta({"content": text})
            case Drawing():
                return self._delta({"parts": [part_to_json(event)]})
            case _ if not progress:
                return None
            case Queued(position):
                return self._delta({"textbind": {"event": "queued", "position": position}})
            case Captioning(text):
                return self._delta({"textbind": {"event": "caption", "text": text}})
            case Dropped():
                return self._delta({"textbind": {"event": "dropped"}})
            case Emerging(picture, done):
                shown = base64.b64encode(to_png(picture)).decode("ascii")
                return self._delta({"textbind": {"event": "emerging", "done": round(done, 3), "png": shown}})

    def last(self, answer: Answer, *, include_usage: bool) -> list[str]:
        """The lines that close a stream."""
        lines = [self._delta({}, finish=_FINISH[answer.finish])]
        if include_usage:
            row = {**self._frame("chat.completion.chunk"), "choices": [], "usage": usage_to_json(answer.usage)}
            lines.append(_line(row))
        return [*lines, "data: [DONE]\n\n"]

    @staticmethod
    def failed(error: dict[str, Any]) -> str:
        """An error after the stream has begun."""
        return _line(error)

    def _delta(self, delta: dict[str, Any], *, finish: str | None = None) -> str:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", "content": "", **delta}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _line({**self._frame("chat.completion.chunk"), "choices": [choice]})

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.name, "object": kind, "created": self.created, "model": self.model}


def part_to_json(part: ReplyPart) -> dict[str, Any]:
    """A part of a reply as a content part."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    row: dict[str, Any] = {"type": "image_url", "image_url": {"url": picture_url(to_png(part.picture))}}
    return {**row, "caption": part.caption, "seed": part.seed}


def picture_url(png: bytes) -> str:
    """PNG bytes as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def usage_to_json(usage: Usage) -> dict[str, Any]:
    """Columns and tokens in the API's names; what was in memory already counts as cached."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.written,
        "total_tokens": usage.prompt + usage.written,
        "prompt_tokens_details": {"cached_tokens": usage.reused},
        "recomputed_tokens": usage.recomputed,
        "seconds": {name: round(value, 4) for name, value in usage.seconds.items()},
    }


def _line(row: dict[str, Any]) -> str:
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"
