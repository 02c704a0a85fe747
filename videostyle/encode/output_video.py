"""An output's streams: frames in, packets out, and what is said of what they lose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from videostyle.decode.decode import is_transparent
from videostyle.decode.stream import video_stream
from videostyle.encode.chapters import chapters_within, in_text_track
from videostyle.encode.containers import Clock
from videostyle.encode.encoders import open_encoder
from videostyle.encode.output_file import writing
from videostyle.encode.palette import PalettePicker
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.span import Span
from videostyle.encode.tags import held_tags, kept_tags, stream_tags
from videostyle.errors import MediaError
from videostyle.media.captions import CaptionCarrier
from videostyle.media.color import join_alpha
from videostyle.media.frame import Frame
from videostyle.media.info import ALL_AROUND, LIGHT_LEVELS, MATRICES, PROGRESSIVE, MediaInfo
from videostyle.media.picture import wide_profile
from videostyle.media.pixels import plane_array
from videostyle.wording import counted

_WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


@contextmanager
def open_output(part: Path, plan: EncodingPlan) -> Iterator[OutputContainer]:
    options = dict(plan.container.options)
    # By its name, or a %d anywhere in its path would make GIF and WebP numbered pictures.
    muxer = plan.container.name.lower()
    with writing(part), av.open(str(part.absolute()), "w", muxer, options) as container:
        yield container


class OutputVideo:
    """The output's video stream, with the metadata and chapters of `source` if that is given."""

    def __init__(
        self,
        container: OutputContainer,
        info: MediaInfo,
        plan: EncodingPlan,
        span: Span,
        source: InputContainer | None = None,
    ) -> None:
        self._container, self._info, self._plan = container, info, plan
        self._earlier = round(span.earlier / info.time_base)
        self._palette = PalettePicker() if plan.pix_fmt == "pal8" else None
        self._first_pts: int | None = None
        self._last_pts = 0  # as the first, in ticks of the input's time_base
        self._clock = Clock(plan.container) if plan.container.time_base else None
        self._lost_timecode = False
        self._carry = CaptionCarrier() if info.has_captions and plan.keeps_captions else None
        self._input_notes = list[str]()
        self.packets = self.frames = 0
        # The durations of the frames the encoder holds, by pts; not every encoder returns them.
        self._durations: dict[int, int] = {}
        assert plan.codec is not None
        rate = info.frame_rate or 25
        stream = container.add_stream(plan.codec, rate=rate, options=plan.encoder_options())
        assert isinstance(stream, VideoStream)
        plan.configure(stream.codec_context, info)
        self._longest_step = plan.container.longest_step(info.time_base, info.frame_rate)
        if source:
            stream.time_base = plan.container.tick(info.time_base, info.frame_rate)
            if plan.codec_tag:
                stream.codec_context.codec_tag = plan.codec_tag
            original = source.streams[info.stream_index]
            stream.disposition = original.disposition
            for target, tags in (
                (stream.metadata, stream_tags(original, container.format.name)),
                (container.metadata, kept_tags(source.metadata)),
            ):
                if span.begin > -math.inf:
                    kept = {key: tags[key] for key in tags if key.lower() != "timecode"}
                    self._lost_timecode |= kept != tags
                    tags = kept
                target.update(tags)
            chapters = chapters_within(span, source)
            in_mp4 = container.format.name in ("mp4", "mov")
            container.set_chapters(in_text_track(chapters) if in_mp4 else chapters)
            self._input_notes.extend(input_notes(info, plan, source))
            self._input_notes.extend(_profile_note(info, plan))
            self._input_notes.extend(_lost_notes(plan, chapters, kept_tags(source.metadata)))
        open_encoder(stream.codec_context)
        self._stream = stream

    @property
    def length_seconds(self) -> float:
        """From the first frame to the beginning of the last."""
        return float((self._last_pts - (self._first_pts or 0)) * self._info.time_base)

    def write(self, frame: Frame) -> None:
        """Encode a frame. Raises MediaError where the container cannot hold its time."""
        times = self._times(frame)
        if times is None:
            return
        pts, duration = times
        image = frame.image if frame.alpha is None else join_alpha(frame.image, frame.alpha)
        context = self._stream.codec_context
        image = _pad(image, context.width, context.height)
        if self._carry:
            image = self._carry(frame.image, image)
        elif image.interlaced_frame and self._plan.codec == "ffv1":
            image = _progressive(image)
        if self._palette:
            image = self._palette(image)
        image.pts, image.time_base, image.duration = pts, context.time_base, duration
        image.pict_type = PictureType.NONE  # or the decoder's sync frames would be copied
        # ProRes says in every frame what colours it has, and takes it from there.
        image.colorspace, image.color_primaries, image.color_trc = (
            context.colorspace,
            context.color_primaries,
            context.color_trc,
        )
        self._durations[pts] = duration
        self.frames += 1
        self._mux(self._stream.encode(image))

    def copy(self, packet: av.Packet[VideoStream], duration: int) -> None:
        """Write a packet of a segment, in ticks of the input's time_base. Raises MediaError where
        the container cannot hold its time."""
        assert packet.pts is not None
        self._step_to(packet.pts)
        packet.pts = packet.dts = packet.pts - self._earlier
        packet.duration = duration
        packet.stream = self._stream
        self._container.mux(packet)
        self.packets += 1

    def finish(self) -> None:
        self._mux(self._stream.encode(None))

    def notes(self) -> Iterator[str]:
        info, context = self._info, self._stream.codec_context
        yield from self._input_notes
        if (context.width, context.height) != (info.width, info.height):
            yield (
                f"{info.width}x{info.height} padded to {context.width}x{context.height}, "
                f"because {self._plan.pix_fmt} needs even sizes"
            )
        name, tick = self._plan.container.name, self._plan.container.time_base
        if not self._plan.container.keeps_aspect(context.codec.canonical_name):
            yield from aspect_note(info, name if tick else f"{name} with {context.name}")
        if self._lost_timecode:
            yield "the timecode is left out: it is that of the whole"
        if self._clock:
            yield from self._clock.notes()

    def _times(self, frame: Frame) -> tuple[int, int] | None:
        """Pts and duration in the output's ticks, None where it has no room for the frame."""
        first, duration = self._step_to(frame.pts), frame.duration or 0
        if self._clock is None:
            return frame.pts - self._earlier, duration
        begin = (frame.pts - first) * self._info.time_base
        return self._clock.place(begin, begin + duration * self._info.time_base)

    def _step_to(self, pts: int) -> int:
        """The first frame's pts. Raises MediaError where the step from the last is too long."""
        if self._first_pts is None:
            self._first_pts = self._last_pts = pts
        step = float((pts - self._last_pts) * self._info.time_base)
        if step > self._longest_step:
            raise MediaError(
                f"{self._info.path}: at {self._info.seconds(self._last_pts):.2f} s its times jump "
                f"on by {step:.0f} s, and {self._plan.container.name} holds steps of at most "
                f"{self._longest_step:.0f} s here; an output ending in .mkv holds it"
            )
        self._last_pts = pts
        return self._first_pts

    def _mux(self, packets: list[av.Packet[VideoStream]]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts or 0, 0)
            packet.duration = packet.duration or duration
            self._container.mux(packet)
            self.packets += 1


