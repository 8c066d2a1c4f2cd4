"""Where pictures stand on slides: measured on small painted ones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

from tbcore.course import slides
from tbcore.course.slides_pictures import Shown, arranged, cut_long, shortened, shown


def striped(height, *, gap=10, width=100):
    """White, with dark bars of 40 rows and empty rows between them."""
    picture = np.full((height, width, 3), 255, np.uint8)
    for top in range(gap, height - 40, 40 + gap):
        picture[top : top + 40] = 30
    return picture


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_long_picture_is_cut_between_its_bars_and_loses_nothing():
    long = striped(410)
    columns = cut_long(long)
    assert len(columns) == 4
    assert len({column.shape for column in columns}) == 1
    assert all((column[0] == 255).all() for column in columns)
    assert sum(int((column == 30).sum()) for column in columns) == int((long == 30).sum())


def test_a_picture_that_is_wide_or_has_no_empty_row_stays_whole():
    assert len(cut_long(striped(150))) == 1
    full = np.zeros((400, 100, 3), np.uint8)
    full[:, 50] = 200
    assert len(cut_long(full)) == 1


def test_every_picture_says_how_wide_it_is_and_only_whole_ones_show_a_finding():
    (whole,) = shown(png(striped(100, width=200)), "Bars.")
    assert (whole.ratio, whole.cut) == (2.0, False)
    assert "<figcaption>Bars.</figcaption>" in arranged([whole, "<p>words</p>"])
    row = arranged(shown(png(striped(410)), "A long talk."))
    assert row.count("<img") == 4
    assert 'class="row cut"' in row
    assert "finding" not in row
    assert 'alt="A long talk."' in row


def test_a_square_picture_stands_beside_the_words_and_two_stand_side_by_side():
    square = Shown("data:,", "A square.", 1.0)
    beside = arranged(["<p>before</p>", square])
    assert beside.startswith('<div class="beside"><figure')
    assert '<p class="finding">A square.</p>\n<p>before</p>' in beside
    both = arranged([square, Shown("data:,", "Another.", 0.8), "<p>after</p>"])
    assert 'class="row" style="--ratio:1.800"' in both
    assert both.endswith('<p class="finding">Another.</p>\n<p>after</p>')


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Short.", "Short."),
        (f"Drawn on request. {'x ' * 100}", "Drawn on request."),
        (f"Captions read themselves; {'x ' * 100}", "Captions read themselves."),
        ("word " * 40, f"{'word ' * 31}word …"),
    ],
)
def test_a_long_finding_ends_with_a_sentence_where_it_can(text, short):
    assert shortened(text) == short


def test_a_reading_leaves_out_what_the_next_cell_answers_and_what_does_not_fit(tiny_course):
    figure = new_code_cell("checks.show(figure)")
    texts = {"It rose.\n\nDoes it look?": ["Does it"], f"It rose.\n\n{'and rose ' * 40}": ["and rose"]}
    for text, left_out in texts.items():
        names, body = slides.body_of(
            slides.Slide("Title", [figure, new_markdown_cell(text)]), tiny_course.notebooks, first=False
        )
        assert "It rose." in body
        assert left_out[0] not in body
        assert "A figure belongs here" in body
        assert "spoken" in names
