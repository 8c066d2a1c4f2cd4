"""Results as files and tables, and the command line."""

from __future__ import annotations

import json

import pytest

from tbcore.bench.__main__ import main
from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.report import Result, read_results, seeds_table, table, write_results
from tbcore.errors import InputError

RESULTS = [
    Result("MIM", Measure("picture_em", 0.5, 0.25, 0.75, 8)),
    Result("MIM", Measure("half_life", 2.0, 1.5, 3.0, 4)),
    Result("never draw", Measure("picture_em", 0.0, 0.0, 0.1, 8)),
    Result("never draw", Measure("faithfulness", None, None, None, 0)),
]


def test_results_keep_row_metric_value_low_high_n(tmp_path):
    write_results(tmp_path / "results.json", RESULTS)
    assert json.loads((tmp_path / "results.json").read_text())[0] == {
        "row": "MIM",
        "metric": "picture_em",
        "value": 0.5,
        "low": 0.25,
        "high": 0.75,
        "n": 8,
    }
    assert read_results(tmp_path / "results.json") == RESULTS


def test_table_shows_percent_with_intervals_and_counts():
    assert table(RESULTS, {"picture_em": "picture", "faithfulness": "faithful", "half_life": "half-life"}) == (
        "|  | picture (n=8) | faithful (n=0) | half-life (n=4) |\n"
        "|---|---|---|---|\n"
        "| MIM | 50 (25–75) | – | 2.0 (1.5–3.0) |\n"
        "| never draw | 0 (0–10) | – | – |\n"
    )


def test_seeds_are_shown_one_by_one_with_mean_and_spread():
    runs = [[Result("MIM", Measure("picture_em", value, 0.0, 1.0, 8))] for value in (0.5, 0.25, 0.75)]
    assert seeds_table(runs, "MIM").splitlines()[2] == "| picture | 50 | 25 | 75 | 50.0 | 50 |"
    with pytest.raises(InputError, match="must have the row 'GILL'"):
        seeds_table(runs, "GILL")


@pytest.mark.parametrize("content", ["{}", '[{"row": "MIM"}]'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(InputError, match=r"must hold a JSON list|each object must have"):
        read_results(tmp_path / "r.json")


def test_command_line_runs_and_prints_the_table_again(tmp_path, capsys):
    out = tmp_path / "bench"
    assert main(["run", "--suite", "lite", "--limit", "3", "--painter-steps", "0", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "| all oracle | 100 (" in shown
    assert (out / "results.md").read_text() in shown
    rows = {(one.row, one.measure.metric): one.measure for one in read_results(out / "results.json")}
    assert rows["all oracle", "turn_em"].value == 1.0
    assert rows["exact reader", "reader_accuracy/clean"].value == 1.0
    assert main(["table", str(out / "results.json")]) == 0
    assert "all oracle" in capsys.readouterr().out


def test_command_line_says_what_is_wrong(tmp_path, capsys):
    assert main(["run", "--model", str(tmp_path), "--painter-steps", "0", "--out", str(tmp_path)]) == 1
    assert "there is no checkpoint here" in capsys.readouterr().err
    assert main(["run", "--query-head", str(tmp_path), "--painter-steps", "0", "--out", str(tmp_path)]) == 1
    assert "--query-head: needs --model" in capsys.readouterr().err
