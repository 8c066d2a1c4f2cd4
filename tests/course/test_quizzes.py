from __future__ import annotations

import json

import pytest

from tbcore.course import quizzes
from tbcore.course.places import project_root
from tbcore.errors import InputError, MissingFileError

RIGHT = {"text": "<b>two</b>", "right": True, "explanation": "Count them."}
WRONG = {"text": "three", "right": False, "explanation": "One too many.", "misconception": "counts the title"}


def a_quiz(**changes):
    item = {"id": "01.q1", "question": "How many & why?", "options": [WRONG, RIGHT], **changes}
    return {"notebook": "01_one", "items": [item]}


def written(folder, content):
    (folder / "01_one.json").write_text(json.dumps(content))
    return folder


def test_widget_and_static_twin_agree(tmp_path):
    quiz = quizzes.load("01", written(tmp_path, a_quiz()))
    question = quizzes.widget(quiz).children[0]
    title, choice, told = question.children
    twin = quizzes.static_twin(quiz)
    assert "How many &amp; why?" in title.value
    assert "How many &amp; why?" in twin
    for n, option in enumerate(quiz.items[0].options):
        choice.value = n
        assert option.explanation in told.value
        assert f"<p>{told.value}</p>" in twin
    assert told.value == "Right. Count them."


def test_static_twin_escapes_what_is_written(tmp_path):
    twin = quizzes.static_twin(quizzes.load("01", written(tmp_path, a_quiz())))
    assert "<summary>&lt;b&gt;two&lt;/b&gt;</summary>" in twin


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": [RIGHT, {**RIGHT, "text": "2"}]}, "exactly one option is right; found 2"),
        ({"options": [WRONG, {**WRONG, "text": "4"}]}, "exactly one option is right; found 0"),
        ({"options": [WRONG, {**RIGHT, "text": "three"}]}, "two options say the same"),
        ({"options": [RIGHT, {**WRONG, "misconception": None}]}, "name a misconception"),
        ({"options": [RIGHT, {**WRONG, "explanation": ""}]}, "explanation"),
        ({"id": "02.q1"}, "start with its number"),
        ({"hint": "x"}, "hint"),
    ],
)
def test_malformed_quizzes_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        quizzes.load("01", written(tmp_path, a_quiz(**changes)))


def test_a_missing_quiz_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="no quiz for notebook 07"):
        quizzes.load("07", tmp_path)


@pytest.mark.parametrize(
    "path", sorted((project_root() / "notebooks" / "quizzes").glob("*.json")), ids=lambda p: p.stem
)
def test_the_courses_own_quizzes_are_valid(path):
    assert quizzes.load(path.stem[:2], path.parent).notebook == path.stem
