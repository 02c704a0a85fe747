"""The live page in a real browser: picture, screens, keyboard, sources, tabs and connection."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_clip
from live_browser import (
    SAMPLE,
    TWO_KEYS,
    drop,
    last_asked,
    middle,
    open_page,
    open_source,
    open_tab,
    picture,
    screenshot,
    seek,
    settled,
    slide,
    state,
    tell,
    wait_for,
    wait_until_rendered,
)
from live_server import LiveServer, live_server
from PIL import Image

pytest_plugins = ["live_browser"]


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
    page.click("#picture")
    page.keyboard.press("f")
    wait_for(lambda: page.evaluate("document.fullscreenElement?.className") == "frame")
    is_framed = "getComputedStyle(picture).outlineStyle != 'none'"
    assert not page.evaluate(is_framed)
    page.select_option("#view", "wipe")
    page.locator("#picture").press("Shift+ArrowLeft")
    assert page.get_attribute("#picture", "aria-valuenow") == "30"
    assert not page.evaluate(is_framed)
    page.select_option("#view", "painted")
    screen = page.evaluate("({ x: 0, y: 0, width: innerWidth, height: innerHeight })")
    wait_for(lambda: page.locator("#picture").bounding_box() == screen)
    assert not page.is_visible("#badge")
    drop(page, "no_painting.txt", b"")  # which has a notice
    wait_for(lambda: page.inner_text("#notice"))
    assert not page.is_visible("#notice")
    page.keyboard.press("f")
    wait_for(lambda: not page.evaluate("document.fullscreenElement"))
    assert page.is_visible("#badge")


def test_a_browser_that_keeps_nothing_shows_the_page(browser: Any, server: LiveServer) -> None:
    context = browser.new_context()
    context.add_init_script(
        """Object.defineProperty(window, "sessionStorage", {
          get() { throw new DOMException("Access is denied", "SecurityError"); },
        })"""
    )
    page = open_page(context, server)
    page.reload()
    wait_until_rendered(page)
    context.close()
    assert page.mistakes == []


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
    page.locator("#notice", has_text="take over first").wait_for()
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
    second.evaluate("videostyle.on('failure', () => { window.isRefused = true; })")
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
    second.focus("#source")
    assert second.asked == []
    assert not second.evaluate("window.isRefused")
    second.close()


def test_a_dead_connection_comes_back(page: Any) -> None:
    page.evaluate("videostyle.drop()")
    page.locator('body[data-connection="lost"]').wait_for()
    page.locator('body[data-connection="here"]').wait_for()
    slide(page, "the_kiss", 0.7)
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))


def test_a_connection_that_dies_in_silence_is_given_up_for_another(page: Any) -> None:
    page.evaluate(
        """async () => {
          const { bePatient } = await code("connection.mjs");
          window.bePatient = bePatient;
          window.lost = 0;
          videostyle.on("disconnected", () => {
            lost += 1;
            window.said = document.getElementById("notice").textContent;
            bePatient();
          });
          const Socket = WebSocket;
          window.isDead = () => false;
          window.WebSocket = class extends Socket {
            set onmessage(handler) {
              super.onmessage = handler && ((event) => { if (!isDead(this)) handler(event); });
            }
            set onclose(handler) { if (!isDead(this)) super.onclose = handler; }
            send(data) { if (!isDead(this)) super.send(data); }
            close() { if (!isDead(this)) super.close(); }
          };
          videostyle.drop();  // and what comes next can die
        }"""
    )
    page.locator('body[data-connection="lost"]').wait_for()
    page.locator('body[data-connection="here"]').wait_for()
    slide(page, "the_scream", 0.7)
    wait_for(lambda: "the_scream" in state(page, "look.mix"))
    lost = page.evaluate("lost")
    page.evaluate(
        """() => {
          let dead = null;
          isDead = (socket) => { dead ??= socket; return socket === dead; };
          bePatient(200);
        }"""
    )
    wait_for(lambda: page.evaluate("lost") > lost)
    assert "connection is lost" in page.evaluate("said")
    page.locator('body[data-connection="here"]').wait_for()
    slide(page, "the_kiss", 0.7)
    wait_for(lambda: "the_kiss" in state(page, "look.mix"))


def test_a_connection_on_which_little_happens_stays(page: Any) -> None:
    settled(page)
    page.evaluate(
        """async () => {
          const { bePatient } = await code("connection.mjs");
          window.lost = window.alive = 0;
          videostyle.on("disconnected", () => { lost += 1; });
          videostyle.on("alive", () => { alive += 1; });
          bePatient(3000);
        }"""
    )
    wait_for(lambda: page.evaluate("alive") >= 2)
    assert page.evaluate("lost") == 0


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
    page.evaluate("code('connection.mjs').then(({ bePatient }) => bePatient(2500))")
    server.process.send_signal(signal.SIGSTOP)
    try:
        page.locator("#notice", has_text="The connection is lost").wait_for()
        assert page.inner_text("#meter").startswith("0 of 25 frames/s")
    finally:
        server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: not page.is_visible("#notice"))
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
    open_source(page, "wide.mp4")
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
    times = f"code('state.mjs').then(({{ clock }}) => {times})"
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


@pytest.fixture
def small_page(page: Any) -> Iterator[Any]:
    """With a preview that a busy machine can paint as fast as it is played."""
    page.select_option("#lines", "180")
    wait_for(lambda: state(page, "lines") == 180)
    yield page
    page.select_option("#lines", "")
    wait_for(lambda: state(page, "lines") is None)


def test_the_sound_goes_with_the_pictures(
    small_page: Any, browser: Any, server: LiveServer
) -> None:
    page = small_page
    open_source(page, "sample.mp4")
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
    open_source(page, "late.mp4")  # its first frame comes 0.6 s after its sound
    page.click("#play")
    off = f"Math.abs({heard} - 0.6 - videostyle.state.seconds)"
    wait_for(lambda: page.evaluate(heard) > 1 and page.evaluate(off) < 0.15)
    open_source(page, "long.mp4")
    wait_for(lambda: page.locator("#sound").is_disabled())  # it has none
    second.context.close()


def test_a_hand_that_paints_a_slide_anew_does_not_take_its_sound_back(
    page: Any, folder: Path
) -> None:
    make_clip(folder / "slides.mp4", pts=[0, 8], time_base=Fraction(1), audio="aac")
    tell(page, {"type": "open", "name": "slides.mp4"})
    wait_for(lambda: state(page, "source.name") == "slides.mp4")
    page.click("#play")
    heard = "videostyle.audio.currentTime"
    wait_for(lambda: page.evaluate(heard) > 1)
    pictures = state(page, "pictures")
    slide(page, "great_wave", 1)
    wait_for(lambda: state(page, "pictures") > pictures)
    assert page.evaluate(heard) > 1


def test_the_sound_of_a_machine_that_is_too_slow_is_slow_and_does_not_stutter(page: Any) -> None:
    chance = random.Random(3)
    played = """async (pictures) => {
      const follow = (await code("pace.mjs")).follower();
      let [heard, rate, before, waits] = [0, 1, 0, 0.1];  // a player begins late
      return pictures.map(([now, seconds]) => {
        const runs = Math.max(0, now - before - waits);
        waits = Math.max(0, waits - (now - before));
        [heard, before] = [heard + rate * runs, now];
        const told = follow({ seconds, heard, now });
        [heard, rate, waits] = told === null ? [seconds, rate, 0.1] : [heard, told, waits];
        return [told, heard - seconds];
      });
    }"""
    for pace in (1, 0.96, 0.8, 0.5):
        now, pictures = 0.0, []
        for number in range(500):
            now = max(now, number / 25 / pace + chance.uniform(0, 0.1))
            pictures.append((now, number / 25))
        rates, off = zip(*page.evaluate(played, pictures), strict=True)
        assert None not in rates
        assert max(map(abs, off[100:])) < 0.1
    # Paused for a minute, then sought, then round a loop.
    places = [(2, 2), (62, 2.04), (62.04, 2.08), (62.08, 2.4), (62.12, 2.1), (62.16, 2.14)]
    rates = [rate for rate, _ in page.evaluate(played, [(0, 0), *places])]
    assert rates[0] is not None
    assert [rate is None for rate in rates[3:]] == [False, True, True, False]
    assert rates[3] > 0.9
    # A short pause, in which the sound is silent, does not slow down what follows.
    assert page.evaluate("""async () => {
      const follow = (await code("pace.mjs")).follower();
      const pictures = [[0, 2], [0.04, 2.04], [0.6, 2.08, true], [0.64, 2.12], [0.68, 2.16]];
      return pictures.map(([now, seconds, isSilent]) =>
        follow({ seconds, heard: isSilent ? null : seconds, now }));
    }""") == [1, 1, None, 1, 1]


def test_a_file_whose_name_is_not_utf_8_is_heard_and_seen(page: Any, folder: Path) -> None:
    try:
        shutil.copy(folder / "late.mp4", folder / os.fsdecode(b"caf\xe9.mp4"))
    except OSError:
        pytest.skip("this file system has no such names")
    open_source(page, "late.mp4")
    page.evaluate("window.before = videostyle.audio.src")
    page.evaluate("videostyle.drop()")  # and the folder is looked at again
    option = "[...source.options].find(({ text }) => text.startsWith('caf'))"
    wait_for(lambda: page.evaluate(f"Boolean({option})"))
    page.evaluate(f"{{ {option}.selected = true; source.dispatchEvent(new Event('change')); }}")
    wait_for(lambda: page.evaluate("videostyle.state.source.name.startsWith('caf')"))
    settled(page)
    assert page.evaluate("before !== videostyle.audio.src")
    wait_for(lambda: page.evaluate("videostyle.audio.duration > 2"))
    assert page.is_enabled("#sound")
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))


def test_a_list_that_is_opened_has_what_has_come_into_the_folder(page: Any, folder: Path) -> None:
    page.click("#tab-yaml")
    for name, selector in (("new.mp4", "#source"), ("new.yaml", "#timeline-file")):
        values = f"[...document.querySelector('{selector}').options].map(({{ value }}) => value)"
        chosen = page.input_value(selector)
        shutil.copy(folder / ("wide.mp4" if selector == "#source" else "two.yaml"), folder / name)
        assert name not in page.evaluate(values)
        page.focus(selector)
        wait_for(lambda name=name, values=values: name in page.evaluate(values))
        assert page.input_value(selector) == chosen
        assert page.evaluate("document.activeElement.id") == selector[1:]
        (folder / name).unlink()
        page.click(selector)
        wait_for(lambda name=name, values=values: name not in page.evaluate(values))
        page.keyboard.press("Escape")


def test_a_timeline_whose_name_is_not_utf_8_is_opened(page: Any, folder: Path) -> None:
    file = folder / os.fsdecode(b"caf\xe9.yaml")
    try:
        file.write_text(TWO_KEYS)
    except OSError:
        pytest.skip("this file system has no such names")
    page.evaluate("videostyle.drop()")
    index = "[...document.getElementById('timeline-file').options].findIndex("
    index += "({ text }) => text.startsWith('caf'))"
    wait_for(lambda: page.evaluate(index) > 0)
    page.click("#tab-yaml")
    page.select_option("#timeline-file", index=page.evaluate(index))
    wait_for(lambda: state(page, "timeline?.yaml") == TWO_KEYS)
    page.fill("#yaml", TWO_KEYS + "# mine\n")
    page.click("#save")  # a new file may not be called so
    page.locator("#notice", has_text="write a plain file name").wait_for()
    file.unlink()


def test_a_part_of_the_page_that_fails_keeps_nothing_from_the_others(page: Any) -> None:
    page.evaluate(
        """async () => {
          const { emit, on } = await code("connection.mjs");
          on("trial", () => { throw new Error("on purpose"); });
          on("trial", () => { window.heard = true; });
          emit("trial", {});
        }"""
    )
    assert page.evaluate("heard")
    assert page.mistakes == ["on purpose"]
    page.mistakes = []


def test_a_lesson_that_is_cancelled_leaves_everything_as_it_was(
    browser: Any, folder: Path, model_file: str, loss_network_file: Path
) -> None:
    painting = (folder / "still.png").read_bytes()
    options = ("--model", model_file, "--loss-network", loss_network_file)
    with live_server(folder / "wide.mp4", *options) as server:
        page = open_page(browser.new_context(), server)
        assert not page.is_visible("#cancel-lesson")
        page.click("#open-paintings")
        page.evaluate(
            """() => {
              const data = new DataTransfer();
              const bytes = new Uint8Array(21 << 20);
              data.items.add(new File([bytes], "huge.png", { type: "image/png" }));
              document.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
            }"""
        )
        assert "larger than 20 MB" in page.inner_text("#notice")
        assert not page.is_visible("#paintings")  # it would be in front of that
        slide(page, "red", 0)
        slide(page, "green", 1)
        wait_for(lambda: state(page, "look.mix") == {"green": 1})
        drop(page, "my_painting.png", painting, "image/png")
        wait_for(lambda: state(page, "look.mix") == {"my_painting": 1})
        page.click("#cancel-lesson")
        page.locator("#lesson-text", has_text="nothing was learned").wait_for()
        assert not page.is_visible("#cancel-lesson")
        wait_for(lambda: state(page, "look.mix") == {"green": 1})
        assert [each["name"] for each in state(page, "styles")] == ["red", "green", "blue"]
        page.click("#stop-lesson")
        page.context.close()
    assert page.mistakes == []
    assert not list(folder.glob("*my_painting*"))


def test_a_video_or_picture_that_is_dropped_is_opened(page: Any, folder: Path) -> None:
    drop(page, "no_painting.txt", b"")
    wait_for(lambda: "neither a video" in page.inner_text("#notice"))
    said = page.evaluate(
        """() => {
          const data = new DataTransfer();
          for (const name of ["one.txt", "two.txt"]) data.items.add(new File(["x"], name));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer: data }));
          return notice.textContent;
        }"""
    )
    assert said.startswith("One file is taken at a time: one.txt")
    page.locator("#notice", has_text="one.txt: neither").wait_for()
    open_source(page, "wide.mp4")
    wait_for(lambda: not state(page, "timeline"))
    drop(page, "unsaved.yaml", TWO_KEYS.encode())
    wait_for(lambda: state(page, "timeline?.saved") is False)
    film, still = ((folder / name).read_bytes() for name in ("wide.mp4", "still.png"))
    page.asked.clear()
    page.agrees = False
    drop(page, "my film.mp4", film, "video/mp4")
    assert "not saved" in last_asked(page)
    page.agrees = True
    for name, content, kind in (
        ("my film.mp4", film, "video/mp4"),
        ("my picture.png", still, "image/png"),
    ):
        drop(page, name, content, kind)
        wait_for(lambda name=name: page.input_value("#source") == name)
        wait_for(lambda: not state(page, "timeline"))
        assert (folder / name).read_bytes() == content
    assert len(page.asked) == 2


def test_a_file_is_seen_on_its_way_and_can_be_stopped(page: Any, folder: Path) -> None:
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")

    def throttle(bytes_a_second: int) -> None:
        speed = {"offline": False, "latency": 0, "downloadThroughput": -1}
        line.send("Network.emulateNetworkConditions", {**speed, "uploadThroughput": bytes_a_second})

    def begin(name: str) -> Path:
        throttle(20_000)
        file = {"name": name, "mimeType": "video/mp4", "buffer": SAMPLE.read_bytes()}
        with page.expect_file_chooser() as chooser:
            page.click("#open")
        chooser.value.set_files(file)
        page.locator("#copying").wait_for()
        return folder / name.replace(".mp4", ".part.mp4")

    part = begin("mine.mp4")
    assert re.fullmatch(r"[1-9]?\d %", page.inner_text("#copying-percent"))
    wait_for(part.exists)
    drop(page, "another.mp4", b"", "video/mp4")
    page.locator("#notice", has_text="Another file is being copied").wait_for()
    page.click("#cancel-copying")
    wait_for(lambda: not part.exists())
    assert not page.is_visible("#copying")
    # What has been done meanwhile is asked about before it gives way.
    begin("mine.mp4")
    page.asked.clear()
    drop(page, "unsaved.yaml", TWO_KEYS.encode())
    wait_for(lambda: state(page, "timeline?.saved") is False)
    page.agrees = False
    throttle(-1)
    wait_for(lambda: "not saved" in last_asked(page))
    page.locator('#source option[value="mine.mp4"]').wait_for(state="attached")
    assert state(page, "source.name") == "film.mp4"
    assert not page.is_visible("#copying")
    line.detach()
    (folder / "mine.mp4").unlink()


def test_a_render_asks_before_it_writes_over_a_file(page: Any, folder: Path) -> None:
    file = folder / "there.png"
    file.write_text("a picture")
    open_source(page, "still.png")
    page.click("#tab-render")
    page.fill("#render-name", file.name)
    page.agrees = False
    page.click("#render-start")
    wait_for(lambda: last_asked(page) == "there.png exists. Overwrite it?")
    assert not page.is_visible("#notice")
    assert file.read_text() == "a picture"
    page.agrees = True
    page.click("#render-start")
    page.locator("#render-status", has_text="Done").wait_for()
    with Image.open(file) as image:
        assert image.size == (96, 64)
    page.click("#tab-mix")


def test_the_camera_is_painted(small_page: Any) -> None:
    page = small_page
    slide(page, "the_scream", 1)
    open_source(page, "camera")
    frames = page.evaluate("videostyle.measured.frames")
    wait_for(lambda: page.evaluate("videostyle.measured.frames") > frames + 5)
    # Its thumbnails show what it sees.
    wait_for(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))
    open_source(page, "film.mp4")
    wait_until_rendered(page)


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
    open_source(page, "film.mp4")
    wait_until_rendered(page)


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
    wait_for(lambda: page.evaluate("document.documentElement.scrollWidth") <= size[0])
    if name != "live":
        page.locator("#scalars").scroll_into_view_if_needed()
        # Seen while it is mixed, once the last picture has told its shape.
        wait_for(lambda: page.locator(".frame").bounding_box()["y"] >= 0)
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


def test_a_small_screen_shows_picture_transport_and_sliders_at_once(page: Any) -> None:
    def is_in_sight(selector: str) -> bool:
        box = page.locator(selector).first.bounding_box()
        return box["y"] >= 0 and box["y"] + box["height"] <= size[1]

    heights = """() => ["", "25 of 25 frames/s · delay 100 ms"].map((text) => {
      meter.textContent = text;
      return document.querySelector(".bar").getBoundingClientRect().height;
    })"""
    for size in ((390, 844), (844, 390), (640, 360), (820, 1180)):
        page.evaluate("scrollTo(0, 0)")
        page.set_viewport_size({"width": size[0], "height": size[1]})
        still, playing = page.evaluate(heights)
        assert playing == still, size  # nothing moves from under a finger
        assert is_in_sight("#picture"), size
        assert is_in_sight('input[data-style="starry_night"]'), size
        page.locator("#scalars").scroll_into_view_if_needed()
        for selector in ("#picture", "#play", "#record", "#scalars"):
            assert is_in_sight(selector), (size, selector)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], size


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
