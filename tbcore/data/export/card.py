"""The card of a dataset: what is inside, what was thrown out and why, where it came from, what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Card", "licence_lines"]


def licence_lines(licences: Iterable[str]) -> tuple[str, ...]:
    """One line per licence with the number of pictures under it, the most frequent first.

    Pictures that name none are said to, so that nobody takes silence for permission.
    """
    counts = Counter(licence.strip() or "no licence named" for licence in licences)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(f"{licence}: {n} pictures" if n > 1 else f"{licence}: 1 picture" for licence, n in ordered)


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """What a reader of the dataset must know, to be written beside it.

    Args:
        title, text: the name of the dataset, and what it is, in a paragraph.
        parts: dialogues per split part.
        funnel: candidates by first objection, 'kept' last.
        alone: by rule, how many only that rule rejects.
        numbers: statistics by name; None is written as undefined.
        provenance: seeds and versions by name.
        hashes: SHA-256 of each file that belongs to the dataset.
        agreement: how far raters agree, in words with n and interval, by pair of raters.
        cost: calls, tokens and money by name.
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
    hashes: Mapping[str, str] = field(default_factory=dict[str, str])
    agreement: Mapping[str, str] = field(default_factory=dict[str, str])
    cost: Mapping[str, object] = field(default_factory=dict[str, object])
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
        blocks += _table("Files", ("file", "SHA-256"), self.hashes)
        blocks += _table("Agreement of raters", ("raters", "agreement"), self.agreement)
        blocks += _table("Cost", ("what", "value"), self.cost)
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
