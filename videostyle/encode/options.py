"""What may be asked of an output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from videostyle.checks import Fixed, check_one_of, is_whole
from videostyle.errors import UsageError
from videostyle.wording import shown

AUDIO = ("copy", "aac", "opus", "none")


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How the output video is written. A still picture ignores them.

    None leaves the choice to the container and the encoder (`encoders`). crf: lower is better and
    larger. preset: speed against file size. audio: one of AUDIO. encoder_options: of the encoder,
    as FFmpeg names them. Raises UsageError for what is of another kind; a word that the container
    or the encoder does not know is refused by `plan_encoding`.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    audio: str = "copy"
    encoder_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("codec", "preset", "pix_fmt"):
            word = getattr(self, name)
            if not isinstance(word, str | None):
                raise UsageError(f"{name} is {shown(word)}; it must be text")
        if not (self.crf is None or is_whole(self.crf)):
            raise UsageError(f"crf is {shown(self.crf)}; it must be a whole number")
        check_one_of("audio", self.audio, AUDIO)
        if not isinstance(self.encoder_options, Mapping):
            raise UsageError(
                f'encoder_options is {shown(self.encoder_options)}; write {{"g": "50"}}'
            )
        for key, value in self.encoder_options.items():
            if not isinstance(key, str):
                raise UsageError(
                    f"encoder_options: {key!r} is no name of an option; write it as text"
                )
            if not isinstance(value, str):
                hint = f", '{value}'" if isinstance(value, Real) else ""
                raise UsageError(
                    f"encoder_options: {key} is {shown(value)}; write it as text{hint}"
                )
        object.__setattr__(self, "encoder_options", Fixed(self.encoder_options))
