"""The chat in Chromium, in JupyterLab and in Voila: `pytest -m browser tests/demo/test_browser.py`.

A front end, its two windows and the scripted model behind them are started once; each test begins with an empty
conversation. `TBCORE_CHROMIUM` names the browser; Debian's is the default.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tbcore.demo.pictures import to_png
from tbcore.demo.serving.command import running
from tests.demo import browsing
from tests.demo.attacks import ATTACKS
from tests.demo.browsing import answered, begin_anew, noise, say, tab_to, transfer, typed
from tests.demo.pages import card

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not browsing.CHROMIUM.is_file(), reason=f"no browser at {browsing.CHROMIUM}"),
    pytest.mark.timeout(1800),
]

FORBIDDEN = "script, svg, iframe, form, object, embed, video, base, meta, style, a, input"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(
            executable_path=str(browsing.CHROMIUM),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
            timeout=browsing.START_MS,
        )
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=["voila", "lab"])
def front(request, browser, tmp_path_factory):
    start = {"voila": browsing.voila, "lab": browsing.lab}[request.param]
    with running(browsing.Answers()) as url, start(url, tmp_path_factory.mktemp(request.param)) as found:
        found.open(browser)
        yield found
        for page in found.windows:
            page.close()


@pytest.fixture
def page(front):
    begin_anew(front.windows[0])
    return front.windows[0]


@pytest.fixture
def dark(front):
    """The second window: dark and narrow."""
    begin_anew(front.windows[1])
    return front.windows[1]


def test_upload_ask_and_read_the_answer(page, tmp_path):
    (tmp_path / "mine.png").write_bytes(to_png(card(200)))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload pictures").click()
    chooser.value.set_files(tmp_path / "mine.png")
    page.get_by_text("Your message so far:").wait_for()
    say(page, "what is it?")
    page.get_by_text("I see 1 and hear: what is it?").wait_for()
    answered(page, 1)
    assert page.locator("article").count() == 2
    assert page.locator("article").first.get_by_role("img").count() == 1


def test_pictures_are_dropped_pasted_picked_and_put_together(page):
    transfer(page, "drop", "dropped.png", to_png(noise()))
    drafted = page.get_by_alt_text("a picture you are about to send")
    drafted.first.wait_for()
    transfer(page, "paste", "pasted.png", to_png(card(9)))
    drafted.nth(1).wait_for()
    page.get_by_role("button", name="Add postcard 2").click()
    drafted.nth(2).wait_for()
    page.get_by_role("button", name="Show: Make a postcard").click()
    page.get_by_label("Second thing").select_option("tiger")
    page.get_by_role("button", name="Add this postcard").click()
    drafted.nth(3).wait_for()
    page.get_by_role("button", name="Hide: Make a postcard").click()
    say(page, "how many?")
    page.get_by_text("I see 4 and hear: how many?").wait_for()
    answered(page, 1)
    assert page.locator("article").first.get_by_role("img").count() == 4
    transfer(page, "drop", "<img src=x onerror=window.canary=1>", b"no picture at all")
    told = page.locator(".tbcore-chat").get_by_role("alert")
    told.wait_for()
    assert told.inner_text().startswith("<img src=x onerror=window.canary=1>: ")
    assert page.evaluate("window.canary") is None


def test_draw_then_edit_the_caption_and_redraw(page):
    say(page, "draw a red boat")
    page.get_by_text("drawn from: a red boat").wait_for()
    answered(page, 1)
    page.get_by_role("button", name="Show: Change something said or drawn").click()
    page.get_by_label("Change", exact=True).select_option("Drawing 1 of reply 1")
    page.get_by_label("New words").fill("a green boat")
    page.get_by_role("button", name="Apply change").click()
    page.get_by_text("drawn from: a green boat").wait_for()
    assert page.get_by_text("drawn from: a red boat").count() == 0
    page.get_by_role("button", name="Hide: Change something said or drawn").click()


def test_two_windows_do_not_mix(page, dark):
    say(page, "first window")
    say(dark, "second window")
    page.get_by_text("hear: first window").wait_for()
    dark.get_by_text("hear: second window").wait_for()
    answered(page, 1)
    answered(dark, 1)
    assert page.get_by_text("second window").count() == 0
    assert dark.get_by_text("first window").count() == 0


def test_stop_keeps_what_was_said(page):
    say(page, "slowly")
    page.get_by_text("word3").wait_for()
    page.get_by_role("button", name="Stop").click()
    answered(page, 1)
    assert "word2" in page.locator("article").nth(1).inner_text()
    assert page.get_by_text("word599").count() == 0
    say(page, "and now?")
    page.get_by_text("hear: and now?").wait_for()
    answered(page, 2)


def test_no_script_from_outside_runs(page):
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload pictures").click()
    chooser.value.set_files([{"name": one, "mimeType": "image/png", "buffer": b"GIF89a"} for one in ATTACKS])
    refused = page.locator(".tbcore-chat").get_by_role("alert")
    refused.wait_for()
    assert len(refused.inner_text().split("\n")) == len(ATTACKS) >= 30
    assert page.locator(".tbcore-chat [role=alert] *").count() == 0
    say(page, "\n".join(ATTACKS))
    answered(page, 1)
    say(page, "attack")
    answered(page, 2)
    said = [page.locator("article").nth(number).inner_text() for number in (0, 3)]
    assert all(attack in words for words in said for attack in ATTACKS)
    assert page.locator("article").nth(3).get_by_role("img").count() == len(ATTACKS)
    assert page.locator(", ".join(f"article {tag}" for tag in FORBIDDEN.split(", "))).count() == 0
    assert page.locator("article img:not([src^='data:image/png;base64,'])").count() == 0
    assert page.evaluate("window.canary") is None


def test_the_keyboard_is_enough_and_the_focus_is_seen(page):
    page.get_by_placeholder("Write here, then press Send").focus()
    page.keyboard.type("only keys")
    tab_to(page, "Send")
    outlined = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{outlined}.outlineStyle !== 'none' || {outlined}.boxShadow !== 'none'")
    page.keyboard.press("Enter")
    page.get_by_text("hear: only keys").wait_for()
    answered(page, 1)
    # Send was off while the answer came: the focus is there again, not at the top of the page.
    page.wait_for_function("document.activeElement.innerText === 'Send'")
    tab_to(page, "Show: Make a postcard")
    page.keyboard.press("Enter")
    page.get_by_label("Backdrop").wait_for()
    page.keyboard.press("Enter")
    page.get_by_label("Backdrop").wait_for(state="hidden")


def test_all_that_was_typed_is_sent_however_slow_the_kernel_is(page):
    """Nothing waits between the last letter and the click."""
    written = []
    for number in range(1, 4):
        words = f"message {number} of a reader who types faster than any kernel listens"
        typed(page, words)
        page.get_by_role("button", name="Send").click()
        page.locator("article").nth(2 * number - 2).get_by_text(words, exact=True).wait_for()
        answered(page, number)
        page.wait_for_function("!document.querySelector('.tbcore-chat textarea').value")
        written.append(words)
    shown = page.locator("article").all_inner_texts()
    assert len(shown) == 2 * len(written)
    assert all(words in one for words, one in zip(written, shown[::2], strict=True))


def test_what_was_written_before_a_picture_stands_before_it(page):
    typed(page, "first")
    transfer(page, "paste", "pasted.png", to_png(card(9)))
    page.get_by_alt_text("a picture you are about to send").wait_for()
    page.wait_for_function("!document.querySelector('.tbcore-chat textarea').value")
    say(page, "then")
    answered(page, 1)
    shown = page.locator("article").first.locator("p, img").evaluate_all("(all) => all.map((one) => one.innerText)")
    assert shown == ["first", "", "then"]


@pytest.mark.parametrize("number", [0, 1], ids=["light and wide", "dark and narrow"])
def test_nothing_serious_is_found_by_axe(front, number):
    from axe_playwright_python.sync_playwright import Axe

    page = front.windows[number]
    begin_anew(page)
    page.get_by_role("button", name="Try: What do you see?").click()
    page.get_by_alt_text("a picture you are about to send").wait_for()
    page.get_by_role("button", name="Send").click()
    answered(page, 1)
    say(page, "draw a tiger")
    answered(page, 2)
    page.get_by_role("button", name="Show: Change something said or drawn").click()
    page.get_by_role("button", name="Hide: Change something said or drawn").wait_for()
    # JupyterLab around the chat is not ours; a page of Voila is.
    found = Axe().run(page, context=None if front.name == "voila" else ".tbcore-chat").response["violations"]
    page.get_by_role("button", name="Hide: Change something said or drawn").click()
    grave = {one["id"]: [node["html"][:200] for node in one["nodes"]] for one in found
             if one["impact"] in ("serious", "critical")}  # fmt: skip
    assert grave == {}
    tree = page.locator(".tbcore-chat").evaluate("(one) => [one.scrollWidth, one.clientWidth]")
    assert tree[0] <= tree[1] + 1
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (sum(ground) < 300) == bool(number)


def test_after_reloading_the_chat_begins_anew(front):
    page = front.windows[1]
    begin_anew(page)
    say(page, "before")
    page.get_by_text("hear: before").wait_for()
    page = front.reload(1)
    assert page.get_by_text("hear: before").count() == 0
    say(page, "afterwards")
    page.get_by_text("I see 0 and hear: afterwards").wait_for()
    answered(page, 1)


def test_the_page_asks_no_other_computer(front):
    if front.name == "lab":
        pytest.skip("what JupyterLab asks for is its own")
    hosts = {urlsplit(url).hostname for url in front.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {"127.0.0.1"}
