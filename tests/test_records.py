"""Records: what they refuse, and that JSON goes both ways."""

from __future__ import annotations

import json

import pytest

from tbcore.errors import DialogueError, InputError
from tbcore.records import Dialogue, Pair, Picture, PictureGroup, Rejection, Turn, Verdict

DIALOGUE = Dialogue(
    "d1",
    (Turn("user", (Picture(1), "hi")), Turn("assistant", ("a", Picture(0)))),
    ("one", "two"),
    ("a.png", "b.png"),
    "recorded",
    "g1",
)


@pytest.mark.parametrize(
    "record",
    [
        DIALOGUE,
        Pair("p", "pictures/p.png", "a dog", "postcards", "pets", {"things": ["dog"]}),
        Pair("p", "p.png", "a dog", "folder"),
        Verdict("too_short", False, "too_short", 3, "2 messages"),
        Rejection("r", "no_image", None, "", "replies.jsonl:3"),
        PictureGroup("g", "1", "pets", ("a", "b"), ({"x": 1}, {"x": 2}), ("a.png", "b.png"), "val"),
        PictureGroup("g", "1", "pets", ("a", "b")),
    ],
)
def test_json_goes_both_ways(record: Dialogue) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_turn_is_written_one_way_only() -> None:
    with pytest.raises(DialogueError, match="part 1 is an empty text"):
        Turn("user", (Picture(0), ""))
    with pytest.raises(DialogueError, match="parts 0 and 1 are both text"):
        Turn("user", ("a", "b"))
    with pytest.raises(DialogueError, match="role must be 'user' or 'assistant'; got 'system'"):
        Turn("system", ("a",))  # pyright: ignore[reportArgumentType]


def test_a_dialogue_refuses_marks_that_point_nowhere_or_twice() -> None:
    with pytest.raises(DialogueError, match=r"dialogue 'd', turn 0: it shows picture 1, but there are 1"):
        Dialogue("d", (Turn("user", (Picture(1),)),), ("a",))
    with pytest.raises(DialogueError, match="picture 0 is shown twice"):
        Dialogue("d", (Turn("user", (Picture(0),)), Turn("assistant", (Picture(0),))), ("a",))
    with pytest.raises(DialogueError, match="2 captions, but 1 pictures"):
        Dialogue("d", (), ("a", "b"), ("a.png",))
    with pytest.raises(DialogueError, match="counts from 0; got -1"):
        Picture(-1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 3, "turns": [], "captions": []}, "Dialogue: field 'id' must be text; got 3"),
        ({"id": "d", "turns": {}, "captions": []}, "field 'turns' must be a list"),
        ({"id": "d", "turns": [], "captions": [1]}, "'captions' must be a list of texts"),
        ({"id": "d", "turns": [], "captions": [], "mood": 1}, "unknown field 'mood'"),
        (
            {"id": "d", "turns": [{"role": "user", "parts": [{"picture": True}]}], "captions": []},
            "whole numbers",
        ),
        ({"id": "d", "turns": [{"role": "user", "parts": [7]}], "captions": []}, "texts and"),
    ],
)
def test_json_that_does_not_fit_names_the_field(row: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Dialogue.from_json(row)
