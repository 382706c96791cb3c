"""The app's page in a headless Chromium, as on a desktop and on a telephone; nothing from elsewhere.

Needs the extra ``app``, ``pip install playwright`` and a Chromium or Chrome of the system.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.films import write_film

import affectzoo
from affectzoo.files.images import read_image

pytest.importorskip("gradio")
sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("av")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]

ASTRONAUT = Path(affectzoo.__file__).parent / "assets" / "demo" / "astronaut.jpg"
SIZES = {"desktop": (1280, 900), "telephone": (390, 844)}
WAIT = 90_000


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the app; its address. It ends in order and leaves nothing."""
    temporary = tmp_path_factory.mktemp("temporary")
    command = [sys.executable, "-m", "affectzoo", "app", "--port", "0", "--max-megabytes", "0.5"]
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9"}  # one that answers nobody
    environment = os.environ | {"TMPDIR": str(temporary), **proxy}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"the app is at (http://127\.0\.0\.1:\d+)", line)
            assert found is not None, line + process.stderr.read()
            yield found[1]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert process.stderr.read().splitlines()[-1] == "ended"
            assert list(temporary.glob("affectzoo-*")) == []
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=options)


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Any, where: str) -> Iterator[Any]:
    """Open the page; what it asks for elsewhere is refused, and fails the test."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, permissions=["camera"])
    page = context.new_page()
    elsewhere = []

    def refuse(route: Any) -> None:
        elsewhere.append(route.request.url)
        route.abort()

    page.route(lambda url: not url.startswith((where, "data:", "blob:")), refuse)
    page.goto(where)
    page.wait_for_selector("#photo_file input[type=file]", state="attached", timeout=WAIT)
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    assert elsewhere == []


def send(page: Any, tab: str, path: Path) -> None:
    page.set_input_files(f"#{tab}_file input[type=file]", str(path))


def wait_for(page: Any, element: str, text: str) -> None:
    page.wait_for_function(
        "([id, text]) => document.getElementById(id)?.innerText.includes(text)",
        arg=[element, text],
        timeout=WAIT,
    )


def test_a_photograph_is_labeled_and_its_table_downloaded(page: Any) -> None:
    send(page, "photo", ASTRONAUT)
    wait_for(page, "photo_told", "astronaut.jpg: 1 face")
    wait_for(page, "photo_rows", "happiness")
    page.wait_for_selector("#photo_picture img", timeout=WAIT)
    page.wait_for_selector("#photo_plane img", timeout=WAIT)
    with page.expect_download() as download:
        page.click("#photo_csv")
    table = Path(download.value.path()).read_text(encoding="utf-8")
    assert download.value.suggested_filename == "astronaut.csv"
    assert table.splitlines()[1].startswith("astronaut.jpg,") and "happiness" in table
    page.click("#model input")
    page.get_by_role("option", name="dlp_cnn_s.ferplus").click()
    page.wait_for_selector("#photo_plane img", state="hidden", timeout=WAIT)  # it predicts no valence
    wait_for(page, "photo_rows", "happiness")


def test_wrong_files_are_told(page: Any, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(ASTRONAUT.read_bytes()[:30_000])
    send(page, "photo", cut)
    wait_for(page, "photo_told", "cut.jpg: a damaged JPEG: its end is missing")
    assert page.locator("#photo_picture img").count() == 0
    page.get_by_role("tab", name="Video").click()
    long = tmp_path / "long.mp4"
    long.write_bytes(bytes(2**20))
    send(page, "video", long)
    page.wait_for_selector("text=/exceed|too large|maximum/i", timeout=WAIT)


def test_a_clip_becomes_a_film_with_a_chart(page: Any, tmp_path: Path) -> None:
    image = read_image(ASTRONAUT)[:400]
    clip = write_film(tmp_path / "clip.mp4", [image[:, n : n + 440] for n in range(20)])
    page.get_by_role("tab", name="Video").click()
    send(page, "video", clip)
    wait_for(page, "video_file", "clip")
    page.click("#video_start")
    wait_for(page, "video_told", "clip.mp4: 1 track")
    wait_for(page, "video_rows", "happiness")
    page.wait_for_selector("#video_film video", timeout=WAIT)
    page.wait_for_selector("#video_chart img", timeout=WAIT)


def test_the_webcam_is_shown_live(page: Any) -> None:
    page.get_by_role("tab", name="Webcam").click()
    page.get_by_text("Click to Access Webcam").click()
    page.locator("#camera button:has-text('Record')").click(timeout=WAIT)
    page.wait_for_selector("#camera_picture img", timeout=WAIT)
    wait_for(page, "camera_told", "no face found")  # Chromium's fake camera shows none
