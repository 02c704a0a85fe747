"""Everything about an output that is known before its first frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import av
from av.codec.context import Flags, ThreadType
from av.video.codeccontext import VideoCodecContext

from videostyle.device import cpu_has
from videostyle.encode.containers import Container, codecs_held
from videostyle.encode.encoders import ENCODERS, LAYOUTS, encoder_context
from videostyle.encode.stream_plans import StreamPlan
from videostyle.media.color import has_alpha
from videostyle.media.info import ColorSpec, MediaInfo


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
        return codec in codecs_held(".nut") and not (codec == "vp9" and self.keeps_alpha)

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
