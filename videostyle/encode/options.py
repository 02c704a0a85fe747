"""Encode options: a default and its help text exist once, the flags are made from them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

# A piece is a file of its own: shorter ones cost more than the painting of them.
LEAST_SEGMENT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How the output video is written. A still picture ignores them.

    None leaves the choice to the container and the encoder (`encoders`).
    """

    codec: str | None = field(default=None, metadata={"help": "video encoder"})
    crf: int | None = field(
        default=None, metadata={"help": "quality: lower is better and larger", "type": int}
    )
    preset: str | None = field(default=None, metadata={"help": "encoder speed against file size"})
    pix_fmt: str | None = field(default=None, metadata={"help": "pixel format of the output"})
    audio: str = field(
        default="copy",
        metadata={"help": "audio streams", "choices": ("copy", "aac", "opus", "none")},
    )
    encoder_options: Mapping[str, str] = field(default_factory=dict)


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Give the parser one flag for each field of EncodeOptions."""
    group = parser.add_argument_group("output", "docs/output.md says what each container holds.")
    for item in fields(EncodeOptions):
        if "help" not in item.metadata:
            continue
        default = "by the container" if item.default is None else item.default
        group.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=item.metadata.get("type", str),
            default=item.default,
            choices=item.metadata.get("choices"),
            help=f"{item.metadata['help']} (default: {default})",
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


def encode_options(arguments: argparse.Namespace) -> EncodeOptions:
    """Build the options from what the parser read."""
    values = {item.name: getattr(arguments, item.name) for item in fields(EncodeOptions)}
    return EncodeOptions(**{**values, "encoder_options": dict(arguments.encoder_options)})


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: write KEY=VALUE")
    return key, value
