"""The filter: the paper's eight rules in its order, one repair, and three rules of our own.

    reply ─► 1 repeat_image ─► 2 unseen_image ─► ... ─► 7 too_short ─► 7b repair ─► 8 changed_caption
          ─► canary ─► tag_confusable ─► empty_turn ─► kept

Every rule judges every reply, so the first objection (the funnel) and the counterfactual ("with this rule
off, how many more pass?") come from one pass; each verdict has a code and the offset in the raw reply.
Source: SihengLi99/TextBind, process_mim, `clean_mim_data`; the rules after the eighth are ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rapidfuzz.distance import Levenshtein

from tbcore.candidates import Candidate
from tbcore.dialogue import ROLE_WORDS, Reading, read_reply
from tbcore.entities import find_lookalike_tag
from tbcore.errors import InputError
from tbcore.records import Dialogue, Rejection, Role, Turn, Verdict

__all__ = [
    "CAPTION_THRESHOLD",
    "MIN_MESSAGES",
    "OUR_RULES",
    "PAPER_RULES",
    "RULES",
    "VERSION",
    "Draft",
    "Judgement",
    "counterfactual",
    "first_objection",
    "funnel",
    "judge",
    "judge_all",
    "refilter",
]

VERSION = "filter-1"
"""Changes whenever any rule may judge a reply differently."""

CAPTION_THRESHOLD = 0.1
"""Rule 8 allows this many changed characters per character of the true caption. Source: the paper's code."""

MIN_MESSAGES = 3
"""Rule 7 wants at least so many messages (not exchanges). Source: the paper's code."""

_HUMAN = f"{ROLE_WORDS['user']}:"
_ASSISTANT = f"{ROLE_WORDS['assistant']}:"
_SPACES = re.compile(r"\s+")
_DOUBLED_COMMA = re.compile(r",(?:\s*,)+")
_WANTED_TURNS: tuple[Role, Role] = ("user", "assistant")


@dataclass
class Draft:
    """A candidate on its way through the rules: read once, judged by all of them.

    Args:
        seen: replies met before it, for rule 4.
        canary: the word no reply may hold; empty for none.
        caption_threshold: rule 8's limit, changed characters per character of the true caption.
        exact_captions: rule 8 allows no change at all.
    """

    candidate: Candidate
    seen: Collection[str] = ()
    canary: str = ""
    caption_threshold: float = CAPTION_THRESHOLD
    exact_captions: bool = False
    first_turn: int = field(init=False)

    def __post_init__(self) -> None:
        first = self.reply.find(_HUMAN)
        self.first_turn = max(first, 0)

    @property
    def reply(self) -> str:
        """The raw reply."""
        return self.candidate.reply

    @cached_property
    def reading(self) -> Reading:
        """The reply, read once."""
        return read_reply(self.reply, self.candidate.codec)

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """What is said from the first `Human:` on, as the repair (7b) leaves it.

        Tags that open or close no pair are gone, and where one was removed so are doubled commas.
        """
        turns = self.reading.turns(start=self.first_turn)
        return tuple(map(_without_doubled_commas, turns)) if self.reading.problems else turns


Objection = tuple[int | None, str]
Rule = Callable[[Draft], Objection | None]


def _repeat_image(draft: Draft) -> Objection | None:
    seen: set[int] = set()
    for index, offset in draft.reading.opens:
        if index in seen:
            return offset, f"picture {index} is opened again"
        seen.add(index)
    return None


def _unseen_image(draft: Draft) -> Objection | None:
    there_are = len(draft.candidate.captions)
    for index, offset in draft.reading.opens:
        if index >= there_are:
            return offset, f"picture {index}, but there are {there_are}"
    return None


def _no_image(draft: Draft) -> Objection | None:
    return None if draft.reading.marks else (None, "no well-paired tag")


def _repeat_response(draft: Draft) -> Objection | None:
    return (None, "the identical reply was seen before") if draft.reply in draft.seen else None


def _wrong_role(draft: Draft) -> Objection | None:
    return None if _HUMAN in draft.reply else (0 if draft.reply else None, f"no {_HUMAN!r}")


def _invalid_turns(draft: Draft) -> Objection | None:
    spans = [span for span in draft.reading.spans if span.start >= draft.first_turn]
    if not spans:
        return draft.first_turn if draft.reply else None, "no line begins with a speaker"
    for number, span in enumerate(spans):
        if span.role != _WANTED_TURNS[number % 2]:
            return span.start, f"turn {number} should be {ROLE_WORDS[_WANTED_TURNS[number % 2]]}'s"
        for word in (_HUMAN, _ASSISTANT):
            if (again := draft.reply.find(word, span.body, span.end)) >= 0:
                return again, f"turn {number} holds a second {word!r}"
    return None


def _too_short(draft: Draft) -> Objection | None:
    there_are = sum(span.start >= draft.first_turn for span in draft.reading.spans)
    return None if there_are >= MIN_MESSAGES else (None, f"{there_are} messages, at least {MIN_MESSAGES} wanted")


def _changed_caption(draft: Draft) -> Objection | None:
    captions = draft.candidate.captions
    for mark in draft.reading.marks:
        if mark.index >= len(captions):
            continue
        true, copy = captions[mark.index], mark.caption
        if true == copy:
            continue
        true, copy = _folded(true), _folded(copy)
        # An empty true caption allows no change; the published rule divides by zero here.
        limit = 0 if draft.exact_captions else draft.caption_threshold * len(true)
        distance = Levenshtein.distance(true, copy)
        if distance > limit:
            return mark.start, f"{distance} of {len(true)} characters of caption {mark.index} changed"
    return None


