"""A plan counts work from shapes, and leaves open what nobody measured or gave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tbcore.errors import InputError, MissingFileError
from tbcore.scale.plan import Rates, cost, main, markdown, read_rates
from tbcore.scale.work import CC3M, LAION_400M, Dataset, Tower, stints_of

GIVEN = """
[rates]
tower_flops = 1e14
[prices]
worker_hour = 0.5
read_tokens = 2.0
written_tokens = 8.0
[run]
workers = 4
"""


def test_the_tower_counts_what_its_layers_multiply() -> None:
    # One layer, two wide, three tokens: 24*3*4 + 4*9*2 = 360; patches of one pixel 2*2*3*1*2 = 24; out 2*2*5 = 20.
    assert Tower(layers=1, width=2, tokens=3, patch=1, out=5).flops == 360 + 24 + 20
    assert Tower().flops == pytest.approx(1.62e11, rel=0.01)  # ViT-L/14: twice 81 thousand million multiplications


def test_the_amounts_are_the_formulas() -> None:
    small = Dataset(name="s", pairs=1000, conversations=10, clusters=4, tower=Tower(out=8))
    amounts = {one.stage: one.amount for one in stints_of(small)}
    assert amounts["k-means assign"] == 2 * 1000 * 4 * 8
    assert amounts["k-means fit"] == 2 * (40 * 4) * 4 * 8 * 20
    assert amounts["near-duplicates"] == 2 * 1000 * 250 * 8
    assert amounts["generate"] == 10 * (6000 + 800) / 4
    assert amounts["export"] == 7.5
    assert CC3M.clusters == 4096
    assert LAION_400M.clusters == pytest.approx(CC3M.clusters * 400 / 3.3, rel=1e-3)


def test_hours_and_money_follow_from_rates_and_every_line_says_whose(tmp_path: Path) -> None:
    (tmp_path / "scale.json").write_text(json.dumps({"assign.flops_per_s": 5e10, "other": 1}))
    (tmp_path / "rates.toml").write_text(GIVEN)
    rates = read_rates([tmp_path / "scale.json"], tmp_path / "rates.toml")
    lines = {one.stint.stage: one for one in cost(CC3M, rates)}
    assign = lines["k-means assign"]
    assert assign.hours == pytest.approx(2 * 3.3e6 * 4096 * 768 / 5e10 / 4 / 3600)
    assert assign.money == pytest.approx(assign.hours * 4 * 0.5)
    assert "`assign.flops_per_s` in scale.json" in assign.support
    assert "given in rates.toml" in lines["embed"].support
    generate = lines["generate"]
    assert generate.hours is None
    assert generate.money == pytest.approx(25_000 * (1500 * 2.0 + 200 * 8.0) / 1e6)
    assert lines["filter"].hours is None
    assert lines["filter"].support == "no rate: measure or give `conversations`"


def test_what_nobody_measured_stays_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "### CC3M: 3,300,000 pairs, 25,000 conversations" in told
    assert "### LAION-400M: 400,000,000 pairs" in told
    rows = [line for line in told.splitlines() if line.startswith("| embed")]
    assert all("| – | – | no rate: measure or give `tower_flops` |" in row for row in rows)
    assert all(line.count("|") == 8 for line in told.splitlines() if line.startswith("|"))


def test_a_plan_of_your_own(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--pairs", "1000", "--conversations", "10"])
    told = capsys.readouterr().out
    assert told.startswith("### Your own: 1,000 pairs, 10 conversations")
    assert "Assumed: 2 topics" in told
    assert "1 k pictures" in told


def test_bad_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0 and prices one of"):
        Rates(per_s={"hashes": 0.0})
    with pytest.raises(InputError, match="got 'per_hour'"):
        Rates(prices={"per_hour": 1.0})
    with pytest.raises(InputError, match="workers=0"):
        Rates(workers=0)
    (tmp_path / "bad.toml").write_text("[costs]\nx = 1\n")
    with pytest.raises(InputError, match="tables rates, prices and run; got 'costs'"):
        read_rates([], tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(InputError, match="not a TOML file"):
        read_rates([], tmp_path / "bad.toml")
    with pytest.raises(MissingFileError, match=r"none\.toml: there is no such file"):
        read_rates([], tmp_path / "none.toml")
    assert "| all |" in markdown(CC3M, Rates())
