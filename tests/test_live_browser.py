"""The live page in a real browser, on the sample clip, with the shipped model.

Needs Chromium (Debian's `chromium`) and is skipped without it. With SCREENSHOTS=FOLDER in the
environment the pictures of the docs are taken on the way: SCREENSHOTS=docs/images.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import av
import numpy as np
import pytest
from conftest import make_clip
from live_server import LiveServer, live_server
from PIL import Image

from videostyle.encode.options import EncodeOptions
from videostyle.live.library import Library
from videostyle.rendering.render import render
from videostyle.timeline.reader import parse_timeline, read_timeline

pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
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
PAINTINGS = 'input[data-style]:not([data-style="original"])'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample clip; the same smaller; twice over and smaller still, so that a busy machine can
    play it."""
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
    with av.open(str(SAMPLE)) as source:
        frames = [
            each.to_ndarray(width=640, height=360, format="rgb24")
            for each in source.decode(video=0)
        ]
    if os.environ.get("SCREENSHOTS"):
        shutil.copy(SAMPLE, folder / "film.mp4")
    else:
        pixels = frames.__getitem__
        make_clip(folder / "film.mp4", pts=range(len(frames)), size=(640, 360), pixels=pixels)
    make_clip(
        folder / "long.mp4",
        pts=range(2 * len(frames)),
        size=(320, 180),
        pixels=lambda number: frames[number % len(frames)][::2, ::2],
    )
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


@pytest.fixture
def page(browser: Any, server: LiveServer) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = open_page(context, server)
    if state(page, "source.name") != "film.mp4":  # a test that failed left another
        page.select_option("#source", "film.mp4")
        wait_for(lambda: state(page, "source.name") == "film.mp4")
    page.click("#clear")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    yield page
    if page.evaluate("videostyle.state.playing"):
        page.click("#play")
    context.close()
    assert page.mistakes == []


def open_page(context: Any, server: LiveServer) -> Any:
    page = open_tab(context, server)
    page.locator('#picture[data-rendered="true"]').wait_for(timeout=30_000)
    return page


def open_tab(context: Any, server: LiveServer) -> Any:
    page = context.new_page()
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.asked, page.agrees = [], True
    page.on("dialog", lambda dialog: answer(page, dialog))
    page.goto(server.url)
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


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


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


def settled(page: Any) -> np.ndarray:
    """The picture once it shows the last move, painted as `render` would."""
    is_settled = """() => {
      const { serial, rendered } = document.getElementById("picture").dataset;
      return rendered === "true" && Number(serial) >= videostyle.lastSerial();
    }"""
    wait_for(lambda: page.evaluate(is_settled))
    return picture(page)


def seek(page: Any, seconds: float) -> None:
    box = page.locator("#lanes").bounding_box()
    length = page.evaluate("videostyle.state.source.duration")
    page.mouse.click(box["x"] + box["width"] * seconds / length, box["y"] + 8)
    wait_for(lambda: abs(state(page, "seconds") - seconds) < 0.1)


def screenshot(page: Any, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=90)


def test_thirteen_sliders_move_the_picture(page: Any) -> None:
    assert page.locator(PAINTINGS).count() == 13
    before = settled(page)
    slide(page, "the_scream", 1)
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    after = settled(page)
    assert np.abs(before - after).mean() > 15
    slide(page, "great_wave", 0.5)
    wait_for(lambda: "great_wave" in state(page, "look.mix"))
    assert (
        page.locator("li", has=page.locator('input[data-style="great_wave"]'))
        .locator(".weight")
        .inner_text()
        == "33 %"
    )


def test_the_views_show_the_original_where_they_should(page: Any) -> None:
    slide(page, "the_scream", 1)
    painted = settled(page)
    page.select_option("#view", "original")
    wait_for(lambda: np.abs(picture(page) - painted).mean() > 15)
    original = settled(page)
    page.select_option("#view", "wipe")
    wait_for(lambda: 5 < np.abs(picture(page) - painted).mean() < np.abs(original - painted).mean())
    wiped = settled(page)
    half = painted.shape[1] // 2
    assert np.abs(wiped[:, half + 2 :] - painted[:, half + 2 :]).mean() < 6
    assert np.abs(wiped[:, : half - 2] - original[:, : half - 2]).mean() < 6
    page.select_option("#view", "side")
    wait_for(lambda: picture(page).shape[1] == 2 * painted.shape[1])


def test_the_picture_fills_the_screen_with_nothing_else_on_it(page: Any) -> None:
    settled(page)
    page.keyboard.press("f")
    wait_for(lambda: page.evaluate("document.fullscreenElement?.className") == "frame")
    screen = page.evaluate("({ x: 0, y: 0, width: innerWidth, height: innerHeight })")
    wait_for(lambda: page.locator("#picture").bounding_box() == screen)
    assert not page.is_visible("#badge")
    drop(page, "no_painting.txt", b"")  # which has a notice
    wait_for(lambda: page.inner_text("#notice"))
    assert not page.is_visible("#notice")
    page.keyboard.press("f")
    wait_for(lambda: not page.evaluate("document.fullscreenElement"))
    assert page.is_visible("#badge")


def test_solo_mute_equalise_and_random_change_what_sounds(page: Any) -> None:
    slide(page, "starry_night", 1)
    slide(page, "the_scream", 1)
    page.click('[aria-label="Mute The Starry Night"]')
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.click('[aria-label="Solo The Kiss"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    page.click('[aria-label="Solo The Kiss"]')
    assert page.input_value('input[data-style="the_kiss"]') == "0"  # as before the solo
    page.click('[aria-label="Mute The Starry Night"]')
    slide(page, "the_kiss", 0.4)
    page.click("#equalise")
    thirds = pytest.approx({"starry_night": 1 / 3, "the_scream": 1 / 3, "the_kiss": 1 / 3})
    wait_for(lambda: state(page, "look.mix") == thirds)
    page.click("#random")
    wait_for(lambda: state(page, "look.mix") != thirds)
    assert 2 <= len(state(page, "look.mix")) <= 4
    page.click("#undo")
    wait_for(lambda: state(page, "look.mix") == thirds)
    page.click("#redo")
    wait_for(lambda: state(page, "look.mix") != thirds)


def test_a_mixture_survives_solo_and_a_reload(page: Any) -> None:
    for style, value in (("starry_night", 0.4), ("the_scream", 0.8), ("the_kiss", 0.2)):
        slide(page, style, value)
    page.click('[aria-label="Mute The Kiss"]')
    page.click('[aria-label="Solo The Scream"]')
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.reload()
    muted = page.locator('[aria-label="Mute The Kiss"][aria-pressed="true"]')
    muted.wait_for()
    assert page.input_value('input[data-style="starry_night"]') == "0.4"
    assert page.input_value('input[data-style="the_kiss"]') == "0.2"
    page.click("#equalise")
    wait_for(lambda: state(page, "look.mix") == {"starry_night": 0.5, "the_scream": 0.5})


def test_a_browser_that_keeps_nothing_shows_the_page(browser: Any, server: LiveServer) -> None:
    context = browser.new_context()
    context.add_init_script(
        """Object.defineProperty(window, "sessionStorage", {
          get() { throw new DOMException("Access is denied", "SecurityError"); },
        })"""
    )
    page = open_page(context, server)
    page.reload()
    page.locator('#picture[data-rendered="true"]').wait_for()
    context.close()
    assert page.mistakes == []


def test_sliders_go_back_to_where_they_were(page: Any, server: LiveServer) -> None:
    strength = page.locator('input[data-scalar="strength"]')
    strength.press("Shift+ArrowLeft")
    assert strength.input_value() == "0.9"
    strength.dblclick(position={"x": 20, "y": 9})
    assert strength.input_value() == "1"
    kiss = 'input[data-style="the_kiss"]'
    page.dispatch_event(kiss, "pointerdown")
    slide(page, "the_kiss", 0.7)
    page.dispatch_event(kiss, "pointercancel")  # the finger scrolls the page
    assert page.input_value(kiss) == "0"
    slide(page, "the_scream", 0.5)
    second = open_page(page.context, server)
    second.focus(kiss)
    slide(second, "the_kiss", 0.7)  # it has no control
    wait_for(lambda: second.input_value(kiss) == "0")
    assert second.input_value('input[data-style="the_scream"]') == "1"  # of what is painted
    second.close()


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


def test_a_finger_that_scrolls_the_page_moves_no_slider(page: Any) -> None:
    kiss = 'input[data-style="the_kiss"]'
    serial = page.evaluate("videostyle.lastSerial()")
    down = ("pointerdown", {"clientX": 100, "clientY": 100})
    jump = ("input", {"value": 0.7})
    scroll = ("pointermove", {"clientX": 101, "clientY": 108})
    touch(page, kiss, down, jump, scroll, ("pointercancel", {}))
    assert page.input_value(kiss) == "0"
    assert page.evaluate("videostyle.lastSerial()") == serial
    touch(page, kiss, down, jump, ("pointermove", {"clientX": 105, "clientY": 101}))
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    touch(page, kiss, ("pointerup", {}))
    touch(page, 'input[data-style="the_scream"]', down, jump, ("pointerup", {}))  # a tap
    wait_for(lambda: "the_scream" in state(page, "look.mix"))


def test_undo_moves_the_slider_in_focus_and_gives_back_one_that_was_taken_away(page: Any) -> None:
    kiss = 'input[data-style="the_kiss"]'
    slide(page, "the_kiss", 0.5)
    page.click('[aria-label="Solo The Kiss"]')
    page.click("#clear")
    page.locator(kiss).press("Home")
    page.keyboard.press("Control+z")
    wait_for(lambda: page.input_value(kiss) == "0.5")
    page.keyboard.press("ArrowRight")
    assert page.input_value(kiss) == "0.51"
    page.click("#clear")
    page.click("#open-paintings")
    page.click("#cards >> text=The Kiss")
    page.click("#close-paintings")
    assert page.locator(kiss).count() == 0
    page.click("#undo")
    wait_for(lambda: page.locator(kiss).count() == 1)
    assert page.input_value(kiss) == "0.51"
    assert page.get_attribute('[aria-label="Solo The Kiss"]', "aria-pressed") == "true"


def test_undo_brings_back_the_mixture_that_the_pad_took_the_place_of(page: Any) -> None:
    slide(page, "the_kiss", 0.4)
    slide(page, "the_scream", 0.8)
    page.click('[aria-label="Mute The Kiss"]')
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.click("#tab-pad")
    page.locator("#field").press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert "the_kiss" not in state(page, "look.mix")
    page.click("#undo")
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.click("#tab-mix")
    assert page.get_attribute('[aria-label="Mute The Kiss"]', "aria-pressed") == "true"
    assert page.input_value('input[data-style="the_kiss"]') == "0.4"


def test_sliders_are_found_and_dragged_into_another_order(page: Any) -> None:
    names = "[...document.querySelectorAll('#sliders input')].map((each) => each.dataset.style)"
    before = page.evaluate(names)
    loaded = "performance.getEntriesByType('resource').length"
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.complete)"))
    requests = page.evaluate(loaded)
    start = middle(page, '[aria-label="Move The Starry Night"]')
    drag(page, start, middle(page, '[aria-label="Move Poppy Field (Les Coquelicots)"]'))
    assert page.evaluate(names) == [*before[1:4], before[0], *before[4:]]
    page.locator('[aria-label="Move The Starry Night"]').press("ArrowUp")
    assert page.evaluate(names).index("starry_night") == 2
    page.fill("#search", "water")
    assert page.locator("#sliders li:visible").count() == 1
    page.fill("#search", "no such painting")
    assert page.is_visible("#none-found")
    assert page.evaluate(loaded) == requests


