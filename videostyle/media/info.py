"""What a video or picture is: the facts that `probe` finds.

Colour numbers are those of ITU-T H.273, which FFmpeg uses too.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from videostyle.errors import MediaError, UsageError

MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m"}
MATRICES |= {9: "bt2020nc"}
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
PROGRESSIVE = 1  # of FFmpeg's field orders; 0 is unknown
ALL_AROUND = "what is all around (360 degrees)"
LIGHT_LEVELS = "how bright its mastering display and its lights are (HDR10, HDR10+, Dolby Vision)"
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
UNTAGGED = {0, 2, 3}  # reserved, unspecified, reserved
# What goes with a matrix when only the matrix is known: (primaries, transfer).
_COMPANIONS = {0: (1, 13), 1: (1, 1), 4: (4, 4), 5: (5, 6), 6: (6, 6), 7: (7, 7), 9: (9, 14)}


def missing(path: Path, what: str = "file") -> MediaError:
    """What to say of an input that is not there."""
    is_address = re.match("https?:/", str(path))
    return MediaError(
        f"{path}: is an address; download it first" if is_address else f"{path}: no such {what}"
    )


def check_max_size(max_size: int) -> None:
    """Raises UsageError below 2, as the sides of a frame that is scaled are even."""
    if max_size < 2:
        raise UsageError(f"max_size is {max_size}; it must be at least 2 pixels")


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How pixel values stand for colours. guessed: the file does not tell the matrix."""

    matrix: int
    primaries: int
    transfer: int
    full_range: bool
    guessed: bool = False

    @classmethod
    def resolve(
        cls,
        matrix: int,
        primaries: int,
        transfer: int,
        *,
        full_range: bool | None,
        is_rgb: bool,
        height: int,
    ) -> ColorSpec:
        """Fill in what a file leaves untagged, the way players do.

        RGB is full range. Untagged YUV is BT.2020 where the transfer is PQ's or HLG's, BT.709 from
        a height of 720 on, else BT.601; untagged range is limited. Primaries and transfer follow
        the matrix.
        """
        guessed = not is_rgb and matrix in UNTAGGED
        if is_rgb:
            matrix = 0
        elif guessed:
            matrix = 9 if transfer in HDR_TRANSFERS else guess_matrix(height)
        companions = _COMPANIONS.get(matrix, (2, 2))
        return cls(
            matrix=matrix,
            primaries=companions[0] if primaries in UNTAGGED else primaries,
            transfer=companions[1] if transfer in UNTAGGED else transfer,
            full_range=is_rgb or bool(full_range),
            guessed=guessed,
        )

    @property
    def is_rgb(self) -> bool:
        return self.matrix == 0

    @property
    def is_hdr(self) -> bool:
        """PQ or HLG: values that mean something else than the network was trained on."""
        return self.transfer in HDR_TRANSFERS

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the matrix by name, the others by number."""
        return {
            "matrix": MATRICES.get(self.matrix, str(self.matrix)),
            "primaries": self.primaries,
            "transfer": self.transfer,
            "range": "full" if self.full_range else "limited",
            "guessed": self.guessed,
        }


def guess_matrix(height: int) -> int:
    """BT.709 from 720 lines on, else BT.601: what players assume."""
    return 1 if height >= 720 else 6


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream beside the main video. kind: audio, subtitle, cover, video (a second one), data or
    attachment."""

    index: int
    kind: str
    codec: str
    language: str | None
    title: str | None = None

    def __str__(self) -> str:
        language = f", {self.language}" if self.language else ""
        return f"stream {self.index} ({self.kind}, {self.codec}{language})"


class Crop(NamedTuple):
    """Rows above and below, and columns left and right, of a frame as it is stored, that a file
    hides."""

    above: int = 0
    below: int = 0
    left: int = 0
    right: int = 0

    def inner(self, width: int, height: int) -> tuple[int, int]:
        """The width and height that are left; all, where nothing would be."""
        inner = (width - self.left - self.right, height - self.above - self.below)
        return inner if min(inner) > 0 else (width, height)


