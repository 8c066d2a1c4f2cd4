"""The record format of the paper's code, and a split by picture group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbcore.errors import InputError
from tbcore.records import Dialogue, Part, Picture, Turn
from tbcore.seeds import stream

__all__ = ["from_official", "split_by_group", "to_official"]

_MARK = "<image>"


def split_by_group(
    dialogues: Sequence[Dialogue], *, seed: int, val: float = 0.1, test: float = 0.1
) -> dict[str, list[Dialogue]]:
    """Parts train, val and test; all dialogues of a group fall into the same part.

    Args:
        dialogues: to be split; order is kept.
        seed: decides which groups go where; the order of dialogues does not.
        val: share of the groups, rounded; at least one group when there are three or more.
        test: the same for the test part.

    Raises:
        InputError: the shares leave nothing to train on.
    """
    if val < 0 or test < 0 or val + test >= 1:
        raise InputError(f"split_by_group: val and test must leave something for train; got {val} and {test}.")
    groups = sorted({dialogue.group for dialogue in dialogues})
    shuffled = [groups[int(place)] for place in stream(seed, "split").permutation(len(groups))]
    enough = len(groups) >= 3
    n_val = max(round(val * len(groups)), int(enough and val > 0))
    n_test = max(round(test * len(groups)), int(enough and test > 0))
    part_of = dict.fromkeys(shuffled, "train")
    part_of.update(dict.fromkeys(shuffled[:n_val], "val"))
    part_of.update(dict.fromkeys(shuffled[n_val : n_val + n_test], "test"))
    return {part: [d for d in dialogues if part_of[d.group] == part] for part in ("train", "val", "test")}


def to_official(dialogue: Dialogue, *, image_dir: str = "pictures") -> dict[str, Any]:
    """The final record of the paper's code: messages with one `<image>` in the content per picture.

    `url_list` is there because the format has it; our pictures have no address, so it holds empty texts.

    Raises:
        InputError: a text holds `<image>` itself, which the format cannot tell from a picture.
    """
    conversation: list[dict[str, Any]] = []
    for number, turn in enumerate(dialogue.turns):
        if any(isinstance(part, str) and _MARK in part for part in turn.parts):
            raise InputError(
                f"dialogue {dialogue.id!r}, turn {number}: its text holds {_MARK!r}, which this format uses for "
                "pictures. Leave the dialogue out or reword the turn."
            )
        shown = turn.pictures
        conversation.append(
            {
                "role": turn.role,
                "content": "".join(part if isinstance(part, str) else _MARK for part in turn.parts),
                "image_list": [dialogue.pictures[index] if dialogue.pictures else "" for index in shown],
                "caption_list": [dialogue.captions[index] for index in shown],
                "url_list": [""] * len(shown),
            }
        )
    return {"conversation": conversation, "image_dir": image_dir}


def from_official(record: Mapping[str, Any], *, name: str = "", group: str = "", source: str = "") -> Dialogue:
    """Read a final record; pictures are numbered in the order they are shown.

    Raises:
        InputError: the number of `<image>` marks and of captions or pictures differ in a message.
    """
    captions: list[str] = []
    pictures: list[str] = []
    turns: list[Turn] = []
    for number, message in enumerate(record["conversation"]):
        texts = str(message["content"]).split(_MARK)
        shown, files = list(message["caption_list"]), list(message["image_list"])
        if not len(texts) - 1 == len(shown) == len(files):
            raise InputError(
                f"official record {name!r}, message {number}: {len(texts) - 1} {_MARK} marks, {len(shown)} captions "
                f"and {len(files)} pictures. They must be equal in number."
            )
        parts: list[Part] = []
        for place, text in enumerate(texts):
            if place:
                parts.append(Picture(len(captions)))
                captions.append(shown[place - 1])
                pictures.append(files[place - 1])
            if text:
                parts.append(text)
        turns.append(Turn(message["role"], tuple(parts)))
    attached = tuple(pictures) if any(pictures) else ()
    return Dialogue(name, tuple(turns), tuple(captions), attached, source, group)
