"""What is done where there is nothing to see: flat areas get grain, of which the network makes
strokes, and a frame that is flat as a whole, or as good as black, is not painted.

The network normalises its feature maps (paper, equation 5). Beside one detail a flat area is
nothing to it and stays empty, while of a black frame's noise it makes a painting of full contrast.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
# Sides of the grain, in pixels, after which it comes again.
_TILE = 1024
# Of 256 levels. A frame is flat below the first deviation and painted wholly from the second one;
# the same for its lights, twice the deviation above the mean, with which a scene fades to black.
FLAT = (1.0, 8.0)
DARK = (8.0, 48.0)
_STEP = 8  # of the pixels that are looked at first


@lru_cache(maxsize=4)
def grain(height: int, width: int) -> npt.NDArray[np.int8]:
    """(H, W): the same for every frame of a size, with a deviation of 2 levels of 256."""
    # Raw bits of PCG64 are the same in every release of numpy; 16 of them have a deviation of 2.
    bits = np.random.PCG64(0).random_raw(_TILE * _TILE // 4).astype("<u8").view(np.uint16)
    ones = np.bitwise_count(bits.reshape(_TILE, _TILE)).astype(np.int8)
    tile: npt.NDArray[np.int8] = ones - np.int8(8)
    return tile[np.arange(height) % _TILE][:, np.arange(width) % _TILE]


@lru_cache(maxsize=4)
def _lighter_and_darker(height: int, width: int) -> tuple[Picture, Picture]:
    spread = grain(height, width).repeat(3, axis=1)
    return spread.clip(min=0).astype(np.uint8), (-spread).clip(min=0).astype(np.uint8)


def grained(frame: Picture) -> Picture:
    """A copy of a frame (H, W, 3) uint8 with grain."""
    lighter, darker = _lighter_and_darker(*frame.shape[:2])
    result: Picture = np.minimum(frame.reshape(len(frame), -1), 255 - lighter)
    result += lighter
    np.maximum(result, darker, out=result)
    result -= darker
    return result.reshape(frame.shape)


def presence(frame: Picture) -> float:
    """How much of a frame's pastiche shows, in [0, 1]: all but where there is next to nothing to
    paint. frame: (H, W, 3) uint8."""
    # Most frames are far from flat and black, as a few of their pixels tell. These may miss small
    # lights, or hit more than their share of them, so where it is a near thing all are counted.
    deviation, lights = _spread(frame[::_STEP, ::_STEP])
    if deviation > 2 * FLAT[1] and lights > 2 * DARK[1]:
        return 1.0
    shares = (
        ((value - low) / (high - low))
        for value, (low, high) in zip(_spread(frame), (FLAT, DARK), strict=True)
    )
    return float(math.prod(smooth(min(max(share, 0.0), 1.0)) for share in shares))


def _spread(pixels: Picture) -> tuple[float, float]:
    """The greatest deviation, and the lightest lights, of the channels of (H, W, 3)."""
    # Not by PyTorch: its threads would stay awake for a while and take the engine's cores.
    values = pixels.transpose(2, 0, 1).reshape(3, -1).astype(np.float32)
    mean, deviation = values.mean(1), values.std(1)
    return float(deviation.max()), float((mean + 2 * deviation).max())


def smooth(share: Any) -> Any:
    """From 0 to 1 with a level start and end (smoothstep), a number or a tensor of them."""
    return share * share * (3 - 2 * share)
