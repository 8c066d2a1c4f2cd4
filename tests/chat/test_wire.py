"""The wire format: how long to wait, what a status means, and bodies of every wrong shape."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.chat import wire
from tbcore.chat.messages import CallError, Reply
from tbcore.chat.wire import read_reply, seconds_to_wait, sort_status

GOOD = json.dumps({"choices": [{"message": {"content": "Human: hi"}, "finish_reason": "stop"}]})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(headers) == seconds


def test_a_date_in_the_future_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(wire, "datetime", SimpleNamespace(now=lambda zone: noon.astimezone(zone)))
    then = noon + timedelta(seconds=40)
    assert seconds_to_wait({"retry-after": format_datetime(then, usegmt=True)}) == 40


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "busy"),
        (500, "server_error"),
        (504, "ambiguous"),
        (400, "rejected"),
        (404, "rejected"),
        (403, "forbidden"),
    ],
)
def test_what_a_status_means(status: int, kind: str) -> None:
    assert sort_status(status) == kind


def test_a_teacher_that_counts_nothing_says_so() -> None:
    reply = read_reply(GOOD)
    assert (reply.text, reply.usage.counted) == ("Human: hi", False)


@pytest.mark.parametrize("cut", range(0, len(GOOD), 5))
def test_a_body_cut_anywhere_is_unreadable(cut: int) -> None:
    with pytest.raises(CallError, match="not a chat completion") as caught:
        read_reply(GOOD[:cut])
    assert (caught.value.kind, caught.value.raw) == ("unreadable", GOOD[:cut])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["choices", "message", "content", "usage"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_json_is_a_reply_or_a_clear_failure(body: object) -> None:
    problem = None
    try:
        reply = read_reply(json.dumps(body))
    except CallError as error:
        reply, problem = None, error.kind
    assert isinstance(reply, Reply) or problem == "unreadable"
