"""Black bars that a film has above and below it, or at its sides, in frames of another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from videostyle.decode.decode import frames_near
from videostyle.media.bars import Bars, Squares, is_lit
from videostyle.media.color import ColorConverter, has_alpha
from videostyle.media.frame import Part
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import plane_array

Lit = npt.NDArray[np.bool_]
Shares = npt.NDArray[np.float64]
# Where frames are looked at, as parts of the length; so many of them must show something.
_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
_LEAST_SEEN = 3
# Bars are as wide as each other but for so much, and each at least and at most so much of a side.
_UNEVEN, _NARROWEST, _WIDEST = 0.01, 0.02, 0.39
# A line of the picture is lit over so much of its length in some frame; one of a bar over no more
# than a little, and only so near to the picture: as far as a block rings that lies on the edge.
_STRAIGHT, _RINGING = 0.5, 0.2
_BLOCK = 8
# Of 255: so much lighter than in any of these frames bars are not, nor is a scene seen to be.
_LIGHTER = 4


def with_bars(info: MediaInfo) -> MediaInfo:
    """The same with its `bars`: what is black in all of a few frames and has straight edges. There
    are none in a file with alpha, whose ground is no black, or of unknown length.

    A video without any costs the decoding of one frame in most cases; one with bars that of five,
    or of up to 48 times as many where its key frames are far apart (`frames_near`). Raises
    MediaError if the file cannot be read.
    """
    if info.is_image or has_alpha(info.pix_fmt):
        return info
    length = info.duration_seconds
    if length is None:
        return info
    converter = ColorConverter(info, "yuv420p")
    size = (info.height, info.width)
    squares = Squares((slice(0, info.height), slice(0, info.width)), size)
    lit = np.zeros(size, bool)
    seen = list[_Seen]()
    black = 0
    with closing(frames_near(info, [place * length for place in _PLACES])) as frames:
        for frame in frames:
            image = converter.to_output(frame.image)
            here = _lit(image, full_range=converter.color.full_range)
            middle = squares.extent(squares.lit(here))
            if middle is None:
                black += 1
                continue
            seen.append(_Seen.of(plane_array(image, 0), here, middle))
            part = seen[-1].part
            lit[part] |= here[part]
            if not any(_reaches_far(lit.max(axis)) for axis in (0, 1)):
                return info
    # A short video has fewer frames.
    if len(seen) < _LEAST_SEEN and (black or not seen):
        return info
    common = list(map(_common, *(each.attached for each in seen)))
    for each in seen:
        rows, columns = map(_enclosing, each.part, common)
        lit[rows, columns] |= each.lit[rows, columns]
    found = replace(info, bars=_bars(lit))
    return replace(found, bars_level=_level(found, seen, converter)) if any(found.bars) else info


def describe_bars(info: MediaInfo) -> list[str]:
    """What a user should know of the bars; nothing where there are none."""
    above, below, left, right = info.bars
    places = [
        _place(above, below, "lines", "above", "below"),
        _place(left, right, "columns", "left", "right"),
    ]
    found = ", ".join(filter(None, places))
    note = f"black bars ({found}) are left as they are; bars none (--bars) paints them"
    return [note] * bool(found)


def _place(first: int, last: int, unit: str, *names: str) -> str:
    if first == last:
        return f"{first} {unit} {' and '.join(names)}" if first else ""
    return f"{first} {unit} {names[0]}, {last} {names[1]}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame: its luma, where it is lit, the part with what is large and lit, and that with the
    light that hangs together with it. Outside of both there are but letters and logos, outside of
    the first there may be."""

    luma: npt.NDArray[Any]
    lit: Lit
    part: Part
    attached: Part

    @classmethod
    def of(cls, luma: npt.NDArray[Any], lit: Lit, middle: Part) -> _Seen:
        rows, columns = middle
        dense_rows: Lit = lit[:, columns].mean(1) >= _STRAIGHT
        dense_columns: Lit = lit[rows].mean(0) >= _STRAIGHT
        part = _grown(rows, dense_rows), _grown(columns, dense_columns)
        rows, columns = part
        attached = _grown(rows, lit.max(1)), _grown(columns, lit.max(0))
        return cls(luma, lit, part, attached)


