"""Opens the live page in a real browser, on the sample clip, with the shipped model.

Needs Chromium (Debian's `chromium-headless-shell` or `chromium`); what imports this is skipped
without it. With SCREENSHOTS=FOLDER in the environment the pictures of the docs are taken on the
way: SCREENSHOTS=docs/images.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import make_clip
from live_server import LiveServer, live_server
from live_server import wait_for as wait_for
from PIL import Image

pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api")

# The one without windows of its own opens a page at half the cost.
BROWSERS = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), "")
if not CHROMIUM:
    pytest.skip("needs Chromium", allow_module_level=True)
ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "bigbuckbunny.mp4"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
TWO_KEYS = "version: 1\nkeyframes:\n  - {at: 1s, mix: the_kiss}\n  - {at: 3s, mix: original}\n"
SCREEN = {"width": 1280, "height": 720}
PAINTINGS = 'input[data-style]:not([data-style="original"])'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip; the same smaller, so that a busy machine can play it; that twice over, at
    half the speed."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copy(SAMPLE, folder / "sample.mp4")
    shutil.copy(ROOT / "timelines" / "demo.yaml", folder)
    (folder / "two.yaml").write_text(TWO_KEYS)
    (folder / "acts").mkdir()
    for name in ("acts/show.yml", "show.yaml"):
        (folder / name).write_text(TWO_KEYS.replace("the_kiss", "the_scream"))
    (folder / "broken.mp4").write_text("no video")
    make_clip(folder / "late.mp4", pts=range(15, 90), audio="aac")
    make_clip(folder / "wide.mp4", size=(96, 64), sample_aspect_ratio=Fraction(2))
    Image.new("RGB", (96, 64), "teal").save(folder / "still.png")
    Image.new("RGB", (90, 160), "teal").save(folder / "tall.png")
    with av.open(str(SAMPLE)) as source:
        frames = [
            each.to_ndarray(width=320, height=180, format="rgb24")
            for each in source.decode(video=0)
        ]
    for name, pictures, ticks in (("film.mp4", frames, 1), ("long.mp4", 2 * frames, 2)):
        pts, pixels = range(0, ticks * len(pictures), ticks), pictures.__getitem__
        make_clip(folder / name, pts=pts, size=(320, 180), pixels=pixels)
    if os.environ.get("SCREENSHOTS"):
        shutil.copy(SAMPLE, folder / "film.mp4")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LiveServer]:
    with live_server(folder / "film.mp4") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:
    """A window for each test would cost more than the page in it."""
    return new_tab(browser.new_context(viewport=SCREEN))


@pytest.fixture
def page(tab: Any, server: LiveServer) -> Iterator[Any]:
    with page_anew(tab, server) as page:
        page.click("#clear")
        wait_for(lambda: state(page, "look.mix") == {"original": 1})
        yield page
        page.agrees = True
        wait_for(lambda: state(page, "source"))  # the test may have ended with a reload
        if state(page, "source.name") != "film.mp4":
            open_source(page, "film.mp4")
        elif state(page, "playing"):
            page.click("#play")


@contextmanager
def page_anew(tab: Any, server: LiveServer) -> Iterator[Any]:
    """The page in a tab that remembers nothing of the one before, without a timeline."""
    tab.mistakes, tab.asked, tab.agrees = [], [], True
    tab.set_viewport_size(SCREEN)
    tab.mouse.move(0, 0)
    tab.goto(server.url)
    tab.locator("#picture[data-rendered]").wait_for(timeout=30_000)  # some picture
    forget_looks(tab)
    forget_timeline(tab)
    try:
        yield tab
    finally:
        for other in tab.context.pages:
            if other is not tab:
                other.close()
        tab.unroute_all()
        tab.agrees = True
        tab.goto(f"http://{server.host}/page/x/style.css")
        tab.evaluate("sessionStorage.clear(); localStorage.clear()")
    assert tab.mistakes == []


def forget_looks(page: Any) -> None:
    """The server keeps them longer than the test that stored them."""
    is_empty = (
        "[...document.querySelectorAll('#looks .slot')].every((slot) => slot.title == 'Empty')"
    )
    if not page.evaluate(is_empty) or page.input_value("#fade") != "2":
        nothing = '{"looks":[],"seconds":2}'
        tell(page, {"type": "looks", "looks": nothing})
        wait_for(lambda: page.evaluate(is_empty) and page.input_value("#fade") == "2")


def forget_timeline(page: Any) -> None:
    if state(page, "timeline"):
        tell(page, {"type": "timeline", "text": ""})
        wait_for(lambda: state(page, "timeline") is None)


def tell(page: Any, message: dict[str, Any]) -> None:
    """Send the server a message of the page."""
    page.evaluate("async (message) => (await code('connection.mjs')).send(message)", message)


def open_page(context: Any, server: LiveServer) -> Any:
    page = open_tab(context, server)
    wait_until_rendered(page)
    return page


def wait_until_rendered(page: Any) -> None:
    page.locator('#picture[data-rendered="true"]').wait_for(timeout=30_000)


def open_tab(context: Any, server: LiveServer) -> Any:
    page = new_tab(context)
    page.goto(server.url)
    return page


def new_tab(context: Any) -> Any:
    page = context.new_page()
    # The address of the page's code names its version.
    page.add_init_script(
        "window.code = (name) => import(new URL(name, document.querySelector('script').src))"
    )
    page.mistakes, page.asked, page.agrees = [], [], True
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.on("dialog", lambda dialog: answer(page, dialog))
    return page


def answer(page: Any, dialog: Any) -> None:
    page.asked.append(dialog.message)
    if page.agrees:
        dialog.accept()
    else:
        dialog.dismiss()


def last_asked(page: Any) -> str:
    page.title()  # a question is heard of only while something is asked of the page
    question: str = page.asked[-1] if page.asked else ""
    return question


def state(page: Any, name: str) -> Any:
    return page.evaluate(f"videostyle.state.{name}")


def open_source(page: Any, name: str) -> None:
    page.select_option("#source", name)
    wait_for(lambda: state(page, "source.name") == name)


def slide(page: Any, style: str, value: float) -> None:
    page.locator(f'input[data-style="{style}"]').evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def picture(page: Any) -> np.ndarray:
    """The canvas's pixels (360, W, 3), whatever the size of the preview."""
    data = page.evaluate("document.getElementById('picture').toDataURL('image/png')")
    with Image.open(BytesIO(base64.b64decode(data.split(",")[1]))) as image:
        image = image.convert("RGB").resize((image.width * 360 // image.height, 360))
        return np.asarray(image).astype(float)


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def middle(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drop(page: Any, name: str, content: bytes, kind: str = "") -> None:
    page.evaluate(
        """([name, content, type]) => {
          const data = new DataTransfer();
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
          data.items.add(new File([bytes], name, { type }));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }""",
        [name, base64.b64encode(content).decode(), kind],
    )


def open_timeline(page: Any, text: str) -> None:
    """Drop it, and wait until it is the one that is followed, not that of the test before."""
    drop(page, "dropped.yaml", text.encode())
    wait_for(lambda: state(page, "timeline?.yaml") == text and state(page, "follow"))


def settled(page: Any) -> np.ndarray:
    """The picture once it shows the last move, painted as `render` would."""
    is_settled = """() => {
      const { serial, rendered } = document.getElementById("picture").dataset;
      return rendered === "true" && Number(serial) >= videostyle.lastSerial();
    }"""
    wait_for(lambda: page.evaluate(is_settled))
    return picture(page)


def seek(page: Any, seconds: float) -> None:
    page.locator("#lanes").scroll_into_view_if_needed()
    box = page.locator("#lanes").bounding_box()
    length = page.evaluate("videostyle.state.source.duration")
    page.mouse.click(box["x"] + box["width"] * seconds / length, box["y"] + 8)
    wait_for(lambda: abs(state(page, "seconds") - seconds) < 0.1)


def screenshot(page: Any, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=90)


def touch(page: Any, selector: str, *events: tuple[str, dict[str, Any]]) -> None:
    """What a finger on an element makes the browser tell it, all in one moment."""
    page.locator(selector).first.evaluate(
        """(target, events) => {
          for (const [type, { value, ...rest }] of events) {
            if (value !== undefined) target.value = value;
            target.dispatchEvent(type === "input" ? new Event(type) : new PointerEvent(type, {
              pointerId: 7, pointerType: "touch", bubbles: true, buttons: 1, ...rest }));
          }
        }""",
        events,
    )
