"""Captions as they come: cleaned, and flagged where a person should look."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

__all__ = ["LONGEST_CAPTION", "caption_flags", "sanitise"]

LONGEST_CAPTION = 2000
"""Longer captions, in characters, are refused."""

_SPACES = re.compile(r"\s+")
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them
_PRIVATE = {
    "has_email": re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"),
    "has_address": re.compile(r"(?:https?|ftp|file|data)://?\S|www\.\S", re.IGNORECASE),
    "has_long_number": re.compile(r"(?:\d[ ()./-]?){8,}"),
}
_FEWEST_BITS = 2.0  # English has about four bits per letter; "aaaa" has none


def sanitise(caption: str) -> str:
    """The caption in Unicode NFC, one line, without control, tag and direction characters.

    Joiners between letters stay, as some scripts need them; markup stays too: the codec makes it harmless.
    """
    composed = unicodedata.normalize("NFC", caption)
    kept = (
        " " if character in "\t\n\r\v\f\x85\u2028\u2029" else character
        for character in composed
        if character in _JOINERS
        or character in "\t\n\r\v\f\x85\u2028\u2029"
        or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return _SPACES.sub(" ", "".join(kept)).strip().strip(_JOINERS)


def caption_flags(caption: str, *, added_tokens: Sequence[str] = ()) -> tuple[str, ...]:
    """What is odd about a clean caption; nothing of it is a reason to refuse the pair.

    Args:
        caption: as `sanitise` gives it.
        added_tokens: the target tokenizer's added tokens, such as "<|im_end|>".

    Returns:
        Of has_email, has_address, has_long_number (perhaps a telephone), has_added_token, low_entropy (the same few
        characters again and again) and few_letters, those that apply, sorted.
    """
    flags = {name for name, pattern in _PRIVATE.items() if pattern.search(caption)}
    if any(token and token in caption for token in added_tokens):
        flags.add("has_added_token")
    if len(caption) >= 12 and _bits_per_character(caption) < _FEWEST_BITS:
        flags.add("low_entropy")
    # Combining vowel signs (Mn, Mc) are half of the writing in Indic scripts: they count as letters.
    letters = sum(unicodedata.category(character)[0] in "LM" for character in caption)
    if caption and letters < 0.5 * len(caption.replace(" ", "")):
        flags.add("few_letters")
    return tuple(sorted(flags))


def _bits_per_character(text: str) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
