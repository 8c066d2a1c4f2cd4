"""Human refinement: people rate conversations, good ones are promoted to in-context examples.

Labels are only ever appended. What they mean stands in the rating guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.seeds import stream
from tbcore.store import append_jsonl, read_jsonl

__all__ = [
    "CHARACTER_TAGS",
    "ERROR_TAGS",
    "QUALITIES",
    "Agreement",
    "Label",
    "Quality",
    "SimulatedRater",
    "add_label",
    "agreement",
    "latest",
    "promoted",
    "rating_guide",
    "read_labels",
    "rule_of_thumb",
]

Quality = Literal["Excellent", "Satisfactory", "Poor"]

QUALITIES: tuple[Quality, ...] = ("Poor", "Satisfactory", "Excellent")
"""From worst to best; the order is what weighted agreement counts."""

CHARACTER_TAGS = (
    "advice",
    "story",
    "comparison",
    "explanation",
    "reasoning",
    "editing",
    "humour",
    "asks_back",
    "refusal",
    "smalltalk",
)
"""For conversations that are not Poor."""

ERROR_TAGS = (
    "wrong_about_picture",
    "invented",
    "picture_out_of_place",
    "picture_missing",
    "mentions_captions",
    "incoherent",
    "repetitive",
    "unhelpful",
    "harmful",
)
"""For Poor conversations; at least one is needed."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one rater says of one conversation; `time` is text as the caller writes it, `turn` from 0.

    Raises:
        InputError: an unknown quality or tag, tags that do not go with the quality, or Poor without a reason.
    """

    record: str
    rater: str
    quality: Quality
    tags: tuple[str, ...] = ()
    note: str = ""
    time: str = ""
    turn: int | None = None

    def __post_init__(self) -> None:
        if self.quality not in QUALITIES:
            raise InputError(f"label of {self.record!r}: quality must be one of {QUALITIES}; got {self.quality!r}.")
        fitting = ERROR_TAGS if self.quality == "Poor" else CHARACTER_TAGS
        if wrong := [tag for tag in self.tags if tag not in fitting]:
            raise InputError(
                f"label of {self.record!r}: tag {wrong[0]!r} does not go with {self.quality}; choose from {fitting}."
            )
        if self.quality == "Poor" and not self.tags:
            raise InputError(f"label of {self.record!r}: Poor needs at least one of {ERROR_TAGS}. Say what is wrong.")

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {**asdict(self), "tags": list(self.tags)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Label:
        """The inverse of `to_json`."""
        if unknown := sorted(set(row) - set(cls.__dataclass_fields__)):
            raise InputError(f"Label: unknown field {unknown[0]!r}. Mend the record.")
        for name in ("record", "rater", "quality"):
            if not isinstance(row.get(name), str):
                raise InputError(f"Label: field {name!r} must be text; got {row.get(name)!r}. Mend the record.")
        return cls(**{**row, "tags": tuple(row.get("tags", ()))})


def add_label(path: Path | str, label: Label) -> None:
    """Append one label to the file of labels, synced to the disk; nothing in it is ever changed."""
    append_jsonl(path, label.to_json())


def read_labels(path: Path | str) -> list[Label]:
    """All labels in the order they were given; an empty list when nobody has rated yet."""
    return [Label.from_json(row) for row in read_jsonl(path)] if Path(path).is_file() else []


def latest(labels: Iterable[Label]) -> dict[tuple[str, str], Label]:
    """The label that counts for each (record, rater): the last one given for the whole conversation."""
    return {(label.record, label.rater): label for label in labels if label.turn is None}


def promoted(labels: Iterable[Label], dialogues: Iterable[Dialogue], *, votes: int = 2) -> list[Dialogue]:
    """Conversations with at least `votes` raters for Excellent and none for Poor, in the order given."""
    counts: dict[str, list[Quality]] = {}
    for label in latest(labels).values():
        counts.setdefault(label.record, []).append(label.quality)
    return [
        dialogue
        for dialogue in dialogues
        if counts.get(dialogue.id, []).count("Excellent") >= votes and "Poor" not in counts[dialogue.id]
    ]


def rating_guide() -> str:
    """The definitions of labels and tags, in Markdown."""
    return resources.files("tbcore.data").joinpath("seeds/rating_guide.md").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class SimulatedRater:
    """A rater made by a program: it sees the given quality and errs to a neighbouring one at a known rate.

    Args:
        name: begins with 'simulated', so that nobody takes its labels for a person's.
        error_rate: share of labels, 0 to 1, moved to a neighbouring quality.
        seed: which ones.
    """

    name: str
    error_rate: float
    seed: int

    def __post_init__(self) -> None:
        if not self.name.startswith("simulated") or not 0 <= self.error_rate <= 1:
            raise InputError(
                "SimulatedRater: the name begins with 'simulated' and error_rate is between 0 and 1; "
                f"got {self.name!r}, {self.error_rate}."
            )

    def rate(self, record: str, quality: Quality, *, time: str = "") -> Label:
        """The label it gives; the same record always gets the same one."""
        rng = stream(self.seed, f"rater/{self.name}/{record}")
        place = QUALITIES.index(quality)
        if rng.random() < self.error_rate:
            place = 1 if place != 1 else int(rng.choice([0, 2]))
        said = QUALITIES[place]
        return Label(record, self.name, said, ("unhelpful",) if said == "Poor" else (), "simulated rating", time)


def rule_of_thumb(dialogue: Dialogue) -> Quality:
    """A stand-in for a person's judgement, from what can be counted; it does not understand a word.

    Excellent: two exchanges or more, every picture shown, both sides show one, answers of ten words or more
    on average. Poor: an answer below three words, or only one side ever says anything new. Else Satisfactory.
    """
    said = [turn.text.strip() for turn in dialogue.turns]
    answers = [len(turn.text.split()) for turn in dialogue.turns if turn.role == "assistant"]
    if not answers or min(answers) < 3 or len(set(said)) < len(said):
        return "Poor"
    shown = {index for turn in dialogue.turns for index in turn.pictures}
    by = {turn.role for turn in dialogue.turns if turn.pictures}
    all_shown = len(shown) == len(dialogue.captions)
    rich = len(answers) >= 2 and sum(answers) / len(answers) >= 10
    return "Excellent" if rich and all_shown and by == {"user", "assistant"} else "Satisfactory"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two raters agree on the records both have rated.

    Args:
        n: records rated by both.
        raw: share of equal labels, 0 to 1.
        kappa: Cohen's kappa with linear weights, so that Excellent against Poor counts double; None when
            both gave everything the same label, as nothing can be learned from that.
        interval: 95 % of `kappa` over bootstrap samples; None with `kappa`.
    """

    n: int
    raw: float
    kappa: float | None
    interval: tuple[float, float] | None


