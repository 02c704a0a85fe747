"""A performance becomes keyframes: every frame's look, thinned to what a person can read.

The samples are cut into stretches that one eased curve follows within TOLERANCE, each as long as
can be; the ends of the stretches are the keyframes. This is the sliding window of Keogh et al.,
"An Online Algorithm for Segmenting Time Series" (ICDM 2001, section 2.1), with eased curves
instead of lines alone. A stretch may also rest and end in a jump, as where a painting is soloed:
its key then holds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from videostyle.look import SCALARS, Look
from videostyle.timecode import NEAR
from videostyle.timeline.easing import EASINGS, CubicBezier, Easing, hold
from videostyle.timeline.timeline import TRACKS, Keyframe, Loop, Timeline, Track

# Largest error of a weight or of another track's value at any frame, before rounding.
TOLERANCE = 0.016
DECIMALS = 3
# So far a sample may be from a timeline that is laid down anew beside it, within TOLERANCE.
SLIGHT = 0.002
# Where a performance is laid into a timeline, the timeline is cut so many seconds from it: more
# than NEAR, or its last frame would be taken for one after it.
CUT = 0.002
_CURVES: tuple[Easing, ...] = tuple(EASINGS[name] for name in ("linear", "smooth", "ease-out"))
_GROWTH = 1.2
# A step is part of a move where the one before or after it has so much of its speed.
_SHARE_OF_A_MOVE = 0.25
# A stretch is looked for in so many times the length that was found, not to look at all for each.
_REACH = 8
_SAMPLES_OF_A_CURVE = 48
_PARTS = np.linspace(0, 1, 1025)

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """The look one frame was shown in. seconds: since the first frame of the video."""

    seconds: float
    look: Look


def to_timeline(samples: Sequence[Sample], before: Timeline | None = None) -> Timeline:
    """Turn a performance into a timeline, inside another one if `before` is given.

    samples: in order of time, at least one. In every track the stretch is replaced in which they
    go elsewhere than `before`, which must not loop; the rest of it stays as it was, and where
    nothing went elsewhere, `before` itself is returned. Raises ValueError for samples that are
    not in order.
    """
    times = np.array([sample.seconds for sample in samples])
    if not len(times) or (np.diff(times) <= 0).any():
        raise ValueError("a performance needs samples in order of time")
    tracks: dict[str, Track[Any]] = dict(before.tracks) if before else {}
    looks = [before.look_at(time) for time in times.tolist()] if before else None
    changed = {name: _elsewhere(name, samples, looks) for name in TRACKS}
    for name, taken in changed.items():
        if not taken:
            continue
        keys = _keys(name, taken)
        if before is not None:
            keys = _cut(_until(before, name, taken[0].seconds - CUT), keys)
            keys = _cut(keys, _from(before, name, taken[-1].seconds + CUT))
        while len(keys) > 1 and keys[-1].value == keys[-2].value:
            keys.pop()
        keys[-1] = Keyframe(keys[-1].seconds, keys[-1].value)
        tracks[name] = Track(keys)
    if before is not None and not any(changed.values()):
        return before
    return Timeline(tracks.pop("mix"), tracks)


def _elsewhere(
    name: str, samples: Sequence[Sample], before: Sequence[Look] | None
) -> Sequence[Sample]:
    """The samples from the first to the last in which a track is not what it was before; if there
    was nothing before, all of them, unless it is at its default throughout."""
    if before is None:
        is_used = name == "mix" or any(
            getattr(sample.look, name) != SCALARS[name][2] for sample in samples
        )
        return samples if is_used else ()
    values, _ = _values(name, [*(sample.look for sample in samples), *before])
    apart = np.abs(values[: len(samples)] - values[len(samples) :]).max(1)
    others = np.flatnonzero(apart > TOLERANCE)
    if not len(others):
        return ()
    # From where they leave it to where they come back: a slow move is followed at its ends too.
    same = np.flatnonzero(apart <= SLIGHT)
    begin = same[same < others[0]].max(initial=-1) + 1
    return samples[begin : same[same > others[-1]].min(initial=len(samples))]


def unrolled(timeline: Timeline, end: float, frame_rate: float) -> Timeline:
    """A timeline without a loop that goes where a looping one goes, at every frame up to a time."""
    loop = timeline.loop
    if loop is None:
        return timeline
    if loop.period < max(2 / frame_rate, 2 * CUT):  # the frames are fewer than the keys
        times = [number / frame_rate for number in range(math.ceil(end * frame_rate) + 1)]
        return to_timeline([Sample(time, timeline.look_at(time)) for time in times])
    once = replace(timeline, loop=None)
    begun = _with_keys(once, lambda name: _from(once, name, 0.0))
    lasts = loop.period * (2 if loop.bounce else 1)

    def rounds(name: str) -> list[Keyframe[Any]]:
        keys = _there_and_back(begun, name, loop) if loop.bounce else _there(begun, name, loop)
        if all(key.value == keys[0].value for key in keys):
            return keys[:1]
        return [
            replace(key, seconds=key.seconds + number * lasts)
            for number in range(math.floor(end / lasts) + 2)  # a curve goes to the next round's key
            for key in keys
        ]

    endless = _with_keys(once, rounds)
    return _with_keys(endless, lambda name: _until(endless, name, end))


def from_start(timeline: Timeline) -> Timeline:
    """The same from 0 s on, without the keys before, which YAML cannot say."""

    def keys(name: str) -> Sequence[Keyframe[Any]]:
        own = _own_keys(timeline, name)
        return _from(timeline, name, 0.0) if own[0].seconds < 0 else own

    return _with_keys(timeline, keys)


def _with_keys(timeline: Timeline, keys: Callable[[str], Sequence[Keyframe[Any]]]) -> Timeline:
    """The same with other keys, given for each of its tracks."""
    tracks: dict[str, Track[Any]] = {name: Track(keys(name)) for name in timeline.tracks}
    return Timeline(tracks.pop("mix"), tracks, timeline.loop)


def _there(timeline: Timeline, name: str, loop: Loop) -> list[Keyframe[Any]]:
    """A track's keys in one period, of which the last holds until the next period begins."""
    keys = _until(timeline, name, loop.period - CUT)
    while len(keys) > 1 and keys[-1].value == keys[-2].value:
        keys.pop()
    return [*keys[:-1], replace(keys[-1], ease=hold)]


