"""A conversation leaves the chat: as a page, or as a record to train on that somebody will look at first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tbcore.data.refine import Label, Quality, add_label
from tbcore.demo import markup, twin
from tbcore.demo.pictures import to_png
from tbcore.demo.transcript import Transcript
from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.store import append_jsonl, read_jsonl, write_bytes, write_text

__all__ = ["LABELS", "RECORDS", "save_page", "to_dialogue", "to_refinement"]

RECORDS = "dialogues.jsonl"
"""File of the refinement queue that holds the conversations."""

LABELS = "labels.jsonl"
"""File of the refinement queue that holds what people say of them."""

Describe: TypeAlias = Callable[[NDArray[np.uint8]], str]


def save_page(path: Path | str, transcript: Transcript, *, title: str = "A conversation with pictures") -> None:
    """Write the conversation as a page that stands alone: pictures inside, no scripts."""
    write_text(path, twin.page(transcript, title=title))


def to_dialogue(transcript: Transcript, folder: Path | str, *, describe: Describe | None = None) -> Dialogue:
    """The conversation as a record, its pictures as PNG files below `folder`.

    Args:
        transcript: ends with a reply.
        folder: pictures go to its subfolder `pictures`, named by their content; the record names them relative to it.
        describe: says what a picture of the user's shows; without it, that it was shown is all that is said.

    Raises:
        InputError: nothing was said, or the last message has no reply.
    """
    if not transcript.turns or len(transcript.turns) % 2:
        raise InputError("export: the conversation must end with a reply. Send a message first.")
    names, captions = [], []
    for picture, caption in zip(transcript.pictures, transcript.captions, strict=True):
        content = to_png(picture)
        name = f"pictures/{hashlib.sha256(content).hexdigest()[:16]}.png"
        write_bytes(Path(folder) / name, content)
        names.append(name)
        captions.append(caption or (describe(picture) if describe else markup.SHOWN))
    said = repr([turn.to_json() for turn in transcript.turns]) + "".join(names)
    key = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:12]
    return Dialogue(f"chat-{key}", transcript.turns, tuple(captions), tuple(names), source="chat", group=f"chat-{key}")


def to_refinement(
    transcript: Transcript,
    folder: Path | str,
    *,
    rater: str,
    quality: Quality = "Satisfactory",
    tags: tuple[str, ...] = (),
    time: str = "",
    describe: Describe | None = None,
) -> Dialogue:
    """Append the conversation to the refinement queue: record, pictures, and labels that tell what was corrected.

    A record that stands there already is not added again; the labels are.

    Args:
        transcript: ends with a reply; its `corrected` turns are the reason it goes there.
        folder: of the queue; `RECORDS` and `LABELS` in it are only ever appended to.
        rater: who corrected it.
        quality: of the conversation as it is now.
        tags: as `tbcore.data.refine.Label`.
        time: as the caller writes it.
        describe: as `to_dialogue`.

    Raises:
        InputError: no turn was corrected, or the label is not one.
    """
    if not transcript.corrected:
        raise InputError("refinement: no turn was corrected, so there is nothing to learn from it. Correct one first.")
    record = to_dialogue(transcript, folder, describe=describe)
    turns = ", ".join(str(number) for number in transcript.corrected)
    label = Label(record.id, rater, quality, tags, f"corrected by a person: turns {turns}", time)
    place = Path(folder) / RECORDS
    if not place.is_file() or all(row.get("id") != record.id for row in read_jsonl(place)):
        append_jsonl(place, record.to_json())
    for number in transcript.corrected:
        add_label(Path(folder) / LABELS, Label(record.id, rater, quality, tags, "corrected", time, number))
    add_label(Path(folder) / LABELS, label)
    return record