def _grown(lines: slice, lit: Lit) -> slice:
    """The same with the lines next to it, up to one that is not lit."""
    before, after = lit[: lines.start][::-1], lit[lines.stop :]
    return slice(lines.start - _lit_at_first(before), lines.stop + _lit_at_first(after))


def _lit_at_first(lit: Lit) -> int:
    return len(lit) if lit.all() else int(lit.argmin())


def _common(*parts: slice) -> slice:
    return slice(max(part.start for part in parts), min(part.stop for part in parts))


def _enclosing(one: slice, other: slice) -> slice:
    return slice(min(one.start, other.start), max(one.stop, other.stop))


def _lit(image: av.VideoFrame, *, full_range: bool) -> Lit:
    """(H, W): where a frame is not black."""
    luma, *chroma = (is_lit(plane_array(image, index), index, 8, full_range) for index in range(3))
    colored = (chroma[0] | chroma[1]).repeat(2, 0).repeat(2, 1)
    lit: Lit = luma | colored[: image.height, : image.width]
    return lit


def _level(info: MediaInfo, seen: Sequence[_Seen], converter: ColorConverter) -> int:
    """Of 255, how light half of the bars' samples may be."""
    strips = Bars.of(info).strips((info.height, info.width))
    medians = [
        float(np.median(np.concatenate([each.luma[part].ravel() for part in strips])))
        for each in seen
    ]
    level = max(medians)
    if not converter.color.full_range:
        level = (level - 16) * 255 / 219
    return max(0, math.ceil(level)) + _LIGHTER


def _bars(lit: Lit) -> tuple[int, int, int, int]:
    """Of (H, W), where any frame is lit."""
    rows, columns = _picture(lit.max(1)), _picture(lit.max(0))
    return *_pair(lit[:, columns].mean(1)), *_pair(lit[rows].mean(0))


def _picture(lit: Lit) -> slice:
    """The lines between those that are black at both ends, if those could be bars, else all."""
    first, last = _black_ends(lit)
    is_picture = _could_be_bars(first, last, len(lit), _uneven(lit) + _BLOCK)
    return slice(first, len(lit) - last) if is_picture else slice(None)


def _pair(share: Shares) -> tuple[int, int]:
    """How many lines are bars at both ends, if they have straight edges, else (0, 0). share: of
    each line that is lit."""
    first, last = _straight_end(share), _straight_end(share[::-1])
    if not _could_be_bars(first, last, len(share), _uneven(share)):
        return 0, 0
    # Edges on even lines, so that no sample of chroma lies on both sides.
    return first - first % 2, last - (len(share) - last) % 2


def _straight_end(share: Shares) -> int:
    """How many lines there are before the picture, 0 if it does not begin with a straight edge."""
    edge = int((share >= _STRAIGHT).argmax())
    soft = share[max(0, edge - _uneven(share)) : edge]
    is_straight = (soft <= _RINGING).any() and not share[: max(0, edge - _BLOCK)].any()
    return edge if is_straight else 0


def _could_be_bars(first: int, last: int, lines: int, uneven: int) -> bool:
    return (
        min(first, last) >= _NARROWEST * lines
        and max(first, last) <= _WIDEST * lines
        and abs(first - last) <= uneven
    )


def _black_ends(lit: Lit) -> tuple[int, int]:
    return int(lit.argmax()), int(lit[::-1].argmax())


def _reaches_far(lit: Lit) -> bool:
    return min(_black_ends(lit)) >= _NARROWEST * len(lit)


def _uneven(lines: Sized) -> int:
    return max(2, int(_UNEVEN * len(lines)))
