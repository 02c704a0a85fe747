"""Black bars that a film has above and below it, or at its sides, in frames of another shape."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from videostyle.color import convert
from videostyle.decode import decode
from videostyle.media import ColorSpec, Cut, MediaInfo

# Where frames are looked at, as parts of the length; so many of them must show something.
_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
_LEAST_SEEN = 3
# The lightest that black may be, of 255: the rims of bars ring a little.
_BLACK = 24
# Bars are as wide as each other but for so much, and each at least and at most so much of a side.
_UNEVEN, _NARROWEST, _WIDEST = 0.01, 0.02, 0.36


def with_bars(info: MediaInfo) -> MediaInfo:
    """The same with its `bars`. A video without any costs the decoding of one frame in most cases,
    one with bars that of five. Raises MediaError."""
    if info.is_image or not info.duration_seconds:
        return info
    gray = ColorSpec(1, 1, 1, full_range=True)
    reformatter, lightest, seen = VideoReformatter(), None, 0
    bars = (0, 0)
    for place in _PLACES:
        with closing(decode(info, cut=Cut(place * info.duration_seconds))) as frames:
            frame = next(frames, None)
        if frame is None:
            continue
        image = convert(reformatter, frame.image, "gray", info.color, gray).to_ndarray()
        if image.max() <= _BLACK:
            continue
        sides = image.max(1), image.max(0)
        lightest = sides if lightest is None else tuple(map(np.maximum, lightest, sides))
        bars = _width(lightest[0]), _width(lightest[1])
        if bars == (0, 0):
            return info
        seen += 1
    return replace(info, bars=bars) if seen >= _LEAST_SEEN else info


def _width(lightest: npt.NDArray[np.uint8]) -> int:
    """How many lines (or columns) are black at both ends; an even number."""
    light = np.flatnonzero(lightest > _BLACK)
    first, last, side = int(light[0]), len(lightest) - 1 - int(light[-1]), len(lightest)
    width = min(first, last)
    even = abs(first - last) <= max(2, _UNEVEN * side)
    return width // 2 * 2 if even and _NARROWEST * side <= width <= _WIDEST * side else 0
