"""The paper's eight rules, in its order, and the three of ours that are always asked."""

from __future__ import annotations

import re
import unicodedata

from rapidfuzz.distance import Levenshtein

from tbcore.data.filter.draft import HUMAN, Draft, Objection, Rule
from tbcore.dialogue import ROLE_WORDS
from tbcore.entities import find_lookalike_tag
from tbcore.records import Role

__all__ = ["MIN_MESSAGES", "OUR_RULES", "PAPER_RULES", "RULES"]

MIN_MESSAGES = 3
"""Rule 7 wants at least so many messages (not exchanges). Source: the paper's code."""

_ASSISTANT = f"{ROLE_WORDS['assistant']}:"
_SPACES = re.compile(r"\s+")
_WANTED_TURNS: tuple[Role, Role] = ("user", "assistant")


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
    return None if HUMAN in draft.reply else (0 if draft.reply else None, f"no {HUMAN!r}")


def _invalid_turns(draft: Draft) -> Objection | None:
    reply, spans = draft.reply, draft.spans
    if not spans:
        return draft.first_turn if reply else None, "no line begins with a speaker"
    # As many role words as turns: then no turn can hold a second one.
    words = reply.count(HUMAN, spans[0].start) + reply.count(_ASSISTANT, spans[0].start)
    for number, span in enumerate(spans):
        if span.role != _WANTED_TURNS[number % 2]:
            return span.start, f"turn {number} should be {ROLE_WORDS[_WANTED_TURNS[number % 2]]}'s"
        for word in (HUMAN, _ASSISTANT) if words > len(spans) else ():
            if (again := reply.find(word, span.body, span.end)) >= 0:
                return again, f"turn {number} holds a second {word!r}"
    return None


def _too_short(draft: Draft) -> Objection | None:
    there_are = len(draft.spans)
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
    if not draft.canary or draft.canary.casefold() not in draft.reply.casefold():
        return None
    # Folding may change lengths, so the place is looked for in the reply itself.
    found = re.search(re.escape(draft.canary), draft.reply, re.IGNORECASE)
    return None if found is None else found.start(), "the reply holds the canary"


def _tag_confusable(draft: Draft) -> Objection | None:
    if (found := find_lookalike_tag(draft.reply)) is None:
        return None
    start, end = found
    return start, f"looks like a tag: {draft.reply[start:end]!r}"


def _empty_turn(draft: Draft) -> Objection | None:
    shown = {mark.start for mark in draft.reading.marks}
    for number, span in enumerate(draft.spans):
        said = draft.reply[span.body : span.end].lstrip()
        # Only what begins with a tag can turn out to hold nothing once tags without a partner are gone.
        if said and (said[0] != "<" or span.end - len(said) in shown):
            continue
        if not draft.turns[number].parts:
            return span.start, f"turn {number} says nothing"
    return None


def _folded(words: str) -> str:
    return _SPACES.sub(" ", unicodedata.normalize("NFC", words)).strip()


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
"""The rules that are always asked, in order."""