def input_notes(info: MediaInfo, plan: EncodingPlan, source: InputContainer) -> Iterator[str]:
    color = info.hdr_color or info.color
    if color.guessed:
        how = "its transfer" if color.is_hdr else "its height"
        name = MATRICES[color.matrix]
        yield f"the input does not say its colour matrix; taken as {name} by {how}"
    has_tags = plan.codec is not None and plan.container.time_base is None
    if info.color.primaries in _WIDE_PRIMARIES and not has_tags:
        wide = _WIDE_PRIMARIES[info.color.primaries]
        yield f"the colours, of {wide}, look pale: {plan.container.name} does not say what they are"
    if not plan.keeps_alpha and is_transparent(info):
        yield f"what is transparent is laid on black; {plan.alpha_elsewhere}"
    video = video_stream(source, info.stream_index)
    if video.codec_context.field_order > PROGRESSIVE:
        yield "the input is interlaced; its frames are painted, and written, as if they were not"
    if info.has_captions and not plan.keeps_captions:
        yield "closed captions in the pictures are left out; H.264 and H.265 keep them"
    if info.has_light_levels and info.color.is_hdr:
        yield f"the output does not say {LIGHT_LEVELS}; players guess it"
    if info.is_spherical:
        yield f"the output does not say that it shows {ALL_AROUND}; tag it before it is played"


def _profile_note(info: MediaInfo, plan: EncodingPlan) -> Iterator[str]:
    if name := info.icc_profile and wide_profile(info.icc_profile):
        held = f"{plan.container.name} does not hold the pictures' profile"
        yield f"the colours, of {name}, look pale: {held}"


def _lost_notes(
    plan: EncodingPlan, chapters: Sequence[object], tags: Mapping[str, str]
) -> Iterator[str]:
    name = plan.container.name
    if plan.container.time_base is None:
        held = held_tags(tags, name.lower())
        said = {key for key, text in tags.items() if text and not text.startswith("1970-01-01")}
        if lost := [key for key in tags if key in said and key.lower() not in {*held, "timecode"}]:
            yield f"tags left out ({', '.join(lost)}): {name} has no place for them"
        return
    if chapters:
        yield f"{counted(len(chapters), 'chapter')} left out: {name} holds none"
    if tags:
        yield f"tags left out ({', '.join(tags)}): {name} holds none"


def aspect_note(info: MediaInfo, holder: str) -> Iterator[str]:
    if info.sample_aspect_ratio not in (None, 1):
        yield f"pixels of {info.sample_aspect_ratio} come out square: {holder} knows no others"


def _progressive(image: av.VideoFrame) -> av.VideoFrame:
    """The image, of separate planes, in a frame that does not say it is interlaced: FFV1 would
    repeat that."""
    progressive = av.VideoFrame(image.width, image.height, image.format.name)
    for index in range(len(image.planes)):
        plane_array(progressive, index)[...] = plane_array(image, index)
    progressive.colorspace, progressive.color_range = image.colorspace, image.color_range
    return progressive


def _pad(image: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Repeat the last column and row where the encoder wants an even size."""
    if (image.width, image.height) == (width, height):
        return image
    padded = av.VideoFrame(width, height, image.format.name)
    for index in range(len(image.planes)):
        small, large = plane_array(image, index), plane_array(padded, index)
        missing = [(0, large.shape[axis] - small.shape[axis]) for axis in (0, 1)]
        large[...] = np.pad(small, missing, mode="edge")
    return padded
