"""The paper's eight rules once more: slow, obvious, and written without the package's reader.

Text is looked at character by character; distance is Levenshtein's whole table. Verdicts of the package must equal
these on every conversation, offsets included.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tbcore.candidates import Candidate
from tbcore.entities import unescape

FINE = "fine"
DIGITS = "0123456789"
NONCE_LETTERS = DIGITS + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass
class Tag:
    closes: bool
    index: int
    nonce: str | None
    start: int
    end: int


@dataclass
class Turn:
    role: str
    start: int
    body: int
    end: int


def tag_at(text: str, start: int) -> Tag | None:
    """The tag that begins exactly here."""
    at = start + 1
    closes = text[at : at + 1] == "/"
    at += closes
    if text[at : at + 3] != "img":
        return None
    at += 3
    digits = ""
    while at < len(text) and text[at] in DIGITS:
        digits += text[at]
        at += 1
    nonce = None
    if text[at : at + 1] == "-":
        at += 1
        nonce = ""
        while at < len(text) and text[at] in NONCE_LETTERS:
            nonce += text[at]
            at += 1
    if not digits or nonce == "" or text[at : at + 1] != ">":
        return None
    return Tag(closes, min(int(digits), 10**6), nonce, start, at + 1)


def turns_of(text: str) -> list[Turn]:
    """Every place where a line begins with a role word and a colon."""
    found: list[Turn] = []
    for start in range(len(text)):
        if start and text[start - 1] != "\n":
            continue
        for role in ("Human", "Assistant"):
            if text.startswith(role + ":", start):
                found.append(Turn(role, start, start + len(role) + 1, len(text)))
    for one, following in pairwise(found):
        one.end = following.start
    return found


def read(text: str, nonce: str | None) -> tuple[list[tuple[int, int]], list[tuple[int, str, int]]]:
    """Opening tags (index, offset) and well-paired ones (index, words inside, offset)."""
    borders = {turn.start for turn in turns_of(text)}
    opens: list[tuple[int, int]] = []
    pairs: list[tuple[int, str, int]] = []
    last: Tag | None = None
    at = 0
    while at < len(text):
        if at in borders:
            last = None
        tag = tag_at(text, at) if text[at] == "<" else None
        if tag is None:
            at += 1
            continue
        if tag.nonce == nonce:
            if not tag.closes:
                opens.append((tag.index, tag.start))
                last = tag
            else:
                if last is not None and last.index == tag.index:
                    pairs.append((tag.index, unescape(text[last.end : tag.start].strip()), last.start))
                last = None
        at = tag.end
    return opens, pairs


def distance(one: str, other: str) -> int:
    """Levenshtein distance by the whole table."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i in range(len(one) + 1):
        for j in range(len(other) + 1):
            if not i or not j:
                table[i][j] = i + j
                continue
            change = table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return table[-1][-1]


def folded(text: str) -> str:
    words: list[str] = []
    word = ""
    for letter in unicodedata.normalize("NFC", text):
        if letter.isspace():
            words.append(word)
            word = ""
        else:
            word += letter
    return " ".join(word for word in [*words, word] if word)


def verdicts(one: Candidate, earlier: Collection[str]) -> dict[str, int | str | None]:
    """Rule -> 'fine' when it has no objection, else its offset (None when it has none)."""
    text = one.reply
    opens, pairs = read(text, one.codec.nonce)
    found: dict[str, int | str | None] = {}
    again = [offset for n, (index, offset) in enumerate(opens) if index in [i for i, _ in opens[:n]]]
    found["repeat_image"] = again[0] if again else FINE
    unseen = [offset for index, offset in opens if index >= len(one.captions)]
    found["unseen_image"] = unseen[0] if unseen else FINE
    found["no_image"] = FINE if pairs else None
    found["repeat_response"] = None if text in earlier else FINE
    found["wrong_role"] = FINE if "Human:" in text else (0 if text else None)
    found["invalid_turns"] = alternation(text)
    first = text.find("Human:")
    turns = [turn for turn in turns_of(text) if turn.start >= first]
    found["too_short"] = None if len(turns) < 3 else FINE
    found["changed_caption"] = FINE
    for index, copy, offset in pairs:
        if index < len(one.captions):
            true, copied = folded(one.captions[index]), folded(copy)
            if true != copied and distance(true, copied) > 0.1 * len(true):
                found["changed_caption"] = offset
                break
    return found


def alternation(text: str) -> int | str | None:
    first = max(text.find("Human:"), 0)
    turns = [turn for turn in turns_of(text) if turn.start >= first]
    if not turns:
        return first if text else None
    for number, turn in enumerate(turns):
        if turn.role != ("Human", "Assistant")[number % 2]:
            return turn.start
        for word in ("Human:", "Assistant:"):
            for at in range(turn.body, turn.end - len(word) + 1):
                if text[at : at + len(word)] == word:
                    return at
    return FINE


def judge_all(candidates: Iterable[Candidate]) -> Iterator[dict[str, int | str | None]]:
    earlier: set[str] = set()
    for one in candidates:
        yield verdicts(one, earlier)
        earlier.add(one.reply)