def test_a_performance_is_recorded_saved_and_rendered(page: Any, folder: Path) -> None:
    page.select_option("#source", "long.mp4")
    wait_for(lambda: state(page, "source.name") == "long.mp4")
    settled(page)
    page.evaluate(
        """() => {
          window.shown = [];
          videostyle.on("picture", (picture) => {
            if (videostyle.state.recording) shown.push([picture.seconds, picture.mix]);
          });
        }"""
    )
    page.click("#record")
    wait_for(lambda: state(page, "recording"))
    begin = state(page, "seconds")
    moves = [("starry_night", 0.9), ("the_kiss", 0.6), ("starry_night", 0.1)]
    moves += [("great_wave", 1.0), ("the_kiss", 0.2)]
    for number, (style, goal) in enumerate(moves):
        # The mouse pulls a slider in two jerks, each at most two keyframes. A busy machine makes
        # jerks of a smooth drag too, and nobody knows how many.
        selector = f'input[data-style="{style}"]'
        at, box = float(page.input_value(selector)), page.locator(selector).bounding_box()
        left, width, middle = box["x"] + 7, box["width"] - 14, box["y"] + box["height"] / 2
        page.mouse.move(left + at * width, middle)
        page.mouse.down()
        for value, wait in ((at + goal) / 2, 0.25), (goal, 0.5):
            page.mouse.move(left + value * width, middle)
            wait_for(lambda end=number + wait: state(page, "seconds") - begin > end)
        page.mouse.up()
        end = number + 1 + 0.1 * (number == len(moves) - 1)
        wait_for(lambda end=end: state(page, "seconds") - begin > end)
    page.click("#record")
    wait_for(lambda: page.evaluate("videostyle.state.timeline !== null"))
    page.click("#tab-yaml")
    page.fill("#timeline-name", "performance.yaml")
    page.click("#save")
    saved = folder / "performance.yaml"
    wait_for(saved.exists)

    names = [style["name"] for style in state(page, "styles")]
    timeline, _ = read_timeline(saved, names).resolve(None, None)
    shown = page.evaluate("shown")
    assert shown[-1][0] - shown[0][0] > 5
    assert len(timeline.mix.keyframes) < 40
    for seconds, mix in shown:
        played = timeline.look_at(seconds).mix
        for name in {*mix, *played}:
            assert abs(played.get(name, 0) - mix.get(name, 0)) < 0.02, (seconds, name)

    wait_for(lambda: state(page, "follow"))
    seek(page, 1.2)
    wait_for(lambda: not state(page, "playing"))
    picture = settled(page)
    rendered = frame_rendered(saved, folder, state(page, "seconds"))
    assert np.abs(rendered - picture).mean() < 6
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.name") == "film.mp4")


def apply(page: Any, text: str) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", text)
    page.click("#apply")
    wait_for(lambda: state(page, "follow") and state(page, "timeline.yaml") == text)
    page.click("#tab-mix")


MORPH = "version: 1\nkeyframes: [{at: 0s, mix: the_kiss, stroke: 2}, {at: 9s, mix: the_scream}]\n"


def test_an_overdub_takes_over_what_is_touched_and_undo_gives_it_back(page: Any) -> None:
    page.select_option("#source", "long.mp4")
    wait_for(lambda: state(page, "source.name") == "long.mp4")
    text = MORPH
    apply(page, text)
    page.evaluate(
        """() => {
          window.shown = [];
          videostyle.on("picture", (picture) => {
            if (videostyle.state.recording) shown.push([picture.seconds, picture.mix]);
          });
        }"""
    )
    assert page.inner_text("#record") == "Overdub"
    page.click("#record")
    wait_for(lambda: page.inner_text("#badge") == "overdub")
    kiss, scream, wave = (
        page.locator(f'input[data-style="{each}"]')
        for each in ("the_kiss", "the_scream", "great_wave")
    )
    x, y = middle(page, 'input[data-style="great_wave"]')
    page.mouse.move(x, y)
    page.mouse.down()
    wait_for(lambda: abs(state(page, "look.mix").get("great_wave", 0) - 1 / 3) < 0.01)
    # The other faders go on by themselves, and stand where the timeline has them.
    wait_for(lambda: float(scream.input_value()) > 0.1)
    assert float(wave.input_value()) == pytest.approx(0.5, abs=0.02)
    assert float(kiss.input_value()) + float(scream.input_value()) == pytest.approx(1, abs=0.02)
    page.mouse.up()
    assert "touched" in (wave.get_attribute("class") or "")
    assert "touched" not in (kiss.get_attribute("class") or "")
    solo = page.locator('[aria-label="Solo The Kiss"]')
    solo.click()
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    solo.click()
    wait_for(lambda: set(state(page, "look.mix")) == {"the_kiss", "the_scream", "great_wave"})
    page.click("#clear")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    page.keyboard.press("Control+z")
    wait_for(lambda: set(state(page, "look.mix")) == {"the_kiss", "the_scream", "great_wave"})
    page.click("#record")
    wait_for(lambda: not state(page, "recording") and state(page, "timeline.yaml") != text)
    assert state(page, "timeline.tracks.mix").pop()["value"] == {"the_scream": 1}
    names = [style["name"] for style in state(page, "styles")]
    new = parse_timeline(state(page, "timeline.yaml"), names).resolve(None, None)[0]
    for seconds, mix in page.evaluate("shown"):
        played = new.look_at(seconds).mix
        for name in {*mix, *played}:
            assert abs(played.get(name, 0) - mix.get(name, 0)) < 0.02, (seconds, name)
    assert state(page, "timeline.tracks.stroke") == [{"at": 0, "value": 2, "ease": "linear"}]
    assert page.locator(".touched").count() == 0
    page.click("#undo")
    wait_for(lambda: state(page, "timeline.yaml") == text)
    assert state(page, "follow")
    page.keyboard.press("t")
    wait_for(lambda: page.inner_text("#record") == "Record")
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.name") == "film.mp4")


def begin_overdub(page: Any, text: str = MORPH) -> None:
    """Over a timeline, in a video that is open for the test alone; until something is shown."""
    page.select_option("#source", "long.mp4")
    wait_for(lambda: state(page, "source.name") == "long.mp4")
    apply(page, text)
    page.click("#record")
    wait_for(lambda: state(page, "recording") and state(page, "seconds") > 0.2)


def reload_with_controls(page: Any) -> None:
    """A slow machine may take longer for it than the ten seconds that a tab's controls are kept."""
    page.reload()
    wait_for(lambda: state(page, "source"))
    if not state(page, "conducts"):
        page.click("#take-controls")
    wait_for(lambda: state(page, "conducts"))


def end_overdub(page: Any) -> None:
    if state(page, "recording"):
        page.click("#record")
    wait_for(lambda: not state(page, "recording"))
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.name") == "film.mp4")


def test_what_is_touched_in_an_overdub_outlives_a_reload_and_another_tab(
    page: Any, server: LiveServer
) -> None:
    def nudge(tab: Any, scalar: str) -> None:
        """Of the mixture, the rest must stay as it is."""
        tab.locator(f'input[data-scalar="{scalar}"]').press("ArrowLeft")
        wait_for(lambda: state(tab, f"look.{scalar}") < (2 if scalar == "stroke" else 1))
        assert state(tab, "look.sum") == pytest.approx(1.5, abs=0.001)

    begin_overdub(page)
    slide(page, "great_wave", 0.5)
    page.locator('input[data-scalar="keep_color"]').press("ArrowRight")
    wait_for(lambda: state(page, "look.sum") == pytest.approx(1.5))
    reload_with_controls(page)
    page.locator('input[data-style="great_wave"].touched').wait_for()
    assert page.locator(".touched").count() == 2
    described = '.touched[aria-description="Yours until the recording ends"]'
    assert page.locator(described).count() == 2
    nudge(page, "strength")
    second = open_tab(page.context, server)
    second.click("#take-controls")
    second.locator('input[data-style="great_wave"].touched').wait_for()
    wait_for(lambda: page.locator(".touched").count() == 0)
    nudge(second, "stroke")
    slide(second, "great_wave", 1)
    wait_for(lambda: state(second, "look.sum") == pytest.approx(2))
    page.click("#take-controls")
    page.locator('input[data-style="great_wave"].touched').wait_for()
    page.locator('input[data-scalar="strength"]').press("ArrowLeft")
    wait_for(lambda: state(page, "look.strength") < 0.985)
    assert state(page, "look.sum") == pytest.approx(2, abs=0.001)
    assert (state(page, "look.keep_color"), state(page, "look.stroke")) == (0.01, 1.95)
    second.close()
    end_overdub(page)


