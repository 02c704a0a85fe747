"""What is known only by trying: whether an encoder opens, which streams a container takes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from tempfile import TemporaryDirectory

import av
import av.error
import av.logging
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from videostyle.decode.stream import open_input, packets_of
from videostyle.encode.encoders import encoder_context, is_here, open_encoder
from videostyle.encode.options import EncodeOptions
from videostyle.encode.plan import EncodingPlan
from videostyle.errors import MediaError, UsageError
from videostyle.media.info import MediaInfo

_FIRST_PACKETS = 1000  # of a file, among which its streams should all have begun

# At so few pixels beside more than so many SVT-AV1 waits for itself for ever, in any preset.
_SVT_STRIP = (24, 64)
_X265_LEAST = 49  # pixels a line; of fewer it writes past the end of its memory, and crashes
_SVT_LEAST = 4  # pixels a side; of fewer it writes to stderr by itself
# What libx264, libx265 and libsvtav1 say of an option inside a list, which they then leave out.
_LEFT_OUT = ("Error parsing option", "Unknown option", "Invalid value for")
_REASON_SECONDS = 60  # for a process to start and open an encoder


def try_encoder(plan: EncodingPlan, info: MediaInfo, options: EncodeOptions) -> None:
    """Open the encoder as the run will, with the options that a user gave.

    Raises MediaError for a frame size or rate that it does not take, UsageError for options it
    does not take and for an encoder that is not here.
    """
    assert plan.codec is not None
    context = _trial(plan, info)
    short, long = sorted((context.width, context.height))
    if plan.codec == "libx265" and context.width < _X265_LEAST:
        raise MediaError(
            f"{info.path}: {info.width}x{info.height} is too narrow for libx265, which takes lines "
            f"of {_X265_LEAST} pixels or more; choose another codec, such as libx264"
        )
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


def _trial(plan: EncodingPlan, info: MediaInfo) -> VideoCodecContext:
    """The encoder, ready to be opened as the run will."""
    assert plan.codec is not None
    context = encoder_context(plan.codec)
    plan.configure(context, info)
    context.framerate = info.frame_rate or Fraction(25)
    context.options = dict(plan.settings)
    return context


def _reason(plan: EncodingPlan, info: MediaInfo) -> str:
    """Why the encoder cannot be opened, or what it leaves out, in FFmpeg's words, if a process of
    its own can tell.

    FFmpeg has one log. While it is listened to, its threads wait for Python's lock with every line,
    also those of a decoder that another thread closes with that lock in its hands.
    """
    if not sys.executable:  # inside another program
        return ""
    try:
        return subprocess.run(
            [
                sys.executable,
                "-Pc",
                "from videostyle.encode.trial import tell_reason; tell_reason()",
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


def streams_refused(info: MediaInfo, suffix: str, codecs: frozenset[str]) -> frozenset[int]:
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
