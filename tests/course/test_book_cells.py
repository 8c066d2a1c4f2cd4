"""A notebook becomes a page: folded solutions, pictures with alt text, no widgets."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from PIL import Image

from tbcore.course.book_cells import lesson_page, paragraphs, title_of, unsolved
from tbcore.course.places import project_root

EXERCISE = "def one():\n    answer = None\n    # solution\n    answer = 1\n    # end solution\n    return answer"


def png() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5), "red").save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def code(source: str, *outputs, tags: tuple[str, ...] = ()):
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    cell.metadata["tags"] = list(tags)
    return cell


def display(data: dict, **metadata):
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


@pytest.fixture
def page(tmp_path):
    def make(*cells, executed: bool = True):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A lesson\n\nHook."), *cells])
        return lesson_page(book, "01_one", pictures=tmp_path / "lessons", links="LINKS", executed=executed)

    return make


def sources(made) -> list[str]:
    return [cell.source for cell in made.cells]


def test_an_exercise_is_shown_open_and_its_solution_is_folded(page):
    made, _ = page(code(EXERCISE, tags=("exercise",)))
    stub, solved = made.cells[2:]
    assert stub.source == "def one():\n    answer = None\n    # your turn (ours took 1 line)\n    return answer"
    assert solved.source == "def one():\n    answer = None\n    answer = 1\n    return answer"
    assert solved.metadata.tags == ["hide-input"]
    assert solved.metadata.mystnb.code_prompt_show == "Show our solution"
    assert "tags" not in stub.metadata


def test_a_cell_that_is_all_solution_is_folded_with_its_output(page):
    made, _ = page(code("print(1)", tags=("solution",)))
    assert made.cells[2].metadata.tags == ["hide-cell"]


def test_the_open_exercise_counts_the_lines_of_each_region():
    twice = f"{EXERCISE}\n# solution\na = 1\n\nb = 2\n# end solution"
    assert unsolved(twice).count("your turn") == 2
    assert unsolved(twice).endswith("# your turn (ours took 2 lines)")
    assert unsolved("plain = 1") == "plain = 1"


def test_a_picture_goes_into_a_file_and_keeps_its_alt_text(page, tmp_path):
    made, shown = page(code("show()", display({"image/png": png()}, **{"image/png": {"alt": 'Red < "blue"'}})))
    assert shown == [(tmp_path / "lessons" / "01-01.png", 'Red < "blue"')]
    assert Image.open(shown[0][0]).size == (7, 5)
    assert made.cells[2].outputs[0].data["text/html"] == (
        '<img class="tb-figure" src="../_static/lessons/01-01.png" alt="Red &lt; &quot;blue&quot;" '
        'width="7" height="5">'
    )


def test_widgets_vanish_and_their_static_twins_stay(page):
    widget = display({"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "VBox()"})
    twin = display({"text/html": "<p>twin</p>", "text/plain": "<HTML>"})
    made, _ = page(code("quiz()", widget, twin))
    assert [dict(one.data) for one in made.cells[2].outputs] == [{"text/html": "<p>twin</p>"}]
    assert "widgets" not in made.metadata


def test_what_papermill_injected_is_left_out_and_other_tags_stay(page):
    made, _ = page(code("profile = 1", tags=("injected-parameters",)), code("x = 1", tags=("hide-input", "slow")))
    assert sources(made)[2:] == ["x = 1"]
    assert made.cells[2].metadata.tags == ["hide-input"]


def test_paths_of_this_computer_are_written_as_a_reader_would(page):
    made, _ = page(code("p", nbformat.v4.new_output("stream", name="stdout", text=f"{project_root()}/runs/a.png\n")))
    assert made.cells[2].outputs[0].text == "runs/a.png\n"


def test_links_stand_below_the_title_and_a_lesson_that_was_not_run_says_so(page):
    made, _ = page()
    assert sources(made) == ["# A lesson\n\nHook.", "LINKS"]
    made, _ = page(executed=False)
    assert "shown without its outputs" in sources(made)[1]


def test_the_end_of_an_unfolding_block_stands_alone(page):
    made, _ = page(nbformat.v4.new_markdown_cell("<details><summary>A</summary>\n\nText.</details>"))
    assert sources(made)[2] == "<details><summary>A</summary>\n\nText.\n\n</details>\n"
    assert len(paragraphs(made)) == 3
    assert title_of(made) == "A lesson"