NO_CROP = Crop()


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A video or picture as `decode` will give it.

    width, height: pixels of the upright picture. rotation_degrees: counter-clockwise, already
    applied by upright_filters, which are FFmpeg's, after crop. start_pts: of the first frame, in
    ticks of time_base. lead_seconds: of the file before that, as of sound that begins first.
    duration_seconds, frame_count: what the file says, else what was measured or estimated, or None;
    a picture is a video of length 0. hdr_color: of the file, where `decode` brings it down to
    `color`. hdr: what becomes of frames that turn to PQ or HLG on the way, as `probe` takes it.
    bars: black lines above and below and black columns left and right (`letterbox`), which are not
    painted in frames where they are black. bars_level: of 255, how light half of their samples may
    be. pictures: the numbers of the numbered pictures (`numbered`) it is made of, none of any other
    video. icc_profile: of a picture, or of the first numbered one. is_spherical: shows what is all
    around, projected on the frame. has_captions: closed ones, inside the first picture.
    has_light_levels: which its mastering display and its lights have, for players of HDR.
    """

    path: Path
    is_image: bool
    stream_index: int
    width: int
    height: int
    pix_fmt: str
    color: ColorSpec
    time_base: Fraction = Fraction(1)
    start_pts: int = 0
    lead_seconds: float = 0.0
    duration_seconds: float | None = 0.0
    frame_count: int | None = 1
    frame_rate: Fraction | None = None
    rotation_degrees: int = 0
    upright_filters: tuple[str, ...] = ()
    crop: Crop = NO_CROP
    sample_aspect_ratio: Fraction | None = None
    other_streams: tuple[StreamInfo, ...] = ()
    hdr_color: ColorSpec | None = None
    hdr: str = "pass"
    bars: tuple[int, int, int, int] = (0, 0, 0, 0)
    bars_level: int = 24
    pictures: range = range(0)
    is_spherical: bool = False
    has_captions: bool = False
    has_light_levels: bool = False
    icc_profile: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.time_base <= 0:
            raise ValueError(f"{self.width}x{self.height} pixels, {self.time_base=}")

    def fitted(self, max_size: int) -> MediaInfo:
        """The same with neither side longer than `max_size` pixels; `decode` scales to it. Raises
        UsageError below 2, as the sides are even."""
        check_max_size(max_size)
        scale = max_size / max(self.width, self.height)
        if scale >= 1:
            return self
        # Even sides, which every encoder takes.
        longest = max_size // 2
        width, height = (
            2 * max(1, min(longest, round(side * scale / 2))) for side in (self.width, self.height)
        )
        above, below, left, right = (2 * int(bar * scale / 2) for bar in self.bars)
        return replace(self, width=width, height=height, bars=(above, below, left, right))

    def bars_to_dict(self) -> dict[str, int]:
        """For JSON: the bars by name."""
        return dict(zip(("above", "below", "left", "right"), self.bars, strict=True))

    def streams(self, kind: str) -> tuple[StreamInfo, ...]:
        """The other streams of one kind."""
        return tuple(stream for stream in self.other_streams if stream.kind == kind)

    def seconds(self, pts: int) -> float:
        """Time of a pts since the first frame."""
        return float((pts - self.start_pts) * self.time_base)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the path."""
        return {
            "is_image": self.is_image,
            "width": self.width,
            "height": self.height,
            "rotation_degrees": self.rotation_degrees,
            "duration_seconds": self.duration_seconds,
            "frame_count": self.frame_count,
            "frame_rate": str(self.frame_rate) if self.frame_rate else None,
            "pix_fmt": self.pix_fmt,
            "color": self.color.to_dict(),
            "other_streams": [asdict(stream) for stream in self.other_streams],
        }
