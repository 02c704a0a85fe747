"""A performance becomes few keyframes that play it back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videostyle.live import performance
from videostyle.live.controls import Controls, Touched
from videostyle.live.performance import (
    CUT,
    Sample,
    Values,
    from_start,
    to_timeline,
    unrolled,
)
from videostyle.look import Look
from videostyle.timeline.easing import Easing, hold, linear
from videostyle.timeline.reader import parse_timeline
from videostyle.timeline.timeline import Timeline
from videostyle.timeline.writer import dump_timeline

STYLES = ("a", "b", "c", "original")
FPS = 25
ALLOWED = 0.018
weights = st.fixed_dictionaries({name: st.floats(0, 1) for name in STYLES}).filter(
    lambda mix: sum(mix.values()) > 0.05
)


def difference(one: Look, other: Look) -> float:
    """The largest of any weight and any scalar."""
    names = {*one.mix, *other.mix}
    scalars = [
        abs(one.strength - other.strength),
        abs(one.keep_color - other.keep_color),
        abs(one.stroke - other.stroke),
    ]
    return max([abs(one.mix.get(n, 0.0) - other.mix.get(n, 0.0)) for n in names] + scalars)


def moves(looks: list[dict[str, float]], frames: int) -> list[Sample]:
    """Slow and quick moves from look to look, a sample a frame."""
    samples = []
    for number in range(frames * (len(looks) - 1)):
        before, after = looks[number // frames], looks[number // frames + 1]
        x = min(1.0, 1.6 * (number % frames) / frames)
        part = x * x * (3 - 2 * x)
        mix = {name: before[name] + part * (after[name] - before[name]) for name in STYLES}
        samples.append(Sample(number / FPS, Look(mix)))
    return samples


@given(st.lists(weights, min_size=2, max_size=5), st.integers(2, 40))
def test_every_frame_is_played_back_as_it_was_shown(
    looks: list[dict[str, float]], frames: int
) -> None:
    samples = moves(looks, frames)
    timeline, _ = parse_timeline(dump_timeline(to_timeline(samples)), STYLES).resolve(None, None)
    for sample in samples:
        assert difference(timeline.look_at(sample.seconds), sample.look) <= ALLOWED


def test_ten_seconds_of_moves_fit_on_a_screen() -> None:
    looks = [
        {"a": 1.0, "b": 0.0, "c": 0.0, "original": 0.0},
        {"a": 0.4, "b": 0.6, "c": 0.0, "original": 0.0},
        {"a": 0.0, "b": 0.2, "c": 0.8, "original": 0.0},
        {"a": 0.0, "b": 0.0, "c": 0.1, "original": 0.9},
    ]
    timeline = to_timeline(moves(looks, 84))
    assert len(timeline.mix.keyframes) < 40
    assert not timeline.scalars


def test_what_does_not_move_is_one_key() -> None:
    samples = [Sample(number / FPS, Look({"a": 1})) for number in range(250)]
    assert len(to_timeline(samples).mix.keyframes) == 1


def filmed(*mixes: dict[str, float]) -> list[Sample]:
    """A sample a frame."""
    return [Sample(number / FPS, Look(mix)) for number, mix in enumerate(mixes)]


def keys_of(timeline: Timeline) -> list[tuple[float, dict[str, float], Easing]]:
    return [(key.seconds, dict(key.value), key.ease) for key in timeline.mix.keyframes]


def test_a_cut_is_one_key_and_the_key_before_it_holds() -> None:
    cut = [{"a": 1.0}] * 128 + [{"b": 1.0}] * 60
    assert keys_of(to_timeline(filmed(*cut))) == [(0, {"a": 1}, hold), (5.12, {"b": 1}, linear)]
    flash = [{"a": 1.0}] * 50 + [{"b": 1.0}] + [{"a": 1.0}] * 50
    assert keys_of(to_timeline(filmed(*flash))) == [
        (0, {"a": 1}, hold),
        (2, {"b": 1}, hold),
        (2.04, {"a": 1}, linear),
    ]


def test_a_fade_that_ends_in_a_cut_has_a_key_before_it() -> None:
    fade = [{"a": 1 - number / 100, "b": number / 100} for number in range(51)]
    keys = keys_of(to_timeline(filmed(*fade, *[{"c": 1.0}] * 30)))
    assert keys == [
        (0, {"a": 1}, linear),
        (2, {"a": 0.5, "b": 0.5}, hold),
        (2.04, {"c": 1}, linear),
    ]


def test_a_quick_move_is_no_cut() -> None:
    move = [{"a": 1 - part, "b": part} for part in (0.2, 0.4, 0.6, 0.8)]
    timeline = to_timeline(filmed(*[{"a": 1.0}] * 50, *move, *[{"b": 1.0}] * 50))
    assert hold not in [key.ease for key in timeline.mix.keyframes]


@given(st.lists(st.tuples(weights, st.integers(2, 60)), min_size=1, max_size=8))
def test_a_performance_of_cuts_has_no_more_keys_than_cuts(
    parts: list[tuple[dict[str, float], int]],
) -> None:
    samples = filmed(*(mix for mix, frames in parts for _ in range(frames)))
    timeline = to_timeline(samples)
    assert len(timeline.mix.keyframes) <= len(parts)
    for sample in samples:
        assert difference(timeline.look_at(sample.seconds), sample.look) <= ALLOWED


def test_a_take_in_a_timeline_begins_and_ends_with_a_cut() -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: a}]\n"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    take = [Sample(4 + number / FPS, Look({"b": 1})) for number in range(FPS + 1)]
    assert keys_of(to_timeline(take, old)) == [
        (0, {"a": 1}, hold),
        (4, {"b": 1}, hold),
        (5 + CUT, {"a": 1}, linear),
    ]


@given(st.lists(weights, min_size=2, max_size=5))
def test_what_was_recorded_reads_the_same_after_an_edit(looks: list[dict[str, float]]) -> None:
    text = dump_timeline(to_timeline(moves(looks, 20)))
    assert dump_timeline(parse_timeline(text, STYLES).resolve(None, None)[0]) == text


def test_other_sliders_get_tracks_of_their_own() -> None:
    samples = [Sample(n / FPS, Look({"a": 1}, strength=1 - n / 100)) for n in range(100)]
    timeline = to_timeline(samples)
    assert set(timeline.scalars) == {"strength"}
    assert timeline.look_at(2.0).strength == pytest.approx(0.5, abs=ALLOWED)


def before() -> Timeline:
    text = """
