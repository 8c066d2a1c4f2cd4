"""Configuration of the web book. `python -m tbcore.course.book` copies this folder and builds the copy.

Nothing here may name a server: the book opens from disk.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

project = "TextBind Workshop"
author = "The TextBind Workshop authors"
copyright = "2026, The TextBind Workshop authors. Text and code: Apache-2.0. Emoji artwork: Twemoji, CC-BY 4.0"
language = "en"

extensions = ["myst_nb", "sphinx_design", "sphinxcontrib.bibtex"]
exclude_patterns = [".doctrees", "extra", "cards.toml", "changelog.txt"]

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings: list[str] = []

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

html_theme = "sphinx_book_theme"
html_title = "TextBind Workshop"
html_baseurl = ""
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["book.css"]
html_favicon = "_static/favicon.svg"
html_logo = "_static/logo.svg"
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it would fetch pages, which a browser forbids for files on disk
html_show_sphinx = False
html_math_renderer = "mathml"
html_theme_options = {
    "show_toc_level": 2,
    "home_page_in_toc": False,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],  # the sidebar has the search field
    "logo": {"text": "TextBind Workshop", "alt_text": ""},
}
html_context = {"default_mode": "auto"}


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Formulas become MathML, which browsers show without a script."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
