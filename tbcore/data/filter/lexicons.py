"""Word lists and patterns of the further rules; English, short, and meant to be read before they are trusted."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["CAPTION_TALK", "COMMON_ENGLISH", "POINTS_AT_PICTURE", "TEXT_ONLY", "personal_data"]

_PICTURE = r"(?:image|picture|photo(?:graph)?|postcard)s?"

CAPTION_TALK = re.compile(
    r"\b(?:the|this|its|your|that) (?:caption|description|alt[ -]?text)s? "
    r"(?:says?|said|reads?|mentions?|tells?|states?|describes?|does(?: not|n['\u2019]t) (?:say|mention|tell))\b"
    r"|\b(?:according to|based on|going by|judging (?:by|from)|from|in|as) (?:the|its|your) "
    r"(?:given |provided )?(?:caption|image description|picture description|alt[ -]?text)s?\b"
    r"|\b(?:provided|given) (?:caption|description)s?\b"
    rf"|\b{_PICTURE} (?:tag|description)s?\b"
    r"|\bimg ?[0-9]",
    re.IGNORECASE,
)
"""A speaker who lets slip that a caption stood in for the picture. To write a caption for somebody is fine."""

_CANNOT = (
    r"(?: can ?not| can['\u2019]t|(?: am|['\u2019]m) (?:not able|unable) to"
    r"| do(?: not|n['\u2019]t) have the ability to|(?: am|['\u2019]m) not capable of)"
)

TEXT_ONLY = re.compile(
    rf"\bI{_CANNOT} (?:actually |directly |really )?"
    r"(?:see|view|look at|open|display|show|draw|create|generat)(?:e|ing)? "
    rf"(?:you )?(?:(?:any|the|this|that|your|an?|actual|real) )*(?:image|picture|photo(?:graph)?|visual)s?\b"
    r"|\bas an? (?:AI|text)[ -](?:based )?(?:language )?(?:model|assistant)\b"
    r"|\bI(?:['\u2019]m| am) (?:just |only )?an? (?:AI|(?:large )?language model|text-based)\b"
    r"|\bI (?:only|can only) (?:work with|handle|read|process|understand) text\b",
    re.IGNORECASE,
)
"""A speaker who says that it cannot see or draw, which would unteach a model exactly that."""

POINTS_AT_PICTURE = re.compile(
    rf"\b(?:{_PICTURE}|drawings?|pic|pics|cards?|scene|snapshot|look(?:s|ing)? (?:at|like)|"
    r"draw|drew|drawn|paint|sketch|here (?:is|it is|you are)|here['\u2019]s|this(?=:)|"
    r"this one|that one|the (?:first|second|third|last|other) one)\b",
    re.IGNORECASE,
)
"""Words that point at a picture without naming anything in it."""

_COMMON = (
    "a about after again all also always am an and any are as at be because been before but by can could did do does "
    "don't for from get give go good had has have he her here him his how i i'd i'll i'm i've if in into is isn't it "
    "it's its just let like made make many maybe me more most much my never no not now of off on one only or other our "
    "out over own please really see she should show so some still such than that that's the their them then there "
    "there's these they this those to too two up us very was we well were what what's when where which who why will "
    "with would yes yet you you're your"
)

COMMON_ENGLISH = frozenset(_COMMON.split())
"""Words that make up about half of any English conversation."""

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(
    r"(?<![\w.])(?<![0-9] )(?:\+|00)[1-9][0-9](?:[ ()/.-]{0,2}[0-9]){6,12}(?![\w.])"
    r"|(?<!\w)\(?[0-9]{3}\)?[ -][0-9]{3}-[0-9]{4}(?!\w)"
)
_CARD = re.compile(r"(?<![\w.])[0-9](?:[ -]?[0-9]){12,18}(?![\w.])")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_ADDRESS = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])")


def personal_data(text: str) -> Iterator[tuple[str, int]]:
    """Kind and offset of what looks like personal data, in order of kinds; check digits are computed."""
    for found in _MAIL.finditer(text):
        yield "a mail address", found.start()
    for found in _CARD.finditer(text):
        if _luhn([int(digit) for digit in found.group() if digit.isdecimal()]):
            yield "a card number", found.start()
    for found in _IBAN.finditer(text):
        if _mod_97(found.group().replace(" ", "")) == 1:
            yield "a bank account", found.start()
    for found in _PHONE.finditer(text):
        yield "a telephone number", found.start()
    for found in _ADDRESS.finditer(text):
        if all(int(part) < 256 for part in found.group().split(".")):
            yield "a network address", found.start()


def _luhn(digits: list[int]) -> bool:
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _mod_97(account: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in account[4:] + account[:4])) % 97