version: 1
keyframes:
  - {at: 1s, mix: a, stroke: 1, ease: smooth}
  - {at: 9s, mix: {b: 1, c: 1}, stroke: 3}
"""
    return parse_timeline(text, STYLES).resolve(None, None)[0]


@given(st.floats(0, 10), st.floats(0.1, 4), weights)
def test_a_timeline_goes_where_it_went_outside_a_performance(
    start: float, length: float, mix: dict[str, float]
) -> None:
    old = before()
    samples = [Sample(start + length * part / 20, Look(mix, stroke=2)) for part in range(21)]
    new = to_timeline(samples, old)
    for part in range(21):
        time = start + length * part / 20
        assert difference(new.look_at(time), samples[part].look) <= ALLOWED
    for time in (0.0, 0.7, 2.0, 4.5, 8.0, 8.99, 12.0, 20.0):
        if not start - CUT <= time <= start + length + CUT:
            assert difference(new.look_at(time), old.look_at(time)) <= 2 * ALLOWED


@pytest.mark.parametrize("mode", ["repeat", "bounce"])
def test_what_is_recorded_past_the_period_of_a_loop_is_shown(mode: str) -> None:
    loop = f"loop: {{period: 1s, mode: {mode}}}"
    text = f"version: 1\nkeyframes: [{{at: 0s, mix: a}}, {{at: 0.9s, mix: b, stroke: 2}}]\n{loop}\n"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    samples = [Sample(number / FPS, Look({"c": 1})) for number in range(50, 76)]
    new = to_timeline(samples, unrolled(old, 5.0, FPS))
    assert parse_timeline(dump_timeline(new), STYLES).resolve(None, None)[0].loop is None
    for number in range(5 * FPS + 1):
        wanted = Look({"c": 1}) if 50 <= number <= 75 else old.look_at(number / FPS)
        assert difference(new.look_at(number / FPS), wanted) <= 2 * ALLOWED


@pytest.mark.parametrize("mode", ["repeat", "bounce"])
def test_a_loop_is_written_out_with_few_keys_and_its_cuts(mode: str) -> None:
    keys = """
  - {at: 0.1s, mix: a, ease: [0.1, 0.9, 0.3, 1], strength: 0.5}
  - {at: 0.333s, mix: b, ease: hold}
  - {at: 0.61s, mix: c, stroke: 2}
  - {at: 1.5s, mix: a, stroke: 1}"""
    text = f"version: 1\nkeyframes:{keys}\nloop: {{period: 0.77s, mode: {mode}}}\n"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    new = unrolled(old, 600.0, FPS)
    assert new.loop is None
    assert len(new.mix.keyframes) < 10 * 600 / 0.77
    assert len(set(new.scalars["strength"].keyframes)) <= 2
    for number in range(0, 600 * FPS, 7):
        assert difference(new.look_at(number / FPS), old.look_at(number / FPS)) <= 2 * ALLOWED


@pytest.mark.parametrize("end", [3.5, 4.0, 7.5])
@pytest.mark.parametrize("ease", ["linear", "hold"])
def test_a_loop_goes_back_to_its_end_and_cuts_where_it_turns(ease: str, end: float) -> None:
    keys = f"[{{at: 0s, mix: a, ease: {ease}}}, {{at: 2s, mix: b}}]"
    text = f"version: 1\nkeyframes: {keys}\nloop: {{period: 2s, mode: bounce}}\n"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    new = unrolled(old, end, FPS)
    for number in range(int(end * FPS)):
        assert difference(new.look_at(number / FPS), old.look_at(number / FPS)) <= 2 * ALLOWED


@settings(max_examples=40)
@given(
    st.lists(weights, min_size=2, max_size=5),
    st.integers(0, 80),
    st.lists(st.tuples(st.sampled_from(STYLES), st.floats(0, 1)), min_size=1, max_size=6),
    st.booleans(),
)
def test_an_overdub_is_played_back_as_it_was_shown_and_leaves_the_rest(
    looks: list[dict[str, float]], start: int, moves: list[tuple[str, float]], is_whole: bool
) -> None:
    keys = [f"{{at: {2 * n}s, mix: {mix}, ease: smooth}}" for n, mix in enumerate(looks)]
    stroke = "{at: 1s, stroke: 1, ease: ease-in}, {at: 9s, stroke: 3}"
    text = f"version: 1\nkeyframes: [{', '.join(keys)}, {stroke}]".replace("'", "")
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    controls = Controls(timeline=old, follow=True, recording=True)
    samples, hands = [], {}
    for number in range(start, start + 120):
        move, since = divmod(number - start - 10, 20)  # nothing is touched at first
        if 0 <= move < len(moves):
            style, goal = moves[move]
            hands[style] = goal * since / 19
            controls = replace(controls, touched=Touched(dict(hands), is_whole))
        samples.append(Sample(number / FPS, controls.look_at(number / FPS)))
    new = to_timeline(samples, old)
    read = parse_timeline(dump_timeline(new), STYLES).resolve(None, None)[0]
    for sample in samples:
        assert difference(read.look_at(sample.seconds), sample.look) <= ALLOWED
    for number in (*range(start + 10), *range(start + 120, 400)):
        time = number / FPS
        assert difference(read.look_at(time), old.look_at(time)) <= ALLOWED
    assert new.scalars["stroke"] is old.scalars["stroke"]


def test_a_fader_that_is_touched_is_mixed_with_what_the_timeline_says() -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: a}, {at: 4s, mix: b}]"
    timeline = parse_timeline(text, STYLES).resolve(None, None)[0]
    over = Controls(timeline=timeline, follow=True, touched=Touched({"c": 1, "b": 0}))
    assert over.look_at(0).mix == {"a": 0.5, "c": 0.5}
    assert over.look_at(2).mix == pytest.approx({"a": 1 / 3, "c": 2 / 3})
    assert over.sum_at(2) == pytest.approx(1.5)
    assert over.look_at(4).mix == {"c": 1}
    silent = replace(over, touched=Touched(is_whole=True, scalars={"strength": 0.5}))
    assert silent.look_at(1) == Look({"original": 1}, strength=0.5)


def test_what_was_not_touched_leaves_the_timeline_itself() -> None:
    old = before()
    samples = [Sample(n / FPS, old.look_at(n / FPS)) for n in range(60)]
    assert to_timeline(samples, old) is old
    samples[30:40] = [replace(each, look=replace(each.look, strength=0)) for each in samples[30:40]]
    new = to_timeline(samples, old)
    assert [key.value for key in new.scalars["strength"].keyframes] == [1, 0, 1]
    assert (new.mix, new.scalars["stroke"]) == (old.mix, old.scalars["stroke"])


def test_a_slow_move_is_followed_from_where_it_leaves_the_timeline() -> None:
    text = "version: 1\nkeyframes: [{at: 2s, mix: {a: 2, b: 1}, ease: smooth}, {at: 8s, mix: c}]"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    controls = Controls(timeline=old, follow=True)
    samples = []
    for number in range(110, 250):
        touched = Touched({"original": max(0, 0.0003 * (number - 130))})
        look = replace(controls, touched=touched).look_at(number / FPS)
        samples.append(Sample(number / FPS, look))
    new = to_timeline(samples, old)
    for sample in samples:
        assert difference(new.look_at(sample.seconds), sample.look) <= 0.02


def test_a_second_performance_may_begin_and_end_with_the_frames_of_the_first() -> None:
    old = before()
    for start in range(10, 60):
        timeline = old
        for style in ("b", "c"):
            times = [number / FPS for number in range(start, start + 30)]
            timeline = to_timeline([Sample(time, Look({style: 1})) for time in times], timeline)
            timeline = parse_timeline(dump_timeline(timeline), STYLES).resolve(None, None)[0]
        assert timeline.look_at(times[0]).mix == timeline.look_at(times[-1]).mix == {"c": 1}
        for time in (times[0] - 1 / FPS, times[-1] + 1 / FPS):
            assert difference(timeline.look_at(time), old.look_at(time)) <= ALLOWED


def test_a_cut_after_a_performance_stays_a_cut() -> None:
    text = "version: 1\nkeyframes: [{at: 0s, mix: a, ease: hold}, {at: 60s, mix: b}]\n"
    old = parse_timeline(text, STYLES).resolve(None, None)[0]
    new = to_timeline([Sample(1 + number / FPS, Look({"c": 1})) for number in range(FPS)], old)
    for time in (0.5, 2.1, 30.0, 59.9):
        assert new.look_at(time).mix == {"a": 1}
    assert new.look_at(60).mix == {"b": 1}


def test_keys_before_the_start_are_cut() -> None:
    keys = "{at: -5s, mix: a, stroke: 2}, {at: 4s, mix: b}, {at: 5s, stroke: 1}"
    text = f"version: 1\nkeyframes: [{keys}]"
    old = parse_timeline(text, STYLES).resolve(1.0, None)[0]
    new = from_start(old)
    assert dump_timeline(new)
    for time in (0.0, 0.5, 1.0, 3.0, 5.0):
        assert difference(new.look_at(time), old.look_at(time)) <= ALLOWED


def test_a_long_rest_takes_no_longer_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def counted(times: Values, values: Values, start: int, end: int) -> Easing | None:
        nonlocal looked_at
        looked_at += end - start
        return curve(times, values, start, end)

    curve = performance._curve
    monkeypatch.setattr(performance, "_curve", counted)
    rest = [Sample(number / FPS, Look({"a": 1})) for number in range(20_000)]
    to_timeline([*rest, *(Sample(800 + n / FPS, Look({"a": 1, "b": n})) for n in range(1, 20))])
    assert looked_at < 100 * len(rest)


def test_samples_out_of_order_are_refused() -> None:
    look = Look({"a": 1})
    with pytest.raises(ValueError, match="order"):
        to_timeline([Sample(1, look), Sample(1, look)])
    with pytest.raises(ValueError, match="order"):
        to_timeline([])
