"""Encode options: a default and its help text exist once, the flags are made from them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How the output video is written. A picture ignores them.

    Painted frames are full of texture, so the presets cost more than on camera pictures: at
    veryfast the encoder takes a small share of the time.
    """

    codec: str = field(default="libx264", metadata={"help": "video encoder"})
    crf: int = field(default=20, metadata={"help": "quality: lower is better and larger"})
    preset: str = field(default="veryfast", metadata={"help": "encoder speed against file size"})
    pix_fmt: str = field(default="yuv420p", metadata={"help": "pixel format of the output"})
    audio: str = field(
        default="copy",
        metadata={"help": "audio streams", "choices": ("copy", "aac", "none")},
    )


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    """Give the parser one flag for each field of EncodeOptions."""
    group = parser.add_argument_group("output")
    for item in fields(EncodeOptions):
        group.add_argument(
            f"--{item.name.replace('_', '-')}",
            type=type(item.default),
            default=item.default,
            choices=item.metadata.get("choices"),
            help=f"{item.metadata['help']} (default: %(default)s)",
        )


def encode_options(arguments: argparse.Namespace) -> EncodeOptions:
    """Build the options from what the parser read."""
    return EncodeOptions(
        **{item.name: getattr(arguments, item.name) for item in fields(EncodeOptions)}
    )
