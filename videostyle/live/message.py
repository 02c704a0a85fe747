"""Checks the fields of the page's messages. Every function raises UsageError."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from fractions import Fraction
from typing import Any

from videostyle.errors import UsageError
from videostyle.live.controls import Passage
from videostyle.look import SCALARS
from videostyle.timecode import Tempo
from videostyle.timeline.reader import BPM


class Refusal(UsageError):
    """What the page can do something about. code: by which it knows it; facts: what it needs."""

    def __init__(self, text: str, code: str, **facts: Any) -> None:
        super().__init__(text)
        self.code, self.facts = code, facts


def number(message: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A finite number within limits."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{name[:80]!r} must be a number from {low:g} to {high:g}")
    return float(value)


def integer(message: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A whole number within limits."""
    value = number(message, name, low, high)
    if value != math.floor(value):
        raise UsageError(f"{name!r} must be a whole number")
    return int(value)


def boolean(message: Mapping[str, Any], name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise UsageError(f"{name!r} must be true or false")
    return value


def text(message: Mapping[str, Any], name: str, most: int) -> str:
    """Text of at most so many bytes of UTF-8."""
    value = message.get(name)
    if not isinstance(value, str) or len(value.encode(errors="replace")) > most:
        raise UsageError(f"{name!r} must be text of at most {most} bytes")
    return value


def choice(message: Mapping[str, Any], name: str, known: Container[str]) -> str:
    value = text(message, name, 80)
    if value not in known:
        raise UsageError(f"{name!r} is {value!r}, which does not exist")
    return value


def scalars(message: Mapping[str, Any], names: Iterable[str]) -> dict[str, float]:
    """Those of a look that have these names."""
    return {name: number(message, name, SCALARS[name].low, SCALARS[name].high) for name in names}


def passage(message: Mapping[str, Any]) -> Passage | None:
    """The loop points, None for none."""
    between = _parts(message, "passage", "'start' and 'end'")
    if between is None:
        return None
    wanted = Passage(number(between, "start", 0, 1e7), number(between, "end", 0, 1e7))
    if wanted.start >= wanted.end:
        raise UsageError("the loop's in point must be before its out point")
    return wanted


def tempo(message: Mapping[str, Any]) -> Tempo | None:
    """The tempo, None for none."""
    given = _parts(message, "tempo", "'bpm' and 'first_beat'")
    if given is None:
        return None
    first = number(given, "first_beat", 0, 60)
    return Tempo(60 / Fraction(number(given, "bpm", *BPM)), Fraction(first))


def _parts(message: Mapping[str, Any], name: str, parts: str) -> Mapping[str, Any] | None:
    value = message.get(name)
    if not isinstance(value, dict | None):
        raise UsageError(f"{name!r} must be null, or have {parts}")
    return value