def test_a_reload_in_an_overdub_keeps_a_mixture_that_was_taken_over_whole(page: Any) -> None:
    begin_overdub(page)
    page.click("#equalise")
    page.click('[aria-label="Mute The Scream"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    reload_with_controls(page)
    wait_for(
        lambda: page.locator("#sliders .touched").count() == page.locator("#sliders li").count()
    )
    page.locator('input[data-scalar="strength"]').press("ArrowLeft")
    wait_for(lambda: state(page, "look.strength") < 1)
    assert state(page, "look.mix") == {"the_kiss": 1}
    end_overdub(page)


def test_one_undo_takes_back_a_drag_of_the_pad_in_an_overdub(page: Any) -> None:
    begin_overdub(page)
    page.click("#tab-pad")
    x, y = middle(page, "#field")
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(x + 3 * step, y + step)
    page.mouse.up()
    wait_for(lambda: len(state(page, "look.mix")) == 4)
    page.click("#undo")
    wait_for(lambda: set(state(page, "look.mix")) == {"the_kiss", "the_scream"})
    page.click("#tab-mix")
    end_overdub(page)


def test_undo_passes_over_the_mixtures_of_an_overdub_that_is_over(page: Any) -> None:
    begin_overdub(page, TWO_KEYS)
    page.click("#tab-yaml")
    page.fill("#yaml", MORPH)
    page.click("#apply")
    page.click("#tab-mix")
    for what in ("#equalise", "#clear"):
        page.click(what)
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    page.click("#record")
    wait_for(lambda: not state(page, "recording") and state(page, "timeline.yaml") != MORPH)
    taken = state(page, "timeline.yaml")
    for button, text in (("#undo", MORPH), ("#undo", TWO_KEYS), ("#redo", MORPH), ("#redo", taken)):
        page.click(button)
        wait_for(lambda text=text: state(page, "timeline.yaml") == text)
    assert state(page, "follow")
    end_overdub(page)


CONTROLLER = """
  window.asked = 0;
  const input = {};
  navigator.requestMIDIAccess = async () => {
    asked += 1;
    if (window.refuses) throw new DOMException("no", "NotAllowedError");
    return window.access = { inputs: new Map([["one", input]]) };
  };
  navigator.permissions.query = async () => ({ state: localStorage.midi ? "granted" : "prompt" });
  window.turn = (...bytes) => input.onmidimessage({ data: Uint8Array.from(bytes) });
"""
CC, NOTE = 0xB0, 0x90


@pytest.fixture
def midi_page(browser: Any, server: LiveServer) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.add_init_script(CONTROLLER)
    page = open_page(context, server)
    page.click("#clear")
    yield page
    context.close()
    assert page.mistakes == []


def turn(page: Any, *bytes: int) -> None:
    page.evaluate("(bytes) => turn(...bytes)", bytes)


def value_of(page: Any, style: str) -> float:
    return float(page.input_value(f'input[data-style="{style}"]'))


def test_knobs_of_a_controller_are_bound_and_move_sliders_without_a_jump(midi_page: Any) -> None:
    page = midi_page
    kiss = page.locator('input[data-style="the_kiss"]')
    assert page.evaluate("asked") == 0
    page.click("#midi")
    wait_for(lambda: "Click a slider" in page.inner_text("#notice"))
    kiss.click()
    page.click('[data-midi="solo the_scream"]')
    turn(page, NOTE, 40, 100)
    page.click("#record")
    turn(page, CC + 1, 45, 127)
    kiss.click()
    turn(page, NOTE, 41, 100)  # a key is no fader
    turn(page, CC, 21, 64)
    page.locator('input[data-scalar="strength"]').click()
    turn(page, CC, 22, 10)
    turn(page, CC, 23, 10)  # the last one counts
    page.keyboard.press("Escape")
    assert state(page, "look.mix") == {"original": 1}
    assert not state(page, "recording")
    assert value_of(page, "the_kiss") == 0

    turn(page, CC, 21, 127)
    turn(page, CC, 21, 64)
    assert value_of(page, "the_kiss") == 0
    assert "waits" in kiss.get_attribute("class")
    turn(page, CC, 21, 0)
    turn(page, CC, 21, 60)
    turn(page, CC, 21, 127)
    assert value_of(page, "the_kiss") == 1
    assert "waits" not in kiss.get_attribute("class")
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    slide(page, "the_kiss", 0.5)
    turn(page, CC, 21, 100)
    assert value_of(page, "the_kiss") == 0.5
    turn(page, CC, 21, 50)
    assert value_of(page, "the_kiss") == pytest.approx(50 / 127, abs=0.006)
    turn(page, CC, 22, 127)
    assert page.input_value('input[data-scalar="strength"]') == "1"

    turn(page, NOTE, 40, 100)
    turn(page, NOTE, 40, 0)
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    turn(page, NOTE, 40, 100)
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})

    page.reload()
    wait_for(lambda: page.evaluate("asked") == 1)
    page.locator('#picture[data-rendered="true"]').wait_for()
    turn(page, CC + 1, 45, 127)
    turn(page, CC + 1, 45, 0)
    wait_for(lambda: state(page, "recording"))
    turn(page, CC + 1, 45, 127)
    wait_for(lambda: not state(page, "recording") and state(page, "follow"))
    page.click("#midi")
    page.click("#record")
    page.keyboard.press("Delete")
    page.click("#midi")
    turn(page, CC + 1, 45, 0)
    turn(page, CC + 1, 45, 127)
    page.click("#undo")
    wait_for(lambda: not state(page, "follow"))
    assert not state(page, "recording")


def test_a_knob_that_flickers_takes_over_no_slider(midi_page: Any) -> None:
    page = midi_page
    bind(page, "the_kiss", CC, 21, 64)
    turn(page, CC, 21, 0)
    turn(page, CC, 21, 50)
    assert value_of(page, "the_kiss") == pytest.approx(50 / 127, abs=0.006)
    slide(page, "the_kiss", 0.38)
    for at in (49, 50, 49, 50):
        turn(page, CC, 21, at)
    assert value_of(page, "the_kiss") == 0.38
    turn(page, CC, 21, 48)
    assert value_of(page, "the_kiss") == 0.38  # 48 / 127
    turn(page, CC, 21, 0)
    assert value_of(page, "the_kiss") == 0


def bind(page: Any, style: str, *messages: int) -> None:
    page.click("#midi")
    page.locator(f'input[data-style="{style}"]').click()
    for place in range(0, len(messages), 3):
        turn(page, *messages[place : place + 3])
    page.keyboard.press("Escape")


def test_a_knob_with_fine_steps_is_bound_by_its_coarse_ones(midi_page: Any) -> None:
    page = midi_page
    bind(page, "the_kiss", CC, 7, 10, CC, 39, 99, CC, 39, 40, CC, 7, 11, CC, 39, 3)
    for at in range(0, 121, 8):
        turn(page, CC, 7, at)
        turn(page, CC, 39, at * 37 % 128)
    assert value_of(page, "the_kiss") == pytest.approx(120 / 127, abs=0.006)


def test_a_controller_that_is_plugged_in_again_makes_no_slider_jump(midi_page: Any) -> None:
    page = midi_page
    bind(page, "the_kiss", CC, 21, 0)
    slide(page, "the_kiss", 0.5)
    page.evaluate("access.onstatechange()")
    turn(page, CC, 21, 120)  # it was turned meanwhile
    assert value_of(page, "the_kiss") == 0.5
    assert page.locator(".waits").count() == 1
    page.click("#midi")
    page.locator('input[data-style="the_kiss"]').click()
    page.keyboard.press("Delete")
    assert page.locator(".waits").count() == 0


def test_shortcuts_press_their_buttons_while_knobs_are_bound(midi_page: Any) -> None:
    page = midi_page
    page.click("#midi")
    page.keyboard.press(" ")
    wait_for(lambda: state(page, "playing"))
    page.keyboard.press(" ")
    wait_for(lambda: not state(page, "playing"))
    turn(page, NOTE, 40, 100)
    assert page.locator(".bound").count() == 0
    page.click("#record")
    turn(page, NOTE, 40, 100)
    page.keyboard.press("Escape")
    page.keyboard.press(" ")
    wait_for(lambda: state(page, "playing"))
    assert not state(page, "recording")
    page.keyboard.press(" ")
    wait_for(lambda: not state(page, "playing"))


def test_a_slider_that_is_bound_takes_no_more_room(midi_page: Any) -> None:
    page = midi_page
    row = page.locator("li", has=page.locator('input[data-style="the_kiss"]'))
    before = row.bounding_box()["height"]
    bind(page, "the_kiss", CC, 21, 0)
    assert page.locator("[data-control]").count() == 1
    assert row.bounding_box()["height"] == before


def test_a_knob_that_turns_on_as_a_recording_ends_does_not_leave_its_timeline(
    midi_page: Any,
) -> None:
    page = midi_page
    page.click("#midi")
    page.locator('input[data-style="the_kiss"]').click()
    turn(page, CC, 21, 0)
    page.keyboard.press("Escape")
    seek(page, 3.8)
    turning = """() => new Promise((done) => {
      let place = 0;
      const step = () => {
        place = (place + 1) % 128;
        turn(0xb0, 21, place < 64 ? 2 * place : 255 - 2 * place);
        const { recording, follow } = videostyle.state;
        if (!recording && follow) ended += 1;
        if (ended < 10) setTimeout(step, 10);
        else done();
      };
      let ended = 0;
      document.getElementById("record").click();
      step();
    })"""
    page.evaluate(turning)
    assert settled(page) is not None
    assert state(page, "follow")
    assert len(state(page, "timeline.tracks.mix")) > 1


def test_midi_that_is_refused_or_missing_does_no_harm(
    midi_page: Any, browser: Any, server: LiveServer
) -> None:
    midi_page.evaluate("window.refuses = true")
    midi_page.click("#midi")
    wait_for(lambda: "does not let the page use MIDI" in midi_page.inner_text("#notice"))
    assert midi_page.get_attribute("#midi", "aria-pressed") == "false"
    context = browser.new_context()
    context.add_init_script("delete Navigator.prototype.requestMIDIAccess")
    page = open_tab(context, server)
    wait_for(lambda: page.locator("#sliders li").count())
    assert not page.is_visible("#midi")
    context.close()
    assert page.mistakes == []


def test_a_stored_look_comes_back_in_a_fade_that_is_recorded(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", "")
    page.click("#apply")
    wait_for(lambda: not state(page, "timeline"))
    page.click("#tab-mix")
    page.evaluate(
        """() => {
          window.shown = [];
          videostyle.on("picture", ({ mix }) => shown.push(mix));
        }"""
    )
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: "Nothing is stored here" in page.inner_text("#notice"))
    slide(page, "the_kiss", 1)
    page.locator('input[data-scalar="strength"]').fill("0.4")
    page.click("#store")
    page.click('[aria-label="Look 1"]')
    assert page.get_attribute('[aria-label="Look 1"]', "title") == "The Kiss 100 %"
    page.click("#clear")
    slide(page, "the_scream", 1)
    page.locator('input[data-scalar="strength"]').fill("1")
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    settled(page)

    page.fill("#fade", "1")
    page.click("#record")
    wait_for(lambda: state(page, "recording") and state(page, "seconds") > 0.2)
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    page.click("#record")
    wait_for(lambda: state(page, "follow"))
    mix, strength = state(page, "timeline.tracks.mix"), state(page, "timeline.tracks.strength")
    assert [mix[0]["value"], mix[-1]["value"]] == [{"the_scream": 1}, {"the_kiss": 1}]
    assert [strength[0]["value"], strength[-1]["value"]] == [1, 0.4]
    assert any(set(each) == {"the_scream", "the_kiss"} for each in page.evaluate("shown"))

    page.keyboard.press("t")
    wait_for(lambda: not state(page, "follow"))
    slide(page, "the_scream", 1)
    slide(page, "the_kiss", 0)
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.reload()
    page.locator('#picture[data-rendered="true"]').wait_for()
    assert page.get_attribute('[aria-label="Look 1"]', "title") == "The Kiss 100 %"
    page.fill("#fade", "60")
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))
    page.keyboard.press("Control+z")  # which also ends the fade
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    settled(page)
    assert state(page, "look.mix") == {"the_scream": 1}
    page.evaluate("window.shown = []; videostyle.on('picture', ({ mix }) => shown.push(mix))")
    page.fill("#fade", "0")
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    assert all(len(each) == 1 for each in page.evaluate("shown"))
    page.locator('input[data-scalar="strength"]').dblclick()


def store(page: Any, number: int) -> None:
    page.click("#store")
    page.click(f'[aria-label="Look {number}"]')


def test_a_look_without_a_painting_that_is_gone_comes_back(page: Any) -> None:
    slide(page, "the_kiss", 1)
    store(page, 1)
    page.evaluate(
        """() => addEventListener("pagehide", () => {
          const { looks } = sessionStorage;
          sessionStorage.looks = looks.replace('"the_kiss":1', '"the_kiss":1,"gone":1');
        })"""
    )
    page.click("#clear")
    page.reload()
    page.locator('#picture[data-rendered="true"]').wait_for()
    page.fill("#fade", "0")
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    assert page.locator('input[data-style="gone"]').count() == 0


