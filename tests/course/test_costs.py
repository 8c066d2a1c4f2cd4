from __future__ import annotations

import json

import pytest

from tbcore.course import costs
from tbcore.errors import MissingFileError


def test_harvested_costs_become_a_card(tmp_path):
    row = {"name": "01_one", "seconds": 90.0, "peak_gb": 1.234, "signature": "x"}
    (tmp_path / "run.json").write_text(json.dumps({"profile": "smoke", "editions": {"solved": {"01_one": row}}}))
    place = tmp_path / "costs.json"
    found = costs.harvest(tmp_path, place)
    assert found["smoke"]["notebooks"] == {"01_one": {"minutes": 1.5, "peak_gb": 1.23}}
    assert "| smoke | 1.5 | 1.2 GB |" in costs.card("01_one", place)


def test_a_second_profile_keeps_the_first(tmp_path):
    place = tmp_path / "costs.json"
    for profile in ("smoke", "laptop"):
        (tmp_path / "run.json").write_text(json.dumps({"profile": profile, "editions": {}}))
        costs.harvest(tmp_path, place)
    assert list(json.loads(place.read_text())) == ["smoke", "laptop"]


def test_an_unmeasured_notebook_says_so(tmp_path):
    assert "Not measured yet" in costs.card("09_none", tmp_path / "costs.json")


def test_no_run_is_a_clear_error(tmp_path):
    with pytest.raises(MissingFileError, match=r"run\.json: no finished run"):
        costs.harvest(tmp_path)
