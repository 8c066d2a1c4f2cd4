"""Candidates go to JSON and back, and misfits are named."""

from __future__ import annotations

import pytest

from tbcore.candidates import Candidate
from tbcore.dialogue import PAPER, Codec
from tbcore.errors import InputError


@pytest.mark.parametrize("codec", [PAPER, Codec("00ab")])
def test_json_goes_both_ways(codec: Codec) -> None:
    one = Candidate("g/0", "g", ("a", "b"), "Human: a", codec, ("a.png", "b.png"), "recorded", {"draw": 3})
    assert Candidate.from_json(one.to_json()) == one


def test_misfits_are_named() -> None:
    row = Candidate("g/0", "g", ("a",), "x", PAPER).to_json()
    with pytest.raises(InputError, match="field 'reply' must be text; got None"):
        Candidate.from_json({**row, "reply": None})
    with pytest.raises(InputError, match="field 'captions' must be a list of texts"):
        Candidate.from_json({**row, "captions": "a"})
    with pytest.raises(InputError, match="unknown version 'nonce-9'"):
        Candidate.from_json({**row, "codec": "nonce-9"})