def _canary(draft: Draft) -> Objection | None:
    at = draft.reply.casefold().find(draft.canary.casefold()) if draft.canary else -1
    return (at, "the reply holds the canary") if at >= 0 else None


def _tag_confusable(draft: Draft) -> Objection | None:
    if (found := find_lookalike_tag(draft.reply)) is None:
        return None
    start, end = found
    return start, f"looks like a tag: {draft.reply[start:end]!r}"


def _empty_turn(draft: Draft) -> Objection | None:
    spans = [span for span in draft.reading.spans if span.start >= draft.first_turn]
    for number, (span, turn) in enumerate(zip(spans, draft.turns, strict=True)):
        if not turn.parts:
            return span.start, f"turn {number} says nothing"
    return None


PAPER_RULES: dict[str, Rule] = {
    "repeat_image": _repeat_image,
    "unseen_image": _unseen_image,
    "no_image": _no_image,
    "repeat_response": _repeat_response,
    "wrong_role": _wrong_role,
    "invalid_turns": _invalid_turns,
    "too_short": _too_short,
    "changed_caption": _changed_caption,
}
"""The eight rules of the paper's code, in its order."""

OUR_RULES: dict[str, Rule] = {
    "canary": _canary,
    "tag_confusable": _tag_confusable,
    "empty_turn": _empty_turn,
}
"""Rules of this project; they run after the eight, so the paper's funnel is reproducible."""

RULES: dict[str, Rule] = {**PAPER_RULES, **OUR_RULES}
"""All rules in order."""


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


def first_objection(draft: Draft, rules: Collection[str] = tuple(RULES)) -> Verdict | None:
    """The first rule, in order, that rejects the draft; later rules are not asked."""
    for name, rule in RULES.items():
        if name in rules and (objection := rule(draft)) is not None:
            return Verdict(name, False, name, *objection)
    return None


def judge(draft: Draft) -> Judgement:
    """Ask every rule, whatever the others say."""
    verdicts: list[Verdict] = []
    for name, rule in RULES.items():
        objection = rule(draft)
        verdicts.append(Verdict(name, True) if objection is None else Verdict(name, False, name, *objection))
    kept = all(verdict.passed for verdict in verdicts)
    return Judgement(draft.candidate, tuple(verdicts), _dialogue(draft) if kept else None)


def judge_all(
    candidates: Iterable[Candidate],
    *,
    canary: str = "",
    caption_threshold: float = CAPTION_THRESHOLD,
    exact_captions: bool = False,
) -> Iterator[Judgement]:
    """Judge in order. Rule 4 remembers each reply, kept or not, as the paper's code does."""
    seen: set[str] = set()
    for candidate in candidates:
        yield judge(Draft(candidate, seen, canary, caption_threshold, exact_captions))
        seen.add(candidate.reply)


def funnel(judgements: Iterable[Judgement]) -> dict[str, int]:
    """How many candidates each rule is the first to reject, in order; 'kept' comes last."""
    counts = {**dict.fromkeys(RULES, 0), "kept": 0}
    for judgement in judgements:
        first = judgement.objection
        counts["kept" if first is None else first.rule] += 1
    return counts


def counterfactual(judgements: Sequence[Judgement]) -> dict[str, dict[str, int]]:
    """What each rule does alone: `objects` to this many, and is the `only` one to object to that many.

    With a rule off, `only` more candidates would pass.
    """
    table = {name: {"objects": 0, "only": 0} for name in RULES}
    for judgement in judgements:
        against = [verdict.rule for verdict in judgement.verdicts if not verdict.passed]
        for name in against:
            table[name]["objects"] += 1
            table[name]["only"] += len(against) == 1
    return table


def refilter(judgements: Iterable[Judgement], *, off: Collection[str]) -> list[Judgement]:
    """The same candidates with some rules off; no reply is read or asked for again unless it now passes.

    Raises:
        InputError: `off` names an unknown rule, or one that keeps a reply from being a dialogue at all.
    """
    needed = {"repeat_image", "unseen_image"}
    if bad := [name for name in off if name not in RULES or name in needed]:
        raise InputError(
            f"refilter: rule {bad[0]!r} is unknown or cannot be off; choose from {sorted(set(RULES) - needed)}."
        )
    result: list[Judgement] = []
    for old in judgements:
        verdicts = tuple(verdict for verdict in old.verdicts if verdict.rule not in off)
        passes = all(verdict.passed for verdict in verdicts)
        dialogue = (old.dialogue or _dialogue(Draft(old.candidate))) if passes else None
        result.append(Judgement(old.candidate, verdicts, dialogue))
    return result


def _dialogue(draft: Draft) -> Dialogue:
    one = draft.candidate
    return Dialogue(one.id, draft.turns, one.captions, one.pictures, one.source, one.group)


def _without_doubled_commas(turn: Turn) -> Turn:
    return Turn(turn.role, tuple(_DOUBLED_COMMA.sub(",", p) if isinstance(p, str) else p for p in turn.parts))


def _folded(words: str) -> str:
    return _SPACES.sub(" ", unicodedata.normalize("NFC", words)).strip()
