"""Metric 8: what is said to be there and is not; and whether "yes" is an answer or a habit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from tbcore.bench.metrics.intervals import Measure, over_dialogues, quotient, share, wilson
from tbcore.bench.outcomes import Outcome
from tbcore.world.answers import read_answer

__all__ = ["invented_replies", "invented_things", "probe_accuracy", "probe_pairs", "yes_rate"]


def _invented(one: Outcome) -> tuple[int, int] | None:
    """Things named and not there, and things named, in a description."""
    if one.kind != "describe":
        return None
    named, there = set(read_answer(one.text).things), set(cast("list[str]", one.exchange.expect.facts["things"]))
    return len(named - there), len(named)


def invented_things(outcomes: Sequence[Outcome]) -> Measure:
    """Share of the things named in descriptions that are not there.

    Source: CHAIR-i (arXiv:1809.02156), with the truth instead of labels.
    """

    def count(one: Outcome) -> tuple[float, float] | None:
        found = _invented(one)
        return None if found is None else (float(found[0]), float(found[1]))

    return over_dialogues("invented_things", outcomes, count, quotient)


def invented_replies(outcomes: Sequence[Outcome]) -> Measure:
    """Share of descriptions that name at least one thing that is not there.

    Source: CHAIR-s (arXiv:1809.02156).
    """

    def verdict(one: Outcome) -> bool | None:
        found = _invented(one)
        return None if found is None else found[0] > 0

    return share("invented_replies", outcomes, verdict)


def _probes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.split == "probe"]


def probe_accuracy(outcomes: Sequence[Outcome]) -> Measure:
    """Share of single yes/no questions answered rightly; half of them are to be denied."""
    probes = _probes(outcomes)
    return wilson("probe_accuracy", sum(one.right for one in probes), len(probes))


def probe_pairs(outcomes: Sequence[Outcome]) -> Measure:
    """Share of pairs, one fact apart, of which both are answered rightly; a constant answer scores 0."""
    pairs: dict[str, list[bool]] = {}
    for one in _probes(outcomes):
        pairs.setdefault(one.item[:-1], []).append(one.right)
    whole = [verdicts for verdicts in pairs.values() if len(verdicts) == 2]
    return wilson("probe_pairs", sum(all(verdicts) for verdicts in whole), len(whole))


def yes_rate(outcomes: Sequence[Outcome]) -> Measure:
    """Share of "yes" among the single yes/no questions; the truth is one half. Other replies are no "yes"."""
    probes = _probes(outcomes)
    return wilson("yes_rate", sum(read_answer(one.text).yes_no is True for one in probes), len(probes))
