"""The YAML reader: every mistake has its place, nothing else gets through."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from videostyle.errors import TimelineError, UsageError
from videostyle.look import ORIGINAL, Look, normalize_mixture
from videostyle.network.model_card import read_model_card
from videostyle.timecode import ON_BEAT, Tempo
from videostyle.timeline import reader
from videostyle.timeline.easing import EASINGS, CubicBezier
from videostyle.timeline.reader import parse_timeline, read_timeline
from videostyle.timeline.timeline import Keyframe, Loop, Timeline, Track
from videostyle.timeline.writer import dump_timeline

ROOT = Path(__file__).parents[1]
STYLES = ("starry_night", "great_wave", "the_scream")
EXAMPLE = """version: 1
keyframes:
  - {at: 0s, mix: original}
  - {at: 1s, mix: starry_night, ease: smooth}
  - {at: 50%, mix: {starry_night: 1, great_wave: 3}, ease: [0.42, 0, 0.58, 1]}
  - {at: -1s, mix: the_scream, strength: 0.8, ease: hold}
  - {at: end, mix: original}
loop: {period: 8s, mode: bounce}
"""


def parse(text: str, duration: float = 8.0) -> tuple[Timeline, list[str]]:
    return parse_timeline(text, STYLES, name="t.yaml").resolve(duration, Fraction(25))


def keys(*items: str) -> str:
    return "version: 1\nkeyframes:\n" + "".join(f"  - {item}\n" for item in items)


def test_the_example_reads() -> None:
    timeline, warnings = parse(EXAMPLE)
    assert warnings == []
    assert dict(timeline.look_at(4).mix) == {"starry_night": 0.25, "great_wave": 0.75}
    assert timeline.look_at(7).strength == 0.8
    assert timeline.loop == Loop(8, bounce=True)
    # Ten seconds of video are two seconds before the end of the bounced period.
    assert timeline.look_at(10) == timeline.look_at(6)


MISTAKES = [
    ("", "1:1", "empty"),
    ("# nothing\n", "1:1", "empty"),
    ("keyframes: []\n", "1:1", "needs 'version', which is 1"),
    ("version: 2\nkeyframes:\n  - {at: 0s, mix: original}\n", "1:10", "version must be 1"),
    ("version: 1\n", "1:1", "needs 'keyframes'"),
    ("version:\nkeyframes: []\n", "1:9", "version must be 1"),
    ('version: "1"\nkeyframes: []\n', "1:10", "version must be 1"),
    (keys("{}"), "3:5", "needs 'at'"),
    (keys("{}", "{at: 0s, mix: original}"), "3:5", "needs 'at'"),
    (keys("{at: 0s, mix: original}", ""), "4:4", "must be a mapping"),
    (keys("{at: 0s, mix: original}", "{at: 1s}"), "4:5", "at least one of mix"),
    (keys('{at: 0s, mix: original, strength: "1"}'), "3:39", "without quotes"),
    (keys("{at: 0s, mix: original, strength: true}"), "3:39", "must be a number"),
    ("version: 1\nkeyframes: []\n", "2:12", "at least one"),
    ("version: 1\nkeyframes: 3\n", "2:12", "must be a list"),
    ("- 1\n", "1:1", "must be a mapping"),
    (keys("{at: 0s, mix: great_wav}"), "3:19", "did you mean great_wave?"),
    (keys("{at: 0s, mix: {great_wav: 1}}"), "3:20", "did you mean great_wave?"),
    (keys("{at: 0s, mix: scream}"), "3:19", "'scream'; did you mean the_scream?"),
    (keys("{at: 0s, mix: zzz}"), "3:19", "unknown style 'zzz'; `videostyle styles --model"),
    (keys("at: 0s\n    mix:"), "4:9", "mix is empty; it must be a style name or a mapping"),
    (keys("{at: 0s, mixx: original}"), "3:14", "unknown key 'mixx'; did you mean mix?"),
    (keys("{at: 0s, mix: original, mix: original}"), "3:29", "'mix' stands twice"),
    (keys("{at: 0s, mix: {original: 1, original: 2}}"), "3:33", "stands twice"),
    (keys("{at: 1:75, mix: original}"), "3:10", "go to 59"),
    (keys("{at: 3, mix: original}"), "3:10", "write 3s"),
    (keys("{mix: original}"), "3:5", "needs 'at'"),
    (keys("{at: 0s}"), "3:5", "at least one of mix"),
    (keys("{at: 0s, strength: 1}"), "1:1", "no keyframe has a 'mix'"),
    (keys("{at: 0s, mix: {original: 0}}"), "3:19", "must not all be 0"),
    (keys("{at: 0s, mix: {original: -1}}"), "3:30", "not negative"),
    (keys("{at: 0s, mix: {original: .nan}}"), "3:30", "must be a number"),
    (keys("{at: 0s, mix: {original: .inf}}"), "3:30", "must be a number"),
    (keys("{at: 0s, mix: {original: 1e999}}"), "3:30", "finite"),
    (keys("{at: 0s, mix: {original: yes}}"), "3:30", "must be a number"),
    (keys("{at: 0s, mix: []}"), "3:19", "style name or a mapping"),
    (keys("{at: 0s, mix: original, strength: 2}"), "3:39", "from 0 to 1"),
    (keys("{at: 0s, mix: original, stroke: 0}"), "3:37", "stroke is 0"),
    (keys("{at: 0s, mix: original, ease: smoth}"), "3:35", "did you mean smooth?"),
    (keys("{at: 0s, mix: original, ease: easeInOut}"), "3:35", "did you mean ease-in-out?"),
    (keys("{at: 0s, mix: original, ease: ease_in}"), "3:35", "did you mean ease-in?"),
    (keys("{at: 0s, mix: original, ease: step-end}"), "3:35", "did you mean hold?"),
    (keys("{at: 1,5s, mix: original}"), "3:10", "write 1.5s, with a point"),
    (keys("{at: 00:01:30,250, mix: original}"), "3:10", "write 00:01:30.250, with a point"),
    (keys("{at: 0s, mix: {great_wave: 0,5, original: 1}}"), "3:32", "write 0.5, with a point"),
    (keys("{at:0s, mix: original}"), "3:6", "unknown key 'at:0s'; a colon needs a space after it"),
    (keys("at:0s\n    mix: original"), "3:7", "not YAML: a colon needs a space after it"),
    (keys("at: 0s\n    mix:red\n    stroke: 1"), "4:8", "a colon needs a space after it"),
    ("version:1\nkeyframes:\n", "1:8", "a colon needs a space after it"),
    ("version:1\n\n# note: none\nkeyframes:\n", "1:8", "a colon needs a space after it"),
    ("version: 1\n keyframes:\n", "2:11", "; keys of one mapping begin in the same column"),
    (keys("at: 0s\n     mix: original"), "4:9", "begin in the same column"),
    (keys("at: 0s, mix: original"), "3:16", "a second key on one line; give it its own"),
    (keys("{at: 0s, mix: original, ease: [1, 2, 3]}"), "3:35", "four numbers"),
    (keys("{at: 0s, mix: original, ease: [2, 0, 0, 1]}"), "3:35", "from 0 to 1"),
    (keys("{at: 0s, mix: &a original}"), "3:19", "anchors"),
    (keys("{at: 0s, mix: !!str original}"), "3:19", "tags"),
    (keys("{at: 0s, mix: original}", "*a"), "4:5", "aliases"),
    (keys("{at: 0s, mix: original"), "4:1", "not YAML"),
    (keys("{at: 0s, mix: original", "{at: 1s}"), "4:5", "the bracket of line 3 is not closed"),
    (keys('{at: "0s, mix: original}', "{at: 1s}"), "3:10", "this quote is never closed"),
    ("version: 1\nkeyframes:\n -{at: 0s, mix: original}\n", "3:3", "a dash needs a space"),
    ("version: 1\nkeyframes:\n -\xa0{at: 0s, mix: original}\n", "3:3", "a dash needs a space"),
    ("version: 1\nkeyframes:\n -at: 0s\n", "3:2", "each begins with a dash and a space"),
    ("version: 1\nkeyframes:\n  -at: 0s\n    mix: original\n", "3:4", "a dash needs a space"),
    (keys("{at: 0s, mix: original}") + "loop: {mode: repeat}\n", "4:7", "'period'"),
    (keys("{at: 0s, mix: original}") + "loop: {period: 0s}\n", "4:16", "above 0"),
    (keys("{at: 0s, mix: original}") + "loop: {period: 1s, mode: x}\n", "4:26", "repeat or"),
    (keys("{at: 0s, mix: original}", "{at: 0f, mix: original}"), "4:5", "two keys of mix"),
    ("version: 1\n---\nversion: 1\n", "2:1", "a second document"),
    ("version: 1\nkeyframes:\n\t- 1\n", "3:1", "spaces, not tabs"),
    (keys("at: 0s\n\tmix: original"), "4:1", "indent with spaces, not tabs"),
    ("version: 1\nkeyframes: \x07\n", "2:12", "the character '\\x07' is not text"),
    ("version: 1\r\nkeyframes: \ud800\n", "2:12", "is not text"),
    ("[" * 1000, "1:17", "nested"),
]


@pytest.mark.parametrize("loader", [reader._Loader, yaml.SafeLoader])
@pytest.mark.parametrize(("text", "place", "message"), MISTAKES)
def test_a_mistake_is_named_with_its_place(
    loader: type, monkeypatch: pytest.MonkeyPatch, text: str, place: str, message: str
) -> None:
    monkeypatch.setattr(reader, "_Loader", loader)
    with pytest.raises(TimelineError) as raised:
        parse(text)
    first = str(raised.value).splitlines()[0]
    assert first.startswith(f"t.yaml:{place}: "), first
    assert message in first


@pytest.mark.parametrize("mix", ["{red: 1,1907: 3}", '{"red":1,"1907":3}'])
def test_a_style_that_is_called_like_a_number_may_follow_a_weight_closely(mix: str) -> None:
    document = parse_timeline(keys(f"{{at: 0s, mix: {mix}}}"), ["red", "1907"])
    assert document.keys[0].values == {"mix": {"red": 0.25, "1907": 0.75}}


@pytest.mark.parametrize("words", ["Great Wave off Kanagawa", "kanagawa", "Kanagawa!"])
def test_a_title_or_a_word_of_it_suggests_the_style(words: str) -> None:
    with pytest.raises(TimelineError, match=f"style '{words}'; did you mean great_wave"):
        parse_timeline(keys(f"{{at: 0s, mix: {words}}}"), read_model_card("lean"))


def test_the_styles_of_a_model_of_ones_own_are_not_looked_for_among_the_shipped_ones() -> None:
    text, shipped = keys("{at: 0s, mix: zzz}"), read_model_card("lean")
    own = replace(shipped, styles=shipped.styles[:1])
    for card, command in ((shipped, "videostyle styles"), (own, "videostyle styles --model FILE")):
        with pytest.raises(TimelineError, match=f"'zzz'; `{command}` lists them"):
            parse_timeline(text, card)


def test_all_mistakes_are_listed_with_their_lines() -> None:
    with pytest.raises(TimelineError) as raised:
        parse(keys("{at: 0s, mix: nope}", "{at: x, mix: original}"))
    text = str(raised.value)
    assert re.findall(r"^t\.yaml:\d+:\d+", text, re.M) == ["t.yaml:3:19", "t.yaml:4:10"]
    assert "{at: 0s, mix: nope}" in text
    assert "^" in text


def test_times_count_in_beats_of_the_tempo() -> None:
    items = keys("{at: 0b, mix: great_wave, ease: hold}", "{at: 1.5b, mix: starry_night}")
    timeline, warnings = parse(f"{items}tempo: {{bpm: 120, first_beat: 0.25s}}\n")
    assert warnings == []
    assert [key.seconds for key in timeline.mix.keyframes] == [0.25, 1]
    timeline, warnings = parse(f"{items}loop: {{period: 4b}}\ntempo: 120\n")
    assert warnings == []
    assert timeline.loop == Loop(2.0)
    assert timeline.look_at(2.5).mix == {"great_wave": 1}
    assert timeline.look_at(2.75).mix == {"starry_night": 1}


def test_a_loop_that_would_leave_the_beats_is_refused() -> None:
    text = keys("{at: 0b, mix: great_wave}") + "loop: {period: 4b}\n"
    with pytest.raises(TimelineError, match=r"t.yaml:4:7: a loop begins at 0 s"):
        parse(f"{text}tempo: {{bpm: 120, first_beat: 0.25s}}\n")


@pytest.mark.parametrize(
    ("tempo", "message"),
    [
        ("", "'2b' counts in beats; only times inside a timeline with a tempo do"),
        ("tempo: fast\n", "bpm, beats a minute, must be a number such as 1, without quotes"),
        ("tempo: 0\n", "bpm, beats a minute, is 0; it must be from 1 to 1000"),
        ("tempo: [120]\n", "bpm, beats a minute, must be a number"),
        ("tempo: {bpm: {}}\n", "bpm, beats a minute, must be a number"),
        ("tempo: {bpm: 120, first_beat: 1b}\n", "first_beat is '1b'; write seconds, such as 0.35s"),
        ("tempo: {first_beat: 1s}\n", "tempo needs 'bpm', beats a minute"),
        ("tempo: {bpm: 120, first_beat: 2f}\n", "first_beat is '2f'; write seconds, such as 0.35s"),
        ("tempo: {bpm: 120, first_beat: -2s}\n", "first_beat is '-2s'; write seconds"),
        ('tempo: {bpm: 120, first_beat: "1\\n2"}\n', r"first_beat is '1\n2'; write seconds"),
        ("tempo: {bpm: 120, first_beat: []}\n", "first_beat is no time; write seconds"),
        ("tempo: {bpm: 120, frist_beat: 2s}\n", "did you mean first_beat"),
    ],
)
def test_a_tempo_that_is_none_is_one_mistake_at_its_place(tempo: str, message: str) -> None:
    with pytest.raises(TimelineError) as raised:
        parse(tempo + keys("{at: 2b, mix: great_wave}"))
    (mistake,) = (line for line in str(raised.value).splitlines() if line.startswith("t.yaml:"))
    assert message in mistake
    assert mistake.startswith("t.yaml:1:" if tempo else "t.yaml:3:10: ")


@pytest.mark.parametrize(
    "text",
    [
        keys("{at: 0s, mix: LONG}"),
        keys("{at: 0s, mix: {LONG: 1}}"),
        keys("{at: 0s, mix: {LONG: x}}"),
        keys("{at: LONG, mix: original}"),
        keys("{at: 0s, mix: original, LONG: 1}"),
        f"tempo: {{bpm: 120, first_beat: LONG}}\n{keys('{at: 0s, mix: original}')}",
    ],
)
def test_what_is_wrong_and_long_is_cut_in_its_message(text: str) -> None:
    with pytest.raises(TimelineError) as raised:
        parse(text.replace("LONG", "x" * 900))
    assert max(map(len, str(raised.value).splitlines())) < 300


def test_mistakes_stand_in_the_order_of_the_file() -> None:
    text = "loop: {period: 3}\nkeyframes:\n  - {at: 0s, mix: nope, foo: 1, at: 1s}\nversion: 3\n"
    with pytest.raises(TimelineError) as raised:
        parse(text)
    places = re.findall(r"^t\.yaml:(\d+:\d+)", str(raised.value), re.M)
    assert places == ["1:16", "3:19", "3:25", "3:33", "4:10"]


CURVE = "ease: cubic-bezier(0, 0, 0.2, 1)"


def test_one_mistake_is_not_told_twice() -> None:
    items = ["{at: 0s, mixx: original}", "{att: 0s, mix: original}"]
    items += ["{at: 1,5s, mix: original}", "{at: 0s, mix: {great_wave: 0,5, original: 1}}"]
    items += [f"{{at: 0s, {CURVE}, mix: original}}", f"at: 0s\n    mix: original\n    {CURVE}"]
    for text in (*map(keys, items), "- 1\n"):
        with pytest.raises(TimelineError) as raised:
            parse(text)
        assert str(raised.value).count("t.yaml:") == 1
        assert ("curve is written [x1, y1, x2, y2]" in str(raised.value)) == (CURVE in text)


def test_mistakes_in_times_are_told_with_all_others() -> None:
    items = ["{at: 0s, mix: nope}", "{at: 1s, mix: original}", "{at: 1s, mix: original}"]
    with pytest.raises(TimelineError) as raised:
        parse_timeline(
            keys(*items, "{at: 50%, stroke: 1}") + "loop: {period: 0s}\n", (), name="t.yaml"
        )
    found = [line for line in str(raised.value).splitlines() if line.startswith("t.yaml")]
    assert len(found) == 3
    for line, message in zip(found, ("unknown style", "two keys of mix", "period"), strict=True):
        assert message in line


def test_keys_that_meet_in_a_short_video_alone_name_its_length() -> None:
    text = keys("{at: 0.5s, mix: original}", "{at: -0.5s, mix: original}")
    document = parse_timeline(text, ())
    assert document.resolve(8.0, None)[1] == []
    message = r"4:5: two keys of mix at 0\.5 s in a video of 1 s \(also line 3\); keep one"
    with pytest.raises(TimelineError, match=message):
        document.resolve(1.0, None)
    with pytest.raises(TimelineError, match=r"two keys of mix at 1 s \(also line 3\); keep one"):
        parse(keys("{at: 1s, mix: original}", "{at: 1s, mix: original}"))


def test_a_thousand_mistakes_are_counted_and_the_first_shown() -> None:
    with pytest.raises(TimelineError) as raised:
        parse(keys(*["{at: 1s, mix: nope}"] * 1000))
    assert str(raised.value).count("t.yaml:") == 20
    assert str(raised.value).endswith("... and 980 more")


def test_the_caret_points_into_long_lines_and_lines_with_tabs() -> None:
    many = ", ".join("{at: 0s, mix: original}" for _ in range(50))
    for text in (f"version: 1\nkeyframes: [{many}, @]\n", "version: 1\nkeyframes:\t@\n"):
        with pytest.raises(TimelineError) as raised:
            parse(text)
        _, line, caret = str(raised.value).splitlines()
        assert line[caret.index("^")] == "@"
        assert len(line) <= 164


def test_a_picture_shows_the_first_key_of_each_track() -> None:
    timeline, warnings = parse(EXAMPLE, duration=0.0)
    assert warnings == []
    assert dict(timeline.look_at(0).mix) == {ORIGINAL: 1}
    percents = keys("{at: 10%, mix: great_wave}", "{at: 90%, mix: original}")
    timeline, warnings = parse(percents + "loop: {period: 50%}\n", duration=0.0)
    assert warnings == []
    assert dict(timeline.look_at(0).mix) == {"great_wave": 1}


@pytest.mark.parametrize(
    ("duration", "rate", "message"),
    [
        (-1.0, 25, "the duration is -1.0 s; it must be finite and not negative"),
        (math.inf, 25, "finite and not negative"),
        (math.nan, 25, "finite and not negative"),
        (10**400, 25, "the duration is inf s; it must be finite and not negative"),
        ("8", 25, "the duration is '8'; it must be a number of seconds"),
        (8.0, Fraction(-25), "the frame rate is -25; it must not be negative"),
        (8.0, "25", "the frame rate is '25'; it must be a number"),
        (8.0, math.nan, "the frame rate is nan"),
        (8.0, math.inf, "the frame rate is inf"),
    ],
)
def test_a_length_or_rate_no_video_has_is_refused(duration: Any, rate: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_timeline(EXAMPLE, STYLES, name="t.yaml").resolve(duration, rate)


@pytest.mark.parametrize("number", [int, float, np.float32, np.int64, Fraction])
def test_lengths_and_rates_may_be_numbers_of_any_kind(number: Callable[[int], Any]) -> None:
    document = parse_timeline(keys("{at: -25f, mix: great_wave}"), STYLES, name="t.yaml")
    timeline, _ = document.resolve(number(8), number(25))
    assert timeline.end_seconds == 7


def test_a_key_before_the_start_is_a_warning_and_cannot_be_written() -> None:
    timeline, warnings = parse(keys("{at: -10s, mix: original}"))
    assert "before the start" in warnings[0]
    with pytest.raises(ValueError, match="before the start"):
        dump_timeline(timeline)


@given(st.permutations(range(6)))
def test_the_order_of_the_keys_changes_nothing(order: list[int]) -> None:
    eases = ["hold", "linear", "smooth", "ease", "ease-in", "[0.3, -1, 0.6, 2]"]
    items = [f"{{at: {i}s, mix: {STYLES[i % 3]}, ease: {eases[i]}}}" for i in range(6)]
    ordered, _ = parse(keys(*items))
    mixed, warnings = parse(keys(*(items[i] for i in order)))
    assert bool(warnings) == (list(order) != sorted(order))
    assert all(mixed.look_at(t / 7) == ordered.look_at(t / 7) for t in range(42))


def test_keys_out_of_order_are_sorted_with_a_warning() -> None:
    ordered, none = parse(keys("{at: 1s, mix: great_wave}", "{at: 2s, mix: original}"))
    mixed, warnings = parse(keys("{at: 2s, mix: original}", "{at: 1s, mix: great_wave}"))
    assert none == []
    assert len(warnings) == 1
    assert warnings[0].startswith("t.yaml:4:5: warning")
    for step in range(30):
        assert mixed.look_at(step / 10) == ordered.look_at(step / 10)


def test_tracks_may_be_written_one_after_the_other() -> None:
    mixes = ["{at: 0s, mix: original, ease: hold}", "{at: 2s, mix: great_wave}"]
    strengths = ["{at: 0s, strength: 0, ease: smooth}", "{at: 1s, strength: 1}"]
    timeline, warnings = parse(keys(*mixes, *strengths))
    assert warnings == []
    assert timeline.look_at(1.5) == Look({"original": 1}, strength=1)
    _, (warning,) = parse(keys(*mixes, *reversed(strengths)))
    assert "6:5: warning: the key at 0s comes after a later one; sorted" in warning


@pytest.mark.parametrize("length", [3.336, 100 * 1001 / 30_000])
def test_keys_at_the_edges_of_a_rounded_length_lie_within_it(length: float) -> None:
    text = keys("{at: -100f, mix: original}", "{at: 100f, mix: great_wave}")
    timeline, warnings = parse_timeline(text, STYLES).resolve(length, Fraction(30_000, 1001))
    assert warnings == []
    assert timeline.mix.keyframes[0].seconds == 0


def test_a_key_past_the_end_is_a_warning() -> None:
    _, warnings = parse(keys("{at: 9s, mix: original}"))
    assert "past the end (8.000 s)" in warnings[0]


def test_a_key_that_a_loop_never_reaches_is_a_warning() -> None:
    text = keys(*(f"{{at: {at}, mix: original}}" for at in ("0s", "1s", "2s", "75f")))
    for mode in ("repeat", "bounce"):
        _, (warning,) = parse(f"{text}loop: {{period: 2s, mode: {mode}}}\n")
        assert "6:5: warning: the key at 75f is never reached: the timeline repeats every 2 s" in (
            warning
        )


def test_a_key_past_the_end_puts_no_other_out_of_order() -> None:
    _, (warning,) = parse(keys("{at: 9s, mix: great_wave}", "{at: end, mix: original}"))
    assert "the key at 9s lies past the end" in warning


def test_a_frame_that_no_second_has_is_a_mistake_with_its_place() -> None:
    with pytest.raises(TimelineError, match=r"t\.yaml:3:5: 00:00:01:40: frames go to 24 at 25 fr"):
        parse(keys("{at: 00:00:01:40, mix: original}"))


def test_a_key_in_frames_meets_a_frame_that_came_early_by_the_clock() -> None:
    document = parse_timeline(
        keys("{at: 0s, mix: original, ease: hold}", "{at: 1f, mix: great_wave}"),
        STYLES,
        name="t.yaml",
    )
    timeline, _ = document.resolve(1.0, Fraction(30), Fraction(1, 100))  # as in a GIF
    assert timeline.look_at(0.03).mix == {"great_wave": 1}
    assert timeline.look_at(0.0).mix == {"original": 1}


def test_a_time_that_needs_the_length_waits_for_it() -> None:
    document = parse_timeline(EXAMPLE, STYLES, name="t.yaml")
    assert document.needs_duration
    with pytest.raises(TimelineError, match=r"50% needs the video's length; .* give the duration"):
        document.resolve(None, Fraction(25))


def test_a_time_in_frames_waits_for_the_rate() -> None:
    document = parse_timeline(keys("{at: 12f, mix: great_wave}"), STYLES, name="t.yaml")
    with pytest.raises(TimelineError, match=r"12f needs the frame rate; .* or give the rate"):
        document.resolve(8.0, None)


def test_ten_thousand_keyframes_are_fine_and_fast() -> None:
    text = keys(*(f"{{at: {i}f, mix: {STYLES[i % 3]}, ease: smooth}}" for i in range(10_000)))
    begin = time.process_time()
    timeline, _ = parse(text, duration=400.0)
    for frame in range(10_000):
        timeline.look_at(frame / 25 + 0.01)
    # A quadratic reader or a linear lookup takes minutes here.
    assert time.process_time() - begin < 30


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    with pytest.raises(UsageError, match="cannot be read"):
        read_timeline(path, STYLES)
    path.write_bytes(b"version: 1\n\xff\xfe")
    with pytest.raises(TimelineError, match=r"t\.yaml:2:1: not UTF-8"):
        read_timeline(path, STYLES)
    path.write_bytes(b"\xef\xbb\xbfversion: 1\r# caf\xe9\n")
    with pytest.raises(TimelineError, match=r"t\.yaml:2:6: not UTF-8"):
        read_timeline(path, STYLES)
    path.write_bytes(b"\x00\x01")
    with pytest.raises(TimelineError, match="not YAML"):
        read_timeline(path, STYLES)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "path is None; give the name of a file"),
        ({"version": 1}, "give the name of a file"),
        ("a\0b", r"path is 'a\\x00b'; no name of a file has a NUL"),
        ("\ud800", "no file has such a name"),
    ],
)
def test_what_is_no_name_of_a_file_is_refused_in_words(path: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_timeline(path, STYLES)


mixtures = st.dictionaries(
    st.sampled_from([*STYLES, ORIGINAL]), st.floats(1e-3, 1e3), min_size=1
).map(normalize_mixture)
eases = st.one_of(
    st.sampled_from(list(EASINGS.values())),
    st.builds(CubicBezier, st.floats(0, 1), st.floats(-3, 3), st.floats(0, 1), st.floats(-3, 3)),
)
stamps = st.lists(st.integers(0, 10**7), min_size=1, max_size=5, unique=True).map(sorted)


@given(stamps, stamps, st.data())
def test_a_written_timeline_reads_back(a: list[int], b: list[int], data: st.DataObject) -> None:
    mix = [Keyframe(ms / 1000, data.draw(mixtures), data.draw(eases)) for ms in a]
    stroke = [Keyframe(ms / 1000, data.draw(st.floats(0.25, 8)), data.draw(eases)) for ms in b]
    loop = data.draw(st.sampled_from([None, Loop(2.5), Loop(0.125, bounce=True)]))
    timeline = Timeline(Track(mix), {"stroke": Track(stroke)}, loop)
    again, warnings = parse(dump_timeline(timeline), duration=1e5)
    assert all("never reached" in warning for warning in warnings)
    assert again.loop == loop
    for key, twin in zip(timeline.mix.keyframes, again.mix.keyframes, strict=True):
        assert twin.seconds == key.seconds
        assert twin.ease == key.ease
        assert dict(twin.value) == pytest.approx(dict(key.value))
    assert again.scalars["stroke"].keyframes == timeline.scalars["stroke"].keyframes


tempos = st.builds(
    Tempo,
    st.floats(1, 1000).map(lambda bpm: 60 / Fraction(bpm)),
    st.integers(0, 10**6).map(lambda micros: Fraction(micros, 10**6)),
)


@given(tempos, st.sets(st.integers(0, 10**5)), st.sets(st.integers(0, 10**7)), st.booleans())
def test_a_timeline_with_a_tempo_is_written_in_beats(
    tempo: Tempo, parts: set[int], micros: set[int], loops: bool
) -> None:
    on_beats = {float(tempo.first + Fraction(part, 24) * tempo.beat) for part in parts}
    times = sorted({0.0, *on_beats, *(number / 1e6 for number in micros)})
    mix = Track([Keyframe(seconds, "great_wave") for seconds in times])
    loop = Loop(float(8 * tempo.beat)) if loops else None
    text = dump_timeline(Timeline(mix, {}, loop), tempo)
    document = parse_timeline(text, STYLES)
    again, _ = document.resolve(None, None)
    assert [key.seconds for key in again.mix.keyframes] == pytest.approx(times, abs=1.1e-4)
    assert (loop and loop.period) == pytest.approx(again.loop and again.loop.period)
    if loop and tempo.first:
        assert document.tempo is None
        return
    assert document.tempo == tempo
    assert loop is None or "period: 8b" in text
    assert dump_timeline(again, tempo) == text
    if not micros and not 0 < tempo.first <= ON_BEAT:
        assert text.count("b, mix") >= len(on_beats)


@given(st.sets(st.integers(1, 999), min_size=2, max_size=2))
def test_weights_that_a_person_wrote_are_written_as_they_were(between: set[int]) -> None:
    cuts = (0, *sorted(between), 1000)
    weights = [(after - before) / 1000 for before, after in pairwise(cuts)]
    mix = ", ".join(f"{style}: {weight}" for style, weight in zip(STYLES, weights, strict=True))
    text = keys(f"{{at: 0s, mix: {{{mix}}}}}")
    assert dump_timeline(parse(text)[0]) == text


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_gives_a_timeline_or_a_timeline_error(text: str) -> None:
    try:
        parse(text)
    except TimelineError as error:
        assert str(error).startswith("t.yaml:")


def test_ten_thousand_broken_documents_give_only_clean_errors() -> None:
    source = random.Random(20161024)
    pieces = re.findall(r"\w+|[^\w]", EXAMPLE) + list("&*!|>-?:,[]{}#%@`\"'\t\x00é\u2028")
    pieces += ["1e9", "9" * 40, ".nan", "~", "null", "---", "...", "<<", "0x1F", "1:30:00:99"]
    accepted = 0
    for _ in range(10_000):
        parts = re.findall(r"\w+|[^\w]", EXAMPLE)
        for _ in range(source.randint(1, 6)):
            spot = source.randrange(len(parts))
            change = source.random()
            if change < 0.4:
                parts[spot] = source.choice(pieces)
            elif change < 0.7:
                parts.insert(spot, source.choice(pieces))
            else:
                del parts[spot : spot + source.randint(1, 8)]
        try:
            timeline, _ = parse("".join(parts))
        except TimelineError as error:
            assert str(error).startswith("t.yaml:")
        else:
            accepted += 1
            timeline.look_at(source.uniform(-1, 20))
    assert 0 < accepted < 9_000


GOOD = {
    "at": ["0s", "1s", "25f", "50%", "end", "-2s", "00:00:03"],
    "mix": ["original", "starry_night", "{great_wave: 1, original: 3}"],
    "strength": ["0", "0.5", "1e-3"],
    "stroke": ["1", "2.5"],
    "ease": ["hold", "smooth", "[0.3, -1, 0.6, 2]"],
}
BAD = [
    "{}",
    "[]",
    "",
    "~",
    "nan",
    "-1",
    "'1'",
    "&a 1",
    "*a",
    "!!int 1",
    "[{}]",
    "{mix: {}}",
    "1e999",
]


def shaped(source: random.Random) -> str:
    """A document of a timeline's words, with a wrong value or key here and there."""

    def value(good: list[str]) -> str:
        return source.choice(BAD if source.random() < 0.03 else good)

    items = []
    for _ in range(source.randint(0, 4)):
        names = [name for name in GOOD if source.random() < 0.7 or name in ("at", "mix")]
        names = names if source.random() < 0.9 else source.choices([*GOOD, "period", "x"], k=3)
        fields = ", ".join(f"{name}: {value(GOOD.get(name, BAD))}" for name in names)
        items.append(value([f"{{{fields}}}"]))
    loop = value(["", "loop: {period: 50%}\n", "loop: {period: 3s, mode: bounce}\n"])
    return f"version: {value(['1'])}\nkeyframes: {value(['[' + ', '.join(items) + ']'])}\n{loop}"


