"""The timeline's promises: convexity, continuity, holds, loops."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostyle.errors import MediaError, UsageError
from videostyle.look import ORIGINAL, Look, normalize_mixture
from videostyle.timeline.easing import EASINGS, CubicBezier, Easing, hold, linear
from videostyle.timeline.plot import _key_times, _sampled, plot_timeline
from videostyle.timeline.timeline import Keyframe, Loop, Timeline, Track

weights = st.dictionaries(
    st.sampled_from(["a", "b", "c", ORIGINAL]), st.floats(1e-3, 10), min_size=1
).map(normalize_mixture)
curves = st.builds(
    CubicBezier, st.floats(0, 1), st.floats(-5, 6), st.floats(0, 1), st.floats(-5, 6)
)
easings = st.one_of(st.sampled_from(list(EASINGS.values())), curves)
times = st.lists(st.integers(0, 5000).map(lambda ms: ms / 100), min_size=1, max_size=6, unique=True)


@st.composite
def timelines(draw: st.DrawFn, ease: st.SearchStrategy[Easing] = easings) -> Timeline:
    keys = [Keyframe(time, draw(weights), draw(ease)) for time in sorted(draw(times))]
    strength = [Keyframe(time, draw(st.floats(0, 1)), draw(ease)) for time in sorted(draw(times))]
    return Timeline(Track(keys), {"strength": Track(strength)})


@given(timelines(), st.floats(-100, 200))
def test_weights_are_a_convex_combination_at_every_time(timeline: Timeline, at: float) -> None:
    look = timeline.look_at(at)
    assert math.isclose(math.fsum(look.mix.values()), 1, rel_tol=1e-9)
    assert all(weight >= 0 for weight in look.mix.values())
    assert 0 <= look.strength <= 1


# Overshooting, but nowhere vertical, so that a jump can be told from a steep stretch.
steady = st.builds(
    CubicBezier, st.floats(0.2, 0.8), st.floats(-3, 4), st.floats(0.2, 0.8), st.floats(-3, 4)
)
without_hold = st.one_of(st.sampled_from([e for e in EASINGS.values() if e is not hold]), steady)


@given(timelines(without_hold), st.floats(0, 50))
def test_without_holds_nothing_jumps(timeline: Timeline, at: float) -> None:
    near, far = timeline.look_at(at), timeline.look_at(at + 1e-7)
    names = {*near.mix, *far.mix}
    assert all(abs(near.mix.get(n, 0) - far.mix.get(n, 0)) < 1e-2 for n in names)
    assert abs(near.strength - far.strength) < 1e-2


@given(timelines())
def test_every_key_is_met_and_the_ends_hold(timeline: Timeline) -> None:
    keys = timeline.mix.keyframes
    for key in keys:
        assert dict(timeline.look_at(key.seconds).mix) == pytest.approx(dict(key.value))
    before = timeline.look_at(keys[0].seconds - 1)
    assert dict(before.mix) == pytest.approx(dict(keys[0].value))
    after = timeline.look_at(keys[-1].seconds + 1)
    assert dict(after.mix) == pytest.approx(dict(keys[-1].value))


def test_mixtures_interpolate_in_weight_space() -> None:
    timeline = Timeline(Track([Keyframe(0, {"a": 1.0}), Keyframe(10, {"a": 0.25, "b": 0.75})]))
    assert dict(timeline.look_at(4).mix) == pytest.approx({"a": 0.7, "b": 0.3})


def test_hold_keeps_a_key_until_the_next() -> None:
    timeline = Timeline(Track([Keyframe(0, {"a": 1.0}, hold), Keyframe(1, {"b": 1.0})]))
    assert dict(timeline.look_at(0.998).mix) == {"a": 1}
    assert dict(timeline.look_at(1).mix) == {"b": 1}


def test_tracks_do_not_touch_each_other() -> None:
    timeline = Timeline(
        Track([Keyframe(0, {"a": 1.0}), Keyframe(10, {"b": 1.0})]),
        {"stroke": Track([Keyframe(2, 1.0), Keyframe(4, 3.0)])},
    )
    look = timeline.look_at(3)
    assert look.stroke == 2
    assert dict(look.mix) == pytest.approx({"a": 0.7, "b": 0.3})
    assert look.strength == 1
    assert look.keep_color == 0


def test_an_overshooting_ease_stays_in_range() -> None:
    ease = CubicBezier(0.3, -2, 0.7, 3)
    timeline = Timeline(
        Track([Keyframe(0, {"a": 0.5, "b": 0.5}, ease), Keyframe(1, {"a": 1.0})]),
        {"strength": Track([Keyframe(0, 0.5, ease), Keyframe(1, 1.0)])},
    )
    looks = [timeline.look_at(step / 100) for step in range(101)]
    assert max(look.mix.get("b", 0) for look in looks) > 0.6
    assert max(look.strength for look in looks) == 1


def test_a_track_that_there_is_not_is_named() -> None:
    mix = Track([Keyframe(0, {"a": 1.0})])
    with pytest.raises(UsageError, match="no track 'strenght'; its scalars are strength, keep_c"):
        Timeline(mix, {"strenght": Track([Keyframe(0, 0.5)])})


@pytest.mark.parametrize("value", [math.nan, None, "1", 10**400, Decimal("0.5")])
def test_an_easing_that_gives_no_finite_number_is_named(value: object) -> None:
    mix = Track([Keyframe(1, {"a": 1.0}, lambda _: value), Keyframe(2, {"b": 1.0})])
    message = f"easing of the key at 1 s gives {value!r:.80} for 0.5"
    with pytest.raises(UsageError, match=re.escape(message)):
        Timeline(mix).look_at(1.5)


def test_repeat_and_bounce_fold_time() -> None:
    repeat, bounce = Loop(4), Loop(4, bounce=True)
    assert [repeat.fold(t) for t in (0, 3, 4, 9)] == [0, 3, 0, 1]
    assert [bounce.fold(t) for t in (0, 3, 4, 5, 8, 9)] == [0, 3, 4, 3, 0, 1]


@pytest.mark.parametrize("begin", [0, 0.0336, 0.0214])
@pytest.mark.parametrize("rate", [24, 25, Fraction(30_000, 1001), 30, 60, 480])
def test_a_frame_whose_time_is_rounded_to_a_millisecond_meets_its_key(
    rate: Fraction | int, begin: float
) -> None:
    def seconds(number: int) -> float:
        return round(begin + float(number / Fraction(rate)), 3) - round(begin, 3)

    for number in range(1, 300):
        key = float(number / Fraction(rate))
        track = Track([Keyframe(0.0, 0, hold), Keyframe(key, 1, hold)])
        assert track.span(seconds(number))[0] == 1
        assert track.span(seconds(number - 1))[0] == 0


@given(st.integers(1, 500), st.integers(0, 100))
def test_a_loop_begins_again_where_it_ends(hundredths: int, turns: int) -> None:
    assert Loop(hundredths / 100).fold(turns * hundredths / 100) < 1e-6


@given(st.floats(0.01, 100), st.floats(0, 1e4))
def test_a_bouncing_loop_never_jumps(period: float, at: float) -> None:
    loop = Loop(period, bounce=True)
    assert 0 <= loop.fold(at) <= period
    assert abs(loop.fold(at) - loop.fold(at + 1e-6)) < 1e-5


def test_a_constant_timeline_is_its_look() -> None:
    look = Look({"a": 1, "b": 3}, strength=0.5, keep_color=0.25, stroke=2)
    timeline = Timeline.constant(look)
    for at in (-1, 0, 1e6):
        assert timeline.look_at(at) == look
    assert timeline.style_names == ("a", "b")


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    mix = Track([Keyframe(0, {"a": 1.0}), Keyframe(2, {ORIGINAL: 1.0})])
    timeline = Timeline(mix, {"stroke": Track([Keyframe(0, 1.0), Keyframe(2, 2.0)])})
    plot_timeline(timeline, 3, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    for bad in (tmp_path / "none" / "plot.png", tmp_path / "plot.zzz"):
        with pytest.raises(MediaError, match="cannot be written"):
            plot_timeline(timeline, 3, bad)


def test_a_plot_misses_no_flash_of_a_long_video() -> None:
    flash = Track([Keyframe(0, 1.0, "hold"), Keyframe(1000, 0.5, "hold"), Keyframe(1000.04, 1.0)])
    timeline = Timeline(Track([Keyframe(0, "great_wave")]), {"strength": flash})
    times = _sampled(timeline, 3600.0)
    assert times == sorted(times)
    assert {timeline.look_at(time).strength for time in times} == {0.5, 1.0}
    before = max(time for time in times if time < 1000)
    assert 1000 - before < 0.002  # the cut is drawn upright
    assert timeline.look_at(before).strength == 1


def test_a_plot_shows_a_flash_in_every_round_of_a_loop_or_in_none() -> None:
    flash = Track([Keyframe(0, 1.0, "hold"), Keyframe(5, 0.5, "hold"), Keyframe(5.04, 1.0)])
    timeline = Timeline(Track([Keyframe(0, "great_wave")]), {"strength": flash}, Loop(10))
    times = _sampled(timeline, 3600.0)
    flashes = {int(time) // 10 for time in times if timeline.look_at(time).strength == 0.5}
    assert flashes == set(range(360))
    # So many rounds are one dark area, whatever is drawn of them.
    assert len(_sampled(replace(timeline, loop=Loop(0.05)), 1e9)) < 20_000


def test_a_plot_marks_the_keys_of_every_round_of_a_loop() -> None:
    track = Track([Keyframe(time, 1.0) for time in (0, 1, 3, 9)])
    assert _key_times(track, None, 5) == [0, 1, 3]
    assert _key_times(track, Loop(4), 10) == [0, 1, 3, 4, 5, 7, 8, 9]
    assert _key_times(track, Loop(4, bounce=True), 10) == [0, 1, 3, 5, 7, 8, 9]


def test_keys_out_of_order_or_at_one_time_are_refused() -> None:
    for seconds in ([1, 0], [1, 1], []):
        with pytest.raises(UsageError, match="keyframes"):
            Track([Keyframe(time, 1.0, linear) for time in seconds])


def test_weights_of_a_key_are_divided_by_their_sum() -> None:
    keys = [Keyframe(0, {"a": 2, "c": 0}), Keyframe(10, {"b": 1})]
    assert dict(Timeline(Track(keys)).look_at(5).mix) == {"a": 0.5, "b": 0.5}
    assert Keyframe(0, {"a": 3, "b": 1}).value == {"a": 0.75, "b": 0.25}


def test_a_mixture_that_is_used_again_stays_as_it_is_to_the_last_digit() -> None:
    key = Keyframe(0, {"a": 0.1, "b": 0.2, "c": 0.4})
    assert replace(key, seconds=1).value is key.value
    assert Look(key.value).mix is key.value


def test_a_key_is_written_as_in_yaml() -> None:
    key = Keyframe(0, "starry_night", "smooth")
    assert key.value == {"starry_night": 1}
    assert key.ease is EASINGS["smooth"]
    assert Keyframe(0, 1, [0.1, 0, 0.5, 2]).ease == CubicBezier(0.1, 0, 0.5, 2)
    assert Keyframe(np.float32(0.5), np.int64(2), math.sqrt).ease is math.sqrt


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (("1s", "a"), "a keyframe's time is '1s'; it must be a finite number of seconds"),
        ((math.nan, "a"), "a keyframe's time is nan"),
        ((0, None), r"value is None; give a mixture, such as \{\"starry_night\": 1\}, or"),
        ((0, {"a": -1}), "weight of 'a' is -1"),
        ((0, {}), "must not all be 0"),
        ((0, "a", "smoth"), "ease is 'smoth'; it must be one of hold, .*; did you mean smooth"),
        ((0, "a", 3), "ease is 3; it must be one of"),
        ((0, "a", [2, 0, 1, 1]), r"ease is \[2, 0, 1, 1\]; the first and third number must be"),
        ((0, "a", [0, 0, 1]), "four numbers or a function"),
    ],
)
def test_what_is_no_key_is_named(key: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Keyframe(*key)


MIX = Track([Keyframe(0, "a")])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (({"version": 1},), r"mix is {'version': 1}; give Track\(.*parse_timeline\(text\)"),
        ((Track([Keyframe(2, 0.5)]),), r"mix is 0\.5 at 2 s; it must be a style's name, or"),
        ((MIX, {"strength": 0.5}), r"strength is 0\.5; give Track\(\[Keyframe\(0\.0, 1\.0\)"),
        ((MIX, {"strength": MIX}), "strength is {'a': 1.0} at 0 s; it must be from 0 to 1"),
        ((MIX, {"stroke": Track([Keyframe(1, 9)])}), "stroke is 9.0 at 1 s; it must be from 0.25"),
        ((MIX, 0.5), "scalars is 0.5; give"),
        ((MIX, {}, 8), r"loop is 8; give Loop\(8\.0\)"),
    ],
)
def test_what_is_no_part_of_a_timeline_is_named(parts: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Timeline(*parts)


@pytest.mark.parametrize("keyframes", ["ab", [("a", 1)], 5, Keyframe(0, "a")])
def test_a_track_has_keyframes_alone(keyframes: Any) -> None:
    with pytest.raises(UsageError, match=r"keyframes are .*; give a list of them"):
        Track(keyframes)


def test_a_loop_bounces_or_not() -> None:
    with pytest.raises(UsageError, match="bounce is 'repeat'; it must be True or False"):
        Loop(8, "repeat")  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", ["1s", math.nan, math.inf, None])
def test_a_time_that_is_none_has_no_look(seconds: Any) -> None:
    with pytest.raises(UsageError, match="it must be a finite number of seconds"):
        Timeline(MIX).look_at(seconds)


def test_a_timeline_shows_what_it_is() -> None:
    keys = [Keyframe(0, {"a": 3, "b": 1}, "smooth"), Keyframe(1.5, "b", [0, 0, 1, 2])]
    assert repr(keys[0]) == "Keyframe(0, {'a': 0.75, 'b': 0.25}, 'smooth')"
    timeline = Timeline(Track(keys), {"stroke": Track([Keyframe(0, 1)])})
    assert repr(timeline) == "<Timeline: mix of 2 keys up to 1.5 s, stroke of 1 key up to 0 s>"
