"""The frame that travels the pipeline, and which frames of a video are meant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt

Part = tuple[slice, slice]  # of a frame or plane: rows and columns


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright picture and its time.

    pts, duration: ticks of the input's time_base. seconds: since the first frame.
    alpha: (H, W) uint16, 65535 opaque, where the output keeps it. mask: (h, w) uint8 of any size,
    255 where the frame is painted; None if all of it is.
    """

    image: av.VideoFrame
    pts: int
    duration: int | None
    seconds: float
    alpha: npt.NDArray[np.uint16] | None = None
    mask: npt.NDArray[np.uint8] | None = None


def has_beside(image: av.VideoFrame, *kinds: str) -> bool:
    """Whether a decoder put something of these kinds, by PyAV's names, beside a frame. To be asked
    of few frames: one that is asked holds its memory until the garbage collector comes round."""
    try:
        return any(kind in image.side_data for kind in kinds)
    except ValueError:  # PyAV does not know every kind of side data, and then tells of none
        return False


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of a video that is asked for, from `start` up to but not with `end`, in seconds
    since the first frame."""

    start: float = 0.0
    end: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"{self.start=}, {self.end=}")
