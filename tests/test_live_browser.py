"""The live page in a real browser, on the sample clip, with the shipped model.

Needs Chromium (Debian's `chromium`) and is skipped without it. With SCREENSHOTS=FOLDER in the
environment the pictures of the docs are taken on the way.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from live_server import LiveServer, live_server
from PIL import Image

from videostyle.timeline_yaml import read_timeline

pytest.importorskip("uvicorn")
sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
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
PAINTINGS = 'input[data-style]:not([data-style="original"])'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    shutil.copy(SAMPLE, folder / "film.mp4")
    with av.open(str(folder / "long.mp4"), "w") as output:
        end = 0
        for _ in range(3):
            with av.open(str(SAMPLE)) as source:
                stream = source.streams.video[0]
                target = output.streams.video[0] if end else output.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + end, packet.dts + end
                    packet.stream = target
                    output.mux(packet)
                end += stream.duration
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
    yield page
    if page.evaluate("videostyle.state.playing"):
        page.click("#play")
    context.close()
    assert page.mistakes == []


def open_page(context: Any, server: LiveServer) -> Any:
    page = context.new_page()
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(server.url)
    page.locator('#picture[data-rendered="true"]').wait_for(timeout=30_000)
    return page


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
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_thirteen_sliders_move_the_picture(page: Any) -> None:
    assert page.locator(PAINTINGS).count() == 13
    slide(page, "starry_night", 0)
    page.click("#clear")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
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


def test_playing_is_fast_enough_to_be_seen(page: Any) -> None:
    page.click("#play")
    wait_for(lambda: state(page, "playing"))
    first = wait_for(lambda: page.evaluate("videostyle.measured.frames"))
    wait_for(lambda: page.evaluate("videostyle.measured.frames") > first + 20)
    page.click("#play")
    wait_for(lambda: not state(page, "playing"))


def test_a_performance_is_recorded_saved_and_rendered(page: Any, folder: Path) -> None:
    page.select_option("#source", "long.mp4")
    wait_for(lambda: state(page, "source.name") == "long.mp4")
    page.click("#clear")
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
        # The hand follows the video's clock, which a machine under load sets back.
        start = float(page.input_value(f'input[data-style="{style}"]'))
        while (passed := state(page, "seconds") - begin - 2 * number) < 1:
            slide(page, style, start + (goal - start) * max(0, passed))
            time.sleep(0.02)
        slide(page, style, goal)
        if number == 3:
            screenshot(page, "live_recording")
        last = number == len(moves) - 1
        wait_for(lambda end=2 * (number + 1) - 0.4 * last: state(page, "seconds") - begin > end, 60)
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
    assert shown[-1][0] - shown[0][0] > 9
    assert len(timeline.mix.keyframes) < 40
    for seconds, mix in shown[:-1]:
        played = timeline.look_at(seconds).mix
        for name in {*mix, *played}:
            assert abs(played.get(name, 0) - mix.get(name, 0)) < 0.02, (seconds, name)

    wait_for(lambda: state(page, "follow"))
    seek(page, 2.0)
    wait_for(lambda: not state(page, "playing"))
    picture = settled(page)
    rendered = frame_rendered(saved, folder, state(page, "seconds"))
    assert np.abs(rendered - picture).mean() < 6
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.name") == "film.mp4")


def frame_rendered(timeline: Path, folder: Path, seconds: float) -> np.ndarray:
    """One frame as `videostyle render` gives it."""
    output = folder / "frame.mkv"
    command = [sys.executable, "-m", "videostyle", "render", str(folder / "long.mp4")]
    command += ["-o", str(output), "-t", str(timeline), "--start", f"{seconds:.3f}s", "-y"]
    command += ["--end", f"{seconds + 0.03:.3f}s", "--crf", "0"]
    subprocess.run(command, check=True, capture_output=True)
    with av.open(str(output)) as container:
        image = next(container.decode(video=0)).to_image()
    return np.asarray(image.resize((640, 360))).astype(float)


def test_keys_are_moved_copied_deleted_and_undone(page: Any) -> None:
    page.click("#tab-yaml")
    page.fill(
        "#yaml",
        "version: 1\nkeyframes:\n  - {at: 1s, mix: the_kiss}\n  - {at: 3s, mix: original}\n",
    )
    page.click("#apply")
    keys = page.locator(".lane.mix .key")
    wait_for(lambda: keys.count() == 2 and state(page, "timeline.tracks.mix[0].at") == 1)
    page.wait_for_timeout(300)
    box = page.locator("#lanes").bounding_box()
    first = keys.first.bounding_box()
    page.mouse.move(first["x"] + 6, first["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 2 / 5.28, first["y"] + 6, steps=4)
    page.mouse.up()
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    wait_for(lambda: abs(page.evaluate(times)[0] - 2) < 0.05)
    page.select_option("#key-ease", "smooth")
    wait_for(lambda: page.evaluate("videostyle.state.timeline.tracks.mix[0].ease") == "smooth")
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
    if not state(page, "follow"):
        page.click("#follow")
    wait_for(lambda: state(page, "look.mix") == {"original": 1})
    seek(page, 2.4)
    assert set(state(page, "look.mix")) == {"the_kiss", "original"}
    settled(page)
    keys.first.focus()
    assert page.is_visible("#key-ease")
    screenshot(page, "live_timeline")


def test_a_broken_timeline_is_refused_at_its_line(page: Any) -> None:
    text = "version: 1\nkeyframes:\n  - {at: 0s, mix: the_kis}\n"
    page.evaluate(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "broken.yaml"));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }""",
        text,
    )
    mistake = page.locator("#mistakes li")
    mistake.wait_for()
    assert "Line 3, column 19" in mistake.inner_text()
    assert "did you mean the_kiss" in mistake.inner_text()
    assert page.input_value("#yaml") == text


