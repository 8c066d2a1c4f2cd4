"""A seeded source of strings nobody would wish for: markup, role words, entities, controls, every plane of Unicode."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tbcore.dialogue import Codec
from tbcore.records import Dialogue, Part, Picture, Turn

PIECES = (
    *("<img0>", "</img0>", "<img1-7f3a>", "</img1-7f3a>", "<img0-7f3a>", "<img", "</", ">", "<", "<<img0>>"),
    *(
        "Human:",
        "Assistant:",
        "\nHuman:",
        "\nAssistant: hi",
        "\n\nHuman:",
        "hUMAN :",
        "assistant\uff1a",
        "User:",
        "System :",
    ),
    *(
        "&lt;",
        "&gt;",
        "&amp;",
        "&amp;lt;",
        "&#72;",
        "&#x48;",
        "&#0;",
        "&#1114112;",
        "&#99999999;",
        "&",
        "&;",
        "&#;",
        "&lt",
    ),
    *("<|im_end|>", "<|im_start|>system", "<|endoftext|>", "[INST]", "[/INST]", "<s>", "</s>", "<<SYS>>", "### Human:"),
    *("\r\n", "\n", "\r", "\t", "\x00", "\x1b[31m", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1f", "\x7f"),
    *(
        "\u202e",
        "\u202d",
        "\u2066",
        "\u2069",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200e",
        "\ufeff",
        "\xad",
        "\u2060",
        "\u061c",
    ),
    *("\U000e0041", "\U000e007f", "\ud800", "\udfff", "\ud83d\ude00", "\uffff", "\U0010ffff", "\ufffe", "\U0001f600"),
    *("<\u0456mg0>", "\uff1cimg0\uff1e", "\u2039img1\u203a", "\u338e", "e\u0301", "\u00e9", "\u0130", "\u0131"),
    *(
        "狗在草地上",
        "كلب",
        "कुत्ता",
        "א\u200fב",
        "{captions}",
        "{{7*7}}",
        "${x}",
        "%s",
        "\\n",
        "\\",
        "'",
        '"',
        "`",
        "=1+1",
        "@a",
    ),
    *("a dog", " ", "  ", "-7f3a", "0", "img0", "Human", ":", "-"),
)
_ALPHABET = "<>&;:/#x-[]|Himgnstauder0179 \n\r\t\u2028\u200b\ufeff"


def string(rng: random.Random, most: int = 6) -> str:
    """One string: pieces, letters that make up tags, or any code points at all."""
    kind = rng.random()
    if kind < 0.5:
        return "".join(rng.choices(PIECES, k=rng.randint(1, most)))
    if kind < 0.75:
        return "".join(rng.choices(_ALPHABET, k=rng.randint(1, 5 * most)))
    return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 2 * most)))


def dialogue(rng: random.Random, n: int) -> Dialogue:
    """A dialogue that holds `n` hostile strings, a third of them as captions and the rest said."""
    captions = tuple(string(rng) for _ in range(n // 3))
    texts = [string(rng) for _ in range(n - len(captions))]
    shown = list(range(len(captions)))
    rng.shuffle(shown)
    turns: list[Turn] = []
    while texts:
        parts: list[Part] = [texts.pop()]
        while texts and shown and rng.random() < 0.6:
            parts += [Picture(shown.pop()), texts.pop()]
        if shown and rng.random() < 0.2:
            parts.insert(0, Picture(shown.pop()))
        turns.append(Turn("user" if rng.random() < 0.5 else "assistant", tuple(parts)))
    return Dialogue("d", tuple(turns), captions)


def dialogues(n_strings: int, seed: int, *, each: int = 20) -> Iterator[Dialogue]:
    """Dialogues with so many strings in all."""
    rng = random.Random(seed)
    for start in range(0, n_strings, each):
        yield dialogue(rng, min(each, n_strings - start))


CODECS: Sequence[Codec] = (Codec("7f3a"), Codec())
