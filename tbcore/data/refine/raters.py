"""Raters made by programs: to exercise the machinery of rating with errors that are known.

They say nothing about quality, and their names say what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tbcore.data.refine.agreement import Agreement, agreement
from tbcore.data.refine.labels import QUALITIES, Label, Quality, promoted
from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.seeds import stream

__all__ = ["Round", "SimulatedRater", "rule_of_thumb", "simulated_round"]


@dataclass(frozen=True, slots=True)
class SimulatedRater:
    """A rater made by a program: it sees the given quality and errs to a neighbouring one at a known rate.

    Args:
        name: begins with 'simulated', so that nobody takes its labels for a person's.
        error_rate: share of labels, 0 to 1, moved to a neighbouring quality.
        seed: which ones.
    """

    name: str
    error_rate: float
    seed: int

    def __post_init__(self) -> None:
        if not self.name.startswith("simulated") or not 0 <= self.error_rate <= 1:
            raise InputError(
                "SimulatedRater: the name begins with 'simulated' and error_rate is between 0 and 1; "
                f"got {self.name!r}, {self.error_rate}."
            )

    def rate(self, record: str, quality: Quality, *, time: str = "") -> Label:
        """The label it gives; the same record always gets the same one."""
        rng = stream(self.seed, f"rater/{self.name}/{record}")
        place = QUALITIES.index(quality)
        if rng.random() < self.error_rate:
            place = 1 if place != 1 else int(rng.choice([0, 2]))
        said = QUALITIES[place]
        return Label(record, self.name, said, ("unhelpful",) if said == "Poor" else (), "simulated rating", time)


def rule_of_thumb(dialogue: Dialogue) -> Quality:
    """A stand-in for a person's judgement, from what can be counted; it does not understand a word.

    Excellent: two exchanges or more, every picture shown, both sides show one, answers of ten words or more
    on average. Poor: an answer below three words, or only one side ever says anything new. Else Satisfactory.
    """
    said = [turn.text.strip() for turn in dialogue.turns]
    answers = [len(turn.text.split()) for turn in dialogue.turns if turn.role == "assistant"]
    if not answers or min(answers) < 3 or len(set(said)) < len(said):
        return "Poor"
    shown = {index for turn in dialogue.turns for index in turn.pictures}
    by = {turn.role for turn in dialogue.turns if turn.pictures}
    all_shown = len(shown) == len(dialogue.captions)
    rich = len(answers) >= 2 and sum(answers) / len(answers) >= 10
    return "Excellent" if rich and all_shown and by == {"user", "assistant"} else "Satisfactory"


@dataclass(frozen=True, slots=True)
class Round:
    """A simulated round of rating, judged against the qualities it started from.

    Args:
        labels: every label given.
        promoted: ids of the conversations that would join the examples.
        wrongly: those of them whose true quality is not Excellent.
        missed: Excellent ones that were not promoted.
        agreement: of the first two raters.
        expected_raw: the share of equal labels that the known error rates lead one to expect.
    """

    labels: tuple[Label, ...]
    promoted: tuple[str, ...]
    wrongly: tuple[str, ...]
    missed: tuple[str, ...]
    agreement: Agreement
    expected_raw: float


def simulated_round(
    dialogues: Sequence[Dialogue],
    raters: Sequence[SimulatedRater],
    *,
    truth: Mapping[str, Quality] | None = None,
    votes: int = 2,
    seed: int = 0,
) -> Round:
    """Let raters with known errors rate everything, promote by votes, and count what went wrong.

    Args:
        dialogues: what is rated.
        raters: two or more.
        truth: the quality of each dialogue by id; the rule of thumb where nobody says.
        votes: as in `promoted`.
        seed: of the bootstrap of the agreement.

    Raises:
        InputError: fewer than two raters, or nothing to rate.
    """
    if len(raters) < 2 or not dialogues:
        raise InputError(f"simulated_round: two raters and a dialogue are needed; got {len(raters)}, {len(dialogues)}.")
    known: Mapping[str, Quality] = truth or {}
    true: dict[str, Quality] = {one.id: known.get(one.id) or rule_of_thumb(one) for one in dialogues}
    labels = tuple(rater.rate(one.id, true[one.id]) for one in dialogues for rater in raters)
    found = {one.id for one in promoted(labels, dialogues, votes=votes)}
    first, second = raters[:2]
    return Round(
        labels=labels,
        promoted=tuple(one.id for one in dialogues if one.id in found),
        wrongly=tuple(one.id for one in dialogues if one.id in found and true[one.id] != "Excellent"),
        missed=tuple(one.id for one in dialogues if one.id not in found and true[one.id] == "Excellent"),
        agreement=agreement(labels, first.name, second.name, seed=seed),
        expected_raw=_expected(true.values(), first.error_rate, second.error_rate),
    )


def _expected(qualities: Iterable[Quality], one: float, other: float) -> float:
    # Both right, or both wrong and moved to the same neighbour: Satisfactory has two of them, the others one.
    shares = [(1 - one) * (1 - other) + one * other * (0.5 if q == "Satisfactory" else 1.0) for q in qualities]
    return sum(shares) / len(shares)
