"""Checks of notebook 03, dialogue generation."""

from __future__ import annotations

from typing import Any

from tbcore.candidates import Candidate
from tbcore.course.exercises import Hint, exercise
from tbcore.data.filter import Draft, judge
from tbcore.dialogue import PAPER

__all__: list[str] = []

_CAPTIONS = ("a fox on a snowy hill", "a fox and an umbrella on a rainy day")


@exercise("03.1")
def check_03_1(paid_calls: Any) -> None:
    """How many calls are paid with a ledger."""
    asked = ["a", "b", "a", "c", "b"]
    got = paid_calls(asked)
    if got == len(asked):
        raise Hint("that is what it costs without a ledger; an answer that is known is not bought again")
    if got != 3:
        raise Hint(f"a, b and c are three different calls; got {got}")
    again = paid_calls(asked, ["c", "z"])
    if again == 3:
        raise Hint("c was paid by an earlier run: leave out what is in `known`")
    if again == 1:
        raise Hint("z is known but was never asked now; subtract only names that are asked for")
    if again != 2:
        raise Hint(f"with c known, a and b remain to be paid; got {again}")


@exercise("03.2")
def check_03_2(after_crash: Any) -> None:
    """What opening a ledger does to what a crash left."""
    got = list(after_crash(["done", "reserved", "sent", "failed", "ambiguous"]))
    if len(got) != 5:
        raise Hint(f"one state for each attempt, in order: five in, five out; got {len(got)}")
    if got[2] in {"failed", "reserved"}:
        raise Hint("a call that was sent may have been billed; calling it failed would hide that")
    if got[2] == "done":
        raise Hint("a call that was sent has no answer in the ledger, so it cannot be done")
    if got[1] in {"ambiguous", "sent"}:
        raise Hint("a call that was only reserved never left this computer, so nobody can bill it")
    if got != ["done", "failed", "ambiguous", "failed", "ambiguous"]:
        raise Hint(f"reserved becomes failed, sent becomes ambiguous, all others stay; got {got}")


@exercise("03.3")
def check_03_3(promoted_ids: Any) -> None:
    """Two raters for Excellent, none for Poor, last labels count."""
    good = [("b", "ann", "Excellent"), ("b", "bob", "Excellent"), ("a", "bob", "Excellent"), ("a", "ann", "Excellent")]
    if list(promoted_ids(good)) == ["b", "a"]:
        raise Hint("return the ids sorted, so that the set does not depend on who rated first")
    if list(promoted_ids(good)) != ["a", "b"]:
        raise Hint(f"both a and b have two raters for Excellent; got {list(promoted_ids(good))}")
    if list(promoted_ids([("a", "ann", "Excellent"), ("a", "ann", "Excellent")])):
        raise Hint("one rater who says Excellent twice is still one vote")
    if list(promoted_ids([*good[2:], ("a", "cleo", "Poor")])):
        raise Hint("somebody called it Poor: two votes for Excellent do not outweigh that")
    if list(promoted_ids([*good[2:], ("a", "ann", "Satisfactory")])):
        raise Hint("ann changed her mind: her last label counts, and it is Satisfactory")
    if list(promoted_ids([("a", "cleo", "Poor"), *good[2:], ("a", "cleo", "Excellent")])) != ["a"]:
        raise Hint("cleo took her Poor back: only last labels count, also for Poor")


_HINTS = {
    "no_image": "no picture is shown: write a whole tag, caption included, where it belongs",
    "wrong_role": "nobody called Human speaks; begin with 'Human:'",
    "invalid_turns": "turns alternate, Human first, each on a new line with its speaker and a colon",
    "too_short": "too short: at least two exchanges are wanted",
    "changed_caption": "a caption was changed on the way: copy it character by character",
    "repeat_image": "a picture is shown twice; use each at most once",
    "unseen_image": "there are only pictures 0 and 1",
    "tag_confusable": "something only looks like a tag: copy tags exactly",
    "empty_turn": "one turn says nothing",
}


@exercise("03.4")
def check_03_4(conversation: Any) -> None:
    """A conversation written by the reader, judged by the filter."""
    if not isinstance(conversation, str):
        raise Hint(f"write the conversation as one text; got {type(conversation).__name__}")
    judgement = judge(Draft(Candidate("own", "own", _CAPTIONS, conversation, PAPER)))
    if (objection := judgement.objection) is not None:
        raise Hint(f"{_HINTS.get(objection.rule, objection.detail)} (rule {objection.rule}, offset {objection.offset})")
    turns = judgement.dialogue.turns if judgement.dialogue else ()
    if len(turns) < 4:
        raise Hint(f"at least two exchanges, so four turns; got {len(turns)}")
    if not any(turn.pictures for turn in turns if turn.role == "assistant"):
        raise Hint("Assistant shows no picture: let it draw one as an answer")
