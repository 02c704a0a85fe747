"""One picture that stands for a whole video."""

from __future__ import annotations

from contextlib import closing

from videostyle.decode.decode import decode
from videostyle.decode.probe import with_duration
from videostyle.errors import MediaError
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import Picture


def still(info: MediaInfo) -> Picture:
    """The frame after a third of a video, or a picture itself: (H, W, 3) RGB. Raises MediaError."""
    third = (with_duration(info).duration_seconds or 0.0) / 3
    # One before, as the video may end earlier than it says.
    with closing(decode(info, cut=Cut(third), lead=1)) as frames:
        frame = next(frames, None)
        if frame is None:
            raise MediaError(f"{info.path}: has no frames to show")
        return ColorConverter(info, "yuv420p").to_rgb(frame.image)
