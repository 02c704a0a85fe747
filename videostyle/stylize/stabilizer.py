"""Keeps still what stands still: a temporal bilateral filter over the last few pastiches.

Noise and compression make the network paint a resting wall a little differently every frame.
Where the frame has not changed, the pastiche becomes the mean of the last few; where it has, it
stays as painted, so nothing that moves leaves a trace. The weight of every earlier frame is its
likeness to the current one there, as Bennett and McMillan, "Video Enhancement Using Per-Pixel
Virtual Exposures" (SIGGRAPH 2005), weigh them against noise.

In numpy, a frame at a time; `device_stabilizer` gives the same bytes for batches on a GPU.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from videostyle.media.frame import Part
from videostyle.media.pixels import Picture

Weights = npt.NDArray[np.float32]
Green = TypeVar("Green")
Cells = TypeVar("Cells")
# Earlier frames that count: any stretch of a video comes out the same when painting starts this
# many frames before it.
MEMORY = 3
# Frames are compared by means of CELL x CELL pixels, in every second line: noise falls to a third
# in them, what moves stays. Blocks of BLOCK x BLOCK pixels are held or not.
CELL, BLOCK = 4, 8
# A block has changed when its cells differ by a root mean square of CONTRAST times the deviation
# of the whole frame, for the network paints a dark scene with as much contrast as a bright one, or
# of NOISE times that of its noise, whichever is more; each up to a limit, and at least by so much
# of 255.
CONTRAST, MOST_CONTRAST = 1 / 6, 5.0
NOISE, MOST_NOISE = 2.25, 8.0
LEAST_CHANGE = 1.25
# Nor is a pastiche held within this many blocks of a change.
REACH = 2
# Sum of the absolute changes of a mixture's weights (at most 2) from which an earlier pastiche
# shows another style and no longer counts.
MIXTURE_CHANGE = 0.1
WHOLE = 256
# The squares of cells that differ: red's and blue's once, green's four times; and what they add up
# to for a block whose every pixel differs by 1, as sums of eight values over four cells.
GREEN_COUNTS, COLORS = 4, 6
BLOCK_OF_ONES = 4 * 8**2 * COLORS
# What the squares of second differences in every fourth line of a block sum up to where noise has a
# variance of 1.
SQUARES = (2**2 + 1 + 1) * BLOCK * BLOCK // 4
_ROWS = 4  # rows of blocks averaged at a time, so that the sums stay in the cache


@dataclass(frozen=True, slots=True)
class _Painted:
    """A frame as painted; `cells` (3, 2 h, 2 w) is what frames are compared by."""

    cells: Weights
    pastiche: Picture
    mixture: Mapping[str, float]


class Stabilizer:
    """Holds the pastiches of one video, given in order. One per video; it is cheap."""

    def __init__(self) -> None:
        self._past: deque[_Painted] = deque(maxlen=MEMORY)

    def clear(self) -> None:
        """Forget all frames: the next one given does not follow the last."""
        self._past.clear()

    def __call__(
        self,
        frame: Picture,
        pastiche: Picture,
        mixture: Mapping[str, float],
        part: Part | None = None,
    ) -> Picture:
        """Return the pastiche to show: (H, W, 3) uint8 like the frame and the pastiche given. part:
        what noise and contrast are taken from, with starts and stops; None is all."""
        lines = _lines(frame)
        now = _Painted(_cells(lines), pastiche, mixture)
        past = [earlier for earlier in self._past if earlier.pastiche.shape == pastiche.shape]
        weights = _likeness(now, past, _change(*within(part, lines[..., 1], now.cells)))
        self._past.append(now)
        if not weights.any():
            return pastiche
        return _mean([pastiche, *(earlier.pastiche for earlier in past)], weights)


def _lines(frame: Picture) -> Picture:
    """(h * BLOCK / 2, w * BLOCK, 3): every second line of a frame, in whole blocks."""
    lines = frame[::2]
    bottom, right = -lines.shape[0] % (BLOCK // 2), -lines.shape[1] % BLOCK
    if bottom or right:
        lines = np.pad(lines, ((0, bottom), (0, right), (0, 0)), mode="edge")
    return lines


def _cells(lines: Picture) -> Weights:
    """(3, 2 h, 2 w): the sum of each cell's eight values."""
    pairs = np.add(lines[::2], lines[1::2], dtype=np.int16).reshape(len(lines) // 2, -1)
    # A color at a time: numpy is slow along an axis of three.
    first, second, third, fourth = (
        [pairs[:, 3 * pixel + color :: 3 * CELL] for color in range(3)] for pixel in range(CELL)
    )
    cells = [a + b + c + d for a, b, c, d in zip(first, second, third, fourth, strict=True)]
    return np.stack(cells).astype(np.float32)


def within(part: Part | None, green: Green, cells: Cells) -> tuple[Green, Cells]:
    """Green (..., h * BLOCK / 2, w * BLOCK) and cells (..., 2 h, 2 w) of the blocks that lie wholly
    in a part of a frame; of all where none does."""
    if part is None:
        return green, cells
    rows, columns = ((-(-side.start // BLOCK), side.stop // BLOCK) for side in part)
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return green, cells

    def of(values: Any, down: int, across: int) -> Any:
        return values[
            ..., slice(*(down * row for row in rows)), slice(*(across * each for each in columns))
        ]

    return of(green, BLOCK // 2, BLOCK), of(cells, 2, 2)


def _change(green: Picture, cells: Weights) -> float:
    """The root mean square difference of its cells, of 255, from which a block has changed.

    Noise is measured by second differences along lines, which are 0 on a slope, in the smoothest
    fifth of the blocks (after Immerkaer, "Fast Noise Variance Estimation", 1996).
    """
    # Not a product, for which numpy would wake threads that take the cores of the engine.
    means = cells.reshape(3, -1).astype(np.float64) / 8
    mean = means.mean(1)
    red, middle, blue = np.square(means).mean(1) - mean * mean
    variance = (red + blue + GREEN_COUNTS * middle) / COLORS
    every = green[::2].astype(np.int16)
    curves = np.zeros(every.shape, np.float32)
    curves[:, 1:-1] = 2 * every[:, 1:-1] - every[:, :-2] - every[:, 2:]
    curves *= curves
    blocks = (curves[::2] + curves[1::2]).reshape(-1, BLOCK)
    blocks = np.einsum("nb->n", blocks)
    smooth = float(np.partition(blocks, len(blocks) // 5)[len(blocks) // 5]) / SQUARES
    contrast = min(CONTRAST * math.sqrt(max(variance, 0)), MOST_CONTRAST)
    return max(contrast, min(NOISE * math.sqrt(smooth), MOST_NOISE), LEAST_CHANGE)


def similarity(now: Mapping[str, float], earlier: Mapping[str, float]) -> float:
    """How much a pastiche of an earlier mixture counts, in [0, 1]."""
    change = sum(abs(now.get(name, 0.0) - earlier.get(name, 0.0)) for name in {*now, *earlier})
    return max(0.0, 1 - change / MIXTURE_CHANGE)


def _likeness(now: _Painted, past: Sequence[_Painted], change: float) -> Weights:
    """(len(past), h, w) in [0, 1], one number a block: how much each earlier frame counts there."""
    height, width = (side * CELL // BLOCK for side in now.cells.shape[1:])
    mean = np.empty((len(past), height, width), np.float32)
    for each, earlier in zip(mean, past, strict=True):
        red, green, blue = np.square(now.cells - earlier.cells)
        squared = red + blue + GREEN_COUNTS * green
        lines = squared[::2] + squared[1::2]
        np.add(lines[:, ::2], lines[:, 1::2], out=each)
    likeness = (1 - mean / np.float32(BLOCK_OF_ONES * change * change)).clip(0, 1)
    for each, earlier in zip(likeness, past, strict=True):
        each *= np.float32(similarity(now.mixture, earlier.mixture))
    # The least likeness around, then softened, so that no edge of a block shows.
    return _around(_around(likeness, REACH + 1, np.minimum), 1, np.add) * np.float32(1 / 9)


def _around(values: Weights, reach: int, combine: np.ufunc) -> Weights:
    """Combine every value (n, h, w) with its neighbours up to `reach` rows and columns away."""
    for axis in (1, 2):
        margin = [(reach, reach) if axis == each else (0, 0) for each in range(3)]
        shifted = np.moveaxis(np.pad(values, margin, mode="edge"), axis, 0)
        length = values.shape[axis]
        combined = shifted[:length].copy()
        for shift in range(1, 2 * reach + 1):
            combine(combined, shifted[shift : shift + length], out=combined)
        values = np.moveaxis(combined, 0, axis)
    return values


def _mean(pastiches: list[Picture], weights: Weights) -> Picture:
    """The mean of the first pastiche, at weight 1, and the others at theirs, in fixed point."""
    earlier = (weights / (1 + weights.sum(0)) * WHOLE).astype(np.uint16)
    shares = [WHOLE - earlier.sum(0, dtype=np.uint16), *earlier]
    held = (shares[0] < WHOLE).any(axis=1)
    height, width = pastiches[0].shape[:2]
    result = pastiches[0].copy()
    lines = [np.ascontiguousarray(pastiche).reshape(height, -1) for pastiche in pastiches]
    blended = result.reshape(height, -1)
    # Whole rows of blocks, and what is left over below them.
    starts = [*range(0, height // BLOCK, _ROWS), height // BLOCK]
    for first, last in zip(starts, [*starts[1:], len(held)], strict=True):
        if not held[first:last].any():
            continue
        band = slice(first * BLOCK, last * BLOCK)
        accumulated = np.full(blended[band].shape, WHOLE // 2, np.uint16)
        for share, line in zip(shares, lines, strict=True):
            if not share[first:last].any():
                continue
            wide = np.repeat(share[first:last], 3 * BLOCK, axis=1)[:, None, : 3 * width]
            accumulated += np.multiply(
                line[band].reshape(last - first, -1, 3 * width), wide, dtype=np.uint16
            ).reshape(accumulated.shape)
        accumulated >>= 8
        blended[band] = accumulated
    return result
