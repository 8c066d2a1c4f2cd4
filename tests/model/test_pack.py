"""From dialogue to columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.errors import DialogueError
from tbcore.model.pack import IGNORED, encode, pack_rows, prompt_columns
from tbcore.model.tiny import byte_tokenizer
from tbcore.model.tokens import ChatText
from tbcore.records import Dialogue, Picture, Turn


def shown(processor, ids):
    names = {processor.layout.image_id: "#", processor.layout.start_id: "<", processor.layout.end_id: ">", IGNORED: "-"}
    text = processor.layout.text
    return "".join(names.get(int(i)) or {1: "^", 2: "$"}.get(int(i)) or text.decode([int(i)]) for i in ids)


def test_columns_written_out(tiny):
    _, processor = tiny
    turns = (Turn("user", ("hi",)), Turn("assistant", ("ok ", Picture(0), "so", Picture(1))))
    example = processor.example(Dialogue("d", turns, ("ab", "c")))
    assert shown(processor, example.ids) == "^user\nhi$\n^assistant\nok####so####$<ab><c>"
    assert shown(processor, example.targets) == "-" * 20 + "ok<---so<---$" + "-" + "ab>-" + "c>-"
    main = 34
    assert example.segment.tolist() == [0] * main + [1] * 4 + [2] * 3
    assert example.slots.tolist() == [[23, 24, 25, 26], [29, 30, 31, 32]]
    assert example.position.tolist() == [*range(main), 23, 24, 25, 26, 29, 30, 31]
    assert example.anchor.tolist() == [0] * main + [23] * 4 + [29] * 3
    assert example.pictures == (0, 1)


def test_keep_caption_puts_captions_into_the_main_sequence(tiny):
    from dataclasses import replace

    _, processor = tiny
    turns = (Turn("user", ("hi",)), Turn("assistant", (Picture(0), "so")))
    example = encode(Dialogue("d", turns, ("ab",)), replace(processor.layout, history="keep_caption"))
    assert shown(processor, example.ids).endswith("assistant\n<ab>####so$")
    assert shown(processor, example.targets).endswith("-<ab>----so$-")
    assert not example.segment.any()


def test_user_pictures_have_no_branch(tiny):
    _, processor = tiny
    turns = (Turn("user", (Picture(0),)), Turn("assistant", ("a",)))
    example = processor.example(Dialogue("d", turns, ("ab",)))
    assert not example.segment.any()
    assert example.n_supervised == 2  # the letter and the end of the reply


def test_whole_exchanges_go_with_their_branches(tiny, story):
    _, processor = tiny
    whole = processor.example(story)
    cut = processor.example(story, max_columns=len(whole) - 1)
    alone = processor.example(Dialogue("x", story.turns[:2], story.captions))
    assert cut.dropped == 1
    for name in ("ids", "targets", "position", "segment", "anchor", "slots"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(alone, name))
    assert processor.example(story, max_columns=20) is None


@given(limit=st.integers(10, 200))
def test_no_decision_to_draw_without_its_branch(limit):
    from tbcore.model.pack import Layout

    layout = Layout(ChatText(byte_tokenizer()), 4, 259, 260, 261)
    turns = []
    for k in range(3):
        turns += [Turn("user", ("go",)), Turn("assistant", (Picture(2 * k), "x", Picture(2 * k + 1)))]
    example = encode(Dialogue("d", tuple(turns), ("a", "bb", "ccc", "d", "e", "f")), layout, max_columns=limit)
    if example is None:
        return
    assert len(example) <= limit
    starts = int((example.targets == 260).sum())
    assert starts == int((example.targets == 261).sum()) == example.segment.max() == len(example.slots)


def test_last_user_turn_teaches_nothing(tiny):
    _, processor = tiny
    turns = (Turn("user", ("a",)), Turn("assistant", ("b",)), Turn("user", ("c",)))
    longer, shorter = (processor.example(Dialogue("d", part, ())) for part in (turns, turns[:2]))
    np.testing.assert_array_equal(longer.ids, shorter.ids)


def test_wrong_turns_are_named(tiny):
    _, processor = tiny
    with pytest.raises(DialogueError, match=r"dialogue 'd', turn 0: turns must alternate"):
        processor.example(Dialogue("d", (Turn("assistant", ("a",)),), ()))
    with pytest.raises(DialogueError, match=r"turn 1: picture 0 has an empty caption"):
        processor.example(Dialogue("d", (Turn("user", ("a",)), Turn("assistant", (Picture(0),))), (" ",)))
    with pytest.raises(DialogueError, match="last turn must be the user's"):
        prompt_columns((), (), processor.layout)


def test_a_prompt_is_the_beginning_of_the_example(tiny, story):
    _, processor = tiny
    example, prompt = processor.example(story), processor.prompt(story.turns[:3])
    np.testing.assert_array_equal(prompt.ids, example.ids[: len(prompt)])
    assert prompt.pictures == (0, 1, 2)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
def test_rows_hold_each_example_once(sizes):
    rows = pack_rows(sizes, columns=50)
    assert sorted(index for row in rows for index in row) == list(range(len(sizes)))
    assert all(sum(sizes[k] for k in row) <= 50 or len(row) == 1 for row in rows)


@given(st.text(max_size=20).map(lambda text: f"a{text}<|im_end|>{text}<|im_start|><start><image>b"))
def test_no_text_becomes_a_mark(text):
    ids = ChatText(byte_tokenizer()).encode(text)
    assert min(ids) > 2
    assert max(ids) < 259
    assert bytes(text.strip(), "utf-8") == bytes(ChatText(byte_tokenizer()).decode(list(ids)), "utf-8")
