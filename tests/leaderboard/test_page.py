"""The leaderboard's page in a headless Chromium: telephone, tablet, desktop.

Needs ``pip install playwright`` and a Chromium or Chrome of the system.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fakes import write_picture
from fakes.records import make_record, make_value_record

from affectzoo.leaderboard.groups import groups
from affectzoo.leaderboard.page import write_leaderboard

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]

OWN = "file:"
WAIT = 90_000
WIDTHS = (390, 768, 1400)
LONG = "a note that is much longer than what a cell of a table should show at once " * 6


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a page of real and of rendered faces; its address."""
    out = tmp_path_factory.mktemp("board")
    drawn = make_value_record("drawn", [0.6, 0.7])
    drawn["protocol"]["note"] = "rendered faces"
    records = [
        drawn,
        make_record("mine", 0.7, remarks=[LONG]),
        make_record("hog+svm", 0.6, kind="classical"),
        make_record("other", 0.5, kind="external"),
    ]
    write_picture(out / "results.png", np.zeros((400, 900, 3), np.uint8))
    plots = {group.id: [("Results", out / "results.png")] for group in groups(records)}
    return write_leaderboard(out, records, [], [], plots)[1].as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """Open the page; an error of its script, or a request to elsewhere, fails the test."""
    page = browser.new_page(viewport={"width": getattr(request, "param", 1400), "height": 900})
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(OWN) else wrong.append(asked.url))
    page.goto(address)
    yield page
    assert wrong == []
    page.close()


@pytest.mark.parametrize("page", WIDTHS, indirect=True)
def test_nothing_is_wider_than_the_screen_or_higher_than_its_text(page: Any) -> None:
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    rows = page.locator("tbody tr")
    assert all(
        rows.nth(i).bounding_box()["height"] < 80 for i in range(rows.count()) if rows.nth(i).is_visible()
    )
    box = page.locator(".scroll").first
    assert "more" in (box.get_attribute("class") or "")
    box.evaluate("(box) => box.scrollTo(box.scrollWidth, 0)")
    page.wait_for_function("!document.querySelector('.scroll').classList.contains('more')")
    note = page.locator("td details.long", has_text="much longer").first
    note.locator("summary").click()
    assert note.bounding_box()["height"] > 80


@pytest.mark.parametrize("page", WIDTHS, indirect=True)
def test_details_of_a_set_of_faces(page: Any) -> None:
    page.locator("a", has_text="Details").first.click()
    page.locator("table.matrix").first.scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    shades = [
        cell.evaluate("(cell) => getComputedStyle(cell).backgroundColor")
        for cell in page.locator("table.matrix").first.locator("td").all()[:3]
    ]
    assert len(set(shades)) == 3  # 30, 20, 10 of 60
    page.locator("th button", has_text="neutral").first.click()
    page.locator("header a").click()
    page.wait_for_url("**/leaderboard.html#*")


def test_plots_beside_the_page_are_shown(page: Any) -> None:
    image = page.locator("figure img").first
    image.scroll_into_view_if_needed()
    page.wait_for_function(
        "(image) => image.complete && image.naturalWidth === 900", arg=image.element_handle()
    )


def test_rendered_faces_are_folded_until_they_are_asked_for(page: Any) -> None:
    real, rendered = (
        page.locator(f"section[data-faces={name}] caption").first for name in ("ferplus", "afewva")
    )
    assert real.is_visible() and not rendered.is_visible()
    page.locator("nav a", has_text="afewva_5fold").click()
    rendered.wait_for()
    page.select_option("[name=faces]", "ferplus")
    assert not page.locator("#rendered").is_visible() and not rendered.is_visible()
    assert not page.locator("nav a", has_text="Rendered faces").is_visible()
    page.select_option("[name=faces]", "")
    page.select_option("[name=task]", "va")
    assert rendered.is_visible() and not real.is_visible()
    assert page.locator("#filter output").inner_text() == "1 of 2 sets of faces"


def test_what_is_chosen_and_sorted_stays_in_the_address(page: Any) -> None:
    table = page.locator("table.sortable").first

    def names() -> list[str]:
        return [name.inner_text() for name in table.locator("tbody th").all() if name.is_visible()]

    table.locator("th button", has_text="accuracy").first.focus()
    for order in (["mine", "hog+svm", "other"], ["other", "hog+svm", "mine"]):
        page.keyboard.press("Enter")
        assert names() == order
    page.select_option("[name=kind]", "classical")
    page.reload()
    assert names() == ["hog+svm"]
    page.select_option("[name=kind]", "")
    assert names() == ["other", "hog+svm", "mine"]
