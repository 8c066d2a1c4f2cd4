"""Glossary, and links in running text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbcore.course.book import pages_folder
from tbcore.course.book_terms import Linker, Term, read_terms, with_first_uses
from tbcore.course.places import course
from tbcore.errors import InputError

MASK = Term(name="mask", words=("mask",))
MODEL = Term(name="language model", words=("language model", "LM"))
LESSONS = {"04": "04_filtering.ipynb", "05": "05_model.ipynb", "A1": "A1_more.ipynb"}


def linked(*texts: str, here: str = "", folder: str = "") -> list[str]:
    return Linker([MASK, MODEL], LESSONS).link(texts, here=here, folder=folder)[0]


def test_the_first_occurrence_of_a_term_is_linked_and_no_other():
    assert linked("Masks hide. A mask is drawn.", "The mask again.") == [
        "{term}`Masks <mask>` hide. A mask is drawn.",
        "The mask again.",
    ]


def test_a_term_may_be_broken_by_the_end_of_a_line():
    assert linked("a language\nmodel reads") == ["a {term}`language model <language model>` reads"]


def test_words_that_only_contain_a_term_are_left_alone():
    assert linked("unmasked maskings, a mask-like thing") == ["unmasked maskings, a mask-like thing"]


@pytest.mark.parametrize(
    "text",
    [
        "# The mask",
        "`mask` and ``a mask``",
        "```python\nmask = 1\n```",
        "[the mask](there.md)",
        "![a mask](picture.png)",
        "<details><summary>The mask</summary>",
        "text <b title='mask'>",
        "<!-- mask -->",
        "https://example.org/mask",
        "$mask$",
        "{term}`mask`",
    ],
)
def test_code_headings_links_html_and_formulas_are_not_touched(text):
    assert linked(text) == [text]


def test_text_after_a_block_of_html_is_linked_again():
    assert linked("<details><summary>A mask</summary>\n\nThe mask is wrong.")[0].endswith(
        "The {term}`mask <mask>` is wrong."
    )


def test_other_lessons_are_linked_once_and_the_lesson_itself_never():
    text = "See notebook 04 and notebook 05, then notebook 04 again, and appendix A1."
    assert linked(text, here="05", folder="lessons/") == [
        "See [notebook 04](lessons/04_filtering.ipynb) and notebook 05, then notebook 04 again, "
        "and [appendix A1](lessons/A1_more.ipynb)."
    ]


def test_papers_are_linked_by_their_number():
    assert linked("(arXiv 2309.08637, the section)") == [
        "([arXiv 2309.08637](https://arxiv.org/abs/2309.08637), the section)"
    ]


def test_the_terms_met_are_told_in_their_order():
    assert Linker([MASK, MODEL], {}).link(["The LM", "a mask"])[1] == ["language model", "mask"]


@given(st.text(alphabet="mask lngu`[]()<>#$\n!", max_size=80))
def test_linking_only_adds_links(text):
    plain = re.sub(r"\{term\}`([^`<]*) <(?:mask|language model)>`", r"\1", linked(text)[0])
    assert " ".join(plain.split()) == " ".join(text.split())


GLOSSARY = """# Words

:::{glossary}

.. also: LM, big LM

language model
  Writes on.
  And on.

mask
  Hides.
:::
"""


def test_a_glossary_is_read_with_its_further_words(tmp_path):
    (tmp_path / "glossary.md").write_text(GLOSSARY)
    assert read_terms(tmp_path / "glossary.md") == (
        Term(name="language model", words=("language model", "LM", "big LM")),
        MASK,
    )


def test_a_page_without_a_glossary_is_refused(tmp_path):
    (tmp_path / "glossary.md").write_text("# Words\n")
    with pytest.raises(InputError, match=r"needs one .glossary. directive"):
        read_terms(tmp_path / "glossary.md")


def test_a_word_of_two_entries_is_refused(tmp_path):
    (tmp_path / "glossary.md").write_text(GLOSSARY.replace("big LM", "mask"))
    with pytest.raises(InputError, match="mask to two"):
        read_terms(tmp_path / "glossary.md")


def test_each_entry_names_the_lesson_that_uses_it_first():
    page = with_first_uses(GLOSSARY, [MASK, MODEL], {"language model": "[02](x)", "mask": "[05](y)"})
    assert "  Writes on.\n  And on. *First in [02](x).*\n" in page
    assert "  Hides. *First in [05](y).*\n" in page


def test_the_glossary_of_the_course_is_large_sorted_and_used():
    terms = read_terms(pages_folder() / "glossary.md")
    names = [term.name.lower() for term in terms]
    assert names == sorted(names)
    assert len(terms) >= 40
    texts = [
        re.sub(r"^# ?", "", part, flags=re.MULTILINE)
        for path in course().sources()
        for part in re.findall(r"^# %% \[markdown\]\n((?:#.*\n)+)", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(Linker(terms, {}).link(texts)[1]) >= 40


def test_every_paper_the_lessons_cite_stands_in_the_bibliography():
    number = re.compile(r"(?:arXiv[: ]\s*(?:# )?|arxiv\.org/abs/)(\d{4}\.\d{4,5})")
    cited = {one for path in course().sources() for one in number.findall(path.read_text("utf-8"))}
    known = set(re.findall(r"eprint = \{([\d.]+)\}", (pages_folder() / "references.bib").read_text("utf-8")))
    assert cited <= known, f"docs/book/references.bib lacks {sorted(cited - known)}"
    assert len(cited) >= 8