def agreement(labels: Iterable[Label], one: str, other: str, *, seed: int = 0, resamples: int = 500) -> Agreement:
    """Compare two raters.

    Raises:
        InputError: they have rated no record in common.
    """
    counted = latest(labels)
    pairs = [
        (QUALITIES.index(label.quality), QUALITIES.index(counted[record, other].quality))
        for (record, rater), label in sorted(counted.items())
        if rater == one and (record, other) in counted
    ]
    if not pairs:
        raise InputError(f"agreement: {one!r} and {other!r} have rated no record in common. Rate some twice.")
    table = np.asarray(pairs)
    kappa = _kappa(table)
    interval = None
    if kappa is not None:
        rng = stream(seed, "agreement")
        drawn = [_kappa(table[rng.integers(len(table), size=len(table))]) for _ in range(resamples)]
        known = [value for value in drawn if value is not None]
        low, high = np.percentile(known, [2.5, 97.5]) if known else (kappa, kappa)
        interval = (float(low), float(high))
    return Agreement(len(table), float((table[:, 0] == table[:, 1]).mean()), kappa, interval)


def _kappa(pairs: np.ndarray) -> float | None:
    k = len(QUALITIES)
    weight = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    observed = weight[pairs[:, 0], pairs[:, 1]].mean()
    first, second = (np.bincount(cast("Sequence[int]", pairs[:, c]), minlength=k) / len(pairs) for c in (0, 1))
    expected = float((weight * np.outer(first, second)).sum())
    return None if expected == 0 else float(1 - observed / expected)
