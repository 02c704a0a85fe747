"""Keeps still what stands still: a temporal bilateral filter over the last few pastiches.

Noise and compression make the network paint a resting wall a little differently every frame.
Where the frame has not changed, the pastiche becomes the mean of the last few; where it has, it
stays as painted, so nothing that moves leaves a trace. The weight of every earlier frame is its
likeness to the current one there, as Bennett and McMillan, "Video Enhancement Using Per-Pixel
Virtual Exposures" (SIGGRAPH 2005), weigh them against noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Weights = npt.NDArray[np.float32]
# Earlier frames that count: any stretch of a video comes out the same when painting starts this
# many frames before it.
MEMORY = 3
# A block of BLOCK x BLOCK pixels has changed when its green differs by this root mean square, of
# 255: twice the noise of a good camera.
DIFFERENCE = 10.0
BLOCK = 8
# Nor is a pastiche held within this many blocks of a change.
REACH = 2
# Sum of the absolute changes of a mixture's weights (at most 2) from which an earlier pastiche
# shows another style and no longer counts.
MIXTURE_CHANGE = 0.1
_FIXED = 256
_ROWS = 4  # rows of blocks averaged at a time, so that the sums stay in the cache


@dataclass(frozen=True, slots=True)
class _Painted:
    """A frame as painted; `green` is what frames are compared by."""

    green: Weights
    pastiche: Picture
    mixture: Mapping[str, float]


class Stabilizer:
    """Holds the pastiches of one video, given in order. One per video; it is cheap."""

    def __init__(self) -> None:
        self._past: deque[_Painted] = deque(maxlen=MEMORY)

    def clear(self) -> None:
        """Forget all frames: the next one given does not follow the last."""
        self._past.clear()

    def __call__(self, frame: Picture, pastiche: Picture, mixture: Mapping[str, float]) -> Picture:
        """Return the pastiche to show: (H, W, 3) uint8 like the frame and the pastiche given."""
        now = _Painted(_probe(frame), pastiche, mixture)
        past = [earlier for earlier in self._past if earlier.pastiche.shape == pastiche.shape]
        weights = [_likeness(now, earlier) for earlier in past]
        self._past.append(now)
        if not any(weight.any() for weight in weights):
            return pastiche
        return _mean([pastiche, *(earlier.pastiche for earlier in past)], weights)


def _probe(frame: Picture) -> Weights:
    """(h * BLOCK / 2, w * BLOCK): every second line of a frame's green, in whole blocks."""
    green = frame[::2, :, 1].astype(np.float32)
    bottom, right = -green.shape[0] % (BLOCK // 2), -green.shape[1] % BLOCK
    return np.pad(green, ((0, bottom), (0, right)), mode="edge") if bottom or right else green


def _likeness(now: _Painted, earlier: _Painted) -> Weights:
    """(h, w) in [0, 1], one number a block: how much an earlier frame counts there."""
    change = sum(
        abs(now.mixture.get(name, 0.0) - earlier.mixture.get(name, 0.0))
        for name in {*now.mixture, *earlier.mixture}
    )
    similarity = max(0.0, 1 - change / MIXTURE_CHANGE)
    squared = now.green - earlier.green
    squared *= squared
    height, width = squared.shape[0] * 2 // BLOCK, squared.shape[1] // BLOCK
    lines = squared.reshape(height, BLOCK // 2, -1).sum(1)
    mean = lines.reshape(height, width, BLOCK).sum(2) / (BLOCK * BLOCK / 2)
    likeness = (1 - mean / DIFFERENCE**2).clip(0, 1) * np.float32(similarity)
    # The least likeness around, then softened, so that no edge of a block shows.
    return _around(_around(likeness, REACH + 1, np.minimum), 1, np.add) * np.float32(1 / 9)


def _around(values: Weights, reach: int, combine: np.ufunc) -> Weights:
    """Combine every value with its neighbours up to `reach` rows and columns away."""
    for axis in (0, 1):
        margin = [(reach, reach) if axis == each else (0, 0) for each in (0, 1)]
        padded = np.pad(values, margin, mode="edge")
        length = values.shape[axis]
        shifted = [
            padded.take(range(shift, shift + length), axis) for shift in range(2 * reach + 1)
        ]
        values = combine.reduce(shifted)
    return values.astype(np.float32)


def _mean(pastiches: list[Picture], weights: list[Weights]) -> Picture:
    """The mean of the first pastiche, at weight 1, and the others at theirs, in fixed point."""
    total = 1 + np.sum(weights, axis=0)
    shares = [(weight / total * _FIXED).astype(np.uint16) for weight in weights]
    shares.insert(0, (_FIXED - np.sum(shares, axis=0)).astype(np.uint16))
    held = (shares[0] < _FIXED).any(axis=1)
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
        accumulated = np.full(blended[band].shape, _FIXED // 2, np.uint16)
        for share, line in zip(shares, lines, strict=True):
            wide = np.repeat(share[first:last], 3 * BLOCK, axis=1)[:, None, : 3 * width]
            part = line[band].astype(np.uint16).reshape(last - first, -1, 3 * width)
            part *= wide
            accumulated += part.reshape(accumulated.shape)
        accumulated >>= 8
        blended[band] = accumulated
    return result
