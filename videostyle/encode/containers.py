"""The containers: what each holds, and the clock of a GIF or WebP."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from tempfile import TemporaryDirectory

import av

from videostyle.encode.encoders import frozen
from videostyle.wording import counted

_H26 = ("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "h264_qsv", "hevc_qsv")
_AV1 = ("libsvtav1", "av1_nvenc", "av1_qsv")

_MOST_TICKS = 1_000_000  # a second in MP4 and MOV, which count a frame's ticks with 32 bits
_FEWEST_TICKS = 20_000  # or fewer, as the muxer doubles them until they are 10,000
_LONGEST_STEP = 2**31 - 1  # in ticks

# What people call a format, and the encoder that makes it.
FORMATS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("h264", "h.264", "x264", "avc"), ("H.264", "libx264")),
    **dict.fromkeys(("h265", "h.265", "x265", "hevc"), ("H.265", "libx265")),
    "av1": ("AV1", "libsvtav1"),
    **dict.fromkeys(("vp9", "vp8", "libvpx"), ("VP9", "libvpx-vp9")),
    "prores": ("ProRes", "prores_ks"),
}


@dataclass(frozen=True, slots=True)
class Container:
    """Facts about one kind of output file.

    name: in small letters it is that of FFmpeg's muxer. codecs: encoders whose streams it holds,
    the default first. audio: what sound is transcoded to, the default first; none where it holds no
    sound. text: what text subtitles become, None where it holds none. time_base: the only one it
    has, in seconds; such a container has square pixels only, no chapters and no tags. longest: how
    many ticks it can show a frame for. options: of the muxer.
    """

    name: str
    codecs: tuple[str, ...]
    audio: tuple[str, ...] = ()
    text: str | None = None
    alpha: bool = True
    time_base: Fraction | None = None
    longest: int = 0
    options: Mapping[str, str] = field(default_factory=frozen)

    def keeps_aspect(self, codec: str) -> bool:
        """Whether pixels stay as wide as they are, by FFmpeg's name of the codec. Matroska's own
        field for it is not to be reached; the bitstream of H.264 and H.265 has one."""
        if self.name in ("Matroska", "WebM"):
            return codec in ("h264", "hevc")
        return self.time_base is None

    def tick(self, time_base: Fraction, rate: Fraction | None) -> Fraction:
        """In what steps of seconds it is to count the times of a track that counts in `time_base`
        and has so many frames a second."""
        if self.time_base:
            return self.time_base
        ticks = time_base.denominator
        if self.name not in ("MP4", "MOV") or ticks <= _MOST_TICKS or time_base.numerator > 1:
            return time_base
        coarser = range(math.ceil(ticks / _MOST_TICKS), ticks // _FEWEST_TICKS + 1)
        exact = [n for n in coarser if ticks % n == 0]
        of_frames = (n for n in exact if rate and ticks / rate % n == 0)
        n = next(of_frames, exact[0] if exact else None)
        return Fraction(n, ticks) if n else Fraction(1, _MOST_TICKS)

    def longest_step(self, time_base: Fraction, rate: Fraction | None) -> float:
        """How many seconds may lie between two frames of such a track."""
        if self.name not in ("MP4", "MOV"):
            return math.inf
        return _LONGEST_STEP / max(_FEWEST_TICKS, self.tick(time_base, rate).denominator)


class Clock:
    """The times of frames in a container that has a clock of its own, from 0 on."""

    def __init__(self, container: Container) -> None:
        self._name, self._tick = container.name, container.time_base or Fraction(1)
        self._longest = container.longest
        self._last = -1
        self._moved = 0
        self._left_out = 0
        self._shortened = False

    def place(self, begin: Fraction, end: Fraction) -> tuple[int, int] | None:
        """Time and duration in ticks of a frame, by its times in seconds since the first one; None
        if its tick is that of the frame before."""
        first, after = round(begin / self._tick), round(end / self._tick)
        if first <= self._last:
            self._left_out += 1
            return None
        # What comes after a frame that is cut short comes earlier.
        excess = max(0, first - self._last - self._longest)
        duration = max(1, after - first)
        self._shortened |= excess > 0 or duration > self._longest
        self._moved += excess
        self._last = first
        return first - self._moved, min(duration, self._longest)

    def notes(self) -> Iterator[str]:
        """What the clock had no room for."""
        name, tick = self._name, self._tick
        if count := self._left_out:
            frames = counted(count, "frame")
            yield f"{frames} left out: {name} counts time in steps of {tick} s"
        if self._shortened:
            longest = float(self._longest * tick)
            yield f"frames cut short to {longest:g} s: {name} cannot show one for longer"


CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container(
        "MP4", (*_H26, *_AV1, "libvpx-vp9"), ("aac", "opus"), "mov_text", alpha=False
    ),
    ".mov": Container("MOV", (*_H26, "prores_ks"), ("aac",), "mov_text"),
    ".mkv": Container(
        "Matroska", (*_H26, *_AV1, "libvpx-vp9", "prores_ks", "ffv1"), ("aac", "opus"), "subrip"
    ),
    ".webm": Container("WebM", ("libvpx-vp9", *_AV1), ("opus",), "webvtt"),
    ".gif": Container("GIF", ("gif",), alpha=False, time_base=Fraction(1, 100), longest=0xFFFF),
    ".webp": Container(
        "WebP",
        ("libwebp_anim",),
        time_base=Fraction(1, 1000),
        longest=0xFFFFFF,
        options=frozen(loop="0"),
    ),
}

PICTURES = Container("a picture", ())

LONGEST_SIDES = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500, ".gif": 65_535}


@cache
def codecs_held(suffix: str) -> frozenset[str]:
    """Names of the codecs a container takes, of encoders and decoders alike."""
    with TemporaryDirectory() as folder, av.open(f"{folder}/empty{suffix}", "w") as container:
        return frozenset(container.supported_codecs)
