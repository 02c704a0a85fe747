"""Writes a timeline as YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from videostyle.timecode import Tempo, format_seconds
from videostyle.timeline.document import VERSION
from videostyle.timeline.easing import CubicBezier, Easing, name_of
from videostyle.timeline.timeline import Timeline


def dump_timeline(timeline: Timeline, tempo: Tempo | None = None) -> str:
    """YAML that reads back as the same timeline: its times to the nanosecond, each weight to a
    millionth of itself. tempo: of the beats to write times in where keys are on them, to a tenth of
    a millisecond; none is written beside a loop whose rounds would leave the beats.

    Raises ValueError for what YAML cannot say: a key before 0 s, a function of the caller's as
    easing.
    """
    merged: dict[tuple[float, str], dict[str, Any]] = {}
    for name, track in timeline.tracks.items():
        for keyframe in track.keyframes:
            ease = _ease_text(keyframe.ease)
            merged.setdefault((keyframe.seconds, ease), {})[name] = keyframe.value
    if timeline.loop and tempo and tempo.first:
        tempo = None
    times = _times({seconds for seconds, _ in merged}, tempo)
    lines = [f"version: {VERSION}", *_tempo_lines(tempo), "keyframes:"]
    for (seconds, ease), values in sorted(merged.items()):
        parts = [f"at: {times[seconds]}"]
        parts += [f"{track}: {_value_text(value)}" for track, value in values.items()]
        parts += [f"ease: {ease}"] if ease != "linear" else []
        lines.append(f"  - {{{', '.join(parts)}}}")
    if timeline.loop:
        mode = "bounce" if timeline.loop.bounce else "repeat"
        period = _times([timeline.loop.period], tempo)[timeline.loop.period]
        lines.append(f"loop: {{period: {period}, mode: {mode}}}")
    return "\n".join(lines) + "\n"


def _tempo_lines(tempo: Tempo | None) -> list[str]:
    if tempo is None:
        return []
    bpm = repr(float(60 / tempo.beat)).removesuffix(".0")
    first = f"{{bpm: {bpm}, first_beat: {format_seconds(float(tempo.first))}}}"
    return [f"tempo: {first if tempo.first else bpm}"]


def _times(times: Iterable[float], tempo: Tempo | None) -> dict[float, str]:
    """Each time as text, in beats where no other is on the same."""
    beats = {seconds: tempo.beats_at(seconds) if tempo else None for seconds in times}
    keys = Counter(beats.values())
    return {
        seconds: format_seconds(seconds) if at is None or keys[at] > 1 else _beats_text(at)
        for seconds, at in beats.items()
    }


def _beats_text(beats: Fraction) -> str:
    return f"{float(beats):.9f}".rstrip("0").rstrip(".") + "b"


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
