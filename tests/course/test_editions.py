from __future__ import annotations

import pytest

from tbcore.course import editions
from tbcore.errors import InputError


def code(book):
    return "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")


def source_with(tmp_path, text):
    path = tmp_path / "01_x.py"
    path.write_text(text)
    return path


def test_student_edition_has_no_solution(tiny_course):
    book = editions.build(tiny_course.sources()[0], "student")
    assert "np.sum" not in code(book)
    assert "Only the solved edition" not in code(book)
    assert "    # your turn (ours took 2 lines)\n    return answer" in code(book)


def test_solved_edition_keeps_the_solution(tiny_course):
    book = editions.build(tiny_course.sources()[0], "solved")
    assert "total = float(np.sum(values))" in code(book)
    assert "Only the solved edition" in code(book)


def test_tags_and_kernel_survive(tiny_course):
    book = editions.build(tiny_course.sources()[0], "solved")
    tags = [tag for cell in book.cells for tag in cell.metadata.get("tags", [])]
    assert tags == ["remove-cell", "parameters", "exercise", "check", "solution"]
    assert book.metadata.kernelspec.name == "python3"


def test_generation_is_repeatable(tiny_course):
    source = tiny_course.sources()[0]
    assert editions.text_of(editions.build(source, "solved")) == editions.text_of(editions.build(source, "solved"))


def test_cell_ids_are_unique_even_for_equal_cells(tmp_path):
    book = editions.build(source_with(tmp_path, "# %%\n1 + 1\n\n# %%\n1 + 1\n"), "solved")
    assert len({cell["id"] for cell in book.cells}) == 2


def test_roadmap_path_fits_the_folder_of_the_edition(tiny_course):
    source = tiny_course.sources()[0]
    assert "](figures/roadmap_01.svg)" in editions.build(source, "solved").cells[1].source
    assert "](../figures/roadmap_01.svg)" in editions.build(source, "student").cells[1].source


def test_generated_notebooks_agree_with_their_sources(tiny_course):
    assert editions.differences(tiny_course) == []


@pytest.mark.parametrize(("old", "new"), [("total = float", "total = int"), ('"solution"\n', '"slide"\n')])
def test_drift_is_found(tiny_course, old, new):
    path = tiny_course.edition("01_one", "solved")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = editions.differences(tiny_course)
    assert len(found) == 1
    assert "differs" in found[0]


def test_stray_and_missing_notebooks_are_found(tiny_course):
    tiny_course.edition("02_two", "student").rename(tiny_course.notebooks / "09_old.ipynb")
    found = editions.differences(tiny_course)
    assert any("exercises/02_two.ipynb: is missing" in line for line in found)
    assert any("09_old.ipynb: has no source" in line for line in found)


def test_outputs_in_a_committed_notebook_are_found(tiny_course):
    path = tiny_course.edition("02_two", "solved")
    path.write_text(
        path.read_text().replace(
            '"outputs": []', '"outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]', 1
        )
    )
    assert any("has outputs" in line for line in editions.differences(tiny_course))


def test_open_solution_region_is_refused(tmp_path):
    path = source_with(tmp_path, '# %% tags=["exercise"]\nx = None\n# solution\nx = 1\n')
    with pytest.raises(InputError, match="needs its '# end solution'"):
        editions.build(path, "student")


def test_solution_region_outside_an_exercise_is_refused(tmp_path):
    path = source_with(tmp_path, "# %%\n# solution\nx = 1\n# end solution\n")
    with pytest.raises(InputError, match="tagged 'exercise'"):
        editions.build(path, "solved")
