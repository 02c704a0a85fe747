"""What the output can be: a table of containers, a table of encoders, and the plan they make.

`plan_encoding` settles everything about the output before the first frame: what the options leave
open follows the container, and what cannot work is refused with what exists. The encoder is
opened once on trial, so that no option fails later.
"""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import av
import av.error
import av.logging
from av.codec.codec import find_best_pix_fmt_of_list
from av.codec.context import Flags, ThreadType
from av.stream import Discard, Stream
from av.video.codeccontext import VideoCodecContext

from videostyle.decode.stream import open_input
from videostyle.device import cpu_has
from videostyle.encode.options import EncodeOptions
from videostyle.encode.passthrough import Holds, StreamPlan, plan_streams
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import OUTPUT_PIX_FMTS, has_alpha, output_color, working_pix_fmt
from videostyle.media.info import PICTURE_SUFFIXES, ColorSpec, MediaInfo, StreamInfo
from videostyle.media.numbered import is_sequence
from videostyle.media.picture import ALPHA_SUFFIXES, READ_FORMATS

# SVT-AV1 writes its settings to stderr by itself; 1 leaves errors.
os.environ.setdefault("SVT_LOG", "1")

_X26_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
_QSV_PRESETS = ("veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
# Hardware takes the same samples with U and V interleaved.
_LAYOUTS = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
# Options of every encoder that `-e` may set beside the encoder's own.
_COMMON_OPTIONS = (
    *("b", "bufsize", "compression_level", "g", "global_quality", "keyint_min"),
    *("level", "maxrate", "profile", "qmax", "qmin", "refs", "slices", "threads"),
)
_FIRST_PACKETS = 1000  # of a file, among which its streams should all have begun
_REASON_SECONDS = 60  # for a process to start and open an encoder


def _frozen(**settings: str) -> Mapping[str, str]:
    return MappingProxyType({key.replace("_", "-"): value for key, value in settings.items()})


@dataclass(frozen=True, slots=True)
class Encoder:
    """Facts about one encoder.

    pix_fmts: what it takes; the first is the default, or, where `faithful`, the one that loses
    least of the input. crf: the values it takes, none if it has no such scale; crf_option and
    preset_option: what the encoder calls them. settings: always set, unless `-e` says otherwise.
    matrix, full_range: colour the format has whatever the input's; None is the input's own.
    """

    pix_fmts: tuple[str, ...] = ("yuv420p",)
    crf: range = range(0)
    default_crf: int | None = None
    crf_option: str = "crf"
    presets: tuple[str, ...] = ()
    default_preset: str | None = None
    preset_option: str = "preset"
    settings: Mapping[str, str] = field(default_factory=_frozen)
    faithful: bool = False
    hardware: bool = False
    matrix: int | None = None
    full_range: bool | None = None


def _nvenc(*pix_fmts: str, highest_crf: int = 51) -> Encoder:
    return Encoder(
        pix_fmts=pix_fmts,
        crf=range(1, highest_crf + 1),
        default_crf=24,
        crf_option="cq",
        presets=tuple(f"p{number}" for number in range(1, 8)),
        default_preset="p4",
        settings=_frozen(rc="vbr", b="0"),
        hardware=True,
    )


def _qsv(*pix_fmts: str) -> Encoder:
    return Encoder(
        pix_fmts=pix_fmts,
        crf=range(1, 52),
        default_crf=24,
        crf_option="global_quality",
        presets=_QSV_PRESETS,
        default_preset="faster",
        hardware=True,
    )


# Painted frames are full of texture, so slow presets cost more than on camera pictures. The crf
# defaults give about one quality (38 dB on painted frames); docs/output.md has the numbers.
ENCODERS: Mapping[str, Encoder] = {
    "libx264": Encoder(
        OUTPUT_PIX_FMTS, range(52), 20, presets=_X26_PRESETS, default_preset="veryfast"
    ),
    "libx265": Encoder(
        OUTPUT_PIX_FMTS,
        range(52),
        24,
        presets=_X26_PRESETS,
        default_preset="veryfast",
        settings=_frozen(x265_params="log-level=none"),  # it would write to stderr by itself
    ),
    "libsvtav1": Encoder(
        ("yuv420p", "yuv420p10le"),
        range(1, 64),
        28,
        presets=tuple(map(str, range(14))),
        default_preset="10",
    ),
    "libvpx-vp9": Encoder(
        ("yuv420p", "yuv422p", "yuv444p", "yuva420p"),
        range(64),
        26,
        presets=tuple(map(str, range(9))),
        default_preset="6",
        preset_option="cpu-used",
        # On painted frames `good` is eight times slower and a tenth smaller. Frames that are not
        # shown, which alt-ref adds, cannot carry alpha.
        settings=_frozen(deadline="realtime", row_mt="1", auto_alt_ref="0"),
    ),
    "prores_ks": Encoder(
        ("yuv422p10le", "yuv444p10le", "yuva444p10le"), faithful=True, full_range=False
    ),
    "ffv1": Encoder(
        (*OUTPUT_PIX_FMTS, "yuva420p", "yuva444p", "yuva444p10le"),
        settings=_frozen(level="3", slicecrc="1"),
        faithful=True,
    ),
    "gif": Encoder(("pal8",)),
    "libwebp_anim": Encoder(
        ("yuv420p", "yuva420p"), settings=_frozen(quality="85"), matrix=6, full_range=False
    ),
    "h264_nvenc": _nvenc("yuv420p", "yuv444p"),
    "hevc_nvenc": _nvenc("yuv420p", "yuv420p10le", "yuv444p"),
    "av1_nvenc": _nvenc("yuv420p", "yuv420p10le", highest_crf=63),
    "h264_qsv": _qsv("yuv420p"),
    "hevc_qsv": _qsv("yuv420p", "yuv420p10le"),
    "av1_qsv": _qsv("yuv420p", "yuv420p10le"),
}
_H26 = ("libx264", "libx265", "h264_nvenc", "hevc_nvenc", "h264_qsv", "hevc_qsv")
_AV1 = ("libsvtav1", "av1_nvenc", "av1_qsv")
# What people call a format, and the encoder that makes it.
_FORMATS: Mapping[str, tuple[str, str]] = {
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
    options: Mapping[str, str] = field(default_factory=_frozen)

    def keeps_aspect(self, codec: str) -> bool:
        """Whether pixels stay as wide as they are, by FFmpeg's name of the codec. Matroska's own
        field for it is not to be reached; the bitstream of H.264 and H.265 has one."""
        if self.name in ("Matroska", "WebM"):
            return codec in ("h264", "hevc")
        return self.time_base is None


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
        if self._left_out:
            yield f"{self._left_out} frames left out: {name} counts time in steps of {tick} s"
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
        options=_frozen(loop="0"),
    ),
}
PICTURES = Container("a picture", ())
_LONGEST_SIDES = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500, ".gif": 65_535}


