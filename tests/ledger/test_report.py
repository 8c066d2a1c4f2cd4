"""What the journal says about the teacher's prefix cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tbcore.chat.messages import Message, Params, Reply
from tbcore.chat.wire import read_reply
from tbcore.ledger.caller import Caller
from tbcore.ledger.journal import Journal
from tbcore.ledger.report import standing


class Cached:
    """Counts as vLLM and OpenAI do: the first call reads all, later ones find the common beginning in the cache."""

    name = "cached"

    def __init__(self, details: Any) -> None:
        self.details = details
        self.calls = 0

    def complete(self, messages: list[Message], params: Params) -> Reply:
        self.calls += 1
        usage: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 5}
        if self.details is not None:
            usage["prompt_tokens_details"] = self.details if self.calls > 1 else {"cached_tokens": 0}
        said = {"role": "assistant", "content": messages[-1].text}
        return read_reply(json.dumps({"choices": [{"message": said, "finish_reason": "stop"}], "usage": usage}))


def asked(tmp_path: Path, details: Any, n: int = 4) -> Any:
    with Journal(tmp_path / "l.sqlite") as journal:
        caller = Caller(Cached(details), journal)
        for k in range(n):
            caller.ask([Message.of("user", f"q{k}")], Params(max_tokens=9), draw=k)
        return standing(journal)


def test_the_cached_share_is_told(tmp_path: Path) -> None:
    found = asked(tmp_path, {"cached_tokens": 80})
    assert (found.read_tokens, found.cached_tokens, found.cached_share) == (400, 240, 0.6)
    assert str(found).endswith("; 60% of 400 tokens read came from the teacher's cache")


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}, [], {"cached_tokens": 0}])
def test_a_teacher_that_tells_nothing_has_no_share(tmp_path: Path, details: Any) -> None:
    found = asked(tmp_path, details)
    assert (found.read_tokens, found.cached_tokens, found.cached_share) == (400, 0, 0.0)
    assert "cache" not in str(found)


def test_an_empty_journal_divides_by_nothing(tmp_path: Path) -> None:
    assert asked(tmp_path, None, n=0).cached_share == 0.0