def test_a_look_comes_back_in_a_tab_that_is_not_in_sight(page: Any) -> None:
    slide(page, "the_kiss", 1)
    store(page, 1)
    page.click("#clear")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    assert page.get_by_role("spinbutton", name="Fade, in seconds").is_visible()
    page.evaluate("requestAnimationFrame = () => 0")  # which draws nothing
    page.fill("#fade", "0.5")
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})


def test_shortcuts_work_after_the_fade_was_set(page: Any) -> None:
    page.fill("#fade", "3")
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    assert page.input_value("#fade") == "3"
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    box = page.locator("#fade").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 6, box["y"] + 6)  # its upper arrow
    assert page.input_value("#fade") == "3.5"
    page.keyboard.press("2")
    assert page.input_value("#fade") == "3.5"


def test_a_hand_that_holds_on_as_a_recording_ends_does_not_leave_its_timeline(page: Any) -> None:
    scream = 'input[data-style="the_scream"]'
    page.click("#tab-pad")
    x, y = middle(page, "#field")
    for selector, tab in ((scream, "#tab-mix"), ("#field", "#tab-pad")):
        page.click(tab)
        seek(page, 4.9)
        x, y = middle(page, selector)
        page.mouse.move(x, y)
        page.mouse.down()
        page.keyboard.press("r")
        wait_for(lambda: state(page, "recording"))
        for step in range(2000):  # and it never rests
            page.mouse.move(x + step % 20, y)
            if not state(page, "recording"):
                break
        page.mouse.move(x - 30, y)
        page.mouse.move(x + 30, y)
        wait_for(lambda: state(page, "follow"))
        page.mouse.up()
        settled(page)
        assert state(page, "follow")
    page.click("#tab-render")
    assert "the timeline" in page.inner_text("#render-what")
    page.click("#tab-mix")
    value = float(page.input_value(scream))
    assert value == pytest.approx(
        page.evaluate("videostyle.state.look.mix.the_scream ?? 0"), abs=0.006
    )
    page.mouse.click(*middle(page, scream))
    wait_for(lambda: not state(page, "follow"))


def frame_rendered(timeline: Path, folder: Path, seconds: float) -> np.ndarray:
    """One frame as `videostyle render` gives it."""
    output = folder / "frame.mkv"
    part = {"start": f"{seconds:.3f}s", "end": f"{seconds + 0.03:.3f}s"}
    render(folder / "long.mp4", output, timeline, options=EncodeOptions(crf=0), **part)
    with av.open(str(output)) as container:
        image = next(container.decode(video=0)).to_image()
    return np.asarray(image.resize((640, 360))).astype(float)


def test_keys_are_moved_copied_deleted_and_undone(page: Any) -> None:
    page.click("#tab-yaml")
    picture_before = page.locator("#picture").bounding_box()
    page.select_option("#timeline-file", "two.yaml")
    keys = page.locator(".lane.mix .key")
    wait_for(lambda: keys.count() == 2 and state(page, "timeline.tracks.mix[0].at") == 1)
    wait_for(lambda: state(page, "follow"))  # what is opened is shown
    box = page.locator("#lanes").bounding_box()
    x, y = middle(page, ".lane.mix .key")
    drag(page, (x, y), (box["x"] + box["width"] * 2 / 5.28, y))
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    wait_for(lambda: abs(page.evaluate(times)[0] - 2) < 0.05)
    page.fill("#key-at", "2.01")
    page.keyboard.press("Enter")
    wait_for(lambda: page.evaluate(times)[0] == 2.01)
    for _ in range(3):  # from between two frames to the next
        keys.first.press("ArrowRight")
    wait_for(lambda: page.evaluate(times)[0] == 2.12)
    keys.first.press("Shift+ArrowLeft")
    wait_for(lambda: page.evaluate(times)[0] == 1.72)
    assert page.locator("#picture").bounding_box() == picture_before
    seek(page, 4.0)
    keys.first.focus()
    page.click("#key-copy")
    wait_for(lambda: keys.count() == 3)
    page.keyboard.press("Control+z")
    wait_for(lambda: keys.count() == 2)
    page.keyboard.press("Control+Shift+Z")
    wait_for(lambda: keys.count() == 3)
    keys.last.focus()
    page.keyboard.press("Delete")
    wait_for(lambda: keys.count() == 2)
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    seek(page, 2.4)
    assert set(state(page, "look.mix")) == {"the_kiss", "original"}
    box = page.locator('.lane[data-track="stroke"]').bounding_box()
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 8)
    strokes = page.locator('.lane[data-track="stroke"] .key')
    wait_for(lambda: strokes.count() == 1 and keys.count() == 2)


def test_the_strip_is_zoomed_and_scrolls_with_the_hand_and_the_video(page: Any) -> None:
    page.click("#tab-yaml")
    page.select_option("#timeline-file", "two.yaml")
    wait_for(lambda: state(page, "timeline?.tracks.mix[0].at") == 1)
    x, y = middle(page, '.lane.mix .key[data-at="3"]')
    page.mouse.move(x, y)
    # The curve is as fine as if the video had a second.
    with page.expect_response(lambda response: "/curve" in response.url) as curve:
        page.keyboard.down("Control")
        page.mouse.wheel(0, -2000)
        page.keyboard.up("Control")
    times = curve.value.json()["times"]
    assert len(times) > 200
    assert times[-1] - times[0] == pytest.approx(3, abs=0.1)
    wait_for(lambda: page.locator("#zoom-in").is_disabled())
    assert middle(page, '.lane.mix .key[data-at="3"]') == pytest.approx((x, y), abs=2)
    assert page.locator(".lane.mix .key").count() == 1

    box = page.locator("#sight").bounding_box()
    x, y = middle(page, '.lane.mix .key[data-at="3"]')
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, y, steps=4)
    wait_for(lambda: page.evaluate("document.getElementById('sight').scrollLeft") == 0)
    page.mouse.up()
    ats = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    wait_for(lambda: page.evaluate(ats)[0] < 0.1)

    seek(page, 0.2)
    page.click("#play")
    wait_for(lambda: page.evaluate("document.getElementById('sight').scrollLeft") > 0)
    page.click("#play")
    for _ in range(3):
        page.keyboard.press("-")
    assert page.locator("#zoom-out").is_disabled()
    assert page.locator("#lanes").bounding_box() == box | {"height": ANY}


def test_keys_move_and_come_back_faster_than_the_server_answers(page: Any) -> None:
    page.click("#tab-yaml")
    page.select_option("#timeline-file", "two.yaml")
    wait_for(lambda: state(page, "timeline?.tracks.mix[0].at") == 1 and state(page, "follow"))
    first = page.locator(".lane.mix .key").first
    x, y = middle(page, ".lane.mix .key")
    drag(page, (x, y), (x + 2, y))  # a click of an unsteady hand
    wait_for(lambda: abs(state(page, "seconds") - 1) < 0.03)
    first.focus()
    page.evaluate(
        """() => {
          const key = "ArrowRight";
          for (let step = 0; step < 10; step += 1) {
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key }));
          }
        }"""
    )
    at = "timeline.tracks.mix[0].at"
    wait_for(lambda: state(page, at) == pytest.approx(1 + 10 / 25))
    page.evaluate(
        "document.getElementById('undo').click(), document.getElementById('undo').click()"
    )
    wait_for(lambda: state(page, at) == pytest.approx(1 + 8 / 25))
    page.click("#redo")
    wait_for(lambda: state(page, at) == pytest.approx(1 + 9 / 25))
    page.click("#open-paintings")
    page.locator('#cards button[aria-pressed="false"]').first.click()
    page.click("#close-paintings")
    assert state(page, "follow")  # a slider more changes nothing that is heard
    page.reload()
    wait_for(lambda: page.locator(".lane.mix .key").count() == 2)
    assert page.is_disabled("#undo")


def test_keys_stay_what_they_are(page: Any) -> None:
    strengths = "  - {at: 3s, strength: 0.5}\n  - {at: 4s, strength: 0.9}\n"
    drop(page, "my_keys.yml", (TWO_KEYS + strengths).encode())
    wait_for(lambda: state(page, "follow") and state(page, "timeline.tracks.strength"))
    assert page.input_value("#timeline-name") == "my_keys.yaml"
    mix, lane = page.locator(".lane.mix .key"), page.locator(".lane.mix").bounding_box()
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    mix.last.dblclick()
    y, second = lane["y"] + lane["height"] / 2, lane["width"] / state(page, "source.duration")
    page.mouse.dblclick(lane["x"] + 2 * second, y)  # followed: the look of that moment
    wait_for(lambda: page.evaluate(times) == pytest.approx([1, 2, 3], abs=0.02))
    values = state(page, "timeline.tracks.mix")[1]["value"]
    assert values == pytest.approx({"the_kiss": 0.5, "original": 0.5}, abs=0.01)
    assert not page.is_visible("#notice")  # that keys are out of order
    page.fill("#key-at", "0:00,5")
    page.keyboard.press("Enter")
    wait_for(lambda: page.evaluate(times) == pytest.approx([0.5, 1, 3]))
    page.fill("#key-at", "soon")
    page.keyboard.press("Enter")
    page.locator("#notice", has_text="A time is written").wait_for()
    # What has been dragged so far is not lost when an answer arrives.
    x, y = middle(page, ".lane.mix .key >> nth=2")
    page.mouse.move(x + 4, y)  # off its middle
    page.mouse.down()
    page.mouse.move(x + 10, y)
    page.evaluate("document.getElementById('undo').click()")
    wait_for(lambda: page.evaluate(times) == pytest.approx([1, 2, 3], abs=0.02))
    page.mouse.move(x + 4 + second, y)
    page.mouse.up()
    wait_for(lambda: page.evaluate(times) == pytest.approx([1, 2, 4], abs=0.02))
    mix.last.focus()
    for _ in range(2):
        page.keyboard.press("Delete")
        wait_for(lambda: page.evaluate("document.activeElement.className") == "key")
    wait_for(lambda: len(page.evaluate(times)) == 1)
    page.keyboard.press("Delete")
    page.locator("#notice", has_text="The last key of the mix stays").wait_for()
    page.click("#play")
    page.click("#play")
    page.keyboard.press("Delete")  # nothing is in focus
    assert page.locator(".key").count() == 3
    page.click("#open-paintings")
    page.click("#cards >> text=The Kiss")
    page.locator("#notice", has_text="the timeline uses it").wait_for()


def test_the_time_typed_for_a_key_is_taken_when_another_key_is_clicked(page: Any) -> None:
    keys = TWO_KEYS + "  - {at: 4s, mix: the_scream}\n"
    drop(page, "three.yaml", keys.encode())
    wait_for(lambda: state(page, "timeline?.tracks.mix.length") == 3)
    page.locator(".lane.mix .key").first.focus()
    page.fill("#key-at", "2")
    page.mouse.click(*middle(page, ".lane.mix .key >> nth=2"))
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    wait_for(lambda: page.evaluate(times) == [2, 3, 4])
    wait_for(lambda: page.input_value("#key-at") == "4.000")