@dataclass(frozen=True, slots=True)
class EncodingPlan:
    """Everything about an output that is known before its first frame.

    codec: the encoder, or None for pictures. pix_fmt: of the file. settings: the encoder's
    options. streams: what becomes of those beside the main video.
    """

    container: Container
    codec: str | None
    pix_fmt: str
    color: ColorSpec
    settings: Mapping[str, str]
    streams: tuple[StreamPlan, ...]
    working_pix_fmt: str

    @property
    def codec_tag(self) -> str | None:
        """What the container is to call the codec, None if it knows best."""
        if self.codec is None or self.container.name not in ("MP4", "MOV"):
            return None
        # Apple's players know HEVC only by this name.
        return "hvc1" if av.Codec(self.codec, "w").canonical_name == "hevc" else None

    @property
    def joins_segments(self) -> bool:
        """Whether an output can be put together from pieces, which are NUT files: not pictures, not
        a container with a clock of its own, nor what NUT does not know (ProRes) or drops (the alpha
        of VP9)."""
        if self.codec is None or self.container.time_base is not None:
            return False
        codec = av.Codec(self.codec, "w").canonical_name
        return codec in _codecs_held(".nut") and not (codec == "vp9" and self.keeps_alpha)

    @property
    def keeps_alpha(self) -> bool:
        return has_alpha(self.pix_fmt)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "container": self.container.name,
            "codec": self.codec,
            "pix_fmt": self.pix_fmt,
            "settings": dict(self.settings),
            "streams": [stream.to_dict() for stream in self.streams],
        }

    def encoder_options(self) -> dict[str, str]:
        """The settings, with what makes the encoder repeatable on this machine."""
        settings = dict(self.settings)
        if self.codec == "libx264" and cpu_has("avx512bw"):
            # x264's AVX-512 code for mbtree reads past the end of a row of macroblocks, so equal
            # frames come out differently once in some hundred times. AVX2 is as fast.
            given = settings.get("x264-params")
            settings["x264-params"] = f"asm=AVX2:{given}" if given else "asm=AVX2"
        return settings

    def configure(self, context: VideoCodecContext, info: MediaInfo) -> None:
        """Set everything but the options on an encoder that is not open yet."""
        assert self.codec is not None
        chroma = av.VideoFormat(self.pix_fmt, 2, 2)
        context.width = info.width + (info.width % 2 if chroma.chroma_width() == 1 else 0)
        context.height = info.height + (info.height % 2 if chroma.chroma_height() == 1 else 0)
        taken = {format.name for format in context.codec.video_formats or ()}
        context.pix_fmt = self.pix_fmt if self.pix_fmt in taken else _LAYOUTS[self.pix_fmt]
        context.time_base = self.container.time_base or info.time_base
        if info.sample_aspect_ratio and not self.container.time_base:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        # MP4 gets the length of a variable-rate track wrong with B-frames or without durations,
        # and that the rate is constant is only known at the end.
        context.max_b_frames = 0
        context.flags |= Flags.frame_duration
        context.thread_type = ThreadType.AUTO  # as many threads as cores
        context.colorspace, context.color_range = (
            self.color.matrix,
            2 if self.color.full_range else 1,
        )
        context.color_primaries, context.color_trc = self.color.primaries, self.color.transfer


