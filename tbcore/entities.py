"""Entities: text written so that it can hold no markup, and read back exactly.

`escape` leaves no angle bracket, line break, control character or change of speaker in its result; what it
replaces stays visible as an entity. `unescape(escape(words)) == words` for every string.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["escape", "find_lookalike_tag", "unescape"]

_ENTITY = re.compile(r"&(?:(amp|lt|gt)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">"}
# Markup, every control, format and line-breaking character (the joiners that scripts need excepted), lone
# surrogates, and the first letter of what a chat program may read as a change of speaker.
_UNSAFE = re.compile(
    r"[&<>\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
    r"|(?:[Hh](?=uman\s*[:\uff1a])|[Aa](?=ssistant\s*[:\uff1a]))"
    r"|\b(?:[Uu](?=ser\s*[:\uff1a])|[Ss](?=ystem\s*[:\uff1a]))"
    r"|\[(?=/?INST\])",
)

_LOOKALIKE_TAG = re.compile(r"<\s*/?\s*img\s*[0-9]", re.IGNORECASE)
_LOOKALIKE_BEGUN = re.compile(r"<\s*/?\s*(?:i(?:m(?:g\s*)?)?)?", re.IGNORECASE)
# Every character that folds to an angle bracket; a true tag, plain from bracket to digit, is passed over at once.
_ANGLE = re.compile(r"<(?!/?img[0-9])|[\u2039\u2329\u3008\ufe3f\ufe64\uff1c]")
_FIRST_LOOK = 16
# Letters of other scripts that are drawn like those of `img`; NFKC folds the full-width ones by itself.
_LOOKALIKES = str.maketrans(
    {
        "і": "i",
        "ı": "i",
        "ι": "i",
        "ⅰ": "i",
        "м": "m",
        "ｍ": "m",
        "ɡ": "g",
        "ց": "g",
        "‹": "<",
        "›": ">",
        "〈": "<",
    }
)


def escape(words: str) -> str:
    """Write markup, control characters and speaker changes as entities; `unescape` is the exact inverse."""
    return _UNSAFE.sub(_entity, words)


def unescape(words: str) -> str:
    """Read entities back; what is no entity of this codec stays as it is."""
    return words if "&" not in words else _ENTITY.sub(_character, words)


def _entity(found: re.Match[str]) -> str:
    character = found.group()
    match character:
        case "&":
            return "&amp;"
        case "<":
            return "&lt;"
        case ">":
            return "&gt;"
        case _:
            return f"&#{ord(character)};"


def _character(found: re.Match[str]) -> str:
    name, decimal, hexadecimal = found.groups()
    if name is not None:
        return _NAMED[name]
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return chr(code) if code < 0x110000 else found.group()


def find_lookalike_tag(text: str) -> tuple[int, int] | None:
    """Start and end of the first thing that is drawn like a picture tag but is not written in ASCII."""
    if text.isascii():
        return None
    for angle in _ANGLE.finditer(text):
        start = angle.start()
        end = _end_of_lookalike(text, start)
        if end is not None and not text[start:end].isascii():
            return start, end
    return None


def _end_of_lookalike(text: str, start: int) -> int | None:
    """Where the thing that begins at `start` ends, if it reads as a tag; folds no more text than it must."""
    size = _FIRST_LOOK
    while True:
        folded, origin = _fold_lookalikes(text[start : start + size])
        if (found := _LOOKALIKE_TAG.match(folded)) is not None:
            return start + origin[found.end() - 1] + 1
        if start + size >= len(text) or not _LOOKALIKE_BEGUN.fullmatch(folded):
            return None
        size *= 4  # white space and invisible characters may stretch a tag


def _fold_lookalikes(text: str) -> tuple[str, list[int]]:
    """Each character by its plain look-alike, with the offset it came from."""
    letters: list[str] = []
    origin: list[int] = []
    for offset, character in enumerate(text):
        if unicodedata.category(character) == "Cf":
            continue  # invisible characters can hide inside a tag
        folded = unicodedata.normalize("NFKC", character).translate(_LOOKALIKES)
        letters.append(folded)
        origin.extend([offset] * len(folded))
    return "".join(letters), origin
