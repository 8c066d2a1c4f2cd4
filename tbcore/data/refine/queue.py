"""What a rater should look at next: disagreements first, then what is new, with blind repeats in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tbcore.data.refine.labels import QUALITIES, Label, latest
from tbcore.errors import InputError
from tbcore.seeds import stream

__all__ = ["Task", "disagreements", "queue"]


@dataclass(frozen=True, slots=True)
class Task:
    """One conversation to be rated; `why` is for the file, not for the rater's eyes: repeats are blind."""

    record: str
    why: Literal["disagreement", "new", "repeat"]


def disagreements(labels: Iterable[Label], *, steps: int = 1) -> list[str]:
    """Records whose lowest and highest label lie `steps` or more apart; the widest apart come first."""
    places: dict[str, list[int]] = {}
    for (record, _), label in latest(labels).items():
        places.setdefault(record, []).append(QUALITIES.index(label.quality))
    apart = {record: max(given) - min(given) for record, given in places.items()}
    return sorted(
        (record for record, far in apart.items() if far >= steps), key=lambda record: (-apart[record], record)
    )


def queue(
    records: Sequence[str], labels: Iterable[Label], rater: str, *, seed: int = 0, repeat_every: int = 8, votes: int = 2
) -> list[Task]:
    """The tasks of one rater, in order; the same labels and seed give the same queue.

    Args:
        records: what there is to rate.
        labels: all labels so far, in the order they were given.
        rater: whose queue; what this rater has rated comes back as a blind repeat only.
        seed: decides the order of what is new and which records are repeated.
        repeat_every: after so many tasks one is a repeat, if there is any; 0 for none.
        votes: a record that so many raters agree on needs nobody else.

    Raises:
        InputError: `repeat_every` is negative.
    """
    if repeat_every < 0:
        raise InputError(f"queue: repeat_every counts tasks, 0 for no repeats; got {repeat_every}.")
    given = list(labels)
    counted = latest(given)
    own = {record for record, who in counted if who == rater}
    raters: dict[str, int] = {}
    for record, _ in counted:
        raters[record] = raters.get(record, 0) + 1
    known = set(records)
    apart = [record for record in disagreements(given) if record in known]
    open_ = [Task(record, "disagreement") for record in apart if record not in own]
    fresh = [one for one in records if one not in own and one not in set(apart) and raters.get(one, 0) < votes]
    rng = stream(seed, f"queue/{rater}")
    open_ += [Task(fresh[int(place)], "new") for place in rng.permutation(len(fresh))]
    again = [record for record in records if record in own]
    repeats = [again[int(place)] for place in rng.permutation(len(again))]
    tasks: list[Task] = []
    for number, task in enumerate(open_, start=1):
        tasks.append(task)
        if repeat_every and repeats and number % repeat_every == 0:
            tasks.append(Task(repeats.pop(0), "repeat"))
    return tasks
