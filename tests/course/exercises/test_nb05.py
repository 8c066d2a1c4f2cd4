"""Notebook 05: wrong answers are refused with their own hints, other right ones pass."""

from __future__ import annotations

import pytest

from tbcore.course.exercises import Hint, check_of

NOTHING = -100


def same_column(ids, said, first_slots, start_id):
    return [word if own else NOTHING for word, own in zip(ids, said, strict=True)]


def with_slots(ids, said, first_slots, start_id):
    return [*ids[1:], NOTHING]


def without_start(ids, said, first_slots, start_id):
    return [ids[k + 1] if k + 1 < len(ids) and said[k + 1] else NOTHING for k in range(len(ids))]


def learns_the_user(ids, said, first_slots, start_id):
    slots = {9}
    after = [*ids[1:], NOTHING]
    return [start_id if k + 1 in first_slots else NOTHING if after[k] in slots else after[k] for k in range(len(ids))]


def forgets_the_last_slot(ids, said, first_slots, start_id):
    found = right_targets(ids, said, first_slots, start_id)
    return [NOTHING if ids[k] == 9 else value for k, value in enumerate(found)]


def right_targets(ids, said, first_slots, start_id):
    targets = {k: ids[k + 1] for k in range(len(ids) - 1) if said[k + 1]}
    targets |= {first - 1: start_id for first in first_slots}
    return [targets.get(k, NOTHING) for k in range(len(ids))]


def start_on_the_slot(ids, said, first_slots, start_id):
    found = without_start(ids, said, first_slots, start_id)
    return [start_id if k in first_slots else value for k, value in enumerate(found)]


def start_at_every_slot(ids, said, first_slots, start_id):
    found = without_start(ids, said, first_slots, start_id)
    return [start_id if k + 1 < len(ids) and ids[k + 1] == 9 else value for k, value in enumerate(found)]


def only_where_it_speaks(ids, said, first_slots, start_id):
    found = right_targets(ids, said, first_slots, start_id)
    return [value if said[k] else NOTHING for k, value in enumerate(found)]


def none_for_nothing(ids, said, first_slots, start_id):
    return [None if value == NOTHING else value for value in right_targets(ids, said, first_slots, start_id)]


WRONG = {
    "05.1": [
        (lambda n, rank, shapes: n * sum(rank * a * b for a, b in shapes), "two thin matrices"),
        (lambda n, rank, shapes: n * sum(a * b for a, b in shapes), "the layer itself"),
        (lambda n, rank, shapes: n * sum(rank * a for a, b in shapes), "one of the two matrices"),
        (lambda n, rank, shapes: sum(rank * (a + b) for a, b in shapes), "every block has adapters"),
        (lambda n, rank, shapes: n * rank * sum(shapes[0]), "add up all shapes"),
        (lambda n, rank, shapes: 7, "2 x 10"),
    ],
    "05.2": [
        (same_column, "one column too far right"),
        (with_slots, "predict <image>"),
        (without_start, "no column learns <start>"),
        (learns_the_user, "user's own words"),
        (forgets_the_last_slot, "column 4 should have target 22, got -100"),
        (lambda ids, *rest: [NOTHING], "one target per column"),
        (start_on_the_slot, "on the picture's first slot"),
        (start_at_every_slot, "several columns learn <start>"),
        (only_where_it_speaks, "what stands next, not what stands here"),
        (none_for_nothing, "written as the number -100"),
    ],
    "05.3": [
        (14, "list of whole numbers"),
        ([2, 20], "at least 3 columns"),
        ([28], "nothing to leak"),
        ([15, 15], "33 columns"),
        ([13, 13], "169 forbidden cells"),
    ],
}
RIGHT = {
    "05.1": lambda n, rank, shapes: sum(rank * side for pair in shapes for side in pair) * n,
    "05.2": right_targets,
    "05.3": (6, 6, 6, 6),
}


@pytest.mark.parametrize(("name", "answer", "hint"), [(name, *case) for name, cases in WRONG.items() for case in cases])
def test_wrong_answers_get_their_own_hint(name, answer, hint):
    with pytest.raises(Hint, match=hint):
        check_of(name)(answer)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_written_differently_passes(name):
    check_of(name)(RIGHT[name])
