"""Rules beyond form: leaked captions, confessions, copying, near-duplicates, language, length, safety, pictures.

They look at words only and understand nothing, so each can be wrong: it gives an offset for a person to look at.
None is asked unless `further_rules` is passed to `judge_all`; unsafe words and personal data are off by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from tbcore.data.filter import lexicons
from tbcore.data.filter.draft import Draft, Objection, Rule
from tbcore.errors import InputError
from tbcore.records import Dialogue

__all__ = ["FURTHER_RULES", "Further", "further_rules"]

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_LETTERS = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Further:
    """What the further rules are asked to look for.

    Args:
        examples: the in-context examples the teacher was shown; copying from them is rejected.
        shared_words: so many words in a row make a copy, of an example or of a caption.
        resemblance: conversations at least so alike (0 to 1, runs of three words) are near-duplicates.
        english: share of words (0 to 1) that must be common English words; 0 for any language.
        least_words, most_words: spoken words in a whole conversation.
        unsafe_words: words nobody may say; none by default.
        personal_data: reject addresses, telephone and card numbers; off by default.

    Raises:
        InputError: a share outside 0 to 1, or limits that let nothing pass.
    """

    examples: tuple[Dialogue, ...] = ()
    shared_words: int = 8
    resemblance: float = 0.7
    english: float = 0.15
    least_words: int = 12
    most_words: int = 1500
    unsafe_words: Collection[str] = ()
    personal_data: bool = False

    def __post_init__(self) -> None:
        shares = {"resemblance": self.resemblance, "english": self.english}
        if bad := [name for name, share in shares.items() if not 0 <= share <= 1]:
            raise InputError(f"Further: {bad[0]} is a share from 0 to 1; got {shares[bad[0]]}.")
        if self.shared_words < 2 or not 0 <= self.least_words <= self.most_words:
            raise InputError(
                "Further: shared_words is 2 or more and least_words at most most_words; got "
                f"{self.shared_words}, {self.least_words} and {self.most_words}."
            )


def further_rules(settings: Further | None = None) -> dict[str, Rule]:
    """The further rules in their order, with these settings; those that are off are left out."""
    how = settings or Further()
    made = {name: make(how) for name, make in _MAKERS.items()}
    return {name: rule for name, rule in made.items() if rule is not None}


def _searching(pattern: re.Pattern[str], told: str) -> Rule:
    """A rule that objects to the first match in what is said."""

    def rule(draft: Draft) -> Objection | None:
        for start, text in draft.pieces():
            if (found := pattern.search(text)) is not None:
                return start + found.start(), f"{told}: {found.group()!r}"
        return None

    return rule


def _caption_leak(how: Further) -> Rule:
    speaks = _searching(lexicons.CAPTION_TALK, "it speaks of captions or tags")

    def rule(draft: Draft) -> Objection | None:
        if (found := speaks(draft)) is not None:
            return found
        grams = {
            gram: index
            for index, caption in enumerate(draft.candidate.captions)
            for gram in _grams(caption, how.shared_words)
        }
        copied = _first_shared(draft, grams, how.shared_words)
        return None if copied is None else (copied[0], f"{how.shared_words} words of caption {grams[copied[1]]}")

    return rule


def _text_only(how: Further) -> Rule:
    del how
    return _searching(lexicons.TEXT_ONLY, "a speaker who cannot see or draw")


def _demo_copy(how: Further) -> Rule | None:
    if not how.examples:
        return None
    grams: dict[str, str] = {}
    for example in how.examples:
        for turn in example.turns:
            for part in turn.parts:
                grams.update(
                    (gram, example.id) for gram in _grams(part if isinstance(part, str) else "", how.shared_words)
                )

    def rule(draft: Draft) -> Objection | None:
        copied = _first_shared(draft, grams, how.shared_words)
        return None if copied is None else (copied[0], f"{how.shared_words} words of example {grams[copied[1]]}")

    return rule


def _near_duplicate(how: Further) -> Rule:
    def rule(draft: Draft) -> Objection | None:
        if draft.near is None or (own := draft.near.signature(text for _, text in draft.pieces())) is None:
            return None
        found = draft.near.nearest(own)
        if found is None or found[1] < how.resemblance:
            return None
        return None, f"resembles {found[0]} ({found[1]:.2f})"

    return rule


def _language(how: Further) -> Rule | None:
    if how.english == 0:
        return None

    def rule(draft: Draft) -> Objection | None:
        words = [word.lower() for _, text in draft.pieces() for word in _WORD.findall(text)]
        if len(words) < how.least_words:
            return None  # too little to tell; the rule of length speaks of it
        common = sum(word in lexicons.COMMON_ENGLISH for word in words) / len(words)
        for start, text in draft.pieces():
            letters = _LETTERS.findall(text)
            foreign = [letter for letter in letters if ord(letter) > 0x24F]
            if len(foreign) > 0.5 * len(letters):
                return start + text.index(foreign[0]), "mostly letters of another script"
        return None if common >= how.english else (None, f"{common:.0%} common English words")

    return rule


def _length(how: Further) -> Rule:
    def rule(draft: Draft) -> Objection | None:
        n = sum(len(_WORD.findall(text)) for _, text in draft.pieces())
        if how.least_words <= n <= how.most_words:
            return None
        return None, f"{n} words; {how.least_words} to {how.most_words} wanted"

    return rule


def _unsafe_words(how: Further) -> Rule | None:
    if not how.unsafe_words:
        return None
    listed = "|".join(re.escape(word) for word in sorted(how.unsafe_words, key=lambda word: (-len(word), word)))
    return _searching(re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE), "a word that is not wanted")


def _personal_data(how: Further) -> Rule | None:
    if not how.personal_data:
        return None

    def rule(draft: Draft) -> Objection | None:
        for start, text in draft.pieces():
            for kind, offset in lexicons.personal_data(text):
                return start + offset, f"looks like {kind}"  # the thing itself is not repeated in a log
        return None

    return rule


def _picture_dependence(how: Further) -> Rule:
    del how

    def rule(draft: Draft) -> Objection | None:
        marks = draft.reading.marks
        shown = {mark.index for mark in marks if mark.start >= draft.first_turn}
        captions = draft.candidate.captions
        about = {word for index in shown if index < len(captions) for word in _content(captions[index])}
        said = [text for _, text in draft.pieces()]
        if (
            not shown
            or not said
            or any(lexicons.POINTS_AT_PICTURE.search(text) or about & set(_content(text)) for text in said)
        ):
            return None
        return None, "no word of the talk refers to a picture or to anything in one"

    return rule


def _content(text: str) -> Iterator[str]:
    """Words that may name something, plural or not."""
    for word in _WORD.findall(text.lower()):
        if len(word) > 2 and word not in lexicons.COMMON_ENGLISH:
            yield word.removesuffix("s")


def _grams(text: str, n: int) -> Iterator[str]:
    words = [word.lower() for word in _WORD.findall(text)]
    return (" ".join(words[place : place + n]) for place in range(len(words) - n + 1))


def _first_shared(draft: Draft, grams: Collection[str], n: int) -> tuple[int, str] | None:
    """Offset and words of the first run of n words that is in `grams`."""
    for start, text in draft.pieces():
        places = [(found.start(), found.group().lower()) for found in _WORD.finditer(text)]
        for at in range(len(places) - n + 1):
            gram = " ".join(word for _, word in places[at : at + n])
            if gram in grams:
                return start + places[at][0], gram
    return None


_MAKERS: dict[str, Callable[[Further], Rule | None]] = {
    "caption_leak": _caption_leak,
    "text_only": _text_only,
    "demo_copy": _demo_copy,
    "near_duplicate": _near_duplicate,
    "language": _language,
    "length": _length,
    "unsafe_words": _unsafe_words,
    "personal_data": _personal_data,
    "picture_dependence": _picture_dependence,
}

FURTHER_RULES: tuple[str, ...] = tuple(_MAKERS)
"""The names of the further rules, in their order."""