def test_a_second_tab_follows_and_can_take_over(page: Any, server: LiveServer) -> None:
    second = open_page(page.context, server)
    assert second.is_visible("#take-controls")
    slide(page, "senecio" if page.locator('input[data-style="senecio"]').count() else "the_kiss", 1)
    wait_for(lambda: state(second, "look.mix") == state(page, "look.mix"))
    second.click("#take-controls")
    wait_for(lambda: page.is_visible("#take-controls"))
    slide(second, "the_scream", 0.9)
    wait_for(lambda: "the_scream" in state(page, "look.mix"))
    second.close()
    wait_for(lambda: not page.is_visible("#take-controls"))


def test_a_dead_connection_comes_back(page: Any) -> None:
    page.evaluate("videostyle.drop()")
    page.locator('body[data-connection="lost"]').wait_for()
    page.locator('body[data-connection="here"]').wait_for()
    slide(page, "the_kiss", 0.7)
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))


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
    page.keyboard.press("Space")
    wait_for(lambda: state(page, "playing"))
    page.keyboard.press("Space")
    wait_for(lambda: not state(page, "playing"))
    at = state(page, "seconds")
    page.keyboard.press(".")
    wait_for(lambda: state(page, "seconds") > at)
    page.keyboard.press(",")
    wait_for(lambda: state(page, "seconds") == at)
    # Tab alone leads through every control.
    seen = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.style"))
    assert {"play", "record", "view", "random", "the_kiss", "follow", "add-key", "ruler"} <= seen


def test_the_pad_blends_four_corners(page: Any) -> None:
    page.click("#tab-pad")
    field = page.locator("#field")
    box = field.bounding_box()
    field.click(position={"x": box["width"] / 4, "y": box["height"] / 4})
    settled(page)
    mix = state(page, "look.mix")
    assert sorted(mix.values()) == pytest.approx([1 / 16, 3 / 16, 3 / 16, 9 / 16], abs=0.02)


def test_all_paintings_have_a_card(page: Any) -> None:
    page.click("#open-paintings")
    assert page.locator("#cards li").count() == 32
    page.fill("#painting-search", "munch")
    page.locator("#cards button").click()
    page.click("#close-paintings")
    assert page.locator('input[data-style="the_scream"]').count() == 0


def test_a_render_from_the_page_can_be_opened(page: Any, folder: Path) -> None:
    page.click("#tab-render")
    page.fill("#render-name", "from_page.mp4")
    page.fill("#render-size", "160")
    page.click("#render-start")
    link = page.locator("#render-status a")
    link.wait_for(timeout=60_000)
    assert "132 frames" in page.inner_text("#render-status")
    with av.open(str(folder / "from_page.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 132
    assert page.request.get(page.evaluate("location.origin") + link.get_attribute("href")).ok


def test_the_camera_is_painted(page: Any) -> None:
    slide(page, "the_scream", 1)
    page.select_option("#source", "camera")
    wait_for(lambda: state(page, "source.kind") == "camera")
    frames = page.evaluate("videostyle.measured.frames")
    wait_for(lambda: page.evaluate("videostyle.measured.frames") > frames + 5)
    page.select_option("#source", "film.mp4")
    wait_for(lambda: state(page, "source.kind") == "video")
    page.locator('#picture[data-rendered="true"]').wait_for()


@pytest.mark.parametrize(("name", "size"), [("live", (1280, 720)), ("live_tablet", (820, 1180))])
def test_it_fits_the_screen(page: Any, name: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.click("#equalise")
    for style, value in (("starry_night", 0.8), ("great_wave", 0.35), ("the_kiss", 0.5)):
        slide(page, style, value)
    settled(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0]
    if name == "live":
        assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
        for element in ("#picture", "#play", "#strip", "#sliders", "#scalars"):
            box = page.locator(element).bounding_box()
            assert box["y"] + box["height"] <= size[1], element
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.complete)"))
    screenshot(page, name)
