"""What the player shows: facts about a file, or the camera, and where in a file decoding begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from videostyle.decode.letterbox import with_bars
from videostyle.decode.probe import probe, with_duration
from videostyle.media.color import RGB
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo

_Stamp = tuple[int, int]
_ROUNDING_SECONDS = 1e-6  # of floats


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was when it was opened. stamp: by which it is known from one that is written in
    its place; None if it was gone."""

    info: MediaInfo
    stamp: _Stamp | None

    @classmethod
    def open(cls, path: Path) -> Source:
        """Look at a video or a picture; HDR becomes SDR. Raises MediaError."""
        return cls(stamp=_stamp(path), info=_probe(path))

    def renewed(self) -> Source:
        """The same, unless the file was written over since. Raises MediaError."""
        stamp = _stamp(self.info.path)
        return self if stamp in (None, self.stamp) else Source.open(self.info.path)


@dataclass(frozen=True, slots=True)
class Place:
    """The frame that comes so many `frames` after the first one at or after a time; before it, if
    they are negative."""

    seconds: float
    frames: int = 0

    def find(self, frames: Iterable[Frame], start: float) -> Frame | None:
        """The frame there, or the nearest there is; None without any. frames: beginning where a
        step back leads. start: the time that is meant, as `cut_from` gives it."""
        frame, steps = None, self.frames
        for frame in frames:
            is_there = frame.seconds >= start
            if steps < 0 or (is_there and steps == 0):
                break
            steps -= is_there
        return frame


def cut_from(info: MediaInfo, seconds: float) -> Cut:
    """From the frame at a time on; others may be a millisecond before it."""
    return Cut() if info.is_image else Cut(max(0.0, seconds - _ROUNDING_SECONDS))


def camera_info(height: int, width: int) -> MediaInfo:
    """What a file would say of a camera's frame, so that it is painted as a picture's."""
    return MediaInfo(
        path=Path("camera"),
        is_image=True,
        stream_index=0,
        width=width,
        height=height,
        pix_fmt="rgb24",
        color=RGB,
    )


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _probe(path: Path) -> MediaInfo:
    """Facts about a file; of a video that does not say how long it is, that too."""
    return with_bars(with_duration(probe(path, "tonemap")))
