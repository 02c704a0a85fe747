"""What the page needs of a timeline: its keys, curves to draw, and mistakes by line and column."""

from __future__ import annotations

import re
from typing import Any

from videostyle.easing import EASINGS, CubicBezier, Easing
from videostyle.look import SCALARS
from videostyle.timeline import Timeline

CURVE_POINTS = 240
_PLACE = re.compile(r"^timeline:(\d+):(\d+): (.*)$", re.MULTILINE)


def describe_timeline(timeline: Timeline, duration: float) -> dict[str, Any]:
    """Keys by track, and the mixture and scalars at CURVE_POINTS times from 0 to `duration` s."""
    times = [duration * point / (CURVE_POINTS - 1) for point in range(CURVE_POINTS)]
    looks = [timeline.look_at(time) for time in times]
    names = list(dict.fromkeys(name for look in looks for name in look.mix))
    return {
        "tracks": {
            name: [
                {"at": key.seconds, "value": _value(key.value), "ease": _ease(key.ease)}
                for key in track.keyframes
            ]
            for name, track in timeline.tracks.items()
        },
        "loop": timeline.loop and {"period": timeline.loop.period, "bounce": timeline.loop.bounce},
        "curve": {
            "duration": duration,
            "mix": {name: [round(look.mix.get(name, 0.0), 4) for look in looks] for name in names},
            **{
                name: [round(getattr(look, name), 4) for look in looks]
                for name in SCALARS
                if name in timeline.scalars
            },
        },
    }


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
