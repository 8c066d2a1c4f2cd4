"""Several training runs side by side: each value, mean and spread, as Markdown and JSON."""

from __future__ import annotations

import pytest

from tbcore.bench.__main__ import main
from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.report import Result, write_results
from tbcore.bench.seeds import Spread, over_seeds, read_numbers
from tbcore.errors import InputError
from tbcore.store import read_json, write_json


def test_mean_and_spread_by_hand():
    one = over_seeds([{"a": 1.0, "b": 0.0}, {"a": 4.0}, {"a": 1.0, "c": 2.0}])
    assert one == [Spread("a", (1.0, 4.0, 1.0))]
    assert (one[0].mean, one[0].spread) == (2.0, 3.0)
    assert one[0].deviation == pytest.approx(3**0.5)
    assert Spread("a", (2.0,)).deviation is None
    with pytest.raises(InputError, match="at least two runs to compare; got 1"):
        over_seeds([{"a": 1.0}])
    with pytest.raises(InputError, match="no number occurs in every run"):
        over_seeds([{"a": 1.0}, {"b": 1.0}])


def test_command_line_reads_run_folders_and_writes_both_forms(tmp_path, capsys):
    for seed, value in enumerate((0.25, 0.5, 0.75)):
        (tmp_path / f"seed{seed}").mkdir()
        write_json(tmp_path / f"seed{seed}" / "results.json", {"08.turn_right": value, "08.leaked_scenes": 0})
    runs = [str(tmp_path / f"seed{seed}") for seed in range(3)]
    assert main(["seeds", *runs, "--out", str(tmp_path / "bench")]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "| metric | seed0 | seed1 | seed2 | mean | spread |"
    assert "| 08.turn_right | 0.250 | 0.500 | 0.750 | 0.500 | 0.500 |" in shown
    assert (tmp_path / "bench" / "seeds.md").read_text() == shown.removesuffix("\n")
    assert read_json(tmp_path / "bench" / "seeds.json")[0] == {
        "metric": "08.turn_right",
        "values": [0.25, 0.5, 0.75],
        "mean": 0.5,
        "low": 0.25,
        "high": 0.75,
        "deviation": 0.25,
        "n": 3,
    }
    assert main(["seeds", runs[0]]) == 1
    assert "at least two runs" in capsys.readouterr().err


def test_results_of_the_benchmark_are_read_by_row_and_metric(tmp_path):
    path = tmp_path / "results.json"
    write_results(
        path, [Result("MIM", Measure("turn_em", 0.5, 0.4, 0.6, 8)), Result("x", Measure("y", *[None] * 3, 0))]
    )
    assert read_numbers(path) == {"MIM/turn_em": 0.5}
    write_json(path, {"name": "words"})
    with pytest.raises(InputError, match="must hold names and numbers"):
        read_numbers(path)
