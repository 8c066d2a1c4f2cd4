"""Exercises of notebook 03: wrong answers get their own hint, and another right answer passes."""

from __future__ import annotations

import pytest

from tbcore.course.exercises import Hint, check_of

FOX, WET = "<img0>a fox on a snowy hill</img0>", "<img1>a fox and an umbrella on a rainy day</img1>"


def crash(**becomes):
    return lambda states: [becomes.get(state, state) for state in states]


def votes(*, last=True, poor=True, raters=True, order=sorted):
    def promoted_ids(labels):
        kept = list({(r, who): (r, who, q) for r, who, q in labels}.values()) if last else list(labels)
        found = []
        for record in dict.fromkeys(record for record, _, _ in kept):
            good = [who for r, who, q in kept if r == record and q == "Excellent"]
            bad = poor and any(r == record and q == "Poor" for r, _, q in kept)
            if len(set(good) if raters else good) >= 2 and not bad:
                found.append(record)
        return order(found)

    return promoted_ids


WRONG = [
    ("03.1", lambda asked, known=(): len(asked), "without a ledger"),
    ("03.1", lambda asked, known=(): len(set(asked)), "leave out what is in `known`"),
    ("03.1", lambda asked, known=(): len(set(asked)) - len(known), "z is known but was never asked"),
    ("03.1", lambda asked, known=(): 7, "three different calls; got 7"),
    ("03.2", crash(reserved="failed", sent="failed"), "would hide that"),
    ("03.2", crash(reserved="ambiguous", sent="ambiguous"), "never left this computer"),
    ("03.2", crash(reserved="failed", sent="done"), "cannot be done"),
    ("03.2", lambda states: sorted(set(crash(sent="ambiguous")(states))), "five in, five out; got 4"),
    ("03.3", votes(order=list), "sorted"),
    ("03.3", votes(last=False, raters=False), "still one vote"),
    ("03.3", votes(poor=False), "do not outweigh"),
    ("03.3", votes(last=False), "her last label counts"),
    ("03.4", 7, "as one text; got int"),
    ("03.4", f"Human: {FOX} hi\nHuman: and?\nAssistant: {WET}", "turns alternate"),
    ("03.4", f"Human: {FOX} hi\nAssistant: {WET}", "two exchanges are wanted"),
    ("03.4", "Human: <img0>a fox on a hill</img0>\nAssistant: oh\nHuman: yes\nAssistant: no", "character by character"),
    ("03.4", f"Human: {FOX} {WET}\nAssistant: oh\nHuman: yes\nAssistant: no", "Assistant shows no picture"),
]


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


def count_new(asked, known=()):
    paid = list(known)
    for name in asked:
        if name not in paid:
            paid.append(name)
    return len(paid) - len(known)


RIGHT = [
    ("03.1", count_new),
    ("03.2", lambda states: tuple({"sent": "ambiguous", "reserved": "failed"}.get(s) or s for s in states)),
    ("03.3", votes()),
    ("03.4", f"Human: Draw winter.\nAssistant: {FOX}\n\nHuman: And rain?\n\nAssistant: {WET} He kept dry."),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_written_differently_pass(name, answer):
    check_of(name)(answer)