def _there_and_back(timeline: Timeline, name: str, loop: Loop) -> list[Keyframe[Any]]:
    """A track's keys in one period and, backwards, in the next."""
    there = _until(timeline, name, loop.period)
    keys = there[:-1]
    for after, before in pairwise(reversed(there)):
        seconds = 2 * loop.period - after.seconds
        if before.ease is hold:  # backwards, it jumps as it begins
            jump = seconds + min(CUT, (after.seconds - before.seconds) / 2)
            keys += [Keyframe(seconds, after.value, hold), Keyframe(jump, before.value)]
        else:
            keys.append(Keyframe(seconds, after.value, _backwards(before.ease)))
    return keys


def _backwards(ease: Easing) -> Easing:
    if isinstance(ease, CubicBezier):
        return CubicBezier(1 - ease.x2, 1 - ease.y2, 1 - ease.x1, 1 - ease.y1)
    return ease


def _cut(first: list[Keyframe[Any]], second: list[Keyframe[Any]]) -> list[Keyframe[Any]]:
    """The keys of one track and then of another, with a cut between them."""
    if len(first) > 1 and first[-1].value == first[-2].value:
        first = first[:-1]
    if first and second and first[-1].value != second[0].value:
        first = [*first[:-1], replace(first[-1], ease=hold)]
    return [*first, *second]


def _until(before: Timeline, name: str, end: float) -> list[Keyframe[Any]]:
    """A track's keys up to a time, with its value there as the last key."""
    if end < 0:
        return []
    keys = [key for key in _own_keys(before, name) if key.seconds < end - NEAR]
    if keys and keys[-1].ease is hold:  # it jumps at the end, and would be drawn as a slope
        return [*keys, *_traced(before, name, end, end)]
    return [*keys[:-1], *_traced(before, name, keys[-1].seconds if keys else end, end)]


def _from(before: Timeline, name: str, begin: float) -> list[Keyframe[Any]]:
    """A track's keys from a time on, with its value there as the first key."""
    own = _own_keys(before, name)
    keys = [key for key in own if key.seconds > begin + NEAR]
    last = own[len(own) - len(keys) - 1] if len(keys) < len(own) else None
    if keys and last and (last.ease is hold or last.seconds > begin - NEAR):
        return [replace(last, seconds=begin), *keys]
    lead = _traced(before, name, begin, keys[0].seconds if keys else begin)
    return [*lead[:-1], *keys] if keys else lead


def _own_keys(timeline: Timeline, name: str) -> Sequence[Keyframe[Any]]:
    return timeline.tracks[name].keyframes if name in timeline.tracks else ()


