"""Read facts out of free text, so that right answers in other words than ours count as right.

read_answer("Nope, I can't see a fox, just two apples in the grass.")
-> things ("apple",), denied ("fox",), backdrops ("green meadow",), yes_no False
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from tbcore.world.answer_words import backdrop_names, pattern, thing_names
from tbcore.world.dialogue_story import Expectation
from tbcore.world.scenes import FRAMES, slot_names

__all__ = ["Facts", "matches", "read_answer"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text says.

    Attributes:
        things: nouns that are said to be there, each once, in the order of the text.
        denied: nouns that are said not to be there.
        backdrops: backdrops named and not denied, each once, in the order of the text.
        frames: colours of frames; "none" where a frame is denied.
        count: how many things, where a number says it.
        yes_no: whether the text says yes or no, or None.
        refusal: whether it says that something cannot be done.
        asks_back: whether it asks a question that must be answered first.
        places: "left", "middle" and "right", each once, in the order of the text.
        positions: (noun, place) where the text ties a thing to a place.
        which: "first" and "second" where one of two is chosen, in the order of the text.
    """

    things: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    backdrops: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    count: int | None = None
    yes_no: bool | None = None
    refusal: bool = False
    asks_back: bool = False
    places: tuple[str, ...] = ()
    positions: tuple[tuple[str, str], ...] = ()
    which: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Mention:
    kind: str  # "thing" or "backdrop"
    name: str
    start: int
    end: int
    denied: bool


_FILLER = r"(?:a|an|any|the|in|on|at|see|find|spot|there|have|has|contain|contains|show|shows|of|be|single|is|are|with)"
_DENIAL = re.compile(rf"(?:\b(?:no|not|without|nor|never|neither|cannot)|n't)\s+(?:{_FILLER}\s+)*$")
_CONTINUED = re.compile(r"^\s*,?\s*(?:or|nor)\s+(?:a\s+|an\s+|any\s+)?$")
_COLOURS = "|".join(FRAMES)
_FRAME = re.compile(
    rf"\b(?P<before>{_COLOURS})[\s-]+(?:coloured\s+|colored\s+)?(?:frame|border|framed|edge)"
    rf"|\b(?:frame|border|framed|edge)\b[^.;,]{{0,18}}?\b(?P<after>{_COLOURS})\b"
)
_NO_FRAME = re.compile(
    r"(?:\b(?:no|without|without\s+(?:a|any))|(?:\bnot|n't)(?:\s+(?:have|see))?\s+(?:a|any))\s+(?:frame|border)\b"
    r"|(?:\bnot\s|n't\s|\bun)framed\b|\bframeless\b"
)
_ONLY_COLOUR = re.compile(
    rf"^\W*(?:it\s+is|it's|it\s+has|the\s+colour\s+is|a)?\s*(?P<colour>{_COLOURS})(?:\s+one)?\W*$"
)
_NUMBERS = MappingProxyType(
    {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "a single": 1, "just one": 1}
)
_NUMBER = rf"(?P<number>\d+|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_COUNT = re.compile(
    rf"\b{_NUMBER}\s+(?:\w+\s+)?(?:things?|objects?|items?|figures?|elements?|of them)\b"
    rf"|\b(?:there\s+(?:is|are)|there's|i\s+(?:see|count)|only|exactly|just|number is)\s+"
    rf"{_NUMBER.replace('number', 'counted')}\b(?!\s+(?:is|of\s+the))"
    rf"|^\W*(?:it\s+is\s+|it's\s+)?{_NUMBER.replace('number', 'alone')}\W*$"
)
_YES = re.compile(r"^\W*(?:yes|yeah|yep|yup|indeed|correct|sure|certainly|of course|that is right|that's right)\b")
_NO = re.compile(r"^\W*(?:no|nope|nah|not)\b")
_NEGATIVE = re.compile(r"\b(?:no|not|none|never|neither|cannot)\b|n't\b")
_POSITIVE = re.compile(r"\b(?:there\s+(?:is|are)|there's|it\s+(?:is|does)|i\s+(?:do|see|can see)|they\s+are)\b")
_REFUSAL = re.compile(
    r"\bsorry\b|\bafraid\b|\bunable\b|\bimpossible\b|\bnot\s+(?:able|possible)\b|\bat\s+most\b|\bno\s+(?:room|more\s+space)\b"
    r"|\bonly\s+(?:know|draw|have\s+room)\b|\b(?:do\s+not|don't)\s+(?:know|have)\b|\btoo\s+many\b"
    r"|(?:\bcannot|\bcan\s+not|\bcan't|\bcould\s+not|\bcouldn't|\bwon't|\bwill\s+not)\s+(?!see\b|find\b|spot\b|tell\b|be\s+seen\b)\w+"
)
_ASKS = re.compile(r"\b(?:which|what|where|who|whom|colou?r|should|shall|do you mean|would you like|please tell me)\b")
_POLITE = re.compile(r"\b(?:anything|what|something)\s+else\b|\bdo you like\b|\bhow about\b")
_PLACE = re.compile(r"\b(?P<place>left|right|middle|centre|center)\b(?P<of>(?:[\s-]+(?:side|hand side))?\s+of\b)?")
_ORDER = re.compile(r"\bfrom\s+(?:the\s+)?(left|right)\s+to\s+(?:the\s+)?(?:left|right)\b")
_WHICH = re.compile(r"(?P<not>\b(?:not|than|neither)\s+(?:in\s+)?(?:the\s+)?)?\b(?P<which>first|second|1st|2nd)\b")


