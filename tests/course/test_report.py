from __future__ import annotations

from tbcore.course import report
from tbcore.course.bands import Band


def test_table_lines_up():
    rows = [("notebook", "minutes"), ("01_one", "1.5"), ("02_longer", "12.0")]
    assert report.table(rows, right=frozenset({1})).splitlines() == [
        "notebook   minutes",
        "---------  -------",
        "01_one         1.5",
        "02_longer     12.0",
    ]


def test_numbers_stand_beside_their_bands():
    band = Band(name="01.a", profile="laptop", low=0.8, high=1, unit="share", why="a test")
    entries = [{"name": "01_one", "seconds": 90, "peak_gb": 1.26}]
    text = report.closing_table(entries, {"01.a": 0.5, "01.b": 3}, {"01.a": band})
    assert "01_one        1.5      1.3" in text
    assert "01.a      0.5  0.8 to 1 share  OUTSIDE" in text
    assert text.rstrip().endswith("01.b        3")
