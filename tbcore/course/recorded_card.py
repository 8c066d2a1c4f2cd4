"""The table of tbcore/recorded/README.md: what the shipped conversations are like, counted and never typed.

python -m tbcore.course.recorded_card        writes the table anew; a test compares
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import cast

from tbcore.course.labels import recorded_candidates
from tbcore.course.recordings import CONVERSATIONS_FILE, load_groups
from tbcore.course.standing import with_table
from tbcore.data import stats
from tbcore.data.filter import funnel, judge_all
from tbcore.data.prompt import CANARY
from tbcore.records import Dialogue, Picture
from tbcore.store import write_text

__all__ = ["CARD", "card_numbers", "card_table", "main"]

CARD = CONVERSATIONS_FILE.with_name("README.md")

_OPENING, _GRAM = 3, 8


def card_numbers() -> dict[str, str]:
    """What the card says of the shipped conversations, in the order of its lines."""
    judged = list(judge_all(recorded_candidates(), canary=CANARY))
    dialogues = [cast(Dialogue, one.dialogue) for one in judged if one.objection is None]
    groups = load_groups()
    counts = {rule: count for rule, count in funnel(judged).items() if count and rule != "kept"}
    spoken = [[word.lower() for word in stats.words(_speech(one))] for one in dialogues]
    openings = Counter(" ".join(words[:_OPENING]) for words in spoken)
    where: defaultdict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, words in enumerate(spoken):
        for start in range(len(words) - _GRAM + 1):
            where[tuple(words[start : start + _GRAM])].add(number)
    drawn = sum(any(isinstance(part, Picture) for part in _parts(one, "assistant")) for one in dialogues)
    shown = sum(any(isinstance(part, Picture) for part in _parts(one, "user")) for one in dialogues)
    numbers = {
        "replies": f"{len(judged)}, about {len({groups[one.candidate.group].topic for one in judged})} topics",
        "kept by the eleven rules": f"{len(dialogues)}",
        "rejected": ", ".join(f"{count} {rule}" for rule, count in sorted(counts.items())),
        "with a picture by Assistant, by Human": f"{drawn / len(dialogues):.0%}, {shown / len(dialogues):.0%}",
        "turns, pictures (mean)": f"{_mean([len(one.turns) for one in dialogues]):.1f}, "
        f"{_mean([len(one.captions) for one in dialogues]):.1f}",
        f"commonest opening of {_OPENING} words": f"{max(openings.values()) / len(dialogues):.1%}",
        f"most conversations that share {_GRAM} words in a row": f"{max(len(found) for found in where.values())}",
        "distinct-2 of all words": f"{stats.distinct_n(spoken, 2) or 0:.2f}",
    }
    for side in ("user", "assistant", "both"):
        found = stats.diversity(dialogues, side)
        pools = ", ".join(f"{size:,}" for size in found.pools)
        numbers[f"diversity score, {side}"] = f"{found.score or 0:.2f} of 3 (words pooled by exchange: {pools})"
    return numbers


def _parts(dialogue: Dialogue, role: str) -> list[str | Picture]:
    return [part for turn in dialogue.turns if turn.role == role for part in turn.parts]


def _speech(dialogue: Dialogue) -> str:
    """All that is said, without the captions."""
    return " ".join(part for turn in dialogue.turns for part in turn.parts if isinstance(part, str))


def _mean(values: list[int]) -> float:
    return sum(values) / len(values)


def card_table() -> str:
    """The numbers as a Markdown table."""
    lines = ["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in card_numbers().items())]
    return "\n".join(lines)


def main() -> None:
    """Write the table."""
    write_text(CARD, with_table(CARD.read_text(encoding="utf-8"), card_table()))


if __name__ == "__main__":
    main()