def read_answer(text: str) -> Facts:
    """Read what a text says; it never raises, and what it does not understand it leaves out."""
    plain = " ".join(text.lower().replace("’", "'").split())
    mentions = _mentions(plain)
    things = [m for m in mentions if m.kind == "thing"]
    return Facts(
        things=_once(m.name for m in things if not m.denied),
        denied=_once(m.name for m in things if m.denied),
        backdrops=_once(m.name for m in mentions if m.kind == "backdrop" and not m.denied),
        frames=_frames(plain),
        count=_count(plain),
        yes_no=_yes_no(plain),
        refusal=bool(_REFUSAL.search(plain)),
        asks_back=_asks_back(plain),
        places=_once(_place(match) for match in _PLACE.finditer(_ORDER.sub(" ", plain))),
        positions=_positions(plain, [m for m in things if not m.denied]),
        which=tuple(
            {"1st": "first", "2nd": "second"}.get(match["which"], match["which"])
            for match in _WHICH.finditer(plain)
            if not match["not"]
        ),
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _mentions(plain: str) -> list[_Mention]:
    mentions: list[_Mention] = []
    for match in pattern().finditer(plain):
        denied = bool(_DENIAL.search(plain[: match.start()]))
        if mentions and mentions[-1].denied and _CONTINUED.match(plain[mentions[-1].end : match.start()]):
            denied = True
        word = match["thing"] or match["backdrop"]
        name = thing_names()[word] if match["thing"] else backdrop_names()[word]
        kind = "thing" if match["thing"] else "backdrop"
        mentions.append(_Mention(kind, name, match.start(), match.end(), denied))
    return mentions


def _frames(plain: str) -> tuple[str, ...]:
    if alone := _ONLY_COLOUR.match(plain):
        return (alone["colour"],)
    if _NO_FRAME.search(plain):
        return ("none",)
    return _once(match["before"] or match["after"] for match in _FRAME.finditer(plain))


def _count(plain: str) -> int | None:
    match = _COUNT.search(plain)
    if match is None:
        return None
    word = match["number"] or match["counted"] or match["alone"]
    return int(word[:6]) if word.isdecimal() else _NUMBERS.get(word)


def _yes_no(plain: str) -> bool | None:
    if _YES.match(plain):
        return True
    if _NO.match(plain) or _NEGATIVE.search(plain):
        return False
    return True if _POSITIVE.search(plain) else None


def _asks_back(plain: str) -> bool:
    questions = re.findall(r"[^.!?]*\?", plain)
    return any(_ASKS.search(question) and not _POLITE.search(question) for question in questions)


def _place(match: re.Match[str]) -> str:
    return "middle" if match["place"].startswith("cent") else match["place"]


def _positions(plain: str, things: list[_Mention]) -> tuple[tuple[str, str], ...]:
    """Tie things to places: by an order, by "left of", or by the place nearest in the text."""
    if order := _ORDER.search(plain):
        nouns = list(_once(mention.name for mention in things))
        if not 2 <= len(nouns) <= 3:
            return ()
        ranked = nouns if order[1] == "left" else nouns[::-1]
        return tuple(zip(ranked, slot_names(len(ranked)), strict=True))
    places = list(_PLACE.finditer(plain))
    relations = [place for place in places if place["of"]]
    if relations:
        return _related(relations[0], things) if len(things) == 2 else ()
    return _tied(places, things)


def _related(relation: re.Match[str], things: list[_Mention]) -> tuple[tuple[str, str], ...]:
    """Read "A left of B": only where one thing stands on each side of the words."""
    before = [mention.name for mention in things if mention.end <= relation.start()]
    after = [mention.name for mention in things if mention.start >= relation.end()]
    if len(before) != 1 or len(after) != 1 or _place(relation) == "middle":
        return ()
    left, right = (before[0], after[0]) if _place(relation) == "left" else (after[0], before[0])
    return (left, "left"), (right, "right")


def _tied(places: list[re.Match[str]], things: list[_Mention]) -> tuple[tuple[str, str], ...]:
    """Pair places with the thing before them, or with the next thing where the text begins with a place."""
    if not places or not things:
        return ()
    place_first = places[0].start() < things[0].start
    pairs: list[tuple[str, str]] = []
    for place in places:
        if place_first:
            near = next((m for m in things if m.start >= place.end()), None)
        else:
            near = next((m for m in reversed(things) if m.end <= place.start()), None)
        if near is not None and near.name not in dict(pairs):
            pairs.append((near.name, _place(place)))
    return tuple(pairs)


def matches(expectation: Expectation, text: str) -> bool:
    """Return whether a text says what is expected of an assistant turn; pictures are not looked at.

    A refusal or a question back must be there exactly where it is expected (a refusal may also ask). Facts are
    compared as sets, orders only where the text gives one; more than was asked for counts as wrong.
    """
    facts, wanted = read_answer(text), expectation.facts
    if not text.strip() and not expectation.draws:
        return False
    if facts.refusal != bool(wanted.get("refusal")):
        return False
    if facts.asks_back != bool(wanted.get("asks_back")) and not wanted.get("refusal"):
        return False
    return all(_says(facts, text.lower(), key, value, wanted) for key, value in wanted.items())


def _says(facts: Facts, text: str, key: str, value: object, wanted: Mapping[str, object]) -> bool:
    """Return whether the text states one expected fact; keys that only inform hold always."""
    match key:
        case "things":
            return set(facts.things) == set(cast("list[str]", value))
        case "order":
            things = cast("list[str]", value)
            slots = dict(zip(things, slot_names(len(things)), strict=True))
            return all(slots.get(noun) == place for noun, place in facts.positions)
        case "backdrop":
            return facts.backdrops == (value,)
        case "backdrops":
            return list(facts.backdrops) == value
        case "frame" if value is None:  # a description may say so or not
            return facts.frames in ((), ("none",))
        case "frame":
            return facts.frames == (value,) or (value == "none" and not facts.frames and facts.yes_no is False)
        case "count":
            return (facts.count if facts.count is not None else len(facts.things)) == value
        case "yes":
            return facts.yes_no is value
        case "position":
            tied = dict(facts.positions)
            return tied.get(str(wanted.get("noun"))) == value if tied else facts.places == (value,)
        case "which":
            return facts.which[:1] == (value,)
        case "keywords":
            return all(word in text for word in cast("list[str]", value))
        case _:
            return True
