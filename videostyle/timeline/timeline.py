"""The timeline: keyframes and tracks become a look at any time. Pure Python.

Knows nothing of YAML, files or networks. Times are seconds from the first frame.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Real
from typing import Any, Generic, TypeVar, overload

from videostyle.checks import Fixed
from videostyle.errors import UsageError
from videostyle.look import ORIGINAL, SCALARS, Look, as_float, fixed_mixture, normalize_mixture
from videostyle.timecode import NEAR
from videostyle.timeline.easing import Easing, easing, linear, name_of
from videostyle.wording import counted, shown

T = TypeVar("T")
Mixture = Mapping[str, float]
TRACKS = ("mix", *SCALARS)


@dataclass(frozen=True, repr=False)
class Keyframe(Generic[T]):
    """One value of one track, at so many seconds from the first frame.

    value: a mixture, whose weights are divided by their sum, a style's name, which is a mixture of
    it alone, or, in other tracks than mix, a number. ease: how the curve leaves it: `linear` or
    another name of EASINGS, four numbers [x1, y1, x2, y2] as of CSS's cubic-bezier, or a function
    from [0, 1] to a fraction. Raises UsageError for anything else.
    """

    seconds: float
    value: T
    ease: Easing

    @overload
    def __init__(
        self: Keyframe[Mixture],
        seconds: float,
        value: str | Mixture,
        ease: str | Sequence[float] | Easing = linear,
    ) -> None: ...

    @overload
    def __init__(
        self: Keyframe[float],
        seconds: float,
        value: float,
        ease: str | Sequence[float] | Easing = linear,
    ) -> None: ...

    def __init__(
        self, seconds: float, value: Any, ease: str | Sequence[float] | Easing = linear
    ) -> None:
        object.__setattr__(self, "seconds", _finite("a keyframe's time", seconds))
        object.__setattr__(self, "value", _keyframe_value(value))
        object.__setattr__(self, "ease", easing(ease))

    def __repr__(self) -> str:
        ease = name_of(self.ease) or self.ease
        return f"Keyframe({self.seconds:g}, {self.value!r}, {ease!r})"


def _finite(what: str, seconds: object) -> float:
    if not math.isfinite(number := as_float(seconds)):
        raise UsageError(f"{what} is {shown(seconds)}; it must be a finite number of seconds")
    return number


def _keyframe_value(value: object) -> Mixture | float:
    if isinstance(value, str):
        return fixed_mixture({value: 1.0})
    if isinstance(value, Mapping):
        return fixed_mixture(value)
    if not isinstance(value, Real):
        raise UsageError(
            f'a keyframe\'s value is {shown(value)}; give a mixture, such as {{"starry_night": 1}}'
            ", or for another track than mix a number"
        )
    return as_float(value)


@dataclass(frozen=True, slots=True)
class Loop:
    """Time repeats with this period in seconds; `bounce` runs every other period backwards.

    Raises UsageError unless the period is finite and above 0 and bounce is True or False.
    """

    period: float
    bounce: bool = False

    def __post_init__(self) -> None:
        period = as_float(self.period)
        if not 0 < period < math.inf:
            raise UsageError(
                f"the period of a loop is {shown(self.period)}; it must be above 0 s and finite"
            )
        if not isinstance(self.bounce, bool):
            raise UsageError(f"a loop's bounce is {shown(self.bounce)}; it must be True or False")
        object.__setattr__(self, "period", period)

    def fold(self, seconds: float) -> float:
        """Seconds on the timeline for a time of the video, in [0, period]."""
        if not self.bounce:
            folded = seconds % self.period
            return 0.0 if self.period - folded < NEAR else folded
        return self.period - abs(seconds % (2 * self.period) - self.period)


@dataclass(frozen=True, repr=False)
class Track(Generic[T]):
    """Keyframes of one track in order of time, at distinct times.

    Raises UsageError for anything but keyframes, for none at all, and for two that are out of
    order or at one time.
    """

    keyframes: tuple[Keyframe[T], ...]
    _times: tuple[float, ...] = field(init=False, compare=False)

    def __init__(self, keyframes: Iterable[Keyframe[T]]) -> None:
        keys = tuple(keyframes) if isinstance(keyframes, Iterable) else (None,)
        if not all(isinstance(key, Keyframe) for key in keys):
            raise UsageError(
                f"a track's keyframes are {shown(keyframes):.80}; give a list of them, "
                '[Keyframe(0.0, "starry_night")]'
            )
        if not keys:
            raise UsageError("a track needs keyframes, at least one")
        times = tuple(keyframe.seconds for keyframe in keys)
        for before, after in pairwise(times):
            if after <= before:
                raise UsageError(
                    f"a keyframe at {after:g} s comes after one at {before:g} s; keyframes must be "
                    "in order of time, no two at one time"
                )
        object.__setattr__(self, "keyframes", keys)
        object.__setattr__(self, "_times", times)

    def __repr__(self) -> str:
        return f"<Track of {_keys(self)}>"

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
        eased = before.ease(part)
        if math.isfinite(fraction := as_float(eased)):  # a caller's function may give anything
            return before.value, after.value, fraction
        raise UsageError(
            f"the easing of the key at {before.seconds:g} s gives {shown(eased):.80} for {part:g}; "
            "it must give a finite number"
        )


@dataclass(frozen=True)
class Timeline:
    """What every frame looks like. Tracks interpolate each on its own.

    mix: keyframes of mixtures. scalars: tracks of numbers, by name: strength and keep_color, from 0
    to 1, and stroke, from 0.25 to 8; one that is missing stays at its default (1, 0 and 1).
    Raises UsageError for any other name, and for values that are not of their track.
    """

    mix: Track[Mixture]
    scalars: Mapping[str, Track[float]] = field(default_factory=dict)
    loop: Loop | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.mix, Track):
            raise UsageError(
                f'mix is {shown(self.mix):.80}; give Track([Keyframe(0.0, "starry_night")]), or '
                "read YAML by parse_timeline(text)"
            )
        for keyframe in self.mix.keyframes:
            if not isinstance(keyframe.value, Mapping):
                raise UsageError(
                    f"mix is {keyframe.value!r} at {keyframe.seconds:g} s; it must be a style's "
                    'name, or a mixture such as {"starry_night": 1}'
                )
        if not isinstance(self.scalars, Mapping):
            raise UsageError(
                f"scalars is {shown(self.scalars):.80}; give "
                '{"strength": Track([Keyframe(0.0, 0.5)])}'
            )
        for name, track in self.scalars.items():
            _check_scalar(name, track)
        object.__setattr__(self, "scalars", Fixed(self.scalars))
        if not isinstance(self.loop, Loop | None):
            raise UsageError(
                f"loop is {shown(self.loop):.80}; give Loop(8.0), with its period in seconds"
            )

    def __repr__(self) -> str:
        keys = ", ".join(f"{name} of {_keys(track)}" for name, track in self.tracks.items())
        return f"<Timeline: {keys}{f', {self.loop}' if self.loop else ''}>"

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
        """The look at a time in seconds; any finite time has one. Raises UsageError for others."""
        seconds = _finite("the time of a look", seconds)
        if self.loop:
            seconds = self.loop.fold(seconds)
        values = {
            name: _between(*self.scalars[name].span(seconds), scalar.low, scalar.high)
            for name, scalar in SCALARS.items()
            if name in self.scalars
        }
        return Look(_mixed(*self.mix.span(seconds)), **values)


def _check_scalar(name: str, track: object) -> None:
    if name not in SCALARS:
        known = ", ".join(SCALARS)
        raise UsageError(f"a timeline has no track {name!r}; its scalars are {known}")
    if not isinstance(track, Track):
        raise UsageError(
            f"{name} is {shown(track):.80}; give Track([Keyframe(0.0, {SCALARS[name].default})])"
        )
    low, high = SCALARS[name].low, SCALARS[name].high
    for keyframe in track.keyframes:
        if not low <= as_float(keyframe.value) <= high:
            raise UsageError(
                f"{name} is {keyframe.value!r} at {keyframe.seconds:g} s; it must be from {low:g} "
                f"to {high:g}"
            )


def _keys(track: Track[Any]) -> str:
    keys = track.keyframes
    return f"{counted(len(keys), 'key')} up to {keys[-1].seconds:g} s"


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