def test_a_key_that_is_held_is_not_deleted_and_escape_puts_it_back(page: Any) -> None:
    drop(page, "two.yaml", TWO_KEYS.encode())
    wait_for(lambda: state(page, "follow") and state(page, "timeline?.tracks.mix.length") == 2)
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    second = page.locator("#lanes").bounding_box()["width"] / state(page, "source.duration")
    x, y = middle(page, ".lane.mix .key")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + second / 2, y)
    page.keyboard.press("Delete")
    page.mouse.move(x + second, y)
    page.mouse.up()
    wait_for(lambda: page.evaluate(times) == pytest.approx([2, 3], abs=0.02))
    before = page.evaluate(times)
    page.mouse.down()
    page.mouse.move(x + 1.5 * second, y)
    page.keyboard.press("Escape")
    page.mouse.move(x + 1.7 * second, y)
    page.mouse.up()
    assert middle(page, ".lane.mix .key")[0] == pytest.approx(x + second, abs=1)
    page.locator(".lane.mix .key").first.press("Shift+ArrowLeft")
    wait_for(lambda: page.evaluate(times) == pytest.approx([before[0] - 0.4, 3], abs=0.001))


def test_of_keys_that_lie_in_one_place_one_is_shown(page: Any) -> None:
    width = page.locator("#lanes").bounding_box()["width"]
    pixel = state(page, "source.duration") / width
    places = [1 + pixel * offset for offset in (0, 1, 2, 3, 4.5, 6, 40)]
    keys = [f"  - {{at: {at:.5f}s, mix: original}}\n" for at in places]
    drop(page, "near.yaml", "".join(["version: 1\nkeyframes:\n", *keys]).encode())
    wait_for(lambda: state(page, "timeline?.tracks.mix.length") == 7)
    shown = page.locator(".lane.mix .key")
    wait_for(lambda: shown.count() == 3)
    shown.last.focus()
    page.fill("#key-at", str(places[0] + 1.5 * pixel))
    page.keyboard.press("Enter")
    wait_for(lambda: page.get_attribute(".lane.mix .key >> nth=1", "aria-pressed") == "true")
    assert shown.count() == 3  # with the one that is chosen
    page.set_viewport_size({"width": 3840, "height": 720})
    wait_for(lambda: shown.count() > 3)


def test_what_is_typed_is_not_lost(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS)
    page.click("#apply")
    wait_for(lambda: state(page, "timeline") and not state(page, "typed"))
    page.fill("#yaml", "# my notes")
    page.click("#add-key")
    wait_for(lambda: page.locator(".lane.mix .key").count() == 3)
    wait_for(lambda: "my notes" not in page.input_value("#yaml"))
    page.click("#undo")
    wait_for(lambda: page.locator(".lane.mix .key").count() == 2)
    assert page.input_value("#yaml") == "# my notes"
    page.click("#redo")
    wait_for(lambda: "my notes" not in page.input_value("#yaml"))
    page.click("#undo")
    wait_for(lambda: page.input_value("#yaml") == "# my notes")
    asked = len(page.asked)
    page.reload()
    assert len(page.asked) == asked + 1


def test_a_timeline_that_is_not_saved_is_asked_about(page: Any, folder: Path) -> None:
    def stays(action: Callable[[], Any], word: str = "not saved") -> None:
        page.agrees, before = False, len(page.asked)
        action()
        wait_for(lambda: len(page.asked) == before + 1)
        assert word in page.asked[-1]
        assert page.input_value("#source") == "film.mp4"
        page.agrees = True

    def leave() -> None:
        page.select_option("#source", "sample.mp4")

    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS.replace("3s", "4s"))
    page.click("#apply")
    second = "timeline?.tracks.mix[1].at"
    wait_for(lambda: state(page, second) == 4)
    page.reload()
    wait_for(lambda: state(page, second) == 4)
    stays(leave)
    page.click("#tab-yaml")
    stays(lambda: page.select_option("#timeline-file", "two.yaml"))
    stays(lambda: drop(page, "two.yaml", TWO_KEYS.encode()))
    drop(page, "broken.yaml", b"version: 1\n")
    page.locator("#mistakes li").wait_for()
    stays(leave)
    assert state(page, second) == 4
    page.fill("#yaml", TWO_KEYS.replace("3s", "4s"))
    page.fill("#timeline-name", "kept.yaml")
    page.route("**/timelines/*", lambda route: route.abort())
    page.click("#save")
    wait_for(lambda: "does not answer" in page.inner_text("#notice"))
    page.unroute("**/timelines/*")
    page.click("#save")
    wait_for(lambda: state(page, "timeline.saved"))
    page.click("#record")
    wait_for(lambda: state(page, "recording"))
    stays(leave, "recording")
    page.click("#record")
    wait_for(lambda: not state(page, "recording"))
    page.select_option("#timeline-file", "two.yaml")
    wait_for(lambda: state(page, second) == 3)
    before = len(page.asked)
    leave()
    wait_for(lambda: state(page, "source.name") == "sample.mp4")
    assert len(page.asked) == before


def test_save_goes_to_the_file_that_is_edited(page: Any, folder: Path) -> None:
    def edit(at: str) -> None:
        page.fill("#yaml", TWO_KEYS.replace("3s", at))
        page.click("#save")

    def is_saved(name: str, at: str) -> bool:
        is_applied = at in state(page, "timeline.yaml") and state(page, "timeline.saved")
        return bool(is_applied) and at in (folder / name).read_text()

    own, name = folder / "acts" / "show.yml", "document.getElementById('timeline-name').value"
    root = (folder / "show.yaml").read_text()
    page.click("#tab-yaml")
    page.select_option("#timeline-file", "acts/show.yml")
    wait_for(lambda: state(page, "timeline?.name") == "acts/show.yml")
    edit("3.1s")
    wait_for(lambda: is_saved("acts/show.yml", "3.1s"))
    page.reload()
    wait_for(lambda: page.evaluate(name) == "acts/show.yml")
    page.click("#tab-yaml")
    edit("3.2s")
    wait_for(lambda: is_saved("acts/show.yml", "3.2s"))
    assert page.asked == []
    own.write_text("# of another program")
    page.agrees = False
    edit("3.3s")
    wait_for(lambda: "changed by another program. Overwrite it?" in last_asked(page))
    page.fill("#timeline-name", "show.yaml")
    page.click("#save")
    wait_for(lambda: last_asked(page) == "show.yaml exists. Overwrite it?")
    assert (own.read_text(), (folder / "show.yaml").read_text()) == ("# of another program", root)
    page.agrees = True
    page.fill("#timeline-name", "copy.yml")
    page.click("#save")
    wait_for((folder / "copy.yml").exists)
    wait_for(lambda: state(page, "timeline.name") == "copy.yml")
    page.click("#undo")
    wait_for(lambda: "3.2s" in state(page, "timeline.yaml"))
    assert page.evaluate(name) == "copy.yml"
    page.select_option("#timeline-file", "two.yaml")  # agreed to
    wait_for(lambda: page.evaluate(name) == "two.yaml" and state(page, "timeline.saved"))
    page.click("#undo")
    wait_for(lambda: page.evaluate(name) == "copy.yml")


def test_mistakes_are_saved_only_when_wanted_and_stay_in_the_text(page: Any, folder: Path) -> None:
    kept, broken = folder / "mistakes.yaml", TWO_KEYS.replace("the_kiss", "the_kis")
    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS)
    page.fill("#timeline-name", kept.name)
    page.click("#save")
    wait_for(lambda: state(page, "timeline?.saved") and kept.exists())
    page.agrees = False
    page.fill("#yaml", broken.replace("original", "orignal"))
    page.click("#save")
    wait_for(lambda: last_asked(page) == "It has 2 mistakes; save it anyway?")
    assert kept.read_text() == TWO_KEYS
    page.agrees = True
    page.fill("#yaml", broken)
    page.click("#save")
    wait_for(lambda: last_asked(page) == "It has a mistake; save it anyway?")
    wait_for(lambda: kept.read_text() == broken)
    page.click("#add-key")
    wait_for(lambda: "the_kis}" not in page.input_value("#yaml"))
    page.click("#undo")
    wait_for(lambda: page.input_value("#yaml") == broken)
    asked = len(page.asked)
    page.reload()  # what is typed is in the file
    assert len(page.asked) == asked


def test_a_draft_is_marked_and_takes_no_recordings_place(page: Any, folder: Path) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS)
    page.click("#apply")
    wait_for(lambda: state(page, "timeline") and not page.is_visible("#not-applied"))
    page.fill("#yaml", TWO_KEYS + "# a draft\n")
    assert page.is_visible("#not-applied")
    page.click("#tab-render")
    assert "not applied" in page.inner_text("#render-what")
    page.click("#tab-yaml")
    seek(page, 0)
    page.click("#record")
    wait_for(lambda: state(page, "recording") and state(page, "seconds") > 0.3)
    page.keyboard.press("1")
    wait_for(lambda: state(page, "look.mix") != {"the_kiss": 1})
    page.click("#record")
    wait_for(lambda: "# a draft" not in page.input_value("#yaml"))
    assert not page.is_visible("#not-applied")
    page.click("#undo")
    wait_for(lambda: "# a draft" in page.input_value("#yaml"))
    for name in ("takes/one.yaml", "..", ""):
        page.fill("#timeline-name", name)
        page.click("#save")
        page.locator("#notice", has_text="plain file name").wait_for()
        page.evaluate("document.getElementById('notice').textContent = ''")
    page.fill("#timeline-name", "draft.yaml")
    page.click("#save")  # what is saved is shown, too
    wait_for(lambda: "# a draft" in state(page, "timeline.yaml"))
    wait_for(lambda: state(page, "timeline.saved"))
    assert "# a draft" in (folder / "draft.yaml").read_text()


def test_a_text_that_was_emptied_is_not_applied_either(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS)
    page.click("#apply")
    wait_for(lambda: state(page, "timeline") and not page.is_visible("#not-applied"))
    page.fill("#yaml", "")
    assert page.is_visible("#not-applied")
    page.click("#save")
    page.locator("#notice", has_text="Apply takes the timeline away").wait_for()
    page.click("#apply")
    wait_for(lambda: not state(page, "timeline") and not page.is_visible("#not-applied"))
    page.fill("#yaml", " ")
    assert not page.is_visible("#not-applied")


def test_an_apply_that_is_refused_leaves_redo(page: Any) -> None:
    page.click("#tab-yaml")
    for at in ("3s", "4s"):
        page.fill("#yaml", TWO_KEYS.replace("3s", at))
        page.click("#apply")
        wait_for(lambda at=at: at in state(page, "timeline?.yaml ?? ''"))
        wait_for(lambda: not state(page, "typed"))
    page.click("#undo")
    wait_for(lambda: "3s" in state(page, "timeline.yaml"))
    page.fill("#yaml", "version: 7\n")
    page.click("#apply")
    page.locator("#mistakes li").first.wait_for()
    page.click("#redo")
    wait_for(lambda: "4s" in state(page, "timeline.yaml"))


