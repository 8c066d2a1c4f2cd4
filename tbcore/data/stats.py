"""What a set of dialogues is like: lengths, pictures, words, diversity.

Words are split here by a simple rule, runs of letters and digits on one side and single signs on the other,
not by the Moses tokeniser of the paper's code: scores are only to be compared with scores made by the
same rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tbcore.records import Dialogue

__all__ = ["Diversity", "distinct_n", "diversity", "summary", "words"]

Side = Literal["user", "assistant", "both"]

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
_ORDERS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class Diversity:
    """The official diversity score, at most 3.

    Args:
        score: mean over exchanges; None when there is nothing to count.
        by_exchange: the score of each exchange index that has n-grams of every order.
        pools: words pooled at each exchange index. The score falls as pools grow: compare equal sizes.
    """

    score: float | None
    by_exchange: tuple[float, ...]
    pools: tuple[int, ...]


def words(text: str) -> list[str]:
    """Words and signs in order; an apostrophe inside a word belongs to it."""
    return _WORD.findall(text)


def distinct_n(texts: Iterable[Sequence[str]], n: int) -> float | None:
    """Different n-grams per n-gram over all texts, 0 to 1; None when no text has n words."""
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def diversity(dialogues: Iterable[Dialogue], side: Side = "both") -> Diversity:
    """For each exchange index, pool all turns there and add distinct-2, -3 and -4; then average.

    Source: SihengLi99/TextBind, data_statistics; the split into words is ours.
    """
    pools: list[list[list[str]]] = []
    for dialogue in dialogues:
        exchange = -1
        for turn in dialogue.turns:
            exchange += turn.role == "user" or exchange < 0
            while len(pools) <= exchange:
                pools.append([])
            if side in (turn.role, "both"):
                pools[exchange].append(words(turn.text))
    scores: list[float] = []
    for pool in pools:
        parts = [distinct_n(pool, n) for n in _ORDERS]
        known = [part for part in parts if part is not None]
        if len(known) == len(_ORDERS):
            scores.append(sum(known))
    sizes = tuple(sum(len(text) for text in pool) for pool in pools)
    return Diversity(sum(scores) / len(scores) if scores else None, tuple(scores), sizes)


def summary(dialogues: Sequence[Dialogue]) -> dict[str, float]:
    """Counts and means per dialogue, by role where it matters; empty for no dialogues.

    An exchange is a user turn with what follows it; words are those of `words`.
    """
    if not dialogues:
        return {}
    n = len(dialogues)
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    result: dict[str, float] = {
        "dialogues": n,
        "groups": len({dialogue.group for dialogue in dialogues}),
        "exchanges_mean": sum(turn.role == "user" for turn in turns) / n,
        "messages_mean": len(turns) / n,
        "pictures_mean": sum(len(turn.pictures) for turn in turns) / n,
    }
    for role in ("user", "assistant"):
        own = [turn for turn in turns if turn.role == role]
        lengths = [len(words(turn.text)) for turn in own]
        result[f"{role}_pictures"] = sum(len(turn.pictures) for turn in own)
        result[f"{role}_words_mean"] = sum(lengths) / len(lengths) if lengths else 0.0
    shown = sum(len({index for turn in d.turns for index in turn.pictures}) == len(d.captions) for d in dialogues)
    result["all_pictures_used"] = shown / n
    return result