def test_random_shapes_of_a_timelines_words_give_only_clean_errors() -> None:
    source = random.Random(1888)
    accepted = 0
    for _ in range(5_000):
        try:
            timeline, _ = parse(shaped(source), source.choice([0.0, 8.0]))
        except TimelineError as error:
            assert str(error).startswith("t.yaml:")
        else:
            accepted += 1
            timeline.look_at(source.uniform(-1, 20))
    assert 1_000 < accepted < 4_000


@pytest.mark.parametrize("path", sorted((ROOT / "timelines").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_worked_timelines_read_without_a_warning(path: Path) -> None:
    document = read_timeline(path, read_model_card("lean").style_names)
    timeline, warnings = document.resolve(5.28, Fraction(25))
    assert warnings == []
    assert len(timeline.style_names) >= 1
    assert path.read_text().startswith("# What one sees: ")


def test_what_is_no_ease_lists_the_names_once() -> None:
    with pytest.raises(TimelineError) as raised:
        parse(keys("{at: 0s, mix: original, ease: bounce}"))
    assert str(raised.value).splitlines()[0].count("ease-in-out") == 1


def test_a_mistake_in_one_time_hides_no_other() -> None:
    text = keys("{at: 0s, mix: original}", "{at: 0s, mix: original}") + "loop: {period: 0s}\n"
    with pytest.raises(TimelineError) as raised:
        parse(text)
    assert re.findall(r"^t\.yaml:(\d+:\d+)", str(raised.value), re.M) == ["4:5", "5:16"]


def test_a_document_prints_in_a_line() -> None:
    document = parse_timeline(EXAMPLE, STYLES, name="t.yaml")
    assert repr(document) == "<TimelineDocument 't.yaml', 5 keys>"


def test_a_check_leaves_out_what_waits_for_the_video() -> None:
    document = parse_timeline(EXAMPLE, STYLES, name="t.yaml")
    assert document.check(None, None) == []
    waiting = parse_timeline(keys("{at: end, mix: original}"), STYLES, name="t.yaml")
    assert waiting.check(None, None) == []