def test_a_key_put_into_a_hold_is_of_its_look_and_holds(page: Any) -> None:
    page.click("#tab-yaml")
    keys = [
        f"  - {{at: {at}s, mix: {mix}, ease: hold}}"
        for at, mix in ((0, "the_kiss"), (2.001, "the_scream"), (2.023, "great_wave"))
    ]
    page.fill("#yaml", "\n".join(["version: 1", "keyframes:", *keys, ""]))
    page.click("#apply")
    wait_for(lambda: state(page, "follow") and state(page, "timeline?.tracks.mix.length") == 3)
    curve = state(page, "timeline.curve")
    jump = [time for time in curve["times"] if 1.99 < time < 2.03]
    assert len(jump) >= 4
    assert {*curve["mix"]["the_kiss"]} == {0, 1}  # it jumps; it does not fade
    lane = page.locator(".lane.mix").bounding_box()
    x = lane["x"] + lane["width"] * 1.985 / state(page, "source.duration")
    page.mouse.dblclick(x, lane["y"] + lane["height"] / 2)
    wait_for(lambda: len(state(page, "timeline.tracks.mix")) == 4)
    key = state(page, "timeline.tracks.mix")[1]
    assert (key["value"], key["ease"]) == ({"the_kiss": 1}, "hold")
    page.keyboard.press("Delete")  # it has the focus
    wait_for(lambda: len(state(page, "timeline.tracks.mix")) == 3)
    page.keyboard.press("k")
    wait_for(lambda: len(state(page, "timeline.tracks.mix")) == 4)
    page.keyboard.press("Space")  # with a key in focus too
    wait_for(lambda: state(page, "playing"))


def test_the_strip_seeks_by_a_tap_and_not_by_a_scroll_or_in_a_recording(page: Any) -> None:
    seek(page, 1.0)
    sent = """() => {
      window.sent = [];
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        if (String(data).includes('"seek"')) sent.push(data);
        send.call(this, data);
      };
      Element.prototype.setPointerCapture = () => {};  // of a pointer that is not there
    }"""
    page.evaluate(sent)
    x, y = middle(page, ".lane.mix")
    down = ("pointerdown", {"clientX": x, "clientY": y})
    touch(page, ".lane.mix", down, ("pointermove", {"clientX": x, "clientY": y + 9}))
    touch(page, ".lane.mix", ("pointercancel", {}))
    page.mouse.click(x, y, button="right")
    assert page.evaluate("sent") == []
    touch(page, ".lane.mix", down, ("pointerup", {"clientX": x, "clientY": y}))
    assert len(page.evaluate("sent")) == 1
    page.click("#record")
    wait_for(lambda: state(page, "recording"))
    page.mouse.click(x - 20, y)
    assert len(page.evaluate("sent")) == 1
    page.click("#record")
    wait_for(lambda: not state(page, "recording"))


def test_a_curve_is_picked_by_name_or_drawn(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", TWO_KEYS)
    page.click("#apply")
    wait_for(lambda: state(page, "timeline?.tracks.mix[0].at") == 1)
    page.locator(".lane.mix .key").first.focus()
    ease = "videostyle.state.timeline.tracks.mix[0].ease"
    page.click("#key-ease")
    page.click("#eases >> text=smooth")
    wait_for(lambda: page.evaluate(ease) == "smooth")
    x, y = middle(page, "#square button")
    drag(page, (x, y), (x + 30, y + 22))
    wait_for(lambda: page.evaluate(ease) != "smooth")
    x1, y1, *second = page.evaluate(ease)
    assert (x1, y1) == pytest.approx((0.62, -0.2), abs=0.02)  # below: it swings back first
    assert second == [0.58, 1]
    page.locator("#square button").last.press("Shift+ArrowLeft")
    wait_for(lambda: page.evaluate(ease)[2] == pytest.approx(0.38))
    seek(page, 1.8)
    settled(page)
    page.click("#key-ease")
    screenshot(page, "live_timeline")
    assert f"ease: [{x1}, {y1}, 0.38, 1.0]" in page.input_value("#yaml")
    page.click("#eases >> text=hold")
    wait_for(lambda: page.evaluate(ease) == "hold")
    page.mouse.click(*middle(page, "#square button"))  # it is not moved
    x, y = middle(page, "#square button")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y, steps=4)
    page.keyboard.press("Escape")  # given up
    page.mouse.up()
    page.fill("#yaml", TWO_KEYS.replace("the_kiss}", "the_kiss, ease: [0.2, 8, 0.8, -7]}"))
    page.click("#apply")
    wait_for(lambda: page.evaluate(ease) == [0.2, 8, 0.8, -7])
    page.locator(".lane.mix .key").first.focus()
    page.click("#key-ease")
    square = page.locator("#square").bounding_box()
    for handle in page.locator("#square button").all():
        assert square["y"] - 10 < handle.bounding_box()["y"] < square["y"] + square["height"]
    page.locator("#square button").first.press("ArrowRight")
    wait_for(lambda: page.evaluate(ease) == [0.22, 8, 0.8, -7])


def test_a_broken_timeline_is_refused_at_its_line(page: Any) -> None:
    text = "version: 1\nkeyframes:\n  - {at: 0s, mix: the_kis}\n"
    drop(page, "broken.yaml", text.encode())
    mistake = page.locator("#mistakes li")
    mistake.wait_for()
    assert "Line 3, column 19" in mistake.inner_text()
    assert "did you mean the_kiss" in mistake.inner_text()
    assert page.input_value("#yaml") == text


def test_a_mistake_behind_an_emoji_is_marked_where_it_is(page: Any) -> None:
    text = "version: 1\nkeyframes:\n  - {at: 0s, mix: {'😀😀': 1}, strength: 7}\n"
    drop(page, "broken.yaml", text.replace("😀😀", "original").encode())
    marked = """() => {
      const { value, selectionStart, selectionEnd } = document.getElementById("yaml");
      return value.slice(selectionStart, selectionEnd);
    }"""
    page.locator("#mistakes li").wait_for()
    plain = page.evaluate(marked)
    drop(page, "broken.yaml", text.encode())
    wait_for(lambda: "😀" in page.input_value("#yaml"))
    page.locator("#mistakes li").last.wait_for()
    page.locator("#mistakes button").last.click()
    assert page.evaluate(marked) == plain


def test_a_second_tab_follows_and_can_take_over(page: Any, server: LiveServer) -> None:
    second = open_page(page.context, server)
    assert second.is_visible("#take-controls")
    slide(page, "senecio" if page.locator('input[data-style="senecio"]').count() else "the_kiss", 1)
    wait_for(lambda: state(second, "look.mix") == state(page, "look.mix"))
    second.click("#take-controls")
    wait_for(lambda: page.is_visible("#take-controls"))
    slide(second, "the_scream", 0.9)
    wait_for(lambda: "the_scream" in state(page, "look.mix"))
    page.click("#take-controls")
    wait_for(lambda: not page.is_visible("#take-controls"))
    second.close()


def test_a_tab_without_the_controls_keeps_what_it_can_undo(page: Any, server: LiveServer) -> None:
    page.click("#random")
    mixed = settled(page)
    page.click("#clear")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    second = open_page(page.context, server)
    second.click("#take-controls")
    page.bring_to_front()  # clicks in a tab behind another take seconds
    wait_for(lambda: page.is_visible("#take-controls"))
    page.click("#undo")
    page.click("#undo")
    page.locator("#notice", has_text="take over first").wait_for()
    page.click("#play")
    page.locator("#notice", has_text="another tab has the controls; take them").wait_for()
    page.click("#take-controls")
    wait_for(lambda: not page.is_visible("#take-controls") and not page.is_visible("#notice"))
    page.click("#undo")
    wait_for(lambda: state(page, "look.mix") != {"original": 1})
    assert np.abs(settled(page) - mixed).mean() < 3
    second.close()


MOVE_WHILE_LOST = """() => {
  videostyle.drop();
  const slider = document.querySelector('input[data-style="the_kiss"]');
  slider.value = 0.7;
  slider.dispatchEvent(new Event("input"));
}"""


def test_a_tab_without_the_controls_is_not_asked_what_it_may_not_do(
    page: Any, server: LiveServer
) -> None:
    drop(page, "unsaved.yaml", TWO_KEYS.encode())
    wait_for(lambda: state(page, "timeline?.saved") is False)
    second = open_page(page.context, server)
    second.click("#tab-yaml")
    for choose in (
        lambda: second.select_option("#source", "sample.mp4"),
        lambda: second.select_option("#timeline-file", "two.yaml"),
        lambda: drop(second, "two.yaml", TWO_KEYS.encode()),
    ):
        second.evaluate("document.getElementById('notice').textContent = ''")
        choose()
        second.locator("#notice", has_text="take over first").wait_for()
    assert second.input_value("#source") == "film.mp4"
    assert second.input_value("#yaml") == TWO_KEYS
    assert second.asked == []
    second.close()


def test_a_dead_connection_comes_back(page: Any) -> None:
    page.evaluate("videostyle.drop()")
    page.locator('body[data-connection="lost"]').wait_for()
    page.locator('body[data-connection="here"]').wait_for()
    slide(page, "the_kiss", 0.7)
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))


def test_what_is_done_while_the_connection_is_lost_is_not_lost(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", "# to be gone on with")
    page.click("#tab-mix")
    page.evaluate(MOVE_WHILE_LOST)
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))
    assert page.input_value("#yaml") == "# to be gone on with"


def test_who_was_away_finds_the_sliders_where_another_tab_left_them(
    page: Any, server: LiveServer
) -> None:
    slide(page, "the_kiss", 1)
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    page.evaluate(
        """() => {
          window.Socket = WebSocket;
          window.WebSocket = class {
            static OPEN = 1;
            constructor() { setTimeout(() => this.onclose({ code: 1006 })); }
          };
          videostyle.drop();
        }"""
    )
    page.locator('body[data-connection="lost"]').wait_for()
    other = page.context.browser.new_context()
    second = open_page(other, server)
    slide(second, "the_scream", 1)
    slide(second, "the_kiss", 0)
    wait_for(lambda: state(second, "look.mix") == {"the_scream": 1})
    other.close()
    page.evaluate("() => { window.WebSocket = Socket; }")
    page.locator('body[data-connection="here"]').wait_for()
    wait_for(lambda: page.input_value('input[data-style="the_scream"]') == "1")
    assert page.input_value('input[data-style="the_kiss"]') == "0"


def test_a_blink_of_the_connection_leaves_the_controls_where_they_were(
    page: Any, server: LiveServer
) -> None:
    second = open_page(page.context, server)
    page.evaluate(MOVE_WHILE_LOST)
    wait_for(lambda: state(second, "look.mix") == {"the_kiss": 1})
    assert second.is_visible("#take-controls")
    assert not page.is_visible("#take-controls")
    page.reload()
    page.locator('body[data-connection="here"]').wait_for()
    wait_for(lambda: state(page, "pictures") > 0)
    assert state(page, "conducts")
    second.close()


