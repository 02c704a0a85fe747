"""What the output will be.

`plan_encoding` settles everything about the output before the first frame: what the options leave
open follows the container, and what cannot work is refused with what exists. The encoder is
opened once on trial, so that no option fails later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from av.codec.codec import find_best_pix_fmt_of_list
from av.stream import Discard

from videostyle.checks import check_one_of
from videostyle.decode.stream import open_input
from videostyle.encode.containers import (
    CONTAINERS,
    FORMATS,
    LONGEST_SIDES,
    PICTURES,
    Container,
    codecs_held,
)
from videostyle.encode.encoders import ENCODERS, Encoder, encoder_settings, is_here
from videostyle.encode.options import EncodeOptions
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.stream_plans import Holds, StreamPlan, plan_streams
from videostyle.encode.trial import streams_refused, try_encoder
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import has_alpha, output_color, working_pix_fmt
from videostyle.media.info import PICTURE_SUFFIXES, ColorSpec, MediaInfo, StreamInfo
from videostyle.media.numbered import count_numbers, is_sequence
from videostyle.media.picture import ALPHA_SUFFIXES, READ_FORMATS


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
    codecs = codecs_held(output.suffix.lower())
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
                refused=streams_refused(info, output.suffix.lower(), codecs),
                audio=next(iter(container.audio), None),
                text=container.text,
                attachments=container.name == "Matroska",
            ),
        ),
        working_pix_fmt=working,
    )
    try_encoder(plan, info, options)
    return plan


def _check_size(info: MediaInfo, output: Path) -> None:
    longest = LONGEST_SIDES.get(output.suffix.lower(), math.inf)
    if max(info.width, info.height) > longest:
        raise MediaError(
            f"{output}: {info.width}x{info.height} is too large, {output.suffix} holds {longest} "
            f"pixels a side; paint it smaller with max_size {longest} (--max-size)"
        )


def _check_ending(output: Path, kind: str, suffixes: Sequence[str]) -> None:
    if not output.suffix:
        is_folder = output.is_dir()
        what = "is a folder" if is_folder else "has no ending"
        example = (
            output / f"out{suffixes[0]}" if is_folder else f"{str(output).rstrip('.')}{suffixes[0]}"
        )
        raise UsageError(f"{output}: {what}; name a file, such as {example}")
    check_one_of(f"{output}: ending of a {kind}", output.suffix.lower(), suffixes)


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
