"""Messages and parameters: what is hashed, shown and refused."""

from __future__ import annotations

import pytest

from tbcore.chat.messages import Message, Params, PictureBytes, Usage
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.errors import InputError, TeacherError


def test_a_picture_is_named_by_its_hash_and_never_shown() -> None:
    message = Message("user", ("hi ", PictureBytes(b"abc")))
    assert message.text == "hi "
    assert message.to_json()["parts"][1]["png_sha256"].startswith("ba7816bf")
    assert "abc" not in repr(message)


def test_params_say_what_they_refuse() -> None:
    assert Params(max_tokens=5).with_sample(3).to_json()["sample_index"] == 3
    assert Usage(2, 3).total == 5
    with pytest.raises(InputError, match="max_tokens must be at least 1"):
        Params(max_tokens=0)


def test_a_script_ends_with_a_clear_error() -> None:
    teacher = ScriptedTeacher("one")
    assert teacher.complete([Message.of("user", "a")], Params()).text == "one"
    with pytest.raises(TeacherError, match="asked 2 times, but the script had fewer replies"):
        teacher.complete([], Params())
    assert teacher.asked[0][0][0].text == "a"