def plan_encoding(info: MediaInfo, output: Path, options: EncodeOptions) -> EncodingPlan:
    """Settle what the options leave open, and try the encoder.

    Raises UsageError for options that do not exist or do not fit each other, MediaError for a
    frame size the encoder or the format does not take.
    """
    _check_size(info, output)
    if info.is_image:
        _check_ending(output, "picture", PICTURE_SUFFIXES)
        return _pictures(info, "rgb24", output_color(info))
    if is_sequence(output):
        return _plan_sequence(info, output, options)
    if output.suffix.lower() in PICTURE_SUFFIXES and output.suffix.lower() != ".webp":
        stem = output.stem.partition("%")[0].rstrip("_") or "frame"
        raise UsageError(
            f"{output}: is one picture, but {info.path} is read as a video, as all is that is no "
            f"{', '.join(READ_FORMATS)}; for a picture of every frame put a number into the name, "
            f"such as {stem}_%05d{output.suffix}"
        )
    _check_ending(output, "video", tuple(CONTAINERS))
    container = CONTAINERS[output.suffix.lower()]
    codec = options.codec or container.codecs[0]
    if codec.lower() in _FORMATS:
        name, encoder_name = _FORMATS[codec.lower()]
        raise UsageError(f"{codec} is no encoder; for {name} use {encoder_name}")
    if codec not in container.codecs:
        have = [name for name in container.codecs if _is_here(name)]
        raise UsageError(
            f"{output}: {container.name} cannot hold codec {codec!r} (have: {', '.join(have)})"
        )
    audio = ("copy", *container.audio, "none")
    _check_one_of(f"audio in {container.name}", options.audio, audio)
    encoder = ENCODERS[codec]
    pix_fmt = _choose_pix_fmt(codec, container, info, options.pix_fmt)
    working = working_pix_fmt(pix_fmt)
    codecs = _codecs_held(output.suffix.lower())
    plan = EncodingPlan(
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        color=_color(info, encoder, working),
        settings=_settings(codec, options),
        streams=plan_streams(
            _without_chapters(info),
            options.audio,
            Holds(
                codecs=codecs,
                refused=_refused(info, output.suffix.lower(), codecs),
                audio=next(iter(container.audio), None),
                text=container.text,
                attachments=container.name == "Matroska",
            ),
        ),
        working_pix_fmt=working,
    )
    _try(plan, info, options)
    return plan


