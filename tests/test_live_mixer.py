"""The live page in a real browser: sliders, pad, stored looks, a MIDI controller, paintings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from live_browser import (
    PAINTINGS,
    SCREEN,
    TWO_KEYS,
    drag,
    drop,
    middle,
    new_tab,
    open_page,
    open_source,
    open_tab,
    open_timeline,
    page_anew,
    screenshot,
    seek,
    settled,
    slide,
    state,
    tell,
    touch,
    wait_for,
    wait_until_rendered,
)
from live_server import LiveServer

pytest_plugins = ["live_browser"]


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


def test_what_is_silent_can_be_read_and_is_seen_to_be(page: Any) -> None:
    page.click('[data-midi="solo the_kiss"]')
    wait_for(lambda: page.locator("#sliders .silent").count() == 13)
    contrasts = """(selector) => {
      const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
      const luminance = (rgb) => rgb.map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
      const behind = numbers(getComputedStyle(document.querySelector(".panel")).backgroundColor);
      return [...document.querySelectorAll(selector)].map((text) => {
        let part = 1;
        for (let each = text; each; each = each.parentElement) {
          part *= getComputedStyle(each).opacity;
        }
        const ink = numbers(getComputedStyle(text).color);
        const seen = ink.map((each, place) => each * part + behind[place] * (1 - part));
        const [low, high] = [behind, seen].map(luminance).sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
      });
    }"""
    for selector in (".silent .title", ".silent .weight", ".silent .grip", ".grip"):
        assert min(page.evaluate(contrasts, f"#sliders {selector}")) > 4.5, selector
    lines = "(title) => getComputedStyle(title).textDecorationLine"
    assert page.locator("#sliders .silent .title").first.evaluate(lines) == "line-through"
    heard = page.locator("#sliders li:not(.silent) .title")
    assert heard.evaluate(lines) == "none"


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


def test_a_move_is_not_undone_by_what_the_server_said_before_it_heard_of_it(page: Any) -> None:
    open_timeline(page, TWO_KEYS)
    page.evaluate(
        """async () => {
          const { on, emit } = await code("connection.mjs");
          const said = {};
          for (const type of ["state", "picture"]) on(type, (word) => { said[type] ??= word; });
          document.getElementById("forward").click();
          while (!said.state || !said.picture) await new Promise((tell) => setTimeout(tell, 20));
          document.getElementById("clear").click();
          for (const [type, message] of Object.entries(said)) emit(type, message);
        }"""
    )
    wait_for(lambda: state(page, "look.mix") == {"original": 1} and not state(page, "follow"))
    assert page.input_value('input[data-style="the_kiss"]') == "0"


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


CONTROLLER = """
  window.asked = 0;
  const input = {};
  navigator.requestMIDIAccess = async () => {
    asked += 1;
    if (window.refuses) throw new DOMException("no", "NotAllowedError");
    return window.access = { inputs: new Map([["one", input]]) };
  };
  const kept = localStorage["videostyle-midi"];
  navigator.permissions.query = async () => ({ state: kept ? "granted" : "prompt" });
  window.turn = (...bytes) => input.onmidimessage({ data: Uint8Array.from(bytes) });
"""
CC, NOTE = 0xB0, 0x90


@pytest.fixture(scope="module")
def midi_tab(browser: Any) -> Any:
    context = browser.new_context(viewport=SCREEN)
    context.add_init_script(CONTROLLER)
    return new_tab(context)


@pytest.fixture
def midi_page(midi_tab: Any, server: LiveServer) -> Iterator[Any]:
    with page_anew(midi_tab, server) as page:
        page.click("#clear")
        yield page


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
    wait_until_rendered(page)
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
    slide(page, "starry_night", 0.5)  # beside it every turn is another mixture
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
    wait_until_rendered(page)
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
    stored = page.evaluate("localStorage['videostyle-looks']")
    mix = '"the_kiss":1'
    tell(page, {"type": "looks", "looks": stored.replace(mix, f'{mix},"gone":1')})
    wait_for(lambda: "gone" in (page.get_attribute('[aria-label="Look 1"]', "title") or ""))
    page.click("#clear")
    page.fill("#fade", "0")
    page.click('[aria-label="Look 1"]')
    wait_for(lambda: state(page, "look.mix") == {"the_kiss": 1})
    assert page.locator('input[data-style="gone"]').count() == 0


def test_stored_looks_are_there_for_whoever_takes_over(
    page: Any, browser: Any, server: LiveServer
) -> None:
    first = '[aria-label="Look 1"]'
    tablet = open_page(browser.new_context(viewport=SCREEN), server)
    slide(page, "the_kiss", 1)
    page.fill("#fade", "0")
    store(page, 1)
    wait_for(lambda: tablet.get_attribute(first, "title") == "The Kiss 100 %")
    store(tablet, 2)
    assert "take over first" in tablet.inner_text("#notice")
    assert tablet.get_attribute('[aria-label="Look 2"]', "title") == "Empty"
    page.click("#clear")
    tablet.click("#take-controls")
    wait_for(lambda: not tablet.is_visible("#take-controls"))
    wait_for(lambda: state(tablet, "look.mix") == {"original": 1})
    tablet.click(first)
    wait_for(lambda: state(tablet, "look.mix") == {"the_kiss": 1})
    assert tablet.input_value("#fade") == "0"
    tell(tablet, {"type": "looks", "looks": "x" * 100_001})
    wait_for(lambda: "'looks' must be text" in tablet.inner_text("#notice"))
    page.click("#take-controls")
    wait_for(lambda: not page.is_visible("#take-controls"))
    tablet.context.close()
    assert tablet.mistakes == []


def test_looks_outlive_the_server_and_a_lost_connection(page: Any) -> None:
    """The page's own are given to a server that has none."""
    first, second = '[aria-label="Look 1"]', '[aria-label="Look 2"]'
    slide(page, "the_kiss", 1)
    store(page, 1)
    lose = "window.told = 0; videostyle.on('looks', () => told++); videostyle.drop()"
    page.evaluate(lose)
    wait_for(lambda: page.evaluate("document.body.dataset.connection") == "lost")
    store(page, 2)
    wait_for(lambda: page.evaluate("told") == 2)  # what the server had, and the answer
    assert page.get_attribute(second, "title") == "The Kiss 100 %"
    before = page.evaluate("told")
    tell(page, {"type": "looks", "looks": ""})
    wait_for(lambda: page.evaluate("told") == before + 2)
    page.evaluate("localStorage.clear()")
    page.reload()
    wait_until_rendered(page)
    for look in (first, second):
        assert page.get_attribute(look, "title") == "The Kiss 100 %"


