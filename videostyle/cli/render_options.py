"""What `videostyle render` takes, and what its words mean."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import (
    MIX_FORM,
    add_engine,
    add_model,
    frame_rate,
    named_path,
    positive,
)
from videostyle.encode.options import AUDIO, EncodeOptions
from videostyle.encode.segments import LEAST_SEGMENT_SECONDS, SEGMENT_SECONDS
from videostyle.errors import UsageError
from videostyle.look import ORIGINAL, SCALARS, Look
from videostyle.media.numbered import is_sequence_input
from videostyle.rendering.choices import BARS, HDR, HWACCEL

if TYPE_CHECKING:
    from videostyle.timeline.document import TimelineDocument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all that `videostyle render` takes."""
    parser.add_argument(
        "inputs",
        nargs="+",
        type=named_path,
        metavar="INPUT",
        help="files, folders, quoted patterns ('clips/*.mp4') or numbered pictures "
        "(frames/%%05d.png)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_output_name,
        required=True,
        help="file, folder or template such as out/{folder}/{stem}_{timeline}.mp4; "
        "out/frame_%%05d.png is a picture of every frame",
    )
    look = parser.add_mutually_exclusive_group(required=True)
    look.add_argument("-t", "--timeline", type=named_path, help="a timeline (YAML)")
    look.add_argument("--style", metavar="NAME", help="one style throughout")
    look.add_argument("--mix", metavar="A=1,B=3", help="one mixture throughout")
    parser.add_argument("--strength", type=float, help="0 (original) to 1; with --style or --mix")
    parser.add_argument("--keep-color", type=float, help="0 to 1 (the original's colours)")
    parser.add_argument(
        "--stroke", type=float, help="stroke size (1: as in a picture of 512 lines)"
    )
    parser.add_argument(
        "--max-size", type=positive, metavar="PIXELS", help="scale so that no side is longer"
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="paint from here on, as a timeline writes times: 12.5s, 01:30, 00:01:30:12, 120f, "
        "50%%, -2s; the timeline keeps the input's clock, so a part looks as in the whole",
    )
    parser.add_argument("--end", metavar="TIME", help="paint up to here, without this frame")
    parser.add_argument(
        "--fps",
        type=frame_rate,
        metavar="RATE",
        help="frames a second of numbered pictures (default: 25)",
    )
    parser.add_argument(
        "--segment-seconds",
        type=_piece_seconds,
        metavar="S",
        default=SEGMENT_SECONDS,
        help="a longer video is painted in pieces of so many seconds; interrupted, the same "
        "command goes on after the last whole one (default: %(default)g)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        default=1,
        help="paint N pieces at the same time, each in a process of its own: on a GPU of its own, "
        "or with its part of the CPU threads (default: 1)",
    )
    parser.add_argument(
        "--hdr",
        choices=HDR,
        default="refuse",
        help="what becomes of HDR video (PQ, HLG): made SDR, or painted as if it were "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--hwaccel",
        choices=HWACCEL,
        default="none",
        help="cuda: an NVIDIA GPU decodes what it can (default: %(default)s)",
    )
    parser.add_argument(
        "--bars",
        choices=BARS,
        default="auto",
        help="none: paint the black bars of a film too (default: %(default)s, leave them black)",
    )
    parser.add_argument(
        "--mask",
        type=named_path,
        metavar="FILE",
        help="paint where this video or picture is white, leave what is black as it was",
    )
    parser.add_argument(
        "--invert-mask", action="store_true", help="paint where the mask is black instead"
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first damage instead of skipping it"
    )
    parser.add_argument(
        "--no-stabilize",
        dest="stabilize",
        action="store_false",
        help="paint every frame for itself, also where the picture stands still",
    )
    add_model(parser)
    add_engine(parser)
    _add_output(parser)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("-y", "--yes", action="store_true", help="overwrite existing outputs")
    existing.add_argument("-n", "--no", action="store_true", help="skip what has an output already")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout, and no progress"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that `_encode_options` reads."""
    group = parser.add_argument_group("output", "docs/output.md says what each container holds.")
    chosen = "(default: by the container)"
    group.add_argument("--codec", help=f"video encoder {chosen}")
    group.add_argument("--crf", type=int, help=f"quality: lower is better and larger {chosen}")
    group.add_argument("--preset", help=f"encoder speed against file size {chosen}")
    group.add_argument("--pix-fmt", help=f"pixel format of the output {chosen}")
    group.add_argument(
        "--audio", choices=AUDIO, default="copy", help="audio streams (default: %(default)s)"
    )
    group.add_argument(
        "-e",
        dest="encoder_options",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="an option of the encoder, as FFmpeg names it; may be repeated",
    )


def _output_name(text: str) -> str:
    """A name as it was written, for argparse: a slash at its end makes it a folder."""
    named_path(text)
    return text


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: write KEY=VALUE")
    return key, value


def _piece_seconds(text: str) -> float:
    """The length of a piece, for argparse."""
    with suppress(ValueError):
        if LEAST_SEGMENT_SECONDS <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write seconds, at least {LEAST_SEGMENT_SECONDS:g}")


def render_settings(source: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What `render` and `describe` take alike."""
    return {
        "options": _encode_options(arguments),
        "max_size": arguments.max_size,
        "start": arguments.start,
        "end": arguments.end,
        "hdr": arguments.hdr,
        "fps": arguments.fps if is_sequence_input(source) else None,
        "bars": arguments.bars,
        "mask": arguments.mask,
        "invert_mask": arguments.invert_mask,
    }


def _encode_options(arguments: argparse.Namespace) -> EncodeOptions:
    return EncodeOptions(
        codec=arguments.codec,
        crf=arguments.crf,
        preset=arguments.preset,
        pix_fmt=arguments.pix_fmt,
        audio=arguments.audio,
        encoder_options=dict(arguments.encoder_options),
    )


def read_looks(arguments: argparse.Namespace) -> TimelineDocument | Look:
    from videostyle.network.model_card import DEFAULT_MODEL, read_model_card

    card = read_model_card(arguments.model)
    tracks = {
        track: getattr(arguments, track)
        for track in SCALARS
        if getattr(arguments, track) is not None
    }
    if arguments.timeline:
        if tracks:
            flag = next(iter(tracks)).replace("_", "-")
            raise UsageError(f"--{flag} goes with --style or --mix; a timeline has a track for it")
        from videostyle.timeline.reader import read_timeline

        return read_timeline(arguments.timeline, card)
    mix = {arguments.style: 1.0} if arguments.mix is None else _parse_mix(arguments.mix)
    lists = "videostyle styles"
    if arguments.model != DEFAULT_MODEL:
        lists += f" --model {arguments.model}"
    if unknown := card.unknown_style(mix.keys() - {ORIGINAL}, lists):
        raise UsageError(unknown)
    return Look(mix, **tracks)


def _parse_mix(text: str) -> dict[str, float]:
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        try:
            if not name or ":" in name:
                raise ValueError
            number = float(weight or 1)
        except ValueError as error:
            raise UsageError(f"--mix: {part!r}: {MIX_FORM}") from error
        if name in mix:
            raise UsageError(f"--mix: {name} is named twice; give it one weight")
        mix[name] = number
    return mix
