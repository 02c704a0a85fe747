"""A timeline as it was read, whose times may depend on the video; settled, a `Timeline`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Rational, Real
from pathlib import Path
from typing import Any

from videostyle.errors import UsageError
from videostyle.look import as_float
from videostyle.timecode import NEAR, Tempo, Time, parse_rate
from videostyle.timeline.easing import Easing
from videostyle.timeline.mistakes import Mistakes, Place, first_of
from videostyle.timeline.timeline import Keyframe, Loop, Timeline, Track
from videostyle.wording import counted, shown

VERSION = 1
# By what a time lacks; the words of a `Time` of its own name the command line's options.
_NEEDED = {
    "duration": "the video's length; write seconds, or give the duration",
    "rate": "the frame rate; write seconds, or give the rate",
}


@dataclass(frozen=True, slots=True)
class ReadKey:
    """One item of `keyframes`, read but with its time not yet settled."""

    at: Time
    values: Mapping[str, Any]
    ease: Easing
    place: Place


@dataclass(frozen=True, slots=True, repr=False)
class TimelineDocument:
    """A timeline that has been read; its times wait for the video's length and rate. tempo: of the
    times that count in beats, which have become seconds."""

    keys: tuple[ReadKey, ...]
    loop: tuple[Time, bool, Place] | None
    mistakes: Mistakes
    tempo: Tempo | None = None
    path: Path | None = None  # of the file it was read from

    def __repr__(self) -> str:
        return f"<TimelineDocument {self.mistakes.name!r:.80}, {counted(len(self.keys), 'key')}>"

    @property
    def needs_duration(self) -> bool:
        """Whether some time counts in percent or from the end."""
        return any(time.needs_duration for time in self._times)

    @property
    def needs_rate(self) -> bool:
        """Whether some time counts in frames."""
        return any(time.needs_rate for time in self._times)

    @property
    def _times(self) -> list[Time]:
        return [key.at for key in self.keys] + ([self.loop[0]] if self.loop else [])

    def resolve(
        self, duration: float | None, rate: float | Fraction | None, tick: Fraction | None = None
    ) -> tuple[Timeline, list[str]]:
        """Settle every time; return the timeline and the first of its warnings.

        duration in seconds and rate in frames a second may be None when no time needs them. tick:
        of the video's clock, in seconds; see `Time.resolve`. A duration of 0 is a
        picture: it has the first of the keys that fall together at 0, and no warnings. Raises
        TimelineError, and UsageError for a duration or rate no video has.
        """
        tracks, loop, warnings = self._tracks_and_loop(duration, rate, tick)
        mix = tracks.pop("mix")
        return Timeline(mix, tracks, loop), first_of(warnings)

    def check(self, duration: float | None, rate: float | Fraction | None) -> list[str]:
        """As `resolve`, but times that need what is None are left out. Returns all warnings."""

        def is_known(time: Time) -> bool:
            return not (
                (time.needs_duration and duration is None) or (time.needs_rate and rate is None)
            )

        keys = tuple(key for key in self.keys if is_known(key.at))
        loop = self.loop if self.loop and is_known(self.loop[0]) else None
        _, _, warnings = replace(self, keys=keys, loop=loop)._tracks_and_loop(duration, rate)
        return warnings

    def _tracks_and_loop(
        self,
        length: float | None,
        per_second: float | Fraction | None,
        tick: Fraction | None = None,
    ) -> tuple[dict[str, Track[Any]], Loop | None, list[str]]:
        duration, rate = _length_of(length), _rate_of(per_second)
        report = self.mistakes.copy()
        settled = [
            (_settle(key.at, key.place, duration, rate, report, tick), key) for key in self.keys
        ]
        timed = [(seconds, key) for seconds, key in settled if seconds is not None]
        loop = self._loop(duration, rate, report)
        warnings = _warnings(timed, duration, loop, report) if duration != 0 else []
        timed.sort(key=lambda item: item[0])
        tracks = _tracks(timed, duration, report)
        report.check()
        return tracks, loop, warnings

    def _loop(self, duration: float | None, rate: Fraction | None, report: Mistakes) -> Loop | None:
        if self.loop is None:
            return None
        time, bounce, place = self.loop
        period = _settle(time, place, duration, rate, report)
        if period is not None and period > 0:
            return Loop(period, bounce)
        if period is not None and duration != 0:
            report.add(place, f"the period {time} is {period:g} s; it must be above 0")
        return None


def _length_of(duration: Any) -> float | None:
    if duration is None:
        return None
    if not isinstance(duration, Real):
        raise UsageError(f"the duration is {shown(duration)}; it must be a number of seconds")
    seconds = as_float(duration)
    if not 0 <= seconds < math.inf:
        raise UsageError(f"the duration is {seconds} s; it must be finite and not negative")
    return seconds


def _rate_of(rate: Any) -> Fraction | None:
    if rate is None:
        return None
    if not isinstance(rate, Real):
        raise UsageError(f"the frame rate is {shown(rate)}; it must be a number, such as 25")
    if rate < 0:
        raise UsageError(f"the frame rate is {rate}; it must not be negative")
    if isinstance(rate, Rational):
        return Fraction(int(rate.numerator), int(rate.denominator))
    try:
        return parse_rate(f"{rate:.6f}")
    except ValueError as error:
        raise UsageError(f"the frame rate is {rate}; {error}") from error


def _settle(
    time: Time,
    place: Place,
    duration: float | None,
    rate: Fraction | None,
    report: Mistakes,
    tick: Fraction | None = None,
) -> float | None:
    if lack := time.lacks(duration, rate):
        report.add(place, f"{time} needs {_NEEDED[lack]}")
        return None
    try:
        return time.resolve(duration, rate, tick)
    except UsageError as error:
        report.add(place, str(error))
        return None


def _warnings(
    timed: list[tuple[float, ReadKey]], duration: float | None, loop: Loop | None, report: Mistakes
) -> list[str]:
    """At most one a key: a key outside the video is not told to be out of order as well."""
    found = []
    latest: dict[str, float] = {}  # by track
    for seconds, key in timed:
        if duration is not None and seconds > duration + NEAR:
            why = f"lies past the end ({duration:.3f} s)"
        elif seconds < 0:
            why = "lies before the start"
        elif loop and seconds > loop.period + NEAR:
            why = f"is never reached: the timeline repeats every {loop.period:g} s"
        elif any(seconds < latest.get(track, -math.inf) for track in key.values):
            why = "comes after a later one; sorted"
        else:
            latest |= dict.fromkeys(key.values, seconds)
            continue
        found.append((key.place, f"warning: the key at {key.at} {why}"))
    return report.describe_all(found)


def _tracks(
    timed: list[tuple[float, ReadKey]], duration: float | None, report: Mistakes
) -> dict[str, Track[Any]]:
    keyframes: dict[str, list[Keyframe[Any]]] = {}
    latest: dict[str, ReadKey] = {}
    for seconds, key in timed:
        for track, value in key.values.items():
            keys = keyframes.setdefault(track, [])
            if not keys or keys[-1].seconds != seconds:
                keys.append(Keyframe(seconds, value, key.ease))
                latest[track] = key
            elif duration != 0:  # in a picture every percentage is 0
                other = latest[track]
                # Of two such as 1s and -1s, which elsewhere are far apart.
                by_length = key.at.needs_duration or other.at.needs_duration
                where = f" in a video of {duration:g} s" if by_length else ""
                remedy = "keep one, or for a jump put the first a little earlier, with ease: hold"
                message = f"two keys of {track} at {seconds:g} s{where}"
                report.add(key.place, f"{message} (also line {other.place.line}); {remedy}")
    return {track: Track(keys) for track, keys in keyframes.items()}
