"""Masks: where in its frames a video is painted."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe, with_duration
from videostyle.decode.report import DecodeReport
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import RGB, convert
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.media.numbered import is_sequence_input
from videostyle.media.picture import load_picture, on_black
from videostyle.media.pixels import Picture, luma_of, plane_array
from videostyle.timecode import NEAR

_SHAPE_SLACK = 0.01  # of the ratio of the sides, which rounding to even sides alters
_SHORTER_SECONDS = 0.1  # worth a word


@dataclass(frozen=True, slots=True)
class Mask:
    """A video, picture or numbered pictures: white is painted, black stays as it was, grey is
    between, by luma. info: what it is. is_inverted: black is painted."""

    info: MediaInfo
    is_inverted: bool = False

    @classmethod
    def of(cls, path: Path, video: MediaInfo, *, is_inverted: bool) -> Mask:
        """The mask in a file, for a video. Raises MediaError if it cannot be read, UsageError for
        sides of another ratio."""
        rate = video.frame_rate if is_sequence_input(path) else None
        if path.is_dir():
            raise UsageError(f"{path}: a mask is a file, or numbered pictures: {path / '%05d.png'}")
        info = with_duration(probe(path, "pass", rate))
        ratio = Fraction(info.width * video.height, info.height * video.width)
        if not 1 - _SHAPE_SLACK <= ratio <= 1 / (1 - _SHAPE_SLACK):
            raise UsageError(
                f"{path}: {info.width}x{info.height} is not the shape of {video.path}, "
                f"{video.width}x{video.height}; a mask lies on the whole frame"
            )
        return cls(info, is_inverted)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"mask": str(self.info.path), "mask_is_inverted": self.is_inverted}

    def notes(self, video: MediaInfo, cut: Cut) -> list[str]:
        """What a user should know of it, on a part of a video."""
        length, end = self.info.duration_seconds, min(cut.end, video.duration_seconds or math.inf)
        if not length or end == math.inf or length > end - _SHORTER_SECONDS:
            return []
        return [f"{self.info.path}: ends at {length:.2f} s; its last frame stays to the end"]

    def beside(
        self, frames: Iterable[Frame], start: float, report: DecodeReport | None = None
    ) -> Generator[Frame]:
        """Put beside each frame the mask's frame at its time: the last one that has come, or the
        first. start: of the part, in seconds; frames before it get its first mask. What is wrong
        with the mask is counted in `report`. Raises MediaError."""
        if self.info.is_image:
            values = self._of_picture()
            for frame in frames:
                yield replace(frame, mask=values)
            return
        # Past its end there is still its last frame.
        cut = Cut(max(0.0, min(start, (self.info.duration_seconds or math.inf) - NEAR)))
        reformatter = VideoReformatter()
        with closing(decode(self.info, cut=cut, lead=1, report=report)) as masks:
            latest = upcoming = next(masks, None)
            if latest is None:
                raise MediaError(f"{self.info.path}: has no frame at {start:.3f} s")
            shown, slack = None, NEAR
            if self.info.pictures:  # one was made for each frame, whose times may be rounded
                slack = max(NEAR, float(self.info.time_base) / 2)
            for frame in frames:
                while upcoming and upcoming.seconds <= frame.seconds + slack:
                    latest, shown, upcoming = upcoming, None, next(masks, None)
                if shown is None:
                    shown = self._values(reformatter, latest)
                yield replace(frame, mask=shown)

    def _of_picture(self) -> Picture:
        picture = load_picture(self.info.path)
        if picture is None:
            raise MediaError(f"{self.info.path}: changed while it was in use")
        return self._turned(luma_of(np.asarray(on_black(picture))))

    def _values(self, reformatter: VideoReformatter, mask: Frame) -> Picture:
        image = mask.image
        color = RGB if image.format.is_rgb or image.format.has_palette else self.info.color
        values = plane_array(convert(reformatter, image, "gray", color, RGB), 0).astype(np.uint8)
        return self._turned(values)

    def _turned(self, values: Picture) -> Picture:
        return 255 - values if self.is_inverted else values