def test_a_server_that_stands_still_is_not_shown_as_playing(page: Any, server: LiveServer) -> None:
    page.click("#play")
    wait_for(lambda: " of 25 frames/s" in page.inner_text("#meter"))
    server.process.send_signal(signal.SIGSTOP)
    try:
        page.locator("#notice", has_text="does not answer").wait_for()
        assert page.inner_text("#meter").startswith("0 of 25 frames/s")
    finally:
        server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "does not answer" not in page.inner_text("#notice"))
    wait_for(lambda: not page.inner_text("#meter").startswith("0 of"))


def test_a_tab_too_many_says_so_and_rests(page: Any, server: LiveServer) -> None:
    page.evaluate(
        """() => {
          const address = `ws://${location.host}/socket${location.search}`;
          window.others = Array.from({ length: 7 }, () => new WebSocket(address));
          return Promise.all(others.map((each) => new Promise((done) => { each.onopen = done; })));
        }"""
    )
    ninth = page.context.new_page()
    sockets: list[Any] = []
    ninth.on("websocket", lambda socket: sockets.append(socket))
    ninth.goto(server.url)
    wait_for(lambda: "too many tabs" in ninth.inner_text("#notice"))
    ninth.wait_for_timeout(600)  # it would have tried again after 250 ms
    assert len(sockets) == 1


def test_a_page_of_another_server_says_so_and_rests(page: Any) -> None:
    sockets: list[Any] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    page.route("**/?token=*", lambda route: route.fulfill(status=403))
    page.evaluate("videostyle.drop()")
    wait_for(lambda: "does not know this page" in page.inner_text("#notice"))
    page.wait_for_timeout(600)  # it would have tried again after 250 ms
    assert not sockets
    page.unroute("**/?token=*")


def test_a_source_that_cannot_play_is_not_shown_as_playing(page: Any) -> None:
    page.select_option("#source", "broken.mp4")
    wait_for(lambda: "broken.mp4" in page.inner_text("#notice"))
    assert page.input_value("#source") == "film.mp4"
    loops = state(page, "loop")
    page.locator("body").press("L")  # as with Caps Lock
    wait_for(lambda: state(page, "loop") != loops)
    page.keyboard.down("l")
    page.keyboard.down("l")  # held
    page.keyboard.up("l")
    wait_for(lambda: state(page, "loop") == loops)
    page.select_option("#source", "still.png")
    wait_for(lambda: state(page, "source.kind") == "picture")
    page.locator("body").press("Space")
    page.keyboard.press("r")
    settled(page)
    assert not state(page, "playing")
    assert not page.is_visible("#no-keys")
    assert "nothing to record" not in page.inner_text("#notice")


def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(page: Any) -> None:
    page.select_option("#source", "wide.mp4")
    wait_for(lambda: state(page, "source.name") == "wide.mp4")
    settled(page)
    size = "[document.getElementById('picture').width, document.getElementById('picture').height]"
    assert page.evaluate(size) == [192, 64]
    page.select_option("#view", "side")
    wait_for(lambda: page.evaluate(size) == [384, 64])
    both = picture(page)
    assert np.abs(both[:, :1080] - both[:, 1080:]).mean() < 3  # the original, twice


def test_shortcuts_work_after_the_mouse(page: Any) -> None:
    page.click("#random")
    page.click("#view")
    page.dispatch_event("#view", "change")  # as when the list is clicked
    page.keyboard.press("Space")
    wait_for(lambda: state(page, "playing"))
    page.keyboard.press("Space")
    wait_for(lambda: not state(page, "playing"))
    settled(page)


def test_shortcuts_work_in_other_alphabets(page: Any) -> None:
    page.click("#random")
    page.evaluate(
        """() => {
          const tell = (key, code, ctrlKey) => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { key, code, ctrlKey, bubbles: true }));
          tell("я", "KeyZ", true);
          tell("д", "KeyL", false);
        }"""
    )
    wait_for(lambda: not state(page, "loop"))
    assert page.is_enabled("#redo")
    page.keyboard.press("l")
    wait_for(lambda: state(page, "loop"))


def test_times_are_rounded_before_they_are_split(page: Any) -> None:
    times = "[clock(59.6), clock(59.999, 2), clock(7265)]"
    times = f"import('/page/state.mjs').then(({{ clock }}) => {times})"
    assert page.evaluate(times) == ["1:00", "1:00.00", "2:01:05"]


def test_everything_is_reached_by_keyboard(page: Any) -> None:
    page.locator('input[data-style="starry_night"]').focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert float(page.input_value('input[data-style="starry_night"]')) == pytest.approx(0.3)
    page.keyboard.press("2")
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    page.keyboard.press("2")
    wait_for(lambda: "starry_night" in state(page, "look.mix"))
    before = state(page, "seconds")
    page.keyboard.press("Space")
    wait_for(lambda: state(page, "seconds") != before)
    page.keyboard.press("Space")
    wait_for(lambda: not state(page, "playing"))
    settled(page)  # until then a frame may be in work that is later
    at = state(page, "seconds")
    page.keyboard.press(".")
    wait_for(lambda: state(page, "seconds") > at)
    page.keyboard.press(",")
    wait_for(lambda: state(page, "seconds") == at)
    # Tab alone leads through every control.
    page.evaluate(
        """() => {
          window.seen = new Set();
          document.addEventListener("focusin", ({ target }) =>
            seen.add(target.id || target.dataset.style));
        }"""
    )
    for _ in range(100):
        page.keyboard.press("Tab")
    seen = set(page.evaluate("[...seen]"))
    assert {"play", "record", "view", "random", "the_kiss", "follow", "add-key", "ruler"} <= seen
    page.select_option("#view", "wipe")
    page.locator("#picture").press("Shift+ArrowLeft")
    assert page.get_attribute("#picture", "aria-valuenow") == "30"


def test_a_held_key_steps_from_frame_to_frame_that_is_shown(page: Any) -> None:
    seek(page, 1.0)
    settled(page)
    first = state(page, "seconds")
    page.evaluate(
        """() => {
          for (let press = 0; press < 30; press += 1) {
            document.body.dispatchEvent(
              new KeyboardEvent("keydown", { key: ",", repeat: press > 0, bubbles: true }));
          }
        }"""
    )
    wait_for(lambda: state(page, "seconds") != first)
    settled(page)
    assert state(page, "seconds") == pytest.approx(first - 1 / 25)
    page.keyboard.down(",")
    for _ in range(3):
        before = state(page, "seconds")
        page.keyboard.down(",")
        wait_for(lambda before=before: state(page, "seconds") < before)
    page.keyboard.up(",")
    settled(page)


def test_the_pad_blends_four_corners(page: Any) -> None:
    page.set_viewport_size({"width": 1100, "height": 460})
    page.click("#tab-pad")
    last = page.locator('[data-corner="3"]')
    last.scroll_into_view_if_needed()
    box, below = last.bounding_box(), page.locator("#scalars").bounding_box()
    assert box["y"] + box["height"] <= below["y"]
    field = page.locator("#field")
    box = field.bounding_box()
    field.click(position={"x": box["width"] / 4, "y": box["height"] / 4})
    settled(page)
    mix = state(page, "look.mix")
    assert sorted(mix.values()) == pytest.approx([1 / 16, 3 / 16, 3 / 16, 9 / 16], abs=0.02)
    shown = "[...document.querySelectorAll('#field output')].map((each) => each.textContent)"
    assert page.evaluate(shown) == [f"{100 * mix[style]:.0f} %" for style in mix]
    assert not page.locator("#dot.pale").count()
    page.keyboard.press("1")  # solo
    settled(page)
    assert page.evaluate(shown) == ["100 %", "0 %", "0 %", "0 %"]
    assert page.locator("#dot.pale").count()


def test_a_corner_of_the_pad_changes_what_is_painted_only_while_the_pad_leads(page: Any) -> None:
    slide(page, "the_scream", 1)
    wait_for(lambda: state(page, "look.mix") == {"the_scream": 1})
    serial = page.evaluate("videostyle.lastSerial()")
    page.click("#tab-pad")
    page.select_option('[data-corner="0"]', "the_kiss")
    assert page.evaluate("videostyle.lastSerial()") == serial
    page.locator("#field").press("ArrowLeft")
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))
    page.select_option('[data-corner="0"]', "senecio")
    wait_for(lambda: "senecio" in state(page, "look.mix"))
    assert "the_kiss" not in state(page, "look.mix")


def test_a_reload_leaves_the_pad_and_the_view_as_they_are(page: Any) -> None:
    page.click("#tab-pad")
    page.select_option('[data-corner="3"]', "senecio")
    field = page.locator("#field")
    box = field.bounding_box()
    field.click(position={"x": 0.9 * box["width"], "y": 0.8 * box["height"]})
    page.select_option("#view", "wipe")
    page.locator("#picture").press("Shift+ArrowLeft")
    settled(page)
    place, mix = page.get_attribute("#dot", "style"), state(page, "look.mix")
    page.reload()
    page.click("#tab-pad")
    wait_for(lambda: page.get_attribute("#dot", "style") == place)
    assert not page.locator("#dot.pale").count()
    assert page.input_value("#view") == "wipe"
    assert page.get_attribute("#picture", "aria-valuenow") == "30"
    page.select_option("#view", "painted")
    field.press("ArrowRight")
    wait_for(lambda: state(page, "look.mix") != mix)
    assert {*state(page, "look.mix")} == {*mix}
    assert max(state(page, "look.mix"), key=mix.get) == "senecio"


