"""A frame's values as arrays: its planes without a copy, and one picture laid over another."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue (BT.601, JPEG's)
MIDDLE = 128  # the byte that stands for 0 where values have a sign
_BAND_PIXELS = 80_000  # rows blended at a time, so that the sums stay in the cache


def plane_array(image: av.VideoFrame, index: int) -> Plane:
    """A view of one plane without the padding of its lines: (H, W), or (H, 3 W) for rgb24."""
    plane = image.planes[index]
    packed = len(image.format.components) if len(image.planes) == 1 else 1
    if image.format.components[0].bits > 8:
        words = np.frombuffer(memoryview(plane), np.uint16).reshape(-1, plane.line_size // 2)
        return words[: plane.height, : plane.width * packed]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width * packed]


def blend_planes(
    original: av.VideoFrame, pastiche: av.VideoFrame, *, luma: float, chroma: float
) -> av.VideoFrame:
    """Lay the pastiche over the original, in the pastiche's own memory, and return it.

    luma, chroma: opacity of the pastiche in [0, 1]: 0 gives the original's values exactly, 1 the
    pastiche's. Both frames have the same size and format, one of `color.OUTPUT_PIX_FMTS` or
    rgb24.
    """
    facts = [(frame.format.name, frame.width, frame.height) for frame in (original, pastiche)]
    if facts[0] != facts[1]:
        raise ValueError(f"cannot blend frames of {facts[0]} and {facts[1]}")
    if pastiche.format.is_rgb:
        below, above = (
            plane_array(each, 0).reshape(each.height, -1, 3) for each in (original, pastiche)
        )
        above[...] = blend_rgb(below, above, luma, chroma)
        return pastiche
    for index, opacity in enumerate((luma, chroma, chroma)):
        _blend(plane_array(original, index), plane_array(pastiche, index), opacity)
    return pastiche


def blend_rgb(below: Plane, above: Plane, luma: float, chroma: float) -> Picture:
    """A picture (H, W, 3) uint8 RGB over another, with an opacity in luma (by LUMA) and one
    in colour: what they differ by moves R, G and B together."""
    change = above - below.astype(np.float32)
    brightness = change @ np.array(LUMA, np.float32)
    mixed = below + chroma * change + (luma - chroma) * brightness[..., None]
    blended: Picture = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return blended


def blend_by_mask(below: Plane, above: Plane, share: Picture) -> None:
    """above = below + share / 255 * (above - below), in whole numbers, exact at 0 and 255."""
    wide = (
        np.uint16 if above.dtype == np.uint8 else np.uint32
    )  # 255 * 255 + 127 just fits the first
    band = max(1, _BAND_PIXELS // above[0].size)
    for row in range(0, len(above), band):
        low, high, weight = (
            below[row : row + band],
            above[row : row + band],
            share[row : row + band],
        )
        total = np.multiply(high, weight, dtype=wide)
        total += np.multiply(low, 255 - weight, dtype=wide)
        total += wide(127)
        total //= wide(255)
        high[...] = total


def luma_of(pixels: Picture) -> Picture:
    """Luma (H, W) uint8 of RGB (H, W, 3) uint8, by LUMA."""
    return np.array(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"))


def with_detail(pixels: Picture, detail: Picture, weight: float) -> Picture:
    """RGB (H, W, 3) uint8 with detail (H, W), in which MIDDLE is 0, added to luma with a weight: it
    moves R, G and B together."""
    detailed = pixels.copy()
    add_detail(detailed, detail[..., None], weight, 8)
    return detailed


def add_detail(values: Plane, detail: Plane, weight: float, bits: int) -> None:
    """Add detail, whose MIDDLE is 0, to values of so many bits; in fixed point, with 8 bits of
    fraction."""
    wide = np.int16 if bits == 8 else np.int32
    scale = round(weight * (1 << bits))
    band = max(1, _BAND_PIXELS // values.shape[1])
    for row in range(0, values.shape[0], band):
        part = values[row : row + band]
        change: npt.NDArray[np.signedinteger[Any]] = detail[row : row + band].astype(wide)
        change -= MIDDLE
        change *= scale
        change += 1 << 7
        change >>= 8
        part[...] = np.clip(part + change, 0, (1 << bits) - 1)


def _blend(below: Plane, above: Plane, opacity: float) -> None:
    """above = below + opacity * (above - below), in fixed point: 8 bits of fraction for bytes, 16
    for words, so that the sum just fits the next type."""
    wide, bits = (np.uint16, 8) if above.dtype == np.uint8 else (np.uint32, 16)
    weight = round(opacity * (1 << bits))
    band = max(1, _BAND_PIXELS // above.shape[1])
    for row in range(0, above.shape[0], band):
        low, high = below[row : row + band], above[row : row + band]
        total = np.multiply(low, (1 << bits) - weight, dtype=wide)
        total += np.multiply(high, weight, dtype=wide)
        total += wide(1 << (bits - 1))
        total >>= wide(bits)
        high[...] = total
