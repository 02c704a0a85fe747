"""Times as people write them: seconds, clock, timecode, frames, percent, beats, from the end.

    12.5s   90ms   2min   1h   00:01:30.250   01:30   00:01:30:12   00:01:30;12   120f   50%   16b
    -2s   end

Seconds are the one canonical unit; a `Time` waits for the video's length and rate where it
needs them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real

from videostyle.errors import UsageError
from videostyle.look import as_float
from videostyle.wording import shown

FORMS = "12.5s (or ms, min, h), 00:01:30.250, 00:01:30:12 (timecode), 120f, 50%, -2s or end"
# A frame is at a time if it is no further from it than this, in seconds: containers round times to
# a millisecond, also that of the first frame, from which all are counted.
NEAR = 0.00101
# A time so near a beat, in seconds, is on it: where keys are dragged, times are rounded to as much.
ON_BEAT = 1e-4
BEAT_PARTS = 24  # quarters, eighths and triplets
_SECONDS_IN = {"ms": Fraction(1, 1000), "s": Fraction(1), "min": Fraction(60), "h": Fraction(3600)}
_NUMBER = re.compile(r"(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})(ms|s|min|h|f|%|b|)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2}(?:\.\d{1,12})?)", re.ASCII)
# With ; before the frames, or throughout, it is drop-frame.
_TIMECODE = re.compile(r"(\d{1,6})([:;])(\d{1,2})\2(\d{1,2})(;|\2)(\d{1,4})", re.ASCII)
# By what a time lacks.
_NEEDED = {
    "duration": "the length of the video; write seconds, or give --duration",
    "rate": "the frame rate; write seconds, or give --fps",
}


@dataclass(frozen=True, slots=True)
class Time:
    """A time not yet settled: seconds + frames / rate + percent / 100 x duration, counted from
    the start, or back from the end. timecode: "" for none, ":" or, where it is drop-frame, ";"; its
    seconds are of as many frames as the rate rounded up, at 30000/1001 frames a second of 30."""

    text: str
    seconds: Fraction = Fraction(0)
    frames: Fraction = Fraction(0)
    percent: Fraction = Fraction(0)
    from_end: bool = False
    timecode: str = ""

    @property
    def needs_duration(self) -> bool:
        """Whether it counts from the end or in percent."""
        return self.from_end or self.percent != 0

    @property
    def needs_rate(self) -> bool:
        """Whether it counts in frames."""
        return self.frames != 0 or (self.timecode != "" and self.seconds != 0)

    def lacks(self, duration: float | None, rate: Fraction | None) -> str:
        """Which of `resolve`'s two the time needs while it is unknown (None): "duration", "rate" or
        "" for neither. A picture, whose duration is 0, needs no rate."""
        if self.needs_duration and duration is None:
            return "duration"
        return "rate" if self.needs_rate and not rate and duration != 0 else ""

    def resolve(
        self, duration: float | None, rate: Fraction | None, tick: Fraction | None = None
    ) -> float:
        """Seconds from the first frame. duration in finite seconds, rate in frames a second.

        tick: of the video's clock, in seconds. A time in frames is rounded down to it, as the frame
        may have been: in a GIF, half a hundredth of a second.

        In a picture, whose duration is 0, every frame is at 0. Raises UsageError when the time
        needs one of them and it is unknown (None), or is one that the rate does not have.
        """
        if lack := self.lacks(duration, rate):
            raise UsageError(f"{self} needs {_NEEDED[lack]}")
        seconds, frames = self.seconds, self.frames
        if self.timecode and rate:
            seconds, frames = self._counted_as_editors_do(rate)
        offset = seconds + (frames / rate if rate else 0)
        if duration is not None:
            length = Fraction(duration)
            offset += self.percent / 100 * length
            offset = length - offset if self.from_end else offset
            # A length is rounded too: -100f in a video of 100 frames is its start.
            offset = Fraction(0) if -NEAR < offset < 0 else offset
        if frames and tick:
            offset -= offset % tick
        return float(offset)

    def _counted_as_editors_do(self, rate: Fraction) -> tuple[Fraction, Fraction]:
        """The seconds and frames of a timecode; at television's rates all of it is frames."""
        per_second, is_drop = math.ceil(rate), self.timecode == ";"
        at = f"at {float(rate):.5g} frames a second"
        if self.frames >= per_second:
            raise UsageError(f"{self}: frames go to {per_second - 1} {at}")
        is_televisions = _television_rate(rate) is not None
        if is_drop and not (is_televisions and per_second % 30 == 0):
            raise UsageError(f"{self}: {at} no timecode is drop-frame; write : in place of ;")
        if not is_televisions:
            return self.seconds, self.frames
        frames = self.seconds * per_second + self.frames
        if is_drop:  # SMPTE ST 12: but for each tenth, no minute has the first two numbers, or four
            minutes, dropped = self.seconds // 60, per_second // 15
            if minutes % 10 and self.seconds % 60 == 0 and self.frames < dropped:
                raise UsageError(f"{self}: no frame has this number; the next has ;{dropped:02}")
            frames -= dropped * (minutes - minutes // 10)
        return Fraction(0), frames

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Tempo:
    """Beats come evenly. beat: the time between two, first: that of beat 0, both in seconds."""

    beat: Fraction
    first: Fraction = Fraction(0)

    def beats_at(self, seconds: float) -> Fraction | None:
        """The beat, or 24th of one, within ON_BEAT of a time; None if there is none, and before
        beat 0."""
        parts = round((Fraction(seconds) - self.first) / self.beat * BEAT_PARTS)
        beats = Fraction(parts, BEAT_PARTS)
        is_there = abs(self.first + beats * self.beat - Fraction(seconds)) <= ON_BEAT
        return beats if is_there and beats >= 0 else None


def parse_time(text: str, tempo: Tempo | None = None) -> Time:
    """Read one of the forms; one in beats needs the tempo. Raises ValueError with a hint for
    anything else."""
    text = text.strip()
    if text == "end":
        return Time(from_end=True, text=text)
    from_end = text.startswith("-")
    body = text.removeprefix("-")
    if match := _NUMBER.fullmatch(body):
        amount = Fraction(match[1])
        if not match[2]:
            raise ValueError(
                f"{text!r} has no unit; write {text}s for seconds or {text}f for frames"
            )
        if match[2] == "%" and (from_end or amount > 100):
            raise ValueError(f"{text!r} is not a percentage from 0% to 100%")
        frames, percent, beats = (
            amount if match[2] == unit else Fraction(0) for unit in ("f", "%", "b")
        )
        seconds = amount * _SECONDS_IN.get(match[2], 0)
        if match[2] == "b":
            if tempo is None:
                raise ValueError(
                    f"{text!r} counts in beats; only times inside a timeline with a tempo do; "
                    "write seconds"
                )
            seconds = beats * tempo.beat + (0 if from_end else tempo.first)
        return Time(text, seconds, frames, percent, from_end)
    if match := _TIMECODE.fullmatch(body):
        hours, minutes, seconds, frames = (Fraction(match[part]) for part in (1, 3, 4, 6))
        _check_sixty(text, minutes, seconds)
        total = hours * 3600 + minutes * 60 + seconds
        return Time(text, total, frames, from_end=from_end, timecode=match[5])
    if match := _CLOCK.fullmatch(body):
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        _check_sixty(text, minutes if match[1] else Fraction(0), seconds)
        total = hours * 3600 + minutes * 60 + seconds
        return Time(seconds=total, from_end=from_end, text=text)
    forms = f"16b, {FORMS}" if tempo else FORMS
    raise ValueError(f"{text!r:.80} is not a time; write {forms}")


def parse_part(start: str | float | None, end: str | float | None) -> dict[str, Time]:
    """The times of a part that are given, by `start` and `end`; numbers are seconds. Raises
    UsageError for what is no time, or where the one is not before the other in any video."""
    given = {"start": start, "end": end}
    times = {name: _parse(name, time) for name, time in given.items() if time is not None}
    _check_order(times.get("start", parse_time("0s")), times.get("end", parse_time("end")))
    return times


def _parse(name: str, time: str | float) -> Time:
    try:
        if isinstance(time, Real):
            if not math.isfinite(seconds := as_float(time)):
                raise ValueError(
                    f"{shown(time):.80} is not a time; write a finite number of seconds"
                )
            time = format_seconds(seconds)
        if not isinstance(time, str):
            raise ValueError(
                f"{shown(time):.80} is not a time; write a number of seconds, or {FORMS}"
            )
        return parse_time(time)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def _check_order(start: Time, end: Time) -> None:
    late, early = (end, start) if start.from_end else (start, end)
    parts = ("seconds", "frames", "percent")
    never = all(getattr(late, part) >= getattr(early, part) for part in parts)
    if never and (start.from_end, start.timecode) == (end.from_end, end.timecode):
        raise UsageError(f"start {start} is not before end {end}")


def parse_rate(text: str) -> Fraction:
    """Frames a second: 25, 30000/1001, or 29.97, which means the same. Raises ValueError."""
    known = re.fullmatch(r"\d{1,6}(\.\d{1,6}|/0*[1-9]\d{0,5})?", text, re.ASCII)
    if not known or not (rate := Fraction(text)):
        raise ValueError(f"{text!r:.80}: write frames a second, 25 or 30000/1001")
    return (_television_rate(rate) if "." in text else None) or rate


def _television_rate(rate: Fraction) -> Fraction | None:
    """That of television, from 24000/1001 on, which is written with two or three digits; None for
    any other."""
    exact = Fraction(1000 * round(rate * Fraction(1001, 1000)), 1001)
    is_meant = rate > 20 and rate.denominator > 1 and abs(rate - exact) < Fraction(5, 1000)
    return exact if is_meant else None


def format_seconds(seconds: float) -> str:
    """Text that reads back as these seconds, to the nanosecond.

    Raises ValueError below 0, which would read back as a time before the end.
    """
    if seconds < 0:
        raise ValueError(f"{seconds:g} s is before the start; no form of a time says that")
    return f"{abs(seconds):.9f}".rstrip("0").rstrip(".") + "s"


def _check_sixty(text: str, minutes: Fraction, seconds: Fraction) -> None:
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{text!r}: minutes and seconds go to 59")
