from __future__ import annotations

import pytest

from tbcore.bench.metrics.intervals import Measure
from tbcore.bench.report import Result, write_results
from tbcore.course.places import course, project_root
from tbcore.course.standing import (
    BEGIN,
    BENCH_BEGIN,
    BENCH_END,
    END,
    bench_table,
    gather,
    harvest,
    harvest_bench,
    standing,
    standing_table,
    standing_words,
    with_table,
)
from tbcore.errors import InputError
from tbcore.store import read_json, write_json


def test_the_readme_says_what_was_measured():
    readme = (project_root() / "README.md").read_text("utf-8")
    assert with_table(readme, standing(read_json(course().notebooks / "standing.json"))) == readme


def test_a_table_has_a_line_for_each_number_that_is_there():
    table = standing_table({"06.things_exact": 0.5, "chain.minutes": 20.04, "unknown": 1})
    assert table.splitlines()[2:] == [
        "| minutes on two cores | 20.0 |",
        "| all things named right and in place, of 200 | 0.500 |",
    ]
    assert with_table(f"a\n{BEGIN}\nold\n{END}\nb", "new") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb"
    with pytest.raises(InputError, match="must stand in it"):
        with_table(f"a {BEGIN} b", "new")


def test_half_a_run_is_no_standing(tmp_path):
    write_json(tmp_path / "results.json", {"01.purity": 0.9})
    with pytest.raises(InputError, match="holds no whole run"):
        harvest(tmp_path / "results.json")


def test_several_runs_show_mean_and_ends():
    runs = [{"06.things_exact": 0.5, "chain.minutes": 20.0}, {"06.things_exact": 0.7, "01.purity": 0.9}]
    assert gather(runs) == {"06.things_exact": [0.5, 0.7]}
    assert gather(runs[:1]) == runs[0]
    assert standing_table(gather(runs)).splitlines() == [
        "| what | mean of 2 runs | lowest to highest |",
        "|---|---|---|",
        "| all things named right and in place, of 200 | 0.600 | 0.500 to 0.700 |",
    ]


def test_of_several_runs_only_the_first_one_was_alone_on_the_machine():
    runs = [{"chain.minutes": 20.0, "06.things_exact": 0.5}, {"chain.minutes": 44.0, "06.things_exact": 0.7}]
    assert gather(runs) == {"chain.minutes": 20.0, "06.things_exact": [0.5, 0.7]}
    assert standing_table(gather(runs)).splitlines()[2] == "| minutes on two cores | 20.0 | of the first run |"


def test_the_table_of_the_benchmark_is_written_from_its_results(tmp_path):
    rows = [
        Result("MIM", Measure("turn_em", 0.5, 0.25, 0.75, 8)),
        Result("MIM", Measure("turn_em/iid", 0.5, 0.25, 0.75, 4)),
        Result("fault: writer", Measure("turn_em", 0.5, None, None, 8)),
    ]
    write_results(tmp_path / "results.json", rows)
    kept = harvest_bench(tmp_path / "results.json")
    assert [one["row"] for one in kept] == ["MIM"]
    assert bench_table(kept).splitlines() == ["|  | whole reply (n=8) |", "|---|---|", "| MIM | 50 (25–75) |"]
    marks = (BENCH_BEGIN, BENCH_END)
    assert with_table(f"{BENCH_BEGIN}{BENCH_END}", "t", marks) == f"{BENCH_BEGIN}\n\nt\n\n{BENCH_END}"


def test_the_readme_says_what_the_benchmark_found():
    readme, kept = (project_root() / "README.md").read_text("utf-8"), course().notebooks / "bench.json"
    assert (BENCH_BEGIN in readme) == kept.is_file()
    if kept.is_file():
        assert with_table(readme, bench_table(read_json(kept)), (BENCH_BEGIN, BENCH_END)) == readme


def test_low_numbers_and_the_culprit_are_named_in_words():
    faults = {"08.fault_viewer": 0.1, "08.fault_writer": [0.3, 0.5], "08.fault_painter": 0.2}
    numbers = {"chain.minutes": 0.3, "06.backdrop_exact": 0.9, "06.blank_backdrop_exact": 0.05, "08.seen": [0.2, 0.4]}
    wrapped = standing_words({**numbers, **faults})
    assert max(map(len, wrapped.splitlines())) <= 120
    said = " ".join(wrapped.splitlines())
    assert "Below one half: questions about shown pictures answered right (30%). Notebook 08" in said
    assert "of all replies, 40% through the writer, 20% through the painter, 10% through the viewer." in said
    assert "The main culprit is the **writer**: the language model says or captions the wrong thing" in said
    assert "No score is below one half." in standing_words({"08.seen": 0.5, **faults})
    assert standing_words(numbers) == ""
    assert standing(numbers) == standing_table(numbers)
    assert standing({**numbers, **faults}).endswith(f"\n\n{wrapped}")
