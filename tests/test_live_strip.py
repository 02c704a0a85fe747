"""The live page in a real browser: keys and curves of a timeline, its text, and its file."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from live_browser import (
    TWO_KEYS,
    drag,
    drop,
    last_asked,
    middle,
    open_page,
    open_timeline,
    screenshot,
    seek,
    settled,
    slide,
    state,
    touch,
    wait_for,
)
from live_server import LiveServer

pytest_plugins = ["live_browser"]


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


def test_a_loop_in_beats_is_edited_as_any_other(page: Any) -> None:
    beats = "tempo: 97\nloop: {period: 4b}\n"
    open_timeline(page, TWO_KEYS + beats)
    page.locator(".lane.mix .key").first.press("ArrowRight")
    wait_for(lambda: state(page, "timeline.tracks.mix")[0]["at"] == pytest.approx(1.04, abs=1e-3))
    assert state(page, "timeline.loop.period") == pytest.approx(240 / 97)


def test_beats_are_drawn_where_there_is_room(page: Any) -> None:
    ticks = """async ([bpm, ...rest]) => (await code("beats.mjs"))
      .ticks({ bpm, first_beat: 0.25 }, ...rest).map(({ at, isBar }) => [at, isBar])"""
    for case, expected in (  # beats a minute; from, to; pixels a second
        (
            (120, 0, 2.4, 100),
            [[0.25, True], [0.75, False], [1.25, False], [1.75, False], [2.25, True]],
        ),
        ((120, 1, 2, 12), [[1.25, False], [1.75, False]]),
        ((120, 1, 5, 11.9), [[2.25, True], [4.25, True]]),  # less than 6 pixels apart: bars alone
        ((120, 1, 5, 2.9), []),
        ((120, 0, 0.2, 100), []),  # before beat 0
        ((60, 9.25, 10.25, 50), [[9.25, False], [10.25, False]]),
    ):
        assert page.evaluate(ticks, case) == expected, case


def test_a_tempo_is_found_from_taps_of_an_unsteady_hand_that_misses_one(page: Any) -> None:
    chance = random.Random(5)
    cases = []
    for _ in range(300):
        beat, hand = 60 / chance.uniform(50, 200), chance.uniform(0, 0.05)
        rounds = []
        for _ in range(chance.choice([1, 1, 2, 5])):  # each begins where it will in a beat
            first, beats = chance.uniform(0, 100), list(range(chance.randint(5, 24)))
            if chance.random() < 0.5:
                beats.remove(chance.choice(beats[1:-1]))
            rounds.append([first + beat * (each + chance.uniform(-hand, hand)) for each in beats])
        cases.append((beat, rounds))
    rare = [[[0, 1, 2]], [[0], [1], [2], [3]], [[0, 1], [0.3, 1.3], [0.6, 1.6]]]
    *fits, of_three, of_one_a_round, of_two_a_round = page.evaluate(
        """async (all) => {
          const { fitTempo } = await code("tempo.mjs");
          return all.map(fitTempo);
        }""",
        [rounds for _, rounds in cases] + rare,
    )
    for (beat, rounds), fit in zip(cases, fits, strict=True):
        # A line through n points, each off by at most e, is off by e at most in their middle, and
        # its slope by 3 e / (n - 1) at most; the slope of all rounds is a mean of theirs.
        longest = max(reversed(rounds), key=len)
        shortest = min(map(len, rounds))
        assert 60 / fit["bpm"] == pytest.approx(beat, rel=0.15 / (shortest - 1) + 0.002)
        found = 60 / fit["bpm"]
        assert 0 <= fit["first_beat"] < found
        middle = longest[0] + beat * round((longest[-1] - longest[0]) / 2 / beat)
        aside = (middle - fit["first_beat"] + found / 2) % found - found / 2
        assert abs(aside) < 0.13 * found
    assert [of_three, of_one_a_round] == [None, None]
    assert of_two_a_round == {"bpm": 60, "first_beat": 0.6}


def test_a_tempo_that_is_corrected_keeps_its_beat_where_the_video_is(page: Any) -> None:
    found = page.evaluate(
        """async () => {
          const { atBpm } = await code("tempo.mjs");
          const tempo = { bpm: 120, first_beat: 0.25 };
          const places = [[125, tempo, 60.2], [60, tempo, 1.3], [240, tempo, 9], [90, null, 9]];
          return places.map((each) => atBpm(...each));
        }"""
    )
    assert [each["bpm"] for each in found] == [125, 60, 240, 90]
    assert [each["first_beat"] for each in found] == [pytest.approx(60.25 % 0.48), 0.25, 0, 0]


def test_a_tempo_is_tapped_corrected_and_taken_away(page: Any) -> None:
    def bpm() -> Any:
        return state(page, "timeline.tempo?.bpm ?? null")

    open_timeline(page, TWO_KEYS)
    page.keyboard.press("b")
    page.locator("#notice", has_text="Play the video").wait_for()
    assert tapped(page, 1, 1.5, 2, 3) == ["•", "••", "•••", "120.0 BPM"]
    wait_for(lambda: bpm() == 120)
    assert state(page, "timeline.tempo.first_beat") == pytest.approx(0.1)  # on since the picture
    assert "tempo: " in state(page, "timeline.yaml")
    page.click("#undo")
    wait_for(lambda: bpm() is None)
    assert page.inner_text("#tap") == "Tap"
    page.click("#redo")
    wait_for(lambda: bpm() == 120)
    page.click("#tap")
    page.click("#half")
    wait_for(lambda: bpm() == 60)
    page.fill("#bpm", "80")
    page.keyboard.press("Escape")  # gives up
    page.click("#tap")
    assert page.input_value("#bpm") == "60"
    page.fill("#bpm", "2000")
    page.keyboard.press("Enter")
    assert page.locator("#bpm:focus").input_value() == "2000"  # it may be corrected
    page.click("#ruler")
    page.click("#tap")
    assert page.input_value("#bpm") == "60"
    page.fill("#bpm", "87")
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    wait_for(lambda: bpm() == 90)
    page.keyboard.press("Escape")
    page.click("#undo")  # all of that in one step
    wait_for(lambda: bpm() == 60)
    page.click("#redo")
    wait_for(lambda: bpm() == 90)
    page.click("#tap")
    page.click("#no-tempo")
    wait_for(lambda: bpm() is None)
    # Without a timeline it waits for one.
    page.keyboard.press("Escape")
    page.click("#tab-yaml")
    page.fill("#yaml", "")
    page.click("#apply")
    wait_for(lambda: not state(page, "timeline"))
    page.click("#tap")
    page.fill("#bpm", "100")
    page.keyboard.press("Enter")
    wait_for(lambda: state(page, "tempo?.bpm") == 100)
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    wait_for(lambda: state(page, "timeline") and bpm() == 100)
    page.click("#undo")
    wait_for(lambda: not state(page, "timeline"))
    assert state(page, "tempo.bpm") == 100
    page.click("#undo")
    wait_for(lambda: state(page, "tempo") is None)


def test_taps_of_all_rounds_of_a_loop_count_and_a_seek_begins_anew(page: Any) -> None:
    open_timeline(page, TWO_KEYS)
    # Rounds of 1.3 s, with two or three beats of half a second each.
    seen = tapped(page, 1.1, 1.6, 2.1, 1.3, 1.8, 1, 1.5)
    assert seen == ["•", "••", "•••", "••••", *3 * ["120.0 BPM"]]
    wait_for(lambda: state(page, "timeline.tempo?.bpm ?? null") == 120)
    assert state(page, "timeline.tempo.first_beat") == pytest.approx(0.2)  # on since the picture
    page.click("#undo")
    wait_for(lambda: state(page, "timeline.tempo") is None)
    assert tapped(page, 1, 1.5, 2) == ["•", "••", "•••"]
    seek(page, 3)
    assert tapped(page, 3, 2, 1.5, 1) == ["•", "••", "•••", "••••"]
    page.locator("#notice", has_text="play a longer passage to tap").wait_for()


def test_the_beats_of_a_timeline_that_loops_are_typed_and_begin_with_it(page: Any) -> None:
    open_timeline(page, TWO_KEYS + "loop: {period: 4s}\n")
    assert tapped(page, 1) == ["Tap"]
    page.locator("#notice", has_text="type the BPM").wait_for()
    seek(page, 3.3)
    page.click("#tap")
    page.fill("#bpm", "100")
    page.keyboard.press("Enter")
    for button, bpm in ((None, 100), ("#twice", 200), ("#half", 100)):
        if button:
            page.click(button)
        tempo = {"bpm": bpm, "first_beat": 0}
        wait_for(lambda tempo=tempo: state(page, "timeline.tempo") == tempo)  # type: ignore[misc]


def tapped(page: Any, *moments: float) -> list[str]:
    """What the button says after each tap, as if the video played and its pictures came a
    second before; clocks stand, so that no load moves a tap."""
    said: list[str] = page.evaluate(
        """async (moments) => {
          const { emit } = await code("connection.mjs");
          const { seek } = await code("state.mjs");
          window.seen ??= await new Promise((resolve) => {
            videostyle.on("picture", resolve);
            seek(1);
          });
          let now = 0;
          performance.now = () => now;
          videostyle.state.playing = true;
          const said = moments.map((seconds) => {
            emit("picture", { ...window.seen, seconds });
            now += 1000;
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "b", bubbles: true }));
            return document.getElementById("tap").textContent;
          });
          videostyle.state.playing = false;
          delete performance.now;
          return said;
        }""",
        moments,
    )
    return said


def test_keys_snap_to_the_beats_that_are_drawn(page: Any) -> None:
    open_timeline(page, TWO_KEYS)
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    canvas = "document.querySelector('.lane.mix canvas').toDataURL()"
    plain = page.evaluate(canvas)
    beats = "tempo: {bpm: 120, first_beat: 0.25s}\n"
    drop(page, "beats.yaml", (TWO_KEYS + beats).encode())
    wait_for(lambda: state(page, "timeline.tempo") == {"bpm": 120, "first_beat": 0.25})
    wait_for(lambda: page.evaluate(canvas) != plain)
    box = page.locator("#lanes").bounding_box()
    second = box["width"] / state(page, "source.duration")

    def drag_to(seconds: float, aside: float) -> None:
        x, y = middle(page, ".lane.mix .key")
        drag(page, (x, y), (box["x"] + seconds * second + aside, y))

    drag_to(1.75, 4)
    wait_for(lambda: page.evaluate(times) == [1.75, 3])
    assert "  - {at: 3b, mix: the_kiss}" in state(page, "timeline.yaml")
    drag_to(2.25, 8)
    wait_for(lambda: page.evaluate(times)[0] == pytest.approx(2.25 + 8 / second, abs=0.005))
    page.keyboard.down("Alt")
    drag_to(1.25, 4)
    page.keyboard.up("Alt")
    wait_for(lambda: page.evaluate(times)[0] == pytest.approx(1.25 + 4 / second, abs=0.005))
    seek(page, 2.25 + 3 / second)
    assert state(page, "seconds") != 2.25
    page.keyboard.press("k")
    wait_for(lambda: len(page.evaluate(times)) == 3)
    assert page.evaluate(times)[1] == 2.25
    page.keyboard.press("k")  # takes the place of no key
    wait_for(lambda: len(page.evaluate(times)) == 4)
    assert page.evaluate(times)[2] == pytest.approx(state(page, "seconds"), abs=1e-3)


def test_the_loop_points_are_set_dragged_and_taken_away(page: Any) -> None:
    def passage(start: float, end: float) -> bool:
        found = state(page, "passage")
        return bool(found) and [found["start"], found["end"]] == pytest.approx([start, end])

    open_timeline(page, TWO_KEYS + "tempo: {bpm: 120, first_beat: 0.25s}\n")
    length = state(page, "source.duration")
    box = page.locator("#lanes").bounding_box()
    second = box["width"] / length
    assert not page.is_visible("#passage")
    left, top = box["x"], middle(page, "#ruler")[1]
    for edge in (left + 2, left + box["width"] - 2):  # nothing is in the way of the playhead
        drag(page, (edge, top), (left + second, top))
        wait_for(lambda: state(page, "seconds") == pytest.approx(1, abs=0.1))
        seek(page, 0.0 if edge < left + second else 3.0)
    assert state(page, "passage") is None
    seek(page, 2.0)
    page.keyboard.press("i")
    wait_for(lambda: passage(2, length))
    seek(page, 3.25 + 3 / second)  # beside a beat
    page.keyboard.press("o")
    wait_for(lambda: passage(2, 3.25))
    x, y = middle(page, "#point-in")
    drag(page, (x, y), (x - 0.75 * second + 3, y))
    wait_for(lambda: passage(1.25, 3.25))
    shade = page.locator("#passage").bounding_box()
    assert [shade["x"] - box["x"], shade["width"]] == pytest.approx(
        [1.25 * second, 2 * second], abs=2
    )
    page.locator("#point-out").press("ArrowLeft")
    wait_for(lambda: passage(1.25, 3.24))
    page.reload()
    wait_for(lambda: passage(1.25, 3.24) and page.is_visible("#passage"))
    seek(page, 1.25 + 3 / second)
    page.click("#tab-render")
    page.check("#render-passage")
    assert "between the loop points" in page.inner_text("#render-what")
    page.keyboard.press("i")  # where it is already
    wait_for(lambda: passage(0, 3.24))
    seek(page, 0.0)
    page.click("#mark-out")  # nothing would be left: it is taken away
    wait_for(lambda: state(page, "passage") is None)
    seek(page, 1.0)
    page.click("#mark-in")
    wait_for(lambda: passage(1, length) and page.is_visible("#point-in"))
    assert not page.is_visible("#point-out")
    page.click("#clear-points")
    wait_for(lambda: state(page, "passage") is None)
    assert not page.is_visible("#passage")
    assert not page.is_visible("#render-part")


def test_the_time_typed_for_a_key_is_taken_when_another_key_is_clicked(page: Any) -> None:
    keys = TWO_KEYS + "  - {at: 4s, mix: the_scream}\n"
    open_timeline(page, keys)
    page.locator(".lane.mix .key").first.focus()
    page.fill("#key-at", "2")
    page.mouse.click(*middle(page, ".lane.mix .key >> nth=2"))
    times = "videostyle.state.timeline.tracks.mix.map((key) => key.at)"
    wait_for(lambda: page.evaluate(times) == [2, 3, 4])
    wait_for(lambda: page.input_value("#key-at") == "4.000")


def test_a_key_that_is_held_is_not_deleted_and_escape_puts_it_back(page: Any) -> None:
    open_timeline(page, TWO_KEYS)
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
    open_timeline(page, "".join(["version: 1\nkeyframes:\n", *keys]))
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
    page.asked.clear()  # about what the test before has left
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


def test_a_timeline_that_comes_back_is_followed_as_before(page: Any) -> None:
    open_timeline(page, TWO_KEYS + "# of this test\n")
    page.click("#tab-yaml")
    page.fill("#yaml", "")
    page.click("#apply")
    wait_for(lambda: not state(page, "timeline") and not state(page, "follow"))
    page.click("#undo")
    wait_for(lambda: state(page, "timeline") and state(page, "follow"))
    page.click("#redo")
    wait_for(lambda: not state(page, "timeline") and not state(page, "follow"))
    slide(page, "the_scream", 0.5)  # which no step would bring back
    page.click("#undo")
    wait_for(lambda: state(page, "timeline"))
    settled(page)
    assert not state(page, "follow")


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


def test_two_fingers_zoom_the_strip_and_leave_the_video_where_it_is(
    page: Any, browser: Any, server: LiveServer
) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    tablet = open_page(context, server)
    tablet.click("#take-controls")
    wait_for(lambda: not tablet.is_visible("#take-controls"))
    drop(tablet, "two.yaml", TWO_KEYS.encode())
    wait_for(lambda: tablet.locator(".lane.mix .key").count() == 2)
    tablet.locator("#lanes").scroll_into_view_if_needed()
    assert tablet.locator("#mark-in").bounding_box()["height"] >= 30  # a finger finds it
    seek(tablet, 0.4)
    hand = context.new_cdp_session(tablet)
    box = tablet.locator("#sight").bounding_box()
    left, width, length = box["x"], box["width"], state(tablet, "source.duration")
    y = middle(tablet, ".key")[1]

    def put(kind: str, *places: float) -> None:
        points = [{"x": left + x * width, "y": y, "id": id} for id, x in enumerate(places)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def in_sight() -> list[float]:
        times: list[float] = tablet.evaluate(
            "[0, 1].map((side) => videostyle.state.source.duration * (sight.scrollLeft"
            " + side * sight.clientWidth) / lanes.clientWidth)"
        )
        return times

    for one in (0.45, 3 / length):  # beside a key, and on it
        put("touchStart", one)
        if one == 3 / length:
            put("touchMove", one + 0.02)  # it is dragged already
        put("touchStart", one, one + 0.2)
        for step in range(1, 6):  # four times as far apart, and their middle to the left
            put("touchMove", one - 0.08 * step, one + 0.2 + 0.04 * step)
        begin, end = in_sight()
        assert end - begin == pytest.approx(length / 4, rel=0.06)
        at = begin + one * (end - begin)
        assert at == pytest.approx((one + 0.1) * length, abs=0.05)
        put("touchEnd", one - 0.4)
        put("touchMove", one - 0.2)  # the one that stays
        put("touchEnd")
        assert in_sight() == [begin, end]
        for _ in range(3):
            tablet.keyboard.press("-")
        assert tablet.is_disabled("#zoom-out")
    time.sleep(0.5)
    assert state(tablet, "seconds") == pytest.approx(0.4, abs=0.1)
    assert [key["at"] for key in state(tablet, "timeline.tracks.mix")] == [1, 3]
    put("touchStart", 0.4)
    put("touchEnd")
    wait_for(lambda: state(tablet, "seconds") == pytest.approx(0.4 * length, abs=0.1))
    page.click("#take-controls")
    wait_for(lambda: not page.is_visible("#take-controls"))
    context.close()
    assert tablet.mistakes == []


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