@cache
def _codecs_held(suffix: str) -> frozenset[str]:
    """Names of the codecs a container takes, of encoders and decoders alike."""
    with TemporaryDirectory() as folder, av.open(f"{folder}/empty{suffix}", "w") as container:
        return frozenset(container.supported_codecs)


def _without_chapters(info: MediaInfo) -> list[StreamInfo]:
    """The other streams but those in which MP4 and MOV keep their chapters, which are copied as
    chapters."""
    if not info.streams("data"):
        return list(info.other_streams)
    with open_input(info.path) as source:
        return [
            stream
            for stream in info.other_streams
            if stream.kind != "data" or source.streams[stream.index].discard != Discard.all
        ]


def _refused(info: MediaInfo, suffix: str, codecs: frozenset[str]) -> frozenset[int]:
    """Indices of streams that a container does not take although it takes their codec: sound whose
    channels have no layout, or that only its newer relative knows. Known by trying."""
    tried = {
        stream.index
        for stream in info.other_streams
        if stream.codec in codecs and stream.kind in ("audio", "subtitle")
    }
    if not tried:
        return frozenset()
    with open_input(info.path) as source:
        firsts: dict[int, av.Packet[Stream]] = {}
        # IndexError: PyAV's, at the end of a file in which streams appeared on the way.
        with suppress(av.FFmpegError, IndexError):
            for packet in islice(source.demux(), _FIRST_PACKETS):
                if packet.size:
                    firsts.setdefault(packet.stream.index, packet)
                if tried <= firsts.keys():
                    break
        return frozenset(
            index
            for index in tried
            if not _is_taken(source.streams[index], firsts.get(index), suffix)
        )


def _is_taken(stream: Stream, packet: av.Packet[Stream] | None, suffix: str) -> bool:
    """Whether a container takes a stream; MP4 says no when it is closed, of one with packets."""
    with TemporaryDirectory() as folder:
        try:
            with av.open(f"{folder}/trial{suffix}", "w") as container:
                target = container.add_stream_from_template(stream)
                container.start_encoding()
                if packet:
                    packet.stream, packet.pts, packet.dts = target, 0, 0
                    container.mux(packet)
        except av.FFmpegError:
            return False
    return True


def _pictures(info: MediaInfo, pix_fmt: str, color: ColorSpec) -> EncodingPlan:
    streams = tuple(
        StreamPlan(stream, "leave out", reason="pictures cannot hold it")
        for stream in info.other_streams
    )
    return EncodingPlan(PICTURES, None, pix_fmt, color, {}, streams, "rgb24")


def _plan_sequence(info: MediaInfo, output: Path, options: EncodeOptions) -> EncodingPlan:
    given = {
        "codec": options.codec,
        "crf": options.crf,
        "preset": options.preset,
        "pix-fmt": options.pix_fmt,
        "audio": None if options.audio in ("copy", "none") else options.audio,
    }
    for flag in [f"--{name}" for name in given if given[name] is not None]:
        raise UsageError(f"{output}: pictures have no {flag}; leave it out")
    if options.encoder_options:
        raise UsageError(f"{output}: pictures have no encoder options; leave -e out")
    keeps_alpha = has_alpha(info.pix_fmt) and output.suffix.lower() in ALPHA_SUFFIXES
    return _pictures(info, "rgba" if keeps_alpha else "rgb24", _rgb(info.color))


def _rgb(color: ColorSpec) -> ColorSpec:
    return replace(color, matrix=0, full_range=True)


