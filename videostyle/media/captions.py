"""Closed captions inside pictures (CEA-608 and CEA-708), which decoders put beside a frame."""

from __future__ import annotations

import av
from av.video.reformatter import Interpolation, VideoReformatter

from videostyle.media.pixels import plane_array

_SEED = 16  # pixels a side of what a frame with captions is grown from


class CaptionCarrier:
    """Gives pictures the captions of others; in one thread at a time."""

    def __init__(self) -> None:
        self._shrink, self._grow = VideoReformatter(), VideoReformatter()

    def __call__(self, source: av.VideoFrame, image: av.VideoFrame) -> av.VideoFrame:
        """The image, in a frame of its own with the captions of `source`; that itself as it is."""
        if image is source:
            return image
        # PyAV cannot set what lies beside a frame, but scaling keeps it, in a new frame.
        nearest = Interpolation.POINT
        seed = self._shrink.reformat(source, _SEED, _SEED, "gray", interpolation=nearest)
        size = image.width, image.height
        carrier = self._grow.reformat(seed, *size, image.format.name, interpolation=nearest)
        for index in range(len(image.planes)):
            plane_array(carrier, index)[...] = plane_array(image, index)
        carrier.colorspace, carrier.color_range = image.colorspace, image.color_range
        return carrier
