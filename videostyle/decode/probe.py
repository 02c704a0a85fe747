"""What a file is."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from itertools import islice, pairwise
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from videostyle.checks import given_path
from videostyle.decode.matroska import hidden_by
from videostyle.decode.report import DecodeReport
from videostyle.decode.stream import (
    JOINED_AS_THEY_ARE,
    MAX_PIXELS,
    declared_rate,
    decode_stream,
    goes_back,
    open_input,
    packets_of,
    read_packets,
    ticks_per_frame,
    time_base_of,
    video_stream,
)
from videostyle.decode.upright import hdr_refused, upright_filters
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import color_of
from videostyle.media.frame import has_beside
from videostyle.media.info import MATRICES, PROGRESSIVE, ColorSpec, MediaInfo, StreamInfo, missing
from videostyle.media.numbered import files_of, is_sequence_input, numbered, sequence_numbers
from videostyle.media.picture import load_picture
from videostyle.timecode import parse_time

SEQUENCE_FPS = Fraction(25)  # of numbered pictures, if nothing else is said; FFmpeg's too
_COVER = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_BEGINNING = 500  # packets in which a stream that moves shows a second frame
_LIGHT_LEVELS = (
    *("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"),
    *("DYNAMIC_HDR_PLUS", "DOVI_METADATA"),
)
_IN_FIELDS = ("h264", "mpeg2video")  # decoders that put two packets into a frame
_MOST_BELIEVED = 500  # frames a second; more are counted before they are believed


def probe(path: str | Path, hdr: str = "refuse", fps: Fraction | None = None) -> MediaInfo:
    """Say what a video or picture is, if it can be painted.

    hdr: what becomes of PQ and HLG: refuse, tonemap (to SDR) or pass (as if it were SDR). fps: as
    `inspect` takes it. Raises MediaError for what cannot be painted: missing, not a video, damaged,
    HDR that is refused.
    """
    return paintable(inspect(path, fps), hdr)


def paintable(info: MediaInfo, hdr: str = "refuse") -> MediaInfo:
    """The facts as they are painted, or MediaError, as `probe` says."""
    path = info.path
    if info.color.is_hdr and hdr == "refuse":
        raise hdr_refused(path, info.color)
    if info.color.matrix not in MATRICES:
        raise MediaError(f"{path}: cannot convert colour matrix {info.color.matrix} to RGB")
    if not info.is_image:
        try:
            VideoReformatter().reformat(av.VideoFrame(16, 16, info.pix_fmt), format="rgb24")
        except av.FFmpegError as error:
            raise MediaError(f"{path}: cannot convert pixels of {info.pix_fmt} to RGB") from error
    if info.color.is_hdr and hdr == "tonemap":
        sdr = ColorSpec.resolve(1, 1, 1, full_range=False, is_rgb=False, height=info.height)
        info = replace(info, color=sdr, hdr_color=info.color)
    return replace(info, hdr=hdr)


def inspect(path: str | Path, fps: Fraction | None = None) -> MediaInfo:
    """Say what a video or picture is, whether or not it can be painted.

    The main video is one that is not cover art, a default one if there is any; of several one that
    moves, the largest, the first. fps: of numbered pictures (`numbered`), which are a video of
    SEQUENCE_FPS where it is None. Raises MediaError for what cannot be read, UsageError for
    what is no name of a file, and where fps is given for what has its own.
    """
    path = given_path("path", path)
    if is_sequence_input(path):
        return _sequence_info(path, fps or SEQUENCE_FPS)
    _check_file(path)
    if fps is not None:
        raise UsageError(f"{path}: fps is for numbered pictures, such as frame_%05d.png")
    picture = load_picture(path)
    return _probe_video(path) if picture is None else _picture_info(path, picture)


def with_duration(info: MediaInfo) -> MediaInfo:
    """The same with its length: where the file does not say it, the whole is read for it, and its
    frames are counted if each is a packet. Still None where they have neither times nor a rate.
    Raises MediaError."""
    if info.duration_seconds is not None:
        return info
    stamps, start, end, count = list[int](), math.inf, -math.inf, 0
    with open_input(info.path) as container:
        stream = video_stream(container, info.stream_index)
        step = ticks_per_frame(stream) or 0
        for packet in read_packets(stream, DecodeReport()):
            count += 1
            if packet.dts is not None:
                stamps.append(packet.dts)
            if packet.pts is not None:
                start = min(start, packet.pts)
                end = max(end, packet.pts + (packet.duration or step))
        context = stream.codec_context
        may_be_fields = context.name in _IN_FIELDS and context.field_order != PROGRESSIVE
    if may_be_fields:  # of which two packets are a frame
        count = _count_frames(info) if start == math.inf else 0
    if start == math.inf:
        start, end = 0, count * step
    elif goes_back(stamps):  # recordings were joined, whose times are counted on
        start = stamps[0]
        end = reduce(lambda last, stamp: stamp if stamp > last else last + step, stamps) + step
    length = float((end - start) * info.time_base)
    return replace(info, duration_seconds=length or None, frame_count=count or None)


def _count_frames(info: MediaInfo) -> int:
    with open_input(info.path) as container:
        stream = video_stream(container, info.stream_index)
        return sum(1 for _ in decode_stream(stream, None, DecodeReport()))


def _sequence_info(path: Path, fps: Fraction) -> MediaInfo:
    """Facts about numbered pictures, of which the first decides about size and alpha."""
    numbers = sequence_numbers(path)
    if not numbers:
        raise MediaError(f"{path}: there are no such pictures")
    gaps = (number + 1 for number, after in pairwise(numbers) if after > number + 1)
    if gap := next(gaps, None):
        name = numbered(path, gap).name
        raise MediaError(
            f"{path}: {name} is missing among the pictures {numbers[0]} to {numbers[-1]}"
        )
    for file in files_of(path):
        _check_file(file)
    first = load_picture(file := numbered(path, numbers[0]))
    if first is None:
        raise MediaError(f"{file}: is no still picture")
    return replace(
        _picture_info(path, first),
        is_image=False,
        pix_fmt="rgba" if first.mode == "RGBA" else "rgb24",
        time_base=1 / fps,
        duration_seconds=float(len(numbers) / fps),
        frame_count=len(numbers),
        frame_rate=fps,
        pictures=range(numbers[0], numbers[-1] + 1),
    )


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise missing(path)
        if path.is_fifo():
            raise MediaError(f"{path}: is a pipe; save what it gives to a file first")
        if path.is_dir():
            raise MediaError(
                f"{path}: is a folder; give its files one by one, as the command render does, or "
                "numbered pictures as frame_%05d.png"
            )
        if not path.is_file():
            raise MediaError(f"{path}: is a device, not a file")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: is empty")
        with path.open("rb"):
            pass
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error


def _picture_info(path: Path, picture: Image.Image) -> MediaInfo:
    width, height = picture.size
    color = ColorSpec.resolve(2, 2, 2, full_range=True, is_rgb=True, height=height)
    profile = picture.info.get("icc_profile")
    return MediaInfo(path, True, 0, width, height, picture.mode.lower(), color, icc_profile=profile)


def _probe_video(path: Path) -> MediaInfo:
    with open_input(path) as container:
        stream = _main_video(container, path)
        if stream.width * stream.height > MAX_PIXELS:
            raise MediaError(
                f"{path}: says that it is {stream.width}x{stream.height}; frames of more than "
                f"{MAX_PIXELS >> 20} million pixels are refused"
            )
        first = next(decode_stream(stream, 1, DecodeReport()), None)
        if first is None and stream.codec_context.name == "webp":
            raise MediaError(f"{path}: is an animated WebP, which FFmpeg cannot decode")
        if first is None:
            raise MediaError(
                f"{path}: holds no frame that can be decoded; it is encrypted or damaged"
            )
        image, start_pts = first
        filters = upright_filters(image)
        sideways = any("transpose" in name for name in filters)
        crop = hidden_by(path, container.streams.video.index(stream))
        width, height = crop.inner(image.width, image.height)
        aspect = stream.sample_aspect_ratio or None
        return MediaInfo(
            path=path,
            is_image=False,
            stream_index=stream.index,
            width=height if sideways else width,
            height=width if sideways else height,
            pix_fmt=image.format.name,
            color=color_of(image),
            time_base=time_base_of(stream),
            start_pts=start_pts,
            lead_seconds=_lead(container, float(start_pts * time_base_of(stream))),
            duration_seconds=_duration(container, stream, float(start_pts * time_base_of(stream))),
            frame_count=_shown_frames(stream) or None,
            frame_rate=_frame_rate(container, stream, path),
            rotation_degrees=image.rotation,
            upright_filters=filters,
            crop=crop,
            sample_aspect_ratio=1 / aspect if aspect and sideways else aspect,
            other_streams=tuple(map(_describe, _others(container, stream))),
            is_spherical=has_beside(image, "SPHERICAL"),
            has_captions=has_beside(image, "A53_CC"),
            has_light_levels=has_beside(image, *_LIGHT_LEVELS),
        )


def _main_video(container: InputContainer, path: Path) -> VideoStream:
    videos = [item for item in container.streams.video if not item.disposition & _COVER]
    videos = [item for item in videos if item.codec_context is not None]
    if any(item.disposition & Disposition.dependent for item in videos):
        raise MediaError(f"{path}: is a picture in tiles (HEIF or AVIF); convert it to PNG or JPEG")
    if not videos:
        kinds = ", ".join(sorted({item.type for item in container.streams}))
        raise MediaError(
            f"{path}: holds no video that can be decoded (it has: {kinds or 'nothing'})"
        )
    videos = [item for item in videos if item.disposition & Disposition.default] or videos
    if len(videos) == 1:
        return videos[0]
    moving = _moving(path, videos)
    is_broadcast = container.format.name == "mpegts"  # of programs, each with its own sound

    def rank(item: VideoStream) -> tuple[bool, int]:
        return item.index in moving, 0 if is_broadcast else item.width * item.height

    return max(videos, key=rank)


def _moving(path: Path, videos: list[VideoStream]) -> set[int]:
    """The indices of streams that have more than one frame."""
    counts = Counter[int]()
    with open_input(path) as container, suppress(av.FFmpegError):
        packets = packets_of(container, [container.streams[item.index] for item in videos])
        counts.update(packet.stream.index for packet in islice(packets, _BEGINNING))
    return {item.index for item in videos if (item.frames or counts[item.index]) > 1}


def _others(container: InputContainer, main: VideoStream) -> list[Stream]:
    return [stream for stream in container.streams if stream.index != main.index]


def _describe(stream: Stream) -> StreamInfo:
    context = stream.codec_context
    language = stream.language if stream.language != "und" else None
    is_cover = stream.type == "video" and bool(stream.disposition & _COVER)
    return StreamInfo(
        index=stream.index,
        kind="cover" if is_cover else stream.type,
        codec=context.name if context else "unknown",
        language=language,
        title=stream.metadata.get("title"),
    )


def _shown_frames(stream: VideoStream) -> int:
    """How many frames a file says it has, without those that an edit list of MP4 or MOV hides; 0
    if it does not say it."""
    assert isinstance(stream.container, InputContainer)
    if "mp4" not in stream.container.format.name:
        return stream.frames
    # Some are marked in the index, others are not in it any more.
    return min(stream.frames, sum(not entry.is_discard for entry in stream.index_entries))


def _lead(container: InputContainer, start: float) -> float:
    return max(0.0, start - (container.start_time or 0) / av.time_base)


def _duration(container: InputContainer, stream: VideoStream, start: float) -> float | None:
    """Seconds from the first frame, which is at `start`, to the end of the stream."""
    if container.format.name in JOINED_AS_THEY_ARE:
        return None  # FFmpeg takes the last time there is, which is one of the last recording
    if "matroska" in container.format.name:
        return _matroska_duration(container, stream, start)
    if stream.duration:
        # The clock of an AVI counts frames. Of one without its index FFmpeg guesses the length.
        frames = stream.frames if container.format.name == "avi" else 0
        return float(max(stream.duration, frames) * time_base_of(stream))
    if not container.duration:
        return None
    end = container.duration / av.time_base
    if container.format.name != "nut":  # whose length counts from 0
        end += (container.start_time or 0) / av.time_base
    return max(0.0, end - start) or None


def _matroska_duration(
    container: InputContainer, stream: VideoStream, start: float
) -> float | None:
    """As `_duration`. Matroska says when its longest stream ends, and most writers tag each stream
    with its own end."""
    tagged = 0.0
    with suppress(ValueError):
        tagged = float(parse_time(stream.metadata.get("DURATION", "")).seconds)
    # It does not say how long a stream is: of a recording without a length FFmpeg guesses that, by
    # the bit rates that sounds declare.
    if not container.duration or (stream.duration and not tagged):
        return None
    end = container.duration / av.time_base
    return max(0.0, min(end, tagged or end) - start) or None


def _frame_rate(container: InputContainer, stream: VideoStream, path: Path) -> Fraction | None:
    """Frames a second on average: what the file says, or counted where that is no count."""
    average, guessed = stream.average_rate, stream.guessed_rate
    # Of a GIF FFmpeg looks at the first frames only.
    if average and guessed and container.format.name != "gif":
        if stream.frames:
            # Times that came from Matroska were rounded, which the average shows.
            is_rounded = abs(stream.frames / average - stream.frames / guessed) < 0.002
            return guessed if is_rounded else average
        # A copy of variable rate in Matroska has the ticks of its clock for a rate.
        if 0.8 < average / guessed < 1.25 and average < _MOST_BELIEVED:
            return average
    return _count_rate(path, stream.index, guessed) or declared_rate(stream)


def _count_rate(path: Path, index: int, guessed: Fraction | None) -> Fraction | None:
    """Frames a second up to the last frame, which may stay for long, by reading the whole file."""
    with open_input(path) as container:
        stream = video_stream(container, index)
        tick = time_base_of(stream)
        packets = read_packets(stream, DecodeReport())
        stamps = {packet.pts for packet in packets if packet.pts is not None}
    if len(stamps) < 2:
        return None
    steps, length = len(stamps) - 1, (max(stamps) - min(stamps)) * tick
    # The guess is a rounder number; the length is one of whole ticks.
    if guessed and abs(steps / guessed - length) <= tick:
        return guessed
    return (steps / length).limit_denominator(100_000)