def _color(info: MediaInfo, encoder: Encoder, working: str) -> ColorSpec:
    color = output_color(info)
    if working == "rgb24":
        return _rgb(color)
    return replace(
        color,
        matrix=color.matrix if encoder.matrix is None else encoder.matrix,
        full_range=color.full_range if encoder.full_range is None else encoder.full_range,
    )


def _choose_pix_fmt(codec: str, container: Container, info: MediaInfo, asked: str | None) -> str:
    encoder = ENCODERS[codec]
    allowed = [name for name in encoder.pix_fmts if container.alpha or not has_alpha(name)]
    if asked is not None:
        _check_one_of(f"pixel format of {codec} in {container.name}", asked, allowed)
        return asked
    alpha = has_alpha(info.pix_fmt)
    found = [name for name in allowed if has_alpha(name) == alpha] or allowed
    if encoder.faithful:
        best, _ = find_best_pix_fmt_of_list(found, info.pix_fmt, alpha)
        return best.name if best else found[0]
    if info.color.is_hdr:  # eight bits are too few for it
        found = [name for name in found if name.endswith("10le")] or found
    return found[0]


def _settings(codec: str, options: EncodeOptions) -> dict[str, str]:
    """The encoder's options. Raises UsageError for values it does not have."""
    encoder = ENCODERS[codec]
    settings = dict(encoder.settings)
    if encoder.crf:
        crf = encoder.default_crf if options.crf is None else options.crf
        if crf not in encoder.crf:
            low, high = encoder.crf[0], encoder.crf[-1]
            raise UsageError(f"crf is {crf}; {codec} takes {low} (best) to {high}")
        # Beside a crf a bitrate counts for nothing.
        if "b" not in options.encoder_options:
            settings[encoder.crf_option] = str(crf)
    elif options.crf is not None:
        raise UsageError(f"{codec} has no crf; leave it out (docs/output.md says what it has)")
    if encoder.presets:
        preset = options.preset or encoder.default_preset or ""
        _check_one_of(f"preset of {codec}", preset, encoder.presets)
        settings[encoder.preset_option] = preset
    elif options.preset is not None:
        raise UsageError(f"{codec} has no presets; leave --preset out")
    return settings | _checked(codec, encoder, options)


def _checked(codec: str, encoder: Encoder, options: EncodeOptions) -> dict[str, str]:
    given = options.encoder_options
    if not given:
        return {}
    own = {option.name for option in _context(codec).supported_options.private}
    flags = {encoder.crf_option: "--crf"} if encoder.crf else {}
    flags |= {encoder.preset_option: "--preset"} if encoder.presets else {}
    known = sorted((own | set(_COMMON_OPTIONS)) - set(flags))
    for name in given:
        if name in flags:
            raise UsageError(f"-e {name}: is set by {flags[name]}; use that")
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"{codec} has no option {name!r}; {hint}(have: {', '.join(known)})")
        if name.endswith(("-params", "opts")) and "bframes" in given[name]:
            raise UsageError(f"-e {name}: leave bframes out; frames are written in their order")
    if "b" in given and options.crf is not None:
        raise UsageError("-e b: a bitrate and --crf exclude each other; leave one out")
    # What the table sets in a list of its own stays in it.
    return {
        name: f"{encoder.settings[name]}:{value}"
        if name.endswith("-params") and name in encoder.settings
        else value
        for name, value in given.items()
    }


def _context(codec: str) -> VideoCodecContext:
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    return context


def _is_here(codec: str) -> bool:
    """Whether this machine has what the encoder needs."""
    encoder = ENCODERS[codec]
    if not encoder.hardware:
        return True
    context = _context(codec)
    context.width, context.height, context.time_base = 640, 360, Fraction(1, 25)
    context.pix_fmt = _LAYOUTS["yuv420p"]
    return _opens(context)


