"""A seeded source of conversations to judge: most are clean, some are damaged in one way or in several.

About 1.5 kB each, as the recorded ones are; the damage is what teachers do (a picture twice, a caption changed,
a tag left open) and what attackers would (look-alike tags, role words in text, entities, control characters).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tbcore.candidates import Candidate
from tbcore.dialogue import Codec, escape

CODEC = Codec("7f3a")


def listed(words: str) -> list[str]:
    return words.split()


_NOUNS = listed("dog ball kite boat mill tram owl fox pear lamp cup hill beach cloud fence bridge wagon lantern")
_KINDS = listed("red brown green tiny old bright wooden striped quiet funny golden broken")
_WORDS = listed(
    "the a we you it is was would like to see and then with under over near because when who what where maybe "
    "please show draw compare look at this that little more again never always story idea reason morning evening "
    "walk sing carry paint open close together"
)
_JUNK = ("&lt;b&gt;", "<", "& so", "<img0>", "\u202e", "\u200b", "caf\u00e9", "狗在草地上", ",,", "Human", "x" * 40)


def captions(rng: random.Random) -> tuple[str, ...]:
    """Two to four captions; a few hold what should be escaped, one in fifty is empty."""
    found: list[str] = []
    for _ in range(rng.randint(2, 4)):
        words = [f"{rng.choice(_KINDS)} {rng.choice(_NOUNS)}" for _ in range(rng.randint(2, 4))]
        text = "a " + ", a ".join(words) + f" on a {rng.choice(_NOUNS)}"
        if rng.random() < 0.05:
            text += " " + rng.choice(_JUNK)
        found.append("" if rng.random() < 0.005 else text)
    return tuple(found)


def said(rng: random.Random, n: int) -> str:
    """So many words that somebody says."""
    words = rng.choices(_WORDS + _NOUNS, k=n)
    if rng.random() < 0.03:
        words.insert(rng.randrange(n + 1), rng.choice(_JUNK))
    return " ".join(words).capitalize() + rng.choice(".?!")


def conversation(rng: random.Random, texts: tuple[str, ...]) -> list[str]:
    """Turns in order, without role words; every picture is shown once, at a random place."""
    turns = [said(rng, rng.randint(20, 45)) for _ in range(2 * rng.randint(2, 4))]
    for index, text in enumerate(texts):
        place = rng.randrange(len(turns))
        tag = CODEC.tagged(index, text)
        turns[place] = f"{tag} {turns[place]}" if rng.random() < 0.5 else f"{turns[place]} {tag}"
    return turns


def reply(rng: random.Random, texts: tuple[str, ...], share: float) -> str:
    """A teacher's reply; `share` of them are damaged."""
    turns = conversation(rng, texts)
    roles = ["Human" if n % 2 == 0 else "Assistant" for n in range(len(turns))]
    lines = [f"{role}: {text}" for role, text in zip(roles, turns, strict=True)]
    damages = 0 if rng.random() >= share else rng.choice((1, 1, 1, 2, 3))
    text = ("\n" if rng.random() < 0.7 else "\n\n").join(lines)
    for _ in range(damages):
        text = rng.choice(DAMAGES)(rng, text, texts)
    return text


def _somewhere(rng: random.Random, text: str, piece: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + piece + text[place:]


def _picture_again(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    index = rng.randrange(len(texts))
    return _somewhere(rng, text, CODEC.tagged(index, texts[index]))


def _other_picture(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return _somewhere(rng, text, CODEC.tagged(rng.choice((len(texts), 12, 10**7)), "a thing"))


def _tags_gone(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    for index in range(len(texts)):
        text = text.replace(CODEC.opening(index), "").replace(CODEC.closing(index), "")
    return text


def _role_change(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return text.replace(rng.choice(("Human:", "Assistant:")), rng.choice(("User:", "Human:", "human:", "Bot:")), 1)


def _role_word(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return _somewhere(rng, text, rng.choice(("Human:", "\nHuman:", "\nAssistant:", "Assistant: ", "\nHuman: \n")))


def _short(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return text[: rng.randrange(len(text) // 2 + 1)]


def _caption(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    true = rng.choice(texts)
    letters = list(true)
    for _ in range(rng.randint(0, max(1, len(letters) // 6))):
        place = rng.randrange(len(letters) + 1)
        letters[place : place + rng.randint(0, 1)] = rng.choice(("", "z", "  ", "\u0301", "&amp;"))
    return text.replace(escape(true), "".join(letters), 1) if true else text


def _tag(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    index = rng.randrange(len(texts) + 1)
    pieces = (
        CODEC.opening(index),
        CODEC.closing(index),
        f"<img{index}>",
        f"</img0{index}-7f3a>",
        f"<img{index}-7f3b>",
        f"<img{index}-7F3A>",
        f"<img {index}-7f3a>",
        f"<\u0456mg{index}-7f3a>",
        f"\uff1cimg{index}\uff1e",
        f"<img{'9' * 30}-7f3a>",
    )
    return _somewhere(rng, text, rng.choice(pieces))


def _junk(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return _somewhere(rng, text, rng.choice(_JUNK))


def _preamble(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return rng.choice(("Sure!\n\n", "Assistant: hello\n", "Here. Human: ", "\n", " ")) + text


def _empty(rng: random.Random, text: str, texts: tuple[str, ...]) -> str:
    return rng.choice(("", " ", "Human:", "Human:Human:", text + "\nHuman:", "Assistant:\nHuman:"))


DAMAGES = (
    _picture_again,
    _other_picture,
    _tags_gone,
    _role_change,
    _role_word,
    _short,
    _caption,
    _tag,
    _junk,
    _preamble,
    _empty,
)


def candidates(n: int, seed: int, *, share: float = 0.3, repeats: float = 0.01) -> Iterator[Candidate]:
    """`n` candidates, one at a time; `repeats` of them are an earlier reply again."""
    rng = random.Random(seed)
    lately: list[Candidate] = []
    for number in range(n):
        if lately and rng.random() < repeats:
            one = rng.choice(lately)
            yield Candidate(f"c{number}", one.group, one.captions, one.reply, CODEC)
            continue
        texts = captions(rng)
        one = Candidate(f"c{number}", f"g{number}", texts, reply(rng, texts, share), CODEC)
        lately = [*lately[-50:], one]
        yield one
