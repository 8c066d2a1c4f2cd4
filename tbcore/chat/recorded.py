"""A teacher that replays what a large language model once wrote, offline and free.

A recording is found by codec version, group id and the hash of the ordered captions: retraining the tower,
another seed or another computer never orphans it, and a changed caption never gets an old reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tbcore.chat.messages import Message, Params, Reply, Subject
from tbcore.errors import InputError, RecordingMissingError
from tbcore.store import read_jsonl

__all__ = ["RecordedTeacher", "Recording"]


@dataclass(frozen=True, slots=True)
class Recording:
    """One raw reply as it came, good or bad.

    Args:
        codec: `Codec.version` of the prompt's tags.
        group: id of the picture group.
        captions: `ordered_caption_hash` of its captions.
        sample: 0 for the first reply to this prompt, 1 for the second, and so on.
        reply: the raw text.
        writer: who wrote it, in words.
        date: when, as YYYY-MM-DD.
        prompt: version of the prompt it answers.
    """

    codec: str
    group: str
    captions: str
    sample: int
    reply: str
    writer: str
    date: str
    prompt: str = "prompt-1"

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Recording:
        """The inverse of `to_json`; InputError names what does not fit."""
        fields = cls.__dataclass_fields__
        if unknown := sorted(set(row) - set(fields)):
            raise InputError(f"Recording: unknown field {unknown[0]!r}; known are {', '.join(fields)}.")
        for name in fields:
            value, wanted = (
                row.get(name, "prompt-1" if name == "prompt" else None),
                int if name == "sample" else str,
            )
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise InputError(f"Recording: field {name!r} must be {wanted.__name__}; got {value!r}. Mend it.")
        return cls(**row)


class RecordedTeacher:
    """Replays recordings; it never falls back to anything else.

    Raises:
        InputError: two recordings claim the same place.
    """

    name = "recorded"

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._replies: dict[tuple[Subject, int], Recording] = {}
        for one in recordings:
            place = Subject(one.codec, one.group, one.captions), one.sample
            if place in self._replies:
                raise InputError(
                    f"recordings: group {one.group!r}, sample {one.sample} is there twice for codec "
                    f"{one.codec!r}. Number the samples of a group 0, 1, 2."
                )
            self._replies[place] = one

    @classmethod
    def from_files(cls, *paths: Path | str) -> RecordedTeacher:
        """Read recordings from JSON Lines; a line that does not fit is named."""
        found: list[Recording] = []
        for path in paths:
            for number, row in enumerate(read_jsonl(path), start=1):
                try:
                    found.append(Recording.from_json(row))
                except InputError as error:
                    raise InputError(f"{path}, record {number}: {error}") from error
        return cls(found)

    def __len__(self) -> int:
        return len(self._replies)

    def samples(self, subject: Subject) -> tuple[Recording, ...]:
        """All recordings for a subject, in order of sample; empty when there is none."""
        found = [one for (place, _), one in self._replies.items() if place == subject]
        return tuple(sorted(found, key=lambda one: one.sample))

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """The recording for `params.subject` and `params.sample_index`; the messages are not looked at.

        Raises:
            RecordingMissingError: there is none; the message says what to do.
        """
        del messages
        if params.subject is None:
            raise RecordingMissingError(
                "RecordedTeacher: params.subject is not set, so no recording can be looked up. "
                "Pass subject_of(group, codec)."
            )
        found = self._replies.get((params.subject, params.sample_index))
        if found is None:
            raise RecordingMissingError(self._why_missing(params.subject, params.sample_index))
        return Reply(found.reply, "stop" if found.reply.strip() else "empty", raw=found.reply)

    def _why_missing(self, subject: Subject, sample: int) -> str:
        places = [place for place, _ in self._replies]
        if not any(place.group == subject.group for place in places):
            why = "nothing was recorded for this group"
        elif not any((place.group, place.captions) == (subject.group, subject.captions) for place in places):
            why = "its captions or their order differ from the recorded ones"
        elif subject not in places:
            codecs = sorted({place.codec for place in places if place.group == subject.group})
            why = f"it was recorded with codec {', '.join(codecs)}, not {subject.codec}"
        else:
            why = f"it has {len(self.samples(subject))} samples, and sample_index is {sample}"
        return (
            f"picture group {subject.group!r}: no recorded reply; {why}. Use the shipped groups and codec, "
            "or give a live teacher (OpenAICompatible or LocalTeacher)."
        )
