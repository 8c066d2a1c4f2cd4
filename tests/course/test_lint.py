from __future__ import annotations

import pytest

from tbcore.course.lint import Limits, lint

LOOSE = Limits(
    words=(0, 10_000),
    code_lines=(0, 1000),
    code_cells=(0, 100),
    words_per_line=(0, 1000),
    exercises=0,
    quiz_items=0,
)


def problems(source, **changes):
    return lint(source, Limits(**{**{name: getattr(LOOSE, name) for name in Limits.__slots__}, **changes}))


def edited(course, old, new):
    source = course.sources()[0]
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))
    return source


def test_a_clean_source_has_no_problems(tiny_course):
    assert problems(tiny_course.sources()[0], exercises=1) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tags=["check"]', 'tags=["chekc"]', "unknown tag 'chekc'"),
        ('tags=["check"]', "", "must follow an exercise"),
        ("    # solution\n", "", "an exercise without a solution region"),
        ('pairs: str = "postcards"', 'pairs: str = str("postcards")', "pairs must be a literal"),
        ('pairs: str = "postcards"', 'pairs = "postcards"', "each line is 'name: type = literal'"),
        ("refresh: bool = False\n", "", "parameters: refresh missing"),
        ('tags=["parameters"]', "", "tagged 'parameters'"),
        ("# ## Numbers", "# ### Numbers", "heading skips from level 1 to 3"),
        ("# ## Numbers", "# # Numbers", "one first-level heading is wanted; found 2"),
        ("# ## Numbers", "# ## Numbers\n#\n# ![](a.png)", "picture without alt text"),
        ("# <!-- cost-card -->", "# .", "<!-- cost-card --> is missing"),
        ("import numpy as np", "import requests\nimport numpy as np", "reaches for the network"),
        ("import numpy as np", "import matplotlib.pyplot as plt\nimport numpy as np", "figures.axes"),
        ("import numpy as np", "token = 'hf_" + "a" * 20 + "'\nimport numpy as np", "looks like a secret"),
        ("    answer = None\n", "    raise NotImplementedError\n", "a stub returns None"),
        (", alt=", ", finding=", "checks.show without alt"),
        ("step.close()", "\n".join(f"x{n} = {n}" for n in range(40)), "lines; at most 30"),
    ],
)
def test_each_fault_is_named(tiny_course, old, new, message):
    source = edited(tiny_course, old, new)
    found = problems(source)
    assert any(message in line for line in found), found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": (1500, 3500)}, "words; wanted 1500 to 3500"),
        ({"code_lines": (150, 400)}, "lines of code; wanted 150 to 400"),
        ({"code_cells": (15, 40)}, "code cells; wanted 15 to 40"),
        ({"words_per_line": (4, 9)}, "words per line of code; wanted 4 to 9"),
        ({"exercises": 3}, "3 exercises are wanted; found 1"),
        ({"quiz_items": 3}, "no cell tagged 'quiz'"),
        ({"median_cell": 1}, "median code cell"),
    ],
)
def test_sizes_are_held(tiny_course, changes, message):
    assert any(message in line for line in problems(tiny_course.sources()[0], **changes))
