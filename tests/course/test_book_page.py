"""The built book in Chromium, opened from disk: `pytest -m browser tests/course/test_book_page.py`.

Without `TBCORE_BOOK`, which names a finished book, it is built from the executed notebooks of the laptop profile.
`TBCORE_CHROMIUM` names the browser; Debian's is the default.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tbcore.course import book
from tbcore.course.book_audit import audit
from tbcore.course.places import course

CHROMIUM = Path(os.environ.get("TBCORE_CHROMIUM", "/usr/bin/chromium"))
EXECUTED = course().executed("laptop", "solved")
PAGES = (
    "index.html",
    "lessons/01_clustering.html",
    "lessons/05_model_assembly.html",
    "lessons/07_interactive_demo.html",
    "glossary.html",
)
SLOW_MS = 240_000  # a loaded computer takes its time to lay out a page of pictures

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"no browser at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    named = os.environ.get("TBCORE_BOOK")
    if named:
        return Path(named).resolve()
    if not any(EXECUTED.glob("*.ipynb")):
        pytest.skip(f"no executed notebooks in {EXECUTED}; `make run` writes them")
    out = tmp_path_factory.mktemp("book") / "book"
    book.build(EXECUTED, out)
    return out


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
        opened = play.chromium.launch(executable_path=str(CHROMIUM), args=options, timeout=SLOW_MS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, built):
    """A page of the book in a colour scheme, and everything it asked for that is no file."""
    contexts = []

    def open_page(name: str, scheme: str = "light"):
        context = browser.new_context(viewport={"width": 1360, "height": 860}, color_scheme=scheme)
        context.set_default_timeout(SLOW_MS)
        contexts.append(context)
        asked: list[str] = []

        def answer(route):
            if route.request.url.startswith(("file:", "data:")):
                route.continue_()
            else:
                asked.append(route.request.url)
                route.abort()

        context.route("**/*", answer)
        page = context.new_page()
        page.goto(f"{built.as_uri()}/{name}")
        return page, asked

    yield open_page
    for context in contexts:
        context.close()


def test_every_link_has_a_target_and_nothing_comes_from_outside(built):
    assert audit(built) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_no_network_and_axe_finds_nothing_serious(visit, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page, asked = visit(name, scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    options = {"resultTypes": ["violations"], "preload": False}  # styles of a page on disk cannot be fetched again
    found = axe.Axe().run(page, options=options).response["violations"]
    bad = [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
    assert bad == []
    assert asked == []


def test_the_search_finds_a_word_without_a_server(visit):
    page, asked = visit("search.html?q=kappa")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li a", "all => all.map(one => one.getAttribute('href'))")
    assert any("03_dialogue_generation" in one for one in found)
    assert asked == []


def test_a_solution_is_hidden_until_it_is_asked_for(visit):
    page, _ = visit("lessons/01_clustering.html")
    fold = page.locator("details:has-text('Show our solution')").first
    solution = fold.locator("pre").first
    assert not solution.is_visible()
    fold.locator("summary").click()
    assert solution.is_visible()
