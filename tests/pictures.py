"""Pictures made on the spot."""

from __future__ import annotations

import numpy as np
from PIL import Image


def smooth_picture(
    seed: int | np.random.Generator,
    size: tuple[int, int] = (96, 72),
    tint: tuple[float, float, float] = (1, 1, 1),
) -> Image.Image:
    """Large soft spots of random colours, times `tint`: something to learn from, unlike noise.
    size: width and height."""
    spots = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8) * np.array(tint)
    return Image.fromarray(spots.astype(np.uint8)).resize(size)
