"""The live page in a real browser: recordings, overdubs, and renders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from live_browser import (
    TWO_KEYS,
    middle,
    open_source,
    open_tab,
    seek,
    settled,
    slide,
    state,
    wait_for,
)
from live_server import LiveServer

from videostyle.encode.options import EncodeOptions
from videostyle.live.library import Library
from videostyle.rendering.render import render
from videostyle.timeline.reader import parse_timeline, read_timeline

pytest_plugins = ["live_browser"]


def test_a_performance_is_recorded_saved_and_rendered(page: Any, folder: Path) -> None:
    open_source(page, "long.mp4")
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


def apply(page: Any, text: str) -> None:
    page.click("#tab-yaml")
    page.fill("#yaml", text)
    page.click("#apply")
    wait_for(lambda: state(page, "follow") and state(page, "timeline.yaml") == text)
    page.click("#tab-mix")


MORPH = "version: 1\nkeyframes: [{at: 0s, mix: the_kiss, stroke: 2}, {at: 9s, mix: the_scream}]\n"


def test_an_overdub_takes_over_what_is_touched_and_undo_gives_it_back(page: Any) -> None:
    open_source(page, "long.mp4")
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


def begin_overdub(page: Any, text: str = MORPH) -> None:
    """Over a timeline, in a video that is open for the test alone; until something is shown."""
    open_source(page, "long.mp4")
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


def test_a_render_from_the_page_can_be_stopped_resumed_and_opened(page: Any, folder: Path) -> None:
    open_source(page, "sample.mp4")
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


def test_a_render_has_a_name_that_a_file_may_have(page: Any, folder: Path) -> None:
    tell = "code('connection.mjs').then(({ emit }) => emit('source', source))"
    for name in ("a" * 49 + "😀.mp4", "back\\slash.mp4", "a\tb\x85.mp4", "..a.mp4"):
        page.evaluate(f"(source) => {tell}", {"name": name, "kind": "video"})
        Library(folder).new(page.input_value("#render-name"), {".mp4"})


def test_a_render_takes_no_size_out_of_bounds(page: Any) -> None:
    page.click("#tab-render")
    page.fill("#render-size", "5")
    page.click("#render-start")
    assert page.evaluate("document.activeElement.id") == "render-size"  # with the browser's words