def _traced(timeline: Timeline, name: str, begin: float, end: float) -> list[Keyframe[Any]]:
    """Keyframes that follow a track from one time to another, along a part of one of its curves."""
    once = replace(timeline, loop=None)
    times = np.unique(np.linspace(begin, end, _SAMPLES_OF_A_CURVE if end > begin else 1))
    samples = [Sample(float(time), once.look_at(float(time))) for time in times]
    return _keys(name, samples, may_jump=False)


def _keys(name: str, samples: Sequence[Sample], *, may_jump: bool = True) -> list[Keyframe[Any]]:
    """Keyframes of one track whose curves stay near the samples. may_jump: from one to the next."""
    values, read = _values(name, [sample.look for sample in samples])
    times = np.array([sample.seconds for sample in samples])
    jumps = deque(_jumps(times, values) if may_jump else ())
    keys, start, last = [], 0, len(times) - 1
    while start < last:
        end, ease = _longest(times, values, start)
        while jumps and jumps[0] <= start:
            jumps.popleft()
        farthest = start + _REACH * (end - start)
        if jumps and end <= jumps[0] <= farthest and _rests(values[start : jumps[0]]):
            end, ease = jumps[0], hold
        keys.append(Keyframe(float(times[start]), read(values[start]), ease))
        start = end
    return [*keys, Keyframe(float(times[last]), read(values[last]))]


def _values(name: str, looks: Sequence[Look]) -> tuple[Values, Callable[[Values], Any]]:
    """(n, d) numbers of one track, and what reads a row of them back, rounded."""
    if name != "mix":
        numbers = np.array([[getattr(look, name)] for look in looks], np.float64)
        return numbers, lambda row: round(float(row[0]), DECIMALS)
    names = list(dict.fromkeys(style for look in looks for style in look.mix))
    weights = np.array([[look.mix.get(style, 0.0) for style in names] for look in looks])

    def read(row: Values) -> Mapping[str, float]:
        # Of sums that are rounded, the differences sum to 1: reading the YAML alters no weight.
        sums = np.round(np.cumsum(row), DECIMALS)
        rounded = (round(float(weight), DECIMALS) for weight in np.diff(sums, prepend=0))
        return {style: weight for style, weight in zip(names, rounded, strict=True) if weight > 0}

    return weights, read


def _jumps(times: Values, values: Values) -> list[int]:
    """The samples that differ from the one before without being on the way of a move."""
    steps = np.diff(values, axis=0)
    speeds = steps / np.diff(times)[:, None]
    along = (speeds[1:] * speeds[:-1]).sum(1)
    most = np.maximum(np.append(0, along), np.append(along, 0))
    is_alone = most < _SHARE_OF_A_MOVE * (speeds**2).sum(1)
    found: list[int] = np.flatnonzero(is_alone & (np.abs(steps).max(1) > TOLERANCE)).tolist()
    return [step + 1 for step in found]


def _rests(values: Values) -> bool:
    """Whether all of them are near the first."""
    return bool((np.abs(values - values[0]) <= TOLERANCE).all())


def _longest(times: Values, values: Values, start: int) -> tuple[int, Easing]:
    """The end of a stretch that one curve follows, and the curve. Lengths grow geometrically up
    to one that none follows; the end is then searched for between."""
    best, ease, length, beyond = start + 1, _CURVES[0], 2, len(times)
    while start + length < len(times) and length <= _REACH * (best - start):
        if found := _curve(times, values, start, start + length):
            best, ease, beyond = start + length, found, len(times)
        else:
            beyond = min(beyond, start + length)
        length = max(length + 1, int(length * _GROWTH))
    while best + 1 < beyond:
        middle = (best + beyond) // 2
        if found := _curve(times, values, start, middle):
            best, ease = middle, found
        else:
            beyond = middle
    return best, ease


def _curve(times: Values, values: Values, start: int, end: int) -> Easing | None:
    """The first curve from one sample to another that passes near all between them."""
    between = slice(start + 1, end)
    parts = (times[between] - times[start]) / (times[end] - times[start])
    for ease in _CURVES:
        fractions = np.interp(parts, _PARTS, _table(ease))[:, None]
        curve = values[start] + fractions * (values[end] - values[start])
        if (np.abs(curve - values[between]) <= TOLERANCE).all():
            return ease
    return None


@cache
def _table(ease: Easing) -> Values:
    """An easing at _PARTS: a long performance asks for it a million times."""
    return np.array([ease(float(part)) for part in _PARTS])
