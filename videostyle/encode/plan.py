"""What the output will be.

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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import av.error
import av.logging
from av.codec.codec import find_best_pix_fmt_of_list
from av.codec.context import Flags, ThreadType
from av.stream import Discard, Stream
from av.video.codeccontext import VideoCodecContext

from videostyle.checks import check_one_of
from videostyle.decode.stream import open_input, packets_of
from videostyle.device import cpu_has
from videostyle.encode.containers import CONTAINERS, FORMATS, LONGEST_SIDES, PICTURES, Container
from videostyle.encode.encoders import (
    ENCODERS,
    LAYOUTS,
    Encoder,
    encoder_context,
    encoder_settings,
    is_here,
    open_encoder,
)
from videostyle.encode.options import EncodeOptions
from videostyle.encode.stream_plans import Holds, StreamPlan, plan_streams
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import has_alpha, output_color, working_pix_fmt
from videostyle.media.info import PICTURE_SUFFIXES, ColorSpec, MediaInfo, StreamInfo
from videostyle.media.numbered import count_numbers, is_sequence
from videostyle.media.picture import ALPHA_SUFFIXES, READ_FORMATS

_FIRST_PACKETS = 1000  # of a file, among which its streams should all have begun

# At so few pixels beside more than so many SVT-AV1 waits for itself for ever, in any preset.
_SVT_STRIP = (24, 64)
_SVT_LEAST = 4  # pixels a side; of fewer it writes to stderr by itself
# What libx264, libx265 and libsvtav1 say of an option inside a list, which they then leave out.
_LEFT_OUT = ("Error parsing option", "Unknown option", "Invalid value for")
_REASON_SECONDS = 60  # for a process to start and open an encoder


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

    @property
    def keeps_captions(self) -> bool:
        """Whether closed captions stay in the pictures."""
        if self.codec is None:
            return False
        private = encoder_context(self.codec).supported_options.private
        return any(option.name == "a53cc" for option in private)

    @property
    def alpha_elsewhere(self) -> str:
        """What would keep an alpha that this output does not."""
        if self.codec is None:
            return "PNG, WebP and TIFF keep it"
        keep = {
            codec: [name for name in ENCODERS[codec].pix_fmts if has_alpha(name)]
            for codec in self.container.codecs
            if self.container.alpha
        }
        if formats := keep.get(self.codec):
            return f"pix_fmt {formats[0]} (--pix-fmt) keeps it"
        if codecs := [codec for codec, formats in keep.items() if formats]:
            return f"codec {' or '.join(codecs)} (--codec) keeps it"
        return "an output ending in .webm or .webp keeps it"

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
        context.pix_fmt = self.pix_fmt if self.pix_fmt in taken else LAYOUTS[self.pix_fmt]
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
        need = "leave one number in" if count_numbers(output) else "put a number into"
        raise UsageError(
            f"{output}: is one picture, but {info.path} is read as a video, as all is that moves "
            f"or is no {', '.join(READ_FORMATS)}; for a picture of every frame {need} the name, "
            f"such as {stem}_%05d{output.suffix}"
        )
    _check_ending(output, "video", tuple(CONTAINERS))
    container = CONTAINERS[output.suffix.lower()]
    codec = options.codec or container.codecs[0]
    if codec.lower() in FORMATS:
        name, encoder_name = FORMATS[codec.lower()]
        raise UsageError(f"{codec} is no encoder; for {name} use {encoder_name}")
    if codec not in container.codecs:
        have = [name for name in container.codecs if is_here(name)]
        raise UsageError(
            f"{output}: {container.name} cannot hold codec {codec!r} (have: {', '.join(have)})"
        )
    audio = ("copy", *container.audio, "none")
    check_one_of(f"audio in {container.name}", options.audio, audio)
    encoder = ENCODERS[codec]
    pix_fmt = _choose_pix_fmt(codec, container, info, options.pix_fmt)
    working = working_pix_fmt(pix_fmt)
    codecs = _codecs_held(output.suffix.lower())
    plan = EncodingPlan(
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        color=_color(info, encoder, working),
        settings=encoder_settings(codec, options),
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
        with suppress(av.FFmpegError):
            for packet in islice(packets_of(source, source.streams), _FIRST_PACKETS):
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
        "pixel format": options.pix_fmt,
        "audio": None if options.audio in ("copy", "none") else options.audio,
    }
    for name in (name for name, value in given.items() if value is not None):
        raise UsageError(f"{output}: pictures have no {name}; leave it out")
    if options.encoder_options:
        raise UsageError(f"{output}: pictures have no encoder options; leave them out")
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
        check_one_of(f"pixel format of {codec} in {container.name}", asked, allowed)
        return asked
    alpha = has_alpha(info.pix_fmt)
    found = [name for name in allowed if has_alpha(name) == alpha] or allowed
    if encoder.faithful:
        best, _ = find_best_pix_fmt_of_list(found, info.pix_fmt, alpha)
        return best.name if best else found[0]
    if info.color.is_hdr:  # eight bits are too few for it
        found = [name for name in found if name.endswith("10le")] or found
    return found[0]


def _trial(plan: EncodingPlan, info: MediaInfo) -> VideoCodecContext:
    """The encoder, ready to be opened as the run will."""
    assert plan.codec is not None
    context = encoder_context(plan.codec)
    plan.configure(context, info)
    context.framerate = info.frame_rate or Fraction(25)
    context.options = dict(plan.settings)
    return context


def _try(plan: EncodingPlan, info: MediaInfo, options: EncodeOptions) -> None:
    assert plan.codec is not None
    context = _trial(plan, info)
    short, long = sorted((context.width, context.height))
    if plan.codec == "libsvtav1" and short < _SVT_LEAST:
        raise MediaError(
            f"{info.path}: {info.width}x{info.height} is too small for libsvtav1, which takes "
            f"{_SVT_LEAST} pixels a side or more; choose another codec, such as "
            f"{plan.container.codecs[0]}"
        )
    if plan.codec == "libsvtav1" and short <= _SVT_STRIP[0] and long > _SVT_STRIP[1]:
        raise MediaError(
            f"{info.path}: {info.width}x{info.height} is too narrow for libsvtav1, which takes at "
            f"most {_SVT_STRIP[1]} pixels beside a side of {_SVT_STRIP[0]} or fewer; choose "
            f"another codec, such as {plan.container.codecs[0]}"
        )
    try:
        open_encoder(context)
    except av.FFmpegError as error:
        why = _reason(plan, info) or error.strerror or str(error)
    else:
        # Of what such a list does not know, an encoder only says so, and goes on without.
        has_list = any(name.endswith("-params") for name in options.encoder_options)
        why = _reason(plan, info) if has_list else ""
        if not why:
            return
    if not is_here(plan.codec):
        have = [name for name in plan.container.codecs if is_here(name)]
        raise UsageError(
            f"codec {plan.codec} cannot be opened on this machine: {why} (have: {', '.join(have)})"
        )
    what = f"{plan.codec} does not take"
    if options.encoder_options:
        given = " ".join(f"{key}={value}" for key, value in options.encoder_options.items())
        raise UsageError(f"{what} {given}: {why}")
    rate = f" at {float(info.frame_rate):g} frames/s" if info.frame_rate else ""
    raise MediaError(f"{info.path}: {what} {info.width}x{info.height}{rate}: {why}")


def _reason(plan: EncodingPlan, info: MediaInfo) -> str:
    """Why the encoder cannot be opened, or what it leaves out, in FFmpeg's words, if a process of
    its own can tell.

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
                "from videostyle.encode.plan import tell_reason; tell_reason()",
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
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture() as log, suppress(av.FFmpegError):
        context.open()
    for level, _, words in log:
        if level <= av.logging.ERROR or words.startswith(_LEFT_OUT):
            sys.stdout.buffer.write(words.strip().rstrip(".").encode())
            return


def _check_ending(output: Path, kind: str, suffixes: Sequence[str]) -> None:
    if not output.suffix:
        is_folder = output.is_dir()
        what = "is a folder" if is_folder else "has no ending"
        example = (
            output / f"out{suffixes[0]}" if is_folder else f"{str(output).rstrip('.')}{suffixes[0]}"
        )
        raise UsageError(f"{output}: {what}; name a file, such as {example}")
    check_one_of(f"{output}: ending of a {kind}", output.suffix.lower(), suffixes)


def _check_size(info: MediaInfo, output: Path) -> None:
    longest = LONGEST_SIDES.get(output.suffix.lower(), math.inf)
    if max(info.width, info.height) > longest:
        raise MediaError(
            f"{output}: {info.width}x{info.height} is too large, {output.suffix} holds {longest} "
            f"pixels a side; paint it smaller with max_size {longest} (--max-size)"
        )
