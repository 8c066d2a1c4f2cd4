"""The conversation without widgets: turns, undo, edits, what is refused, JSON both ways."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbcore.demo.conversation import Conversation, Drawing, Limits, ScriptedAssistant, Transcript
from tbcore.errors import DialogueError, InputError
from tbcore.records import Picture, Turn


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def talk(*replies) -> Conversation:
    return Conversation(ScriptedAssistant(*replies))


def test_a_message_and_its_reply_become_two_turns():
    chat = talk(["Here it is:", Drawing("a tiger", card(9)), "I hope you like it."])
    reply = chat.send([card(1), "Draw another one."])
    assert chat.turns == (
        Turn("user", (Picture(0), "Draw another one.")),
        Turn("assistant", ("Here it is:", Picture(1), "I hope you like it.")),
    )
    assert chat.transcript.captions == ("", "a tiger")
    assert [(d.caption, int(d.picture[0, 0, 0])) for d in chat.transcript.drawings(reply)] == [("a tiger", 9)]


def test_the_assistant_is_given_everything_said_so_far():
    chat = talk("one", "two")
    chat.send([card(1), "first"])
    chat.send("second")
    asked = chat.assistant.asked[1]
    assert [turn.text for turn in asked.turns] == ["first", "one", "second"]
    assert asked.turns[-1].role == "user"
    assert len(asked.pictures) == 1


def test_neighbouring_texts_are_joined_and_blank_ones_left_out():
    chat = talk(["yes", " ", "indeed"])
    chat.send(["  hello ", "", "there"])
    assert [turn.parts for turn in chat.turns] == [("hello there",), ("yes indeed",)]


def test_an_assistant_that_says_nothing_has_an_empty_turn():
    chat = talk([])
    assert chat.send("hello").parts == ()


@pytest.mark.parametrize("trouble", [InputError("out of words"), RuntimeError("out of memory")])
def test_a_failing_assistant_leaves_no_trace(trouble):
    chat = talk("fine", trouble, "fine again")
    chat.send("one")
    before = chat.transcript
    with pytest.raises(type(trouble), match="out of"):
        chat.send([card(3), "two"])
    assert chat.transcript is before
    chat.send("three")
    assert [turn.text for turn in chat.turns] == ["one", "fine", "three", "fine again"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("", "message: it is empty"),
        ([" ", "\n"], "message: it is empty"),
        ("word " * 201, "at most 200 words and 4000 characters; got 201"),
        ("x" * 4001, "got 1 and 4001"),
        ([card(0)] * 5, "at most 4 pictures; got 5"),
        ([np.zeros((64, 64), np.uint8)], r"must be uint8\[y x 3\]; got uint8\[64, 64\]"),
        ([np.zeros((64, 64, 3))], "got float64"),
        ([np.zeros((1025, 4, 3), np.uint8)], "sides of at most 1024"),
    ],
)
def test_what_is_refused_is_named_and_changes_nothing(message, told):
    chat = talk("never said")
    with pytest.raises(InputError, match=told):
        chat.send(message)
    assert chat.turns == ()
    assert chat.assistant.asked == []


def test_limits_can_be_set():
    chat = Conversation(ScriptedAssistant("ok"), limits=Limits(words=2))
    with pytest.raises(InputError, match="at most 2 words"):
        chat.send("one two three")


def test_undo_gives_the_message_back():
    chat = talk("one", ["two", Drawing("a cat", card(7))])
    chat.send("first")
    chat.send([card(5), "second"])
    message = chat.undo()
    assert int(message[0][0, 0, 0]) == 5
    assert message[1] == "second"
    assert [turn.text for turn in chat.turns] == ["first", "one"]
    assert chat.transcript.pictures == ()
    chat.undo()
    assert chat.turns == ()
    assert chat.undo() == []


def test_an_edit_forgets_what_came_after_it():
    chat = talk("a", "b", "c")
    chat.send([card(1), "one"])
    chat.send("two")
    chat.edit(0, "other")
    assert [turn.text for turn in chat.turns] == ["other", "c"]
    assert chat.transcript.pictures == ()


def test_a_refused_edit_changes_nothing():
    chat = talk("a")
    chat.send("one")
    with pytest.raises(InputError, match="turn 1 is not one of the user's 1"):
        chat.edit(1, "x")
    with pytest.raises(InputError, match="it is empty"):
        chat.edit(0, "")
    assert [turn.text for turn in chat.turns] == ["one", "a"]


def test_reset_begins_anew():
    chat = talk("a", "b")
    chat.send([card(1), "one"])
    chat.reset()
    assert chat.transcript.to_json() == Transcript().to_json()
    assert chat.send("two").text == "b"


def test_a_transcript_can_be_cut_at_both_ends():
    chat = talk(["a", Drawing("x", card(2))], "b")
    chat.send([card(1), "one"])
    chat.send([card(3), "two"])
    late = chat.transcript.since(2)
    assert late.turns[0].parts == (Picture(0), "two")
    assert int(late.pictures[0][0, 0, 0]) == 3
    assert chat.transcript.until(2).captions == ("", "x")


def test_saved_and_loaded_it_is_the_same(tmp_path):
    chat = talk(["see: ", Drawing("a <b>tiger</b>", card(200))])
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    chat.send([picture, "what & <script>?"])
    chat.save(tmp_path / "c.json")
    again = talk()
    again.load(tmp_path / "c.json")
    assert again.turns == chat.turns
    assert again.transcript.captions == ("", "a <b>tiger</b>")
    np.testing.assert_array_equal(again.transcript.pictures[0], picture)
    again.save(tmp_path / "d.json")
    assert (tmp_path / "c.json").read_bytes() == (tmp_path / "d.json").read_bytes()


def spoil(row, **changes):
    return {**row, **changes}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda row: spoil(row, format="other"), "format must be 'conversation-1'; got 'other'"),
        (lambda row: spoil(row, turns="x"), "'turns' must be a list"),
        (lambda row: spoil(row, pictures=[1]), "'pictures' must be a list"),
        (lambda row: spoil(row, pictures=[]), r"got marks \[0\] for 0 pictures"),
        (lambda row: spoil(row, turns=row["turns"][::-1]), "turns alternate from the user; got 'assistant'"),
        (lambda row: spoil(row, turns=row["turns"][:1]), "ends without a reply"),
        (lambda row: spoil(row, pictures=[{"png": "!!", "caption": ""}]), "picture 0: "),
        (lambda row: spoil(row, pictures=[{"png": "R0lGODlh", "caption": ""}]), "do not begin like a PNG"),
        (lambda row: [row], "must hold a JSON object"),
    ],
)
def test_a_spoilt_file_is_refused_and_the_conversation_stays(change, told, tmp_path):
    chat = talk("a")
    chat.send([card(1), "one"])
    (tmp_path / "bad.json").write_text(json.dumps(change(chat.transcript.to_json())))
    before = chat.transcript
    with pytest.raises((InputError, DialogueError), match=told) as caught:
        chat.load(tmp_path / "bad.json")
    assert "bad.json" in str(caught.value)
    assert chat.transcript is before


def test_a_script_that_ends_says_so():
    chat = talk("only this")
    chat.send("one")
    with pytest.raises(InputError, match="nothing left to say after 1 replies"):
        chat.send("two")


texts = st.text(max_size=30)
parts = st.lists(texts | st.integers(0, 255).map(card), max_size=4)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(parts, st.lists(texts | st.builds(Drawing, texts, st.integers(0, 255).map(card)), max_size=4)))
)
def test_json_is_exact_whatever_is_said(exchanges):
    chat = talk(*(reply for _, reply in exchanges))
    for message, _ in exchanges:
        chat.send([*message, "!"])
    row = json.loads(json.dumps(chat.transcript.to_json()))
    again = Transcript.from_json(row)
    assert again.turns == chat.turns
    assert again.captions == chat.transcript.captions
    assert again.to_json() == row
    row_bytes = json.dumps(row, ensure_ascii=False).encode("utf-8")  # no lone surrogate is left
    assert row_bytes
