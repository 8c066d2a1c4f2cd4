"""Which example sets there have been, which one is in use, and what each was worth.

A set is named by its content and knows its parent. The file of versions only grows: a rollback is a new line, so
everything a prompt was ever rendered from can be rendered again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from tbcore.errors import InputError
from tbcore.intervals import wilson_interval
from tbcore.records import Dialogue
from tbcore.seeds import stream
from tbcore.store import append_jsonl, read_jsonl

__all__ = [
    "Acceptance",
    "Difference",
    "NamedSet",
    "Version",
    "Versions",
    "acceptance_by_set",
    "acceptance_difference",
]


class NamedSet(Protocol):
    """An example set: `tbcore.data.examples.ExampleSet` is one."""

    @property
    def examples(self) -> tuple[Dialogue, ...]:
        """The examples in order."""
        ...

    @property
    def parent(self) -> str | None:
        """The version it grew from."""
        ...

    @property
    def version(self) -> str:
        """Its name, made from its content."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One line of the file: a set that was taken into use.

    Args:
        version: the set's name.
        parent: the version it grew from.
        examples: its content.
        action: why the line was written.
        added, removed: ids by which it differs from the set in use before; what a reviewer reads.
        reason: in words.
        time: text as the caller writes it.
    """

    version: str
    parent: str | None
    examples: tuple[Dialogue, ...]
    action: Literal["start", "promote", "rollback"]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reason: str
    time: str


class Versions:
    """The file of example sets.

    Raises:
        InputError: a line's content is not what its digest says.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        rows = read_jsonl(self.path) if self.path.is_file() else ()
        self._versions = [self._read(row) for row in rows]

    def __len__(self) -> int:
        return len(self._versions)

    def __iter__(self) -> Iterator[Version]:
        return iter(self._versions)

    @property
    def current(self) -> Version | None:
        """The set in use; None when there is none yet."""
        return self._versions[-1] if self._versions else None

    def get(self, version: str) -> Version:
        """The set of that name.

        Raises:
            InputError: there never was one.
        """
        for one in self._versions:
            if one.version == version:
                return one
        known = sorted({one.version for one in self._versions})
        raise InputError(f"{self.path}: no example set {version!r}; known are {known}.")

    def promote(self, examples: NamedSet, *, reason: str, time: str = "") -> Version:
        """Take a set into use; it must have grown from the one in use now.

        Raises:
            InputError: its parent is another set, so somebody else has promoted meanwhile.
        """
        now = self.current
        if now is not None and examples.version == now.version:
            return now
        if now is not None and examples.parent != now.version:
            raise InputError(
                f"{self.path}: set {examples.version!r} grew from {examples.parent!r}, but {now.version!r} is in use. "
                "Add the promoted conversations to the set in use."
            )
        action: Literal["start", "promote"] = "start" if now is None else "promote"
        return self._add(examples.version, examples.parent, examples.examples, action, reason, time)

    def roll_back(self, version: str, *, reason: str, time: str = "") -> Version:
        """Take an earlier set into use again; nothing is deleted.

        Raises:
            InputError: there never was such a set.
        """
        old = self.get(version)
        return self._add(old.version, old.parent, old.examples, "rollback", reason, time)

    def _add(
        self,
        version: str,
        parent: str | None,
        examples: Sequence[Dialogue],
        action: Literal["start", "promote", "rollback"],
        reason: str,
        time: str,
    ) -> Version:
        before = {one.id for one in self.current.examples} if self.current else set[str]()
        after = {one.id for one in examples}
        added, removed = tuple(sorted(after - before)), tuple(sorted(before - after))
        one = Version(version, parent, tuple(examples), action, added, removed, reason, time)
        append_jsonl(self.path, _row(one))
        self._versions.append(one)
        return one

    def _read(self, row: Mapping[str, Any]) -> Version:
        examples = tuple(Dialogue.from_json(one) for one in row["examples"])
        one = Version(
            version=str(row["version"]),
            parent=row["parent"],
            examples=examples,
            action=row["action"],
            added=tuple(row["added"]),
            removed=tuple(row["removed"]),
            reason=str(row["reason"]),
            time=str(row["time"]),
        )
        if _row(one)["sha256"] != row["sha256"]:
            raise InputError(f"{self.path}: set {one.version!r} is not what its digest says. Restore the file.")
        return one


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Accepted per drawn candidate, with Wilson's 95 % interval."""

    drawn: int
    accepted: int
    rate: float
    interval: tuple[float, float]


def acceptance_by_set(outcomes: Iterable[tuple[str, bool]]) -> dict[str, Acceptance]:
    """The acceptance rate of each example set, from (version, accepted) of every candidate."""
    counts: dict[str, tuple[int, int]] = {}
    for version, accepted in outcomes:
        drawn, kept = counts.get(version, (0, 0))
        counts[version] = drawn + 1, kept + accepted
    return {version: _acceptance(drawn, kept) for version, (drawn, kept) in counts.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """New set's acceptance rate minus the old one's on the same picture groups.

    Args:
        groups: how many groups both have answered.
        value: difference of mean rates, -1 to 1.
        interval: its 95 % over bootstrap samples of groups.
    """

    groups: int
    value: float
    interval: tuple[float, float]

    @property
    def advice(self) -> Literal["promote", "roll back", "rate more"]:
        """What the interval allows to say; a person decides."""
        if self.interval[0] > 0:
            return "promote"
        return "roll back" if self.interval[1] < 0 else "rate more"


def acceptance_difference(
    old: Iterable[tuple[str, bool]], new: Iterable[tuple[str, bool]], *, seed: int = 0, resamples: int = 1000
) -> Difference:
    """Compare two sets on the same held-out groups, from (group, accepted) of every candidate of each.

    Raises:
        InputError: they have no group in common.
    """
    by_old, by_new = _rates(old), _rates(new)
    common = sorted(set(by_old) & set(by_new))
    if not common:
        raise InputError("acceptance_difference: the two sets share no picture group. Ask both about the same groups.")
    gains = np.asarray([by_new[group] - by_old[group] for group in common])
    rng = stream(seed, "acceptance_difference")
    means = gains[rng.integers(len(gains), size=(resamples, len(gains)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(len(common), float(gains.mean()), (float(low), float(high)))


def _rates(outcomes: Iterable[tuple[str, bool]]) -> dict[str, float]:
    found: dict[str, list[bool]] = {}
    for group, accepted in outcomes:
        found.setdefault(group, []).append(accepted)
    return {group: sum(given) / len(given) for group, given in found.items()}


def _acceptance(drawn: int, accepted: int) -> Acceptance:
    return Acceptance(drawn, accepted, accepted / drawn, wilson_interval(accepted, drawn))


def _row(one: Version) -> dict[str, Any]:
    texts: dict[str, Any] = {name: getattr(one, name) for name in ("version", "parent", "action", "reason", "time")}
    lists = {"added": list(one.added), "removed": list(one.removed)}
    content = {**texts, **lists, "examples": [example.to_json() for example in one.examples]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "sha256": digest}
