"""What the page needs of a timeline: its keys, curves to draw, and mistakes by line and column."""

from __future__ import annotations

import math
import re
from typing import Any

from videostyle.look import SCALARS
from videostyle.timecode import NEAR
from videostyle.timeline.easing import EASINGS, CubicBezier, Easing
from videostyle.timeline.timeline import Timeline

CURVE_POINTS = 240
# With more keys in sight the points above show as much.
MOST_KEYS_DRAWN = 1000
_PLACE = re.compile(r"^timeline:(\d+):(\d+): (.*)$", re.MULTILINE)


def describe_timeline(timeline: Timeline, duration: float) -> dict[str, Any]:
    """Keys by track, and the curve from 0 to `duration` s."""
    return {
        "tracks": {
            name: [
                {"at": key.seconds, "value": _value(key.value), "ease": _ease(key.ease)}
                for key in track.keyframes
            ]
            for name, track in timeline.tracks.items()
        },
        "loop": timeline.loop and {"period": timeline.loop.period, "bounce": timeline.loop.bounce},
        "curve": {"duration": duration, **curve_between(timeline, 0.0, duration)},
    }


def curve_between(timeline: Timeline, start: float, end: float) -> dict[str, Any]:
    """The mixture and scalars at times from `start` to `end` s between which they can be drawn as
    lines."""
    times = _times(timeline, start, end)
    looks = [timeline.look_at(time) for time in times]
    names = list(dict.fromkeys(name for look in looks for name in look.mix))
    return {
        "times": times,
        "mix": {name: [round(look.mix.get(name, 0.0), 4) for look in looks] for name in names},
        **{
            name: [round(getattr(look, name), 4) for look in looks]
            for name in SCALARS
            if name in timeline.scalars
        },
    }


def ease_at(timeline: Timeline, track: str, seconds: float) -> str | list[float]:
    """The curve that a track follows at a time."""
    keys = timeline.tracks[track].keyframes if track in timeline.tracks else ()
    before = [key for key in keys if key.seconds < seconds + NEAR]
    return _ease(before[-1].ease) if before else "linear"


def _times(timeline: Timeline, start: float, end: float) -> list[float]:
    """CURVE_POINTS of them, and those at and just before every key, where a value may jump."""
    span = end - start
    times = {start + span * point / (CURVE_POINTS - 1) for point in range(CURVE_POINTS)}
    keys = {key.seconds for track in timeline.tracks.values() for key in track.keyframes}
    loop = timeline.loop
    period = loop.period if loop else max(end, timeline.end_seconds)
    rounds = range(math.floor(start / period), math.ceil(end / period))
    if loop is None:
        keys = {key for key in keys if start <= key <= end + 2 * NEAR}
    if len(rounds) * len(keys) <= MOST_KEYS_DRAWN:
        for number in rounds:
            for key in keys:
                is_back = loop and loop.bounce and number % 2
                at = number * period + (period - key if is_back else key)
                times |= {at - 2 * NEAR, at, at + 2 * NEAR} if is_back else {at - 2 * NEAR, at}
    return sorted(round(time, 5) for time in times if start <= time <= end)


def places(message: str) -> list[dict[str, Any]]:
    """The mistakes of a TimelineError's message: line and column from 1, and what is wrong."""
    return [
        {"line": int(line), "column": int(column), "message": text}
        for line, column, text in _PLACE.findall(message)
    ]


def _value(value: Any) -> Any:
    return value if isinstance(value, float | int) else dict(value)


def _ease(ease: Easing) -> str | list[float]:
    if isinstance(ease, CubicBezier) and ease not in EASINGS.values():
        return [ease.x1, ease.y1, ease.x2, ease.y2]
    return next(name for name, known in EASINGS.items() if known == ease)
