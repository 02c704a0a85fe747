"""Writes a timeline as YAML."""

from __future__ import annotations

from typing import Any

from videostyle.timecode import format_seconds
from videostyle.timeline.document import VERSION
from videostyle.timeline.easing import CubicBezier, Easing, name_of
from videostyle.timeline.timeline import Timeline


def dump_timeline(timeline: Timeline) -> str:
    """YAML that reads back as the same timeline: its times to the nanosecond, each weight to a
    millionth of itself.

    Raises ValueError for what YAML cannot say: a key before 0 s, a function of the caller's as
    easing.
    """
    merged: dict[tuple[float, str], dict[str, Any]] = {}
    for name, track in timeline.tracks.items():
        for keyframe in track.keyframes:
            ease = _ease_text(keyframe.ease)
            merged.setdefault((keyframe.seconds, ease), {})[name] = keyframe.value
    lines = [f"version: {VERSION}", "keyframes:"]
    for (seconds, ease), values in sorted(merged.items()):
        parts = [f"at: {format_seconds(seconds)}"]
        parts += [f"{track}: {_value_text(value)}" for track, value in values.items()]
        parts += [f"ease: {ease}"] if ease != "linear" else []
        lines.append(f"  - {{{', '.join(parts)}}}")
    if timeline.loop:
        mode = "bounce" if timeline.loop.bounce else "repeat"
        period = format_seconds(timeline.loop.period)
        lines.append(f"loop: {{period: {period}, mode: {mode}}}")
    return "\n".join(lines) + "\n"


def _value_text(value: Any) -> str:
    if isinstance(value, (int, float)):
        return repr(float(value))
    if len(value) == 1:
        return str(next(iter(value)))
    # All digits would show how dividing by the sum rounds: 0.34199999999999997.
    return "{" + ", ".join(f"{name}: {weight:.7g}" for name, weight in value.items()) + "}"


def _ease_text(ease: Easing) -> str:
    if name := name_of(ease):
        return name
    if isinstance(ease, CubicBezier):
        return f"[{ease.x1!r}, {ease.y1!r}, {ease.x2!r}, {ease.y2!r}]"
    raise ValueError(f"{ease} is not an easing a timeline can hold")
