from __future__ import annotations

import pytest

from tbcore.course.places import course, project_root
from tbcore.course.standing import BEGIN, END, harvest, standing_table, with_table
from tbcore.errors import InputError
from tbcore.store import read_json, write_json


def test_the_readme_says_what_was_measured():
    readme = (project_root() / "README.md").read_text("utf-8")
    table = standing_table(read_json(course().notebooks / "standing.json"))
    assert with_table(readme, table) == readme


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
