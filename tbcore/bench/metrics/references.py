"""Metric 5: does the assistant know which picture is meant? By form, distance and origin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbcore.bench.metrics.intervals import Measure, share
from tbcore.bench.outcomes import Outcome, fields
from tbcore.world.scenes import Scene

__all__ = ["reference_resolution", "references_by"]

_BY: dict[str, Callable[[Outcome], object]] = {
    "form": lambda one: one.exchange.reference and one.exchange.reference.form,
    "distance": lambda one: one.exchange.reference and one.exchange.reference.distance,
    "origin": lambda one: one.exchange.reference and one.exchange.reference.origin,
}


def _alike(one: Scene, other: Scene) -> int:
    """How many facts two scenes share; things count wherever they stand."""
    ours, theirs = fields(one), fields(other)
    same = sum(name in theirs and theirs[name] == value for name, value in ours.items())
    return same + len(set(one.things) & set(other.things))


def _resolved(one: Outcome) -> bool | None:
    """Whether the reply fits the picture that is meant better than any other of the conversation.

    A drawing is judged by its caption where there is one, so that a bad painter is not taken for a bad memory.
    An answer in words must be right. Without another picture there is nothing to mistake it for.
    """
    reference = one.exchange.reference
    if reference is None or reference.form == "attached" or not (one.others or reference.origin == "text"):
        return None
    if not one.draws:
        return one.text_right
    states = [said or seen for said, seen in zip(one.said, one.seen, strict=True)]
    if len(states) != 1 or states[0] is None or one.wanted is None:
        return False
    drawn, wanted = states[0], one.wanted
    if drawn == wanted:
        return True
    rivals = [other for other in one.others if other != wanted]
    near = _alike(drawn, wanted)
    return near > 0 and all(_alike(drawn, other) < near for other in rivals)


def reference_resolution(outcomes: Sequence[Outcome]) -> Measure:
    """How often an earlier picture is the one that was meant."""
    return share("reference", outcomes, _resolved)


def references_by(outcomes: Sequence[Outcome]) -> list[Measure]:
    """The same by form, by distance in exchanges and by origin of the picture."""
    measures: list[Measure] = []
    for name, key in _BY.items():
        values = sorted({str(key(one)) for one in outcomes if _resolved(one) is not None})
        for value in values:
            here = [one for one in outcomes if str(key(one)) == value]
            measures.append(share(f"reference/{name} {value}", here, _resolved))
    return measures
