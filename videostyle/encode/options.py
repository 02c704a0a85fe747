"""What may be asked of an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AUDIO = ("copy", "aac", "opus", "none")


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How the output video is written. A still picture ignores them.

    None leaves the choice to the container and the encoder (`encoders`). crf: lower is better and
    larger. preset: speed against file size. audio: one of AUDIO. encoder_options: of the encoder,
    as FFmpeg names them.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    audio: str = "copy"
    encoder_options: Mapping[str, str] = field(default_factory=dict)