def test_all_paintings_have_a_card(page: Any) -> None:
    page.click("#open-paintings")
    assert page.locator("#cards li").count() == 32
    seen = "[...document.querySelectorAll('#cards img')].slice(0, 15).every((i) => i.naturalWidth)"
    wait_for(lambda: page.evaluate(seen))
    screenshot(page, "live_paintings")
    page.fill("#painting-search", "munch")
    page.locator("#cards button:visible").click()
    page.click("#close-paintings")
    assert page.locator('input[data-style="the_scream"]').count() == 0
    page.click("#open-paintings")
    drop(page, "no_painting.txt", b"")
    page.locator("#notice:popover-open").wait_for()  # in front of them
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(21 << 20)], "huge.png", { type: "image/png" }));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
        }"""
    )
    assert "larger than 20 MB" in page.inner_text("#notice")
    assert not page.is_visible("#paintings")  # it would be in front of that


def test_a_dropped_picture_is_sent_to_be_learned(page: Any) -> None:
    file = BytesIO()
    Image.new("RGB", (96, 96), "red").save(file, "PNG")
    drop(page, "sunset.png", file.getvalue(), "image/png")
    notice = page.locator("#notice")
    notice.wait_for()
    assert "--loss-network" in notice.inner_text()  # this server has nothing to learn with


def test_a_render_from_the_page_can_be_stopped_resumed_and_opened(page: Any, folder: Path) -> None:
    page.select_option("#source", "sample.mp4")
    wait_for(lambda: state(page, "source.name") == "sample.mp4")
    page.click("#tab-render")
    page.fill("#render-name", "from_page.mp4")
    page.fill("#render-crf", "30")
    page.click("#render-start")
    status = page.locator("#render-status")
    wait_for(lambda: "frames/s" in status.inner_text() and "left" in status.inner_text())
    title, tab = page.evaluate("[document.title, document.getElementById('tab-render').innerText]")
    assert title.startswith(tab.removeprefix("Render "))
    page.click("#render-stop")
    wait_for(lambda: "Stopped after" in status.inner_text())
    assert (page.inner_text("#tab-render"), page.title()) == ("Render", "videostyle live")
    assert "from_page.part.mp4" in page.inner_text("#render-status a")
    assert page.inner_text("#render-start") == "Resume"
    assert "Resume keeps" in page.inner_text("#pane-render")
    page.fill("#render-name", "another.mp4")
    assert page.inner_text("#render-start") == "Render"
    assert "Resume" not in page.inner_text("#pane-render")
    page.fill("#render-name", "from_page.mp4")
    assert page.inner_text("#render-start") == "Resume"
    page.reload()
    page.click("#tab-render")
    wait_for(lambda: page.inner_text("#render-start") == "Resume")
    values = [page.input_value(f"#render-{field}") for field in ("name", "crf", "size")]
    assert values == ["from_page.mp4", "30", ""]
    strength = page.locator('input[data-scalar="strength"]')
    strength.press("ArrowLeft")
    wait_for(lambda: page.inner_text("#render-start") == "Render")
    assert "made anew" in page.inner_text("#render-what")
    strength.press("ArrowRight")
    wait_for(lambda: page.inner_text("#render-start") == "Resume")
    assert "made anew" not in page.inner_text("#render-what")
    page.fill("#render-size", "160")
    assert page.inner_text("#render-start") == "Render"
    page.click("#render-start")
    wait_for(lambda: "Done: 132 frames" in status.inner_text())
    link = page.locator("#render-status a")
    with av.open(str(folder / "from_page.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 132
    assert page.request.get(page.evaluate("location.origin") + link.get_attribute("href")).ok
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.name") == "film.mp4")


def test_a_render_has_a_name_that_a_file_may_have(page: Any, folder: Path) -> None:
    tell = "import('/page/connection.mjs').then(({ emit }) => emit('source', source))"
    for name in ("a" * 49 + "😀.mp4", "back\\slash.mp4", "a\tb\x85.mp4", "..a.mp4"):
        page.evaluate(f"(source) => {tell}", {"name": name, "kind": "video"})
        Library(folder).new(page.input_value("#render-name"), {".mp4"})


def test_a_render_takes_no_size_out_of_bounds(page: Any) -> None:
    page.click("#tab-render")
    page.fill("#render-size", "5")
    page.click("#render-start")
    assert page.evaluate("document.activeElement.id") == "render-size"  # with the browser's words


def test_the_sound_goes_with_the_pictures(browser: Any, folder: Path) -> None:
    with live_server(folder / "sample.mp4") as server:
        page = open_page(browser.new_context(), server)
        heard = "videostyle.audio.currentTime"
        assert page.get_attribute("#sound", "aria-pressed") == "true"
        seek(page, 2.0)
        page.click("#play")
        wait_for(lambda: page.evaluate(heard) > 2.3)
        off = f"Math.abs({heard} - videostyle.state.seconds)"
        wait_for(lambda: page.evaluate(off) < 0.2)
        page.click("#sound")
        wait_for(lambda: page.evaluate("videostyle.audio.paused"))
        page.keyboard.press("s")
        wait_for(lambda: not page.evaluate("videostyle.audio.paused"))
        page.click("#play")
        wait_for(lambda: page.evaluate("videostyle.audio.paused"))
        second = open_page(browser.new_context(), server)  # two would be an echo
        assert second.get_attribute("#sound", "aria-pressed") == "false"
        page.select_option("#source", "late.mp4")  # its first frame comes 0.6 s after its sound
        wait_for(lambda: state(page, "source.name") == "late.mp4")
        page.click("#play")
        off = f"Math.abs({heard} - 0.6 - videostyle.state.seconds)"
        wait_for(lambda: page.evaluate(heard) > 1 and page.evaluate(off) < 0.15)
        page.select_option("#source", "long.mp4")
        wait_for(lambda: page.locator("#sound").is_disabled())  # it has none
        for each in (page, second):
            each.context.close()


def test_the_camera_is_painted(page: Any) -> None:
    slide(page, "the_scream", 1)
    page.select_option("#source", "camera")
    wait_for(lambda: state(page, "source.kind") == "camera")
    frames = page.evaluate("videostyle.measured.frames")
    wait_for(lambda: page.evaluate("videostyle.measured.frames") > frames + 5)
    # Its thumbnails show what it sees.
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.kind") == "video")
    page.locator('#picture[data-rendered="true"]').wait_for()


def test_a_frame_of_the_camera_goes_up_while_another_is_painted(page: Any) -> None:
    page.evaluate(
        """() => {
          window.filmed = window.seen = 0;
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (data) {
            if (data instanceof ArrayBuffer) filmed += 1;  // and nobody ever answers
            else send.call(this, data);
          };
          const next = HTMLVideoElement.prototype.requestVideoFrameCallback;
          HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
            seen += 1;
            return next.call(this, callback);
          };
          const now = performance.now();
          performance.now = () => now;
        }"""
    )
    page.select_option("#source", "camera")
    wait_for(lambda: page.evaluate("filmed") == 2)
    seen = page.evaluate("seen")
    wait_for(lambda: page.evaluate("seen") > seen + 5)
    assert page.evaluate("filmed") == 2
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.kind") == "video")


def test_a_camera_that_is_refused_or_ends_says_so_and_can_be_tried_again(page: Any) -> None:
    settled(page)
    page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          const open = devices.getUserMedia.bind(devices);
          window.refused = true;
          devices.getUserMedia = async (wish) => {
            if (refused) throw new Error("not today");
            return window.stream = await open(wish);
          };
        }"""
    )
    page.select_option("#source", "camera")
    page.locator("#empty-text", has_text="not today").wait_for()
    assert not page.is_visible("#picture")  # nor the film of before
    assert page.is_disabled("#record")
    page.evaluate("refused = false")
    page.click("#camera-again")
    wait_for(lambda: state(page, "pictures") > 2)
    assert page.is_visible("#picture")
    assert page.is_enabled("#record")
    page.evaluate("stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator("#empty-text", has_text="has stopped").wait_for()
    assert not page.is_visible("#picture")
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.kind") == "video")
    page.locator('#picture[data-rendered="true"]').wait_for()


def test_only_the_tab_that_shows_the_camera_films(page: Any, server: LiveServer) -> None:
    page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          const open = devices.getUserMedia.bind(devices);
          window.streams = [];
          devices.getUserMedia = async (wish) => {
            await new Promise((allow) => { window.allow = allow; });
            const stream = await open(wish);
            streams.push(stream);
            return stream;
          };
        }"""
    )
    is_off = "streams.at(-1)?.getTracks()[0].readyState === 'ended'"
    page.select_option("#source", "camera")
    wait_for(lambda: page.evaluate("Boolean(window.allow)"))
    page.select_option("#source", "film.mp4")  # before the question is answered
    wait_for(lambda: state(page, "source.kind") == "video")
    page.evaluate("allow(window.allow = null)")
    wait_for(lambda: page.evaluate(is_off))
    page.select_option("#source", "camera")
    wait_for(lambda: page.evaluate("Boolean(window.allow)"))
    page.evaluate("allow()")
    wait_for(lambda: state(page, "pictures") > 2)
    second = open_tab(page.context, server)
    second.click("#take-controls")
    wait_for(lambda: page.evaluate(is_off))
    pictures = state(second, "pictures")
    wait_for(lambda: state(second, "pictures") > pictures + 5)
    second.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.kind") == "video")
    page.click("#take-controls")
    wait_for(lambda: not page.is_visible("#take-controls"))
    second.close()


@pytest.mark.parametrize(
    ("name", "size"),
    [("live", (1280, 720)), ("live_tablet", (820, 1180)), ("", (390, 844))],
)
def test_it_fits_the_screen(page: Any, name: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.click("#tab-yaml")
    page.select_option("#timeline-file", "demo.yaml")
    wait_for(lambda: state(page, "follow"))
    around = """() => {
      const word = document.createRange();
      word.selectNodeContents(record);
      return word.getBoundingClientRect().left - record.getBoundingClientRect().left;
    }"""
    assert page.evaluate(around) > 6
    page.click("#tab-mix")
    seek(page, 1.8)
    page.click("#clear")
    for style, value in (("starry_night", 0.8), ("great_wave", 0.35), ("the_kiss", 0.5)):
        slide(page, style, value)
    settled(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0]
    if name != "live":
        page.locator("#scalars").scroll_into_view_if_needed()
        assert page.locator(".frame").bounding_box()["y"] >= 0  # seen while it is mixed
        page.evaluate("scrollTo(0, 0)")
    if name == "live":
        assert page.locator(".transport").bounding_box()["height"] < 40  # in one line
        assert page.evaluate("sliders.scrollHeight <= sliders.clientHeight")
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
        for element in ("#picture", "#play", "#strip", "#sliders", "#scalars"):
            box = page.locator(element).bounding_box()
            assert box["y"] + box["height"] <= size[1], element
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.complete)"))
    if name:
        screenshot(page, name)


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (640, 360), (820, 1180)])
def test_a_small_screen_shows_picture_transport_and_sliders_at_once(
    page: Any, size: tuple[int, int]
) -> None:
    def is_in_sight(selector: str) -> bool:
        box = page.locator(selector).first.bounding_box()
        return box["y"] >= 0 and box["y"] + box["height"] <= size[1]

    page.set_viewport_size({"width": size[0], "height": size[1]})
    assert is_in_sight("#picture")
    assert is_in_sight('input[data-style="starry_night"]')
    page.locator("#scalars").scroll_into_view_if_needed()
    for selector in ("#picture", "#play", "#record", "#scalars"):
        assert is_in_sight(selector), selector
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_nothing_covers_the_timeline_at_the_end_of_a_low_screen(page: Any) -> None:
    page.set_viewport_size({"width": 844, "height": 390})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    on_top = "([x, y]) => document.elementFromPoint(x, y).id"
    assert page.evaluate(on_top, middle(page, "#follow")) == "follow"


def test_a_low_window_keeps_a_picture_that_can_be_seen(page: Any) -> None:
    page.set_viewport_size({"width": 1100, "height": 460})
    assert page.locator(".frame").bounding_box()["height"] > 150


def test_everything_grows_with_a_large_screen(page: Any) -> None:
    def height() -> float:
        return page.locator("#sliders li").first.bounding_box()["height"]

    before = height()
    page.set_viewport_size({"width": 3840, "height": 2160})
    assert height() == pytest.approx(2 * before, rel=0.1)
    assert page.evaluate("document.documentElement.scrollHeight") <= 2160


def test_the_sliders_show_the_digit_that_solos_them(page: Any) -> None:
    digits = "[...document.querySelectorAll('#sliders li')].map((each) => each.dataset.digit ?? '')"
    first = [*"1234567890"]
    assert page.evaluate(digits)[:11] == [*first, ""]
    page.locator('[aria-label="Move The Starry Night"]').press("ArrowDown")
    assert page.evaluate(digits)[:11] == [*first, ""]
    page.keyboard.press("2")
    wait_for(lambda: state(page, "look.mix") == {"starry_night": 1})