def test_what_is_kept_outlives_a_tab_that_is_hidden_and_then_killed(page: Any) -> None:
    page.click('[data-midi="mute the_kiss"]')
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    assert '"muted":["the_kiss"]' in page.evaluate("sessionStorage['videostyle-mixer']")


def test_a_stored_value_that_is_broken_is_dropped(page: Any) -> None:
    for value in ("{", "5", '"words"', "[1]", '{"chosen":1}'):
        page.evaluate(
            """(value) => addEventListener("pagehide", () => {
              for (const key of ["mixer", "pad", "view"]) {
                sessionStorage["videostyle-" + key] = value;
              }
              for (const key of ["midi", "looks"]) localStorage["videostyle-" + key] = value;
            })""",
            value,
        )
        page.reload()
        wait_until_rendered(page)
        assert page.locator("#sliders li").count() == 14, value
        assert page.locator("#pad select").last.input_value(), value
        assert page.mistakes == [], value


def test_bindings_that_were_kept_without_a_prefix_are_found(midi_page: Any) -> None:
    page = midi_page
    page.evaluate("localStorage.midi = JSON.stringify([['CC 21 of 1', 'weight the_kiss']])")
    page.reload()
    wait_until_rendered(page)
    assert page.locator('input[data-style="the_kiss"].bound').count() == 1


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
    page.select_option('[data-corner="3"]', "original")
    wait_for(lambda: state(page, "look.mix.original") == pytest.approx(0.25, abs=0.02))


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
    page.click("#close-paintings")
    # No keyboard comes up over them on a touch screen.
    is_sought = "document.activeElement === document.getElementById('painting-search')"
    for is_touch in (False, True):
        screen = page.context.new_cdp_session(page)
        screen.send("Emulation.setTouchEmulationEnabled", {"enabled": is_touch})
        page.click("#open-paintings")
        assert page.evaluate(is_sought) == (not is_touch)
        page.click("#close-paintings")
    screen.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_a_window_however_small_has_all_within_it(page: Any) -> None:
    overlaps = """() => {
      const buttons = [...document.querySelectorAll("button, select, .tools input")]
        .filter((each) => each.checkVisibility() && !each.closest(".sliders, .sight"))
        .map((each) => [each, each.getBoundingClientRect()]);
      const meet = (a, b) => a.left < b.right - 2 && b.left < a.right - 2
        && a.top < b.bottom - 2 && b.top < a.bottom - 2;
      return buttons.flatMap(([one, a]) => buttons
        .filter(([other, b]) => one !== other && meet(a, b)).map(([other]) => [one.id, other.id]));
    }"""
    sizes = (512, 384), (480, 320), (427, 213), (320, 256), (320, 568), (599, 400), (601, 400)
    for size in sizes:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for tab in ("mix", "pad", "yaml", "render"):
            page.click(f"#tab-{tab}")
            page.evaluate("scrollTo(0, 0)")
            wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            content, window = page.evaluate(wide)
            assert content <= window, (size, tab)
            assert page.evaluate(overlaps) == [], (size, tab)
        page.keyboard.press("?")
        assert page.evaluate("help.scrollTop") == 0, size  # it begins with its first line
        page.click("#close-help")
        # What stays in sight leaves most of a low window to the rest.
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        on_top = "([x, y]) => document.elementFromPoint(x, y).closest('.panel, .timeline') !== null"
        assert page.evaluate(on_top, [size[0] - 40, size[1] * 0.65]), size


def test_a_picture_has_the_room_it_fills_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})

    def height() -> float:
        box: dict[str, float] = page.locator(".frame").bounding_box()
        return box["height"]

    wait_for(lambda: height() == pytest.approx(370 * 9 / 16, abs=1))
    open_source(page, "tall.png")  # of which half of the screen's height is as much as there is
    wait_for(lambda: height() == pytest.approx(844 / 2, abs=1))
    open_source(page, "wide.mp4")
    wait_for(lambda: height() == pytest.approx(370 / 3, abs=1))
    page.select_option("#view", "side")
    wait_for(lambda: height() == pytest.approx(120, abs=1))


def test_the_sliders_show_the_digit_that_solos_them(page: Any) -> None:
    digits = "[...document.querySelectorAll('#sliders li')].map((each) => each.dataset.digit ?? '')"
    first = [*"1234567890"]
    assert page.evaluate(digits)[:11] == [*first, ""]
    page.locator('[aria-label="Move The Starry Night"]').press("ArrowDown")
    assert page.evaluate(digits)[:11] == [*first, ""]
    page.keyboard.press("2")
    wait_for(lambda: state(page, "look.mix") == {"starry_night": 1})
