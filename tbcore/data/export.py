"""The finished dataset: split by group, the official record format, and a card that says what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tbcore.errors import InputError
from tbcore.records import Dialogue, Part, Picture, Turn
from tbcore.seeds import stream

__all__ = ["Card", "from_official", "split_by_group", "to_official"]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What a reader of the dataset must know, to be written beside it.

    Args:
        title, text: the name of the dataset, and what it is, in a paragraph.
        parts: dialogues per split part.
        funnel: candidates by first objection, 'kept' last.
        alone: by rule, how many only that rule rejects.
        numbers: statistics by name; None is written as undefined.
        provenance: seeds, versions and hashes by name.
        licences: where pictures and texts come from, one line each.
        limits: what is known to be missing or wrong, one line each.
    """

    title: str
    text: str
    parts: Mapping[str, int] = field(default_factory=dict[str, int])
    funnel: Mapping[str, int] = field(default_factory=dict[str, int])
    alone: Mapping[str, int] = field(default_factory=dict[str, int])
    numbers: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    provenance: Mapping[str, object] = field(default_factory=dict[str, object])
    licences: Sequence[str] = ()
    limits: Sequence[str] = ()

    def markdown(self) -> str:
        """The card; markup in names and values is made harmless."""
        blocks = [f"# {_safe(self.title)}", _safe(self.text)]
        blocks += _table("Parts", ("part", "dialogues"), self.parts)
        if self.funnel:
            rows = [(rule, n, self.alone.get(rule, "")) for rule, n in self.funnel.items()]
            blocks += ["## Filter", _rows(("first objection", "candidates", "only this rule"), rows)]
        blocks += _table("Numbers", ("what", "value"), {k: _number(v) for k, v in self.numbers.items()})
        blocks += _table("Provenance", ("what", "value"), self.provenance)
        for heading, lines in (("Licences", self.licences), ("Known limits", self.limits)):
            if lines:
                blocks += [f"## {heading}", "\n".join(f"- {_safe(line)}" for line in lines)]
        return "\n\n".join(blocks) + "\n"


def _table(heading: str, names: tuple[str, str], values: Mapping[str, object]) -> list[str]:
    return [f"## {heading}", _rows(names, list(values.items()))] if values else []


def _rows(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(_safe(str(cell)) for cell in line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
