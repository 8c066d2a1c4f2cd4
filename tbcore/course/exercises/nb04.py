"""Checks of notebook 04, filtering."""

from __future__ import annotations

from typing import Any

from tbcore.candidates import Candidate
from tbcore.course.exercises import Hint, exercise
from tbcore.data.filter import Draft, judge
from tbcore.dialogue import PAPER

__all__: list[str] = []


@exercise("04.1")
def check_04_1(kept_share: Any) -> None:
    """Share kept of a funnel."""
    got = kept_share({"no_image": 3, "too_short": 1, "kept": 12})
    if got in {3.0, 12 / 4}:
        raise Hint("that divides by the rejected ones; divide by all candidates, the kept ones too")
    if abs(got - 0.25) < 1e-9:
        raise Hint("that is the share that was rejected")
    if abs(got - 0.75) > 1e-9:
        raise Hint(f"12 of 16 were kept, so 0.75; got {got}")
    try:
        nothing = kept_share({"no_image": 0, "kept": 0})
    except ZeroDivisionError as error:
        raise Hint("an empty funnel divides by zero: answer 0 there") from error
    if nothing != 0:
        raise Hint(f"nothing came in, so nothing was kept: 0; got {nothing}")


@exercise("04.2")
def check_04_2(is_changed: Any) -> None:
    """Rule 8 for one caption."""

    def distance(one: str, other: str) -> int:
        return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))

    true = "abcdefghij" * 2
    if is_changed(true, "##" + true[2:], distance):
        raise Hint("exactly at the limit is still allowed: more than 10 % must have changed")
    if not is_changed(true, "###" + true[3:], distance):
        raise Hint("3 of 20 characters are more than 10 %, so this caption counts as changed")
    longer = "abcdefghij" * 3
    if not is_changed(longer[:29], longer[:29] + "###", distance):  # 3 of 29 are too many, 3 of 32 would not be
        raise Hint("measure against the length of the true caption, not of the copy or of the longer one")
    if is_changed(true, true, distance):
        raise Hint("an exact copy has not changed")
    try:
        empty = is_changed("", "a", distance), is_changed("", "", distance)
    except ZeroDivisionError as error:
        raise Hint("an empty true caption divides by zero; compare with threshold * length instead") from error
    if empty != (True, False):
        raise Hint("with an empty true caption any character is a change, and none is no change")
    if not is_changed(true, "#" + true[1:], distance, threshold=0.0):
        raise Hint("use the threshold that is passed in: with 0, one character is too many")


@exercise("04.3")
def check_04_3(only_by: Any) -> None:
    """How many replies each rule rejects alone."""
    given = [["no_image"], ["invalid_turns", "too_short"], [], ["no_image"], ["too_short"]]
    answer = only_by(given)
    try:
        got = {rule: count for rule, count in dict(answer).items() if count}
    except (TypeError, ValueError) as error:
        raise Hint(f"return a dictionary, rule -> number of replies; got one {type(answer).__name__}") from error
    if got == {"no_image": 2, "invalid_turns": 1, "too_short": 2}:
        raise Hint("that counts every objection; count a reply only if exactly one rule objects")
    if got == {"no_image": 2, "invalid_turns": 1, "too_short": 1}:
        raise Hint("that is the funnel, the first objection; a reply with two objections counts for nobody")
    if got != {"no_image": 2, "too_short": 1}:
        raise Hint(f"no_image is alone twice, too_short once; got {got}")


_FINE = (
    "Human: <img0> a red kite </img0> Ours?\nAssistant: Yes: **really**.\nHuman: Sure?\nAssistant: A kite is a kite."
)
_LAYOUTS = {
    "bold, the colon inside": _FINE.replace("Human:", "**Human:**").replace("Assistant:", "**Assistant:**"),
    "bold, the colon outside": _FINE.replace("Human:", "**Human**:").replace("Assistant:", "**Assistant**:"),
    "a remark above, names in bold": "Here is one.\n\n"
    + _FINE.replace("Human:", "**Human:**").replace("Assistant:", "**Assistant:**"),
}


@exercise("04.4")
def check_04_4(repair: Any) -> None:
    """A repair of layouts that harms nothing."""
    if repair(_FINE) != _FINE:
        raise Hint("a reply that is fine must stay as it is, also the stars inside what somebody says")
    for layout, reply in _LAYOUTS.items():
        mended = repair(reply)
        judgement = judge(Draft(Candidate("own", "own", ("a red kite",), mended, PAPER)))
        if judgement.objection is not None:
            raise Hint(f"{layout}: still rejected by {judgement.objection.rule} ({judgement.objection.detail})")
        said = [turn.text.strip() for turn in judgement.dialogue.turns] if judgement.dialogue else []
        if said != ["Ours?", "Yes: **really**.", "Sure?", "A kite is a kite."]:
            raise Hint(f"{layout}: it passes now, but what is said has changed: {said}")
