"""Asking the rules: verdicts of every rule, the funnel, what each rule does alone, and judging again for free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tbcore.candidates import Candidate
from tbcore.data.filter.draft import CAPTION_THRESHOLD, Draft, Rule
from tbcore.data.filter.near import NearDuplicates
from tbcore.data.filter.rules import RULES
from tbcore.data.filter.seen import Seen
from tbcore.errors import InputError
from tbcore.records import Dialogue, Rejection, Verdict

__all__ = ["Judgement", "counterfactual", "first_objection", "funnel", "judge", "judge_all", "refilter"]

# A rule that has nothing to say always says the same: all replies share one verdict.
_PASSED: dict[str, Verdict] = {}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What every rule says of a candidate, and the dialogue it becomes when none objects."""

    candidate: Candidate
    verdicts: tuple[Verdict, ...]
    dialogue: Dialogue | None

    @property
    def objection(self) -> Verdict | None:
        """The first rule, in order, that rejects the candidate."""
        return next((verdict for verdict in self.verdicts if not verdict.passed), None)

    def rejection(self, where: str = "") -> Rejection | None:
        """The first objection as a record."""
        if (first := self.objection) is None:
            return None
        return Rejection(self.candidate.id, first.code or first.rule, first.offset, first.detail, where)


def first_objection(
    draft: Draft, rules: Collection[str] = tuple(RULES), *, among: Mapping[str, Rule] = RULES
) -> Verdict | None:
    """The first rule, in order, that rejects the draft; later rules are not asked."""
    for name, rule in among.items():
        if name in rules and (objection := rule(draft)) is not None:
            return Verdict(name, False, name, *objection)
    return None


def judge(draft: Draft, rules: Mapping[str, Rule] = RULES) -> Judgement:
    """Ask every rule, whatever the others say."""
    verdicts: list[Verdict] = []
    kept = True
    for name, rule in rules.items():
        if (objection := rule(draft)) is None:
            verdicts.append(_PASSED.get(name) or _PASSED.setdefault(name, Verdict(name, True)))
        else:
            kept = False
            verdicts.append(Verdict(name, False, name, *objection))
    return Judgement(draft.candidate, tuple(verdicts), _dialogue(draft) if kept else None)


def judge_all(
    candidates: Iterable[Candidate],
    *,
    canary: str = "",
    caption_threshold: float = CAPTION_THRESHOLD,
    exact_captions: bool = False,
    rules: Mapping[str, Rule] = RULES,
) -> Iterator[Judgement]:
    """Judge in order. Rule 4 remembers each reply, kept or not, as the paper's code does.

    What is remembered is a digest of each reply, so memory does not grow with their length. Pass
    `rules={**RULES, **further_rules(...)}` to ask further rules after the usual ones; of those,
    `near_duplicate` remembers each conversation, kept or not, in about one kilobyte.
    """
    seen = Seen()
    near = NearDuplicates() if "near_duplicate" in rules else None
    for candidate in candidates:
        draft = Draft(candidate, seen, canary, caption_threshold, exact_captions, near)
        yield judge(draft, rules)
        seen.add(candidate.reply)
        if near is not None:
            near.add(candidate.id, near.signature(text for _, text in draft.pieces()))


def funnel(judgements: Iterable[Judgement]) -> dict[str, int]:
    """How many candidates each rule is the first to reject, in order; 'kept' comes last."""
    counts = dict.fromkeys(RULES, 0)
    kept = 0
    for judgement in judgements:
        first: str | None = None
        for verdict in judgement.verdicts:
            counts.setdefault(verdict.rule, 0)
            if first is None and not verdict.passed:
                first = verdict.rule
        if first is None:
            kept += 1
        else:
            counts[first] += 1
    return {**counts, "kept": kept}


def counterfactual(judgements: Sequence[Judgement]) -> dict[str, dict[str, int]]:
    """What each rule does alone: `objects` to this many, and is the `only` one to object to that many.

    With a rule off, `only` more candidates would pass.
    """
    table = {name: {"objects": 0, "only": 0} for name in RULES}
    for judgement in judgements:
        against = [verdict.rule for verdict in judgement.verdicts if not verdict.passed]
        for verdict in judgement.verdicts:
            table.setdefault(verdict.rule, {"objects": 0, "only": 0})
        for name in against:
            table[name]["objects"] += 1
            table[name]["only"] += len(against) == 1
    return table


def refilter(judgements: Iterable[Judgement], *, off: Collection[str]) -> list[Judgement]:
    """The same candidates with some rules off; no reply is read or asked for again unless it now passes.

    Rules that remember (`repeat_response`, `near_duplicate`) remember every reply, kept or not, so switching
    other rules off changes none of their verdicts.

    Raises:
        InputError: `off` names an unknown rule, or one that keeps a reply from being a dialogue at all.
    """
    needed = {"repeat_image", "unseen_image"}
    given = list(judgements)
    known = set(RULES) | {verdict.rule for judgement in given for verdict in judgement.verdicts}
    if bad := [name for name in off if name not in known or name in needed]:
        raise InputError(
            f"refilter: rule {bad[0]!r} is unknown or cannot be off; choose from {sorted(known - needed)}."
        )
    result: list[Judgement] = []
    for old in given:
        verdicts = tuple(verdict for verdict in old.verdicts if verdict.rule not in off)
        passes = all(verdict.passed for verdict in verdicts)
        dialogue = (old.dialogue or _dialogue(Draft(old.candidate))) if passes else None
        result.append(Judgement(old.candidate, verdicts, dialogue))
    return result


def _dialogue(draft: Draft) -> Dialogue:
    one = draft.candidate
    return Dialogue(one.id, draft.turns, one.captions, one.pictures, one.source, one.group)
