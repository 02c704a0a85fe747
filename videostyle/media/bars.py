"""Where a film has black bars, and what of a frame is painted in their place: all where a scene
fills it, else what is lit there and too large for letters or a logo, with its surroundings.

Every frame is told for itself, so a part of a video looks as it does in the whole. The same code
runs on numpy's arrays and on PyTorch's tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from videostyle.media.frame import Part
from videostyle.media.info import MediaInfo

Size = tuple[int, int]
Matrix = npt.NDArray[np.float32]
Place = Callable[[Matrix], Any]  # brings an array to where frames are
# The lightest that black may be, of 255, and how far from grey: the rims of bars ring a little.
_BLACK, _GREY = 24, 16
# A scene fills the place of bars where one in so many samples is lit: letters light fewer. And
# where one in so many is lighter than the film's bars, as when it fades.
_LIT_OF, _LIGHTER_OF = 4, 2
# Light is looked for at points, so many or some more along a frame's height, in squares of such a
# part of it. Letters and logos leave more than a quarter of a square dark.
_POINTS, _SQUARE, _SOLID = 96, 1 / 12, 0.75


@dataclass(frozen=True, slots=True)
class Bars:
    """Black above, below, left and right, as shares of a frame's height and width. level: of 255,
    what half of their samples do not exceed in any frame."""

    above: Fraction
    below: Fraction
    left: Fraction
    right: Fraction
    level: int

    @classmethod
    def of(cls, info: MediaInfo) -> Bars:
        sides = (info.height, info.height, info.width, info.width)
        above, below, left, right = map(Fraction, info.bars, sides)
        return cls(above, below, left, right, info.bars_level)

    def __bool__(self) -> bool:
        return any((self.above, self.below, self.left, self.right))

    def inner(self, size: Size) -> Part:
        """The rows and columns of a frame of any size (height, width) that lie between the bars,
        whole pixels only."""
        above, below, left, right = map(math.ceil, self._on(size))
        return slice(above, size[0] - below), slice(left, size[1] - right)

    def strips(self, size: Size, *, corners: bool = True) -> list[Part]:
        """The parts of a plane (height, width) that the bars above, below, left and right cover,
        with or without the corners, of which each is in two of them."""
        height, width = size
        above, below, left, right = map(round, self._on(size))
        rows, columns = slice(0, height), slice(0, width)
        if not corners:
            rows, columns = slice(above, height - below), slice(left, width - right)
        return [
            (slice(0, above), columns),
            (slice(height - below, height), columns),
            (rows, slice(0, left)),
            (rows, slice(width - right, width)),
        ]

    def _on(self, size: Size) -> list[Fraction]:
        height, width = size
        return [self.above * height, self.below * height, self.left * width, self.right * width]


def is_lit(plane: Any, index: int, bits: int, full_range: bool) -> Any:
    """Where samples of plane Y, U or V (0, 1 or 2), or of RGB (0), are lighter than black or
    coloured."""
    if index == 0:
        return _is_lighter(plane, _BLACK, bits, full_range)
    unit = 1 << (bits - 8)
    return (plane > unit * (128 + _GREY)) | (plane < unit * (128 - _GREY))


def _is_lighter(luma: Any, level: int, bits: int, full_range: bool) -> Any:
    return luma > (level if full_range else 16 + level * 219 // 255) << (bits - 8)


class Squares:
    """The squares of light in a part of a frame (height, width)."""

    def __init__(self, part: Part, size: Size, place: Place = np.asarray) -> None:
        step = max(1, size[0] // _POINTS)
        points = max(1, round(size[0] * _SQUARE / step))
        self._step = slice(None, None, step)
        self._axes = [_Axis(lines, step, points) for lines in part]
        down, across = self._axes
        self._down, self._across = place(down.holds()), place(across.holds().T)
        self._one = place(np.ones((1, 1), np.float32))
        self._least = _SOLID * down.side * across.side

    def lit(self, samples: Any) -> Any:
        """Which are lit, of the part (..., H, W) of bool: 1 or 0, (..., h, w)."""
        points = samples[..., self._step, self._step] * self._one
        return (self._down @ points @ self._across >= self._least) * self._one

    def extent(self, lit: Any) -> Part | None:
        """The rows and columns of the part from the middle of the first square that is lit, of
        (h, w), to that of the last; None if none is."""
        if not lit.any():
            return None
        down, across = (axis.extent(lit.any(1 - number)) for number, axis in enumerate(self._axes))
        return down, across

    def spread(self, part: Part, scale: tuple[float, float]) -> tuple[Matrix, Matrix]:
        """What is to be multiplied from the left and the right, to lay them on a part of a plane
        whose samples are so many of the frame's high and wide: 1 on squares, falling to 0 around.
        """
        axes = zip(self._axes, part, scale, strict=True)
        down, across = (axis.spread(lines, step) for axis, lines, step in axes)
        return down, across.T


class _Axis:
    """Squares along the rows or columns of a part."""

    def __init__(self, lines: slice, step: int, points: int) -> None:
        """points: of a square, in a part where so many find room."""
        self._points = np.arange(lines.start, lines.stop, step)
        self.side = min(points, len(self._points))
        self._first = self._points[: len(self._points) - self.side + 1, None]
        self._last = self._first + (self.side - 1) * step
        self._reach = points * step / 2

    def holds(self) -> Matrix:
        """(squares, points): 1 where a square holds a point, else 0."""
        return ((self._first <= self._points) & (self._points <= self._last)).astype(np.float32)

    def extent(self, lit: npt.NDArray[np.bool_]) -> slice:
        first, last = lit.nonzero()[0][[0, -1]]
        half = (self._last - self._first)[0, 0] // 2
        return slice(int(self._first[first, 0] + half), int(self._last[last, 0] - half) + 1)

    def spread(self, lines: slice, step: float) -> Matrix:
        """(lines, squares): how much of each square there is on lines `step` apart."""
        at = (np.arange(lines.start, lines.stop) + 0.5) * step
        away = np.maximum(self._first - at, at - self._last)
        share: Matrix = (1 - away / self._reach).clip(0, 1).astype(np.float32).T
        return share


@dataclass(frozen=True, slots=True)
class Scene:
    """What of a scene is in the place of a bar. fills: everything there, (...) of bool, so there
    is no bar. squares: where it is lit, (..., h, w). parts: the place in each plane."""

    fills: Any
    squares: Any
    parts: Sequence[Part]
    spreads: Sequence[Sequence[Any]]

    def opacity(self, index: int) -> Any:
        """How much of the pastiche there is in the place in a plane, (..., H, W)."""
        down, across = self.spreads[index]
        return (down @ self.squares @ across + self.fills[..., None, None]).clip(0, 1)


class Barkeeper:
    """Tells scenes from bars in frames of one format."""

    def __init__(
        self,
        bars: Bars,
        planes: Sequence[Size],
        bits: int,
        *,
        full_range: bool,
        place: Place = np.asarray,
    ) -> None:
        """planes: of Y, U and V, or of RGB, one whose lines hold three samples a pixel."""
        self._bits, self._full_range, self._level = bits, full_range, bars.level
        self._is_rgb = len(planes) == 1
        height, width = planes[0]
        seen = [(height, width // 3)] if self._is_rgb else planes
        scales = [(seen[0][0] / plane[0], seen[0][1] / plane[1]) for plane in planes]
        covered = zip(*(bars.strips(plane) for plane in planes), strict=True)
        counted = zip(*(bars.strips(plane, corners=False) for plane in seen), strict=True)
        self._pairs: tuple[list[_Strip], list[_Strip]] = ([], [])
        strips = zip(bars.strips(seen[0]), counted, covered, strict=True)
        for number, (searched, clear, parts) in enumerate(strips):
            if all(lines.stop > lines.start for part in clear for lines in part):
                squares = Squares(searched, seen[0], place)
                spreads = [
                    tuple(map(place, squares.spread(part, scale)))
                    for part, scale in zip(parts, scales, strict=True)
                ]
                self._pairs[number // 2].append(_Strip(searched, clear, squares, parts, spreads))

    def scenes(self, planes: Sequence[Any]) -> Iterator[Scene]:
        """What there is in the place of each bar. planes: (..., H, W) each, in numpy or PyTorch."""
        if self._is_rgb:
            (pixels,) = planes
            planes = [pixels.reshape(*pixels.shape[:-1], -1, 3).max(-1)]
        for pair in self._pairs:
            fills: Any = False
            for index, plane in enumerate(planes):
                views = [plane[..., *strip.clear[index]] for strip in pair]
                samples = sum(math.prod(view.shape[-2:]) for view in views)
                lit = [is_lit(view, index, self._bits, self._full_range) for view in views]
                fills = fills | (_count(lit) * _LIT_OF >= samples)
                if index == 0:
                    limits = self._level, self._bits, self._full_range
                    lighter = [_is_lighter(view, *limits) for view in views]
                    fills = fills | (_count(lighter) * _LIGHTER_OF >= samples)
            for strip in pair:
                here = is_lit(planes[0][..., *strip.searched], 0, self._bits, self._full_range)
                yield Scene(fills, strip.squares.lit(here), strip.parts, strip.spreads)


def _count(views: Sequence[Any]) -> Any:
    """How many samples are true, (...) of views (..., H, W) of bool."""
    return sum(view.sum((-2, -1)) for view in views)


@dataclass(frozen=True, slots=True)
class _Strip:
    """The place of one bar. searched: for squares, in the frame. clear: counted, the parts without
    corners."""

    searched: Part
    clear: Sequence[Part]
    squares: Squares
    parts: Sequence[Part]
    spreads: Sequence[Sequence[Any]]
