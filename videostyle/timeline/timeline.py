"""The timeline: keyframes and tracks become a look at any time. Pure Python.

Knows nothing of YAML, files or networks. Times are seconds from the first frame.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from videostyle.errors import UsageError
from videostyle.look import ORIGINAL, SCALARS, Look, normalize_mixture
from videostyle.timecode import NEAR
from videostyle.timeline.easing import Easing, linear

T = TypeVar("T")
Mixture = Mapping[str, float]
TRACKS = ("mix", *SCALARS)


@dataclass(frozen=True, slots=True)
class Keyframe(Generic[T]):
    """One value of one track. `ease` says how the curve leaves it."""

    seconds: float
    value: T
    ease: Easing = linear


@dataclass(frozen=True, slots=True)
class Loop:
    """Time repeats with this period in seconds; `bounce` runs every other period backwards.

    Raises ValueError for a period that is not above 0 or not finite.
    """

    period: float
    bounce: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.period < math.inf:
            raise ValueError(f"the period of a loop is {self.period!r}; it must be above 0, finite")

    def fold(self, seconds: float) -> float:
        """Seconds on the timeline for a time of the video, in [0, period]."""
        if not self.bounce:
            folded = seconds % self.period
            return 0.0 if self.period - folded < NEAR else folded
        return self.period - abs(seconds % (2 * self.period) - self.period)


class Track(Generic[T]):
    """Keyframes of one track in order of time, at distinct times.

    Raises ValueError for keyframes that are none, unsorted, or at one time.
    """

    def __init__(self, keyframes: Sequence[Keyframe[T]]) -> None:
        self.keyframes = tuple(keyframes)
        self._times = [keyframe.seconds for keyframe in keyframes]
        if not self._times or any(not math.isfinite(time) for time in self._times):
            raise ValueError("a track needs keyframes at finite times")
        if any(b <= a for a, b in zip(self._times, self._times[1:], strict=False)):
            raise ValueError("keyframes must be in order of time, no two at one time")

    def span(self, seconds: float) -> tuple[T, T, float]:
        """The values of the keys around a time, and the eased fraction between them.

        The first key holds before it and the last after it; a time NEAR a key is the key's. The
        fraction may leave [0, 1]. Raises UsageError if the easing gives none that is finite.
        """
        index = bisect_right(self._times, seconds)
        around = self._times[max(0, index - 1) : index + 1]
        near = min(around, key=lambda time: abs(time - seconds))
        if abs(near - seconds) < NEAR:
            seconds = near
            index = bisect_right(self._times, seconds)
        if index == 0:
            first = self.keyframes[0].value
            return first, first, 0.0
        before = self.keyframes[index - 1]
        if index == len(self.keyframes):
            return before.value, before.value, 0.0
        after = self.keyframes[index]
        part = (seconds - before.seconds) / (after.seconds - before.seconds)
        fraction = before.ease(part)
        with suppress(TypeError, OverflowError):  # a caller's function may give anything
            if math.isfinite(fraction):
                return before.value, after.value, fraction
        raise UsageError(
            f"the easing of the key at {before.seconds:g} s gives {fraction} for {part:g}; it must "
            "give a finite number"
        )


@dataclass(frozen=True, slots=True)
class Timeline:
    """What every frame looks like. Tracks interpolate each on its own.

    mix: keyframes of mixtures that sum to 1. scalars: tracks of strength, keep_color and stroke;
    one that is missing stays at its default (1, 0 and 1). Raises ValueError for any other.
    """

    mix: Track[Mixture]
    scalars: Mapping[str, Track[float]] = field(default_factory=dict)
    loop: Loop | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.scalars if name not in SCALARS]:
            known = ", ".join(SCALARS)
            raise ValueError(f"a timeline has no track {unknown[0]!r}; its scalars are {known}")

    @classmethod
    def constant(cls, look: Look) -> Timeline:
        """One look throughout."""
        return cls(
            Track([Keyframe(0.0, look.mix)]),
            {name: Track([Keyframe(0.0, getattr(look, name))]) for name in SCALARS},
        )

    @property
    def tracks(self) -> dict[str, Track[Any]]:
        """Every track by name, the mixture first."""
        return {"mix": self.mix, **self.scalars}

    @property
    def style_names(self) -> tuple[str, ...]:
        """Every style a key names, `original` not counted, in order of appearance."""
        names = (name for keyframe in self.mix.keyframes for name in keyframe.value)
        return tuple(dict.fromkeys(name for name in names if name != ORIGINAL))

    @property
    def end_seconds(self) -> float:
        """Time of the last key of any track."""
        return max(track.keyframes[-1].seconds for track in self.tracks.values())

    def look_at(self, seconds: float) -> Look:
        """The look at a time in seconds; any finite time has one."""
        if self.loop:
            seconds = self.loop.fold(seconds)
        values = {
            name: _between(*self.scalars[name].span(seconds), low, high)
            for name, (low, high, _) in SCALARS.items()
            if name in self.scalars
        }
        return Look(_mixed(*self.mix.span(seconds)), **values)


def _between(before: float, after: float, fraction: float, low: float, high: float) -> float:
    return min(max(before + fraction * (after - before), low), high)


def _mixed(before: Mixture, after: Mixture, fraction: float) -> Mixture:
    """Interpolate in weight space.

    Where an easing overshoots, weights that would turn negative are 0 and the others are
    divided by their sum: still a convex combination, and still continuous.
    """
    weights = {}
    for name in (*before, *(name for name in after if name not in before)):
        start = before.get(name, 0.0)
        weights[name] = max(0.0, start + fraction * (after.get(name, 0.0) - start))
    return normalize_mixture(weights)