def open_encoder(context: VideoCodecContext) -> None:
    """Open an encoder, and let no thread come out of it with another priority than it had.

    SVT-AV1 run by root makes its threads and the one that opens it real-time threads: the painting,
    whatever the process starts and the rest of the machine would wait for them, and may do so for
    ever. Raises av.FFmpegError.
    """
    if sys.platform != "linux":
        context.open()
        return
    policy, param, before = os.sched_getscheduler(0), os.sched_getparam(0), _threads()
    try:
        context.open()
    finally:
        for thread in {threading.get_native_id(), *(_threads() - before)}:
            with suppress(ProcessLookupError):  # ended meanwhile
                os.sched_setscheduler(thread, policy, param)


def _threads() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


def _opens(context: VideoCodecContext) -> bool:
    try:
        open_encoder(context)
    except av.FFmpegError:
        return False
    return True


def _trial(plan: EncodingPlan, info: MediaInfo) -> VideoCodecContext:
    """The encoder, ready to be opened as the run will."""
    assert plan.codec is not None
    context = _context(plan.codec)
    plan.configure(context, info)
    context.framerate = info.frame_rate or Fraction(25)
    context.options = dict(plan.settings)
    return context


def _try(plan: EncodingPlan, info: MediaInfo, options: EncodeOptions) -> None:
    assert plan.codec is not None
    try:
        open_encoder(_trial(plan, info))
        return
    except av.FFmpegError as error:
        why = _reason(plan, info) or error.strerror or str(error)
    if not _is_here(plan.codec):
        have = [name for name in plan.container.codecs if _is_here(name)]
        raise UsageError(
            f"codec {plan.codec} cannot be opened on this machine: {why} (have: {', '.join(have)})"
        )
    what = f"{plan.codec} does not take"
    if options.encoder_options:
        given = " ".join(f"-e {key}={value}" for key, value in options.encoder_options.items())
        raise UsageError(f"{what} {given}: {why}")
    rate = f" at {float(info.frame_rate):g} frames/s" if info.frame_rate else ""
    raise MediaError(f"{info.path}: {what} {info.width}x{info.height}{rate}: {why}")


def _reason(plan: EncodingPlan, info: MediaInfo) -> str:
    """Why the encoder cannot be opened, in FFmpeg's words, if a process of its own can tell.

    FFmpeg has one log. While it is listened to, its threads wait for Python's lock with every line,
    also those of a decoder that another thread closes with that lock in its hands.
    """
    if not sys.executable:  # inside another program
        return ""
    # Read-only mappings cannot be pickled; the muxer has no part in this.
    plan = replace(plan, container=replace(plan.container, options={}))
    try:
        return subprocess.run(
            [
                sys.executable,
                "-Pc",
                "from videostyle.encode.encoders import tell_reason; tell_reason()",
            ],
            input=pickle.dumps((plan, info)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
            timeout=_REASON_SECONDS,
            check=True,
        ).stdout.decode()
    except (OSError, subprocess.SubprocessError):
        return ""


def tell_reason() -> None:
    """The process of `_reason`: a plan and facts in, pickled, on stdin; words out on stdout."""
    context = _trial(*pickle.load(sys.stdin.buffer))
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as log, suppress(av.FFmpegError):
        context.open()
    if log:
        sys.stdout.buffer.write(log[0][2].strip().rstrip(".").encode())


def _check_ending(output: Path, kind: str, suffixes: Sequence[str]) -> None:
    if not output.suffix:
        is_folder = output.is_dir()
        what = "is a folder" if is_folder else "has no ending"
        example = (
            output / f"out{suffixes[0]}" if is_folder else f"{str(output).rstrip('.')}{suffixes[0]}"
        )
        raise UsageError(f"{output}: {what}; name a file, such as {example}")
    _check_one_of(f"{output}: ending of a {kind}", output.suffix.lower(), suffixes)


def _check_size(info: MediaInfo, output: Path) -> None:
    longest = _LONGEST_SIDES.get(output.suffix.lower(), math.inf)
    if max(info.width, info.height) > longest:
        raise MediaError(
            f"{output}: {info.width}x{info.height} is too large, {output.suffix} holds {longest} "
            f"pixels a side; paint it smaller with --max-size {longest}"
        )


def _check_one_of(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise UsageError(f"{what} is {value!r}; it must be one of {', '.join(allowed)}")
