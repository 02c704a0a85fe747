"""The first stage: what a file is (`probe`), and its frames, upright and in order (`decode`)."""

from __future__ import annotations

import heapq
import math
import os
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, dropwhile, islice, pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import av.filter
import numpy as np
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from videostyle.decode.hdr import tone_map
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import Alpha, flatten, split_alpha
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import HDR_TRANSFERS, MATRICES, ColorSpec, MediaInfo, StreamInfo, missing
from videostyle.media.numbered import files_of, is_sequence_input, numbered, sequence_numbers
from videostyle.media.picture import load_picture
from videostyle.timecode import parse_time

# More decoder threads than this cost memory and gain nothing on the way to a network.
MAX_THREADS = 4
# Larger frames (16K) are taken for damage: a few bytes must not make us fill the memory.
MAX_PIXELS = 1 << 27
SEQUENCE_FPS = Fraction(25)  # of numbered pictures, if nothing else is said; FFmpeg's too

_COVER = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_HEAD = 32  # packets looked at before decoding begins
_FIRST_SEEK_SECONDS = 0.5  # before a cut; enough for most files
_MOST_WALKED = 48  # frames from one that is looked at to the next
_MOST_REORDERED = 16  # frames H.264 and HEVC may hold back at most
_MOST_BELIEVED = 500  # frames a second; more are counted before they are believed
_BUILDS_ON_OTHERS = (PictureType.P, PictureType.B)
# Signs of the display matrix (a, b, c, d), where x' = a x + c y and y' = b x + d y, to filters.
_UPRIGHT = {
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip", "copy"),  # vflip alone only numbers the lines backwards
    (-1, 0, 0, -1): ("vflip", "hflip"),
    (0, -1, 1, 0): ("transpose=cclock",),
    (0, 1, -1, 0): ("transpose=clock",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}
_TURNED = {90: _UPRIGHT[0, -1, 1, 0], 180: _UPRIGHT[-1, 0, 0, -1], 270: _UPRIGHT[0, 1, -1, 0]}


@dataclass(slots=True)
class DecodeReport:
    """What went wrong on the way, counted while `decode` runs. ended: it came to the end of the
    file, so there are no frames after those it gave."""

    skipped_packets: int = 0
    damaged_frames: int = 0
    cut_short: bool = False
    ended: bool = False
    unreadable: tuple[str, ...] = ()  # numbered pictures, by name
    not_on_gpu: str = ""  # why

    @classmethod
    def of_parts(cls, parts: Iterable[Mapping[str, Any]]) -> DecodeReport:
        """The sum of reports, given as dictionaries."""
        total = cls()
        for part in (cls(**fields) for fields in parts):
            total.skipped_packets += part.skipped_packets
            total.damaged_frames += part.damaged_frames
            total.cut_short |= part.cut_short
            total.unreadable += tuple(part.unreadable)
            total.not_on_gpu = total.not_on_gpu or part.not_on_gpu
        return total

    def since(self, earlier: DecodeReport) -> DecodeReport:
        """What came after an earlier state of the same report."""
        return replace(
            self,
            skipped_packets=self.skipped_packets - earlier.skipped_packets,
            damaged_frames=self.damaged_frames - earlier.damaged_frames,
            cut_short=self.cut_short and not earlier.cut_short,
            unreadable=self.unreadable[len(earlier.unreadable) :],
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind of fault, and for what was not done as wished."""
        software = f"decoded in software, not by the GPU: {self.not_on_gpu}"
        return (*self.faults, software) if self.not_on_gpu else self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence for each kind of fault of the input."""
        found = []
        if self.skipped_packets:
            found.append(f"skipped {self.skipped_packets} corrupt packets")
        if self.damaged_frames:
            found.append(f"{self.damaged_frames} frames are damaged in the input")
        if self.unreadable:
            first, others = self.unreadable[0], len(self.unreadable) - 1
            more = f" and {others} other picture{'s' * (others > 1)}" if others else ""
            found.append(f"left out {first}{more}: cannot be read")
        if self.cut_short:
            found.append("the input breaks off")
        return tuple(found)


def probe(path: Path, hdr: str = "refuse", fps: Fraction | None = None) -> MediaInfo:
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
        raise MediaError(
            f"{path}: HDR video ({HDR_TRANSFERS[info.color.transfer]}) would come out in wrong "
            "colours; --hdr tonemap makes it SDR, --hdr pass paints its values as they are"
        )
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
    return info


def inspect(path: Path, fps: Fraction | None = None) -> MediaInfo:
    """Say what a video or picture is, whether or not it can be painted.

    The main video is the first that is not cover art, and the default one if several are. fps: of
    numbered pictures (`numbered`), which are a video of SEQUENCE_FPS where it is None. Raises
    MediaError for what cannot be read, UsageError where fps is given for what has its own.
    """
    if is_sequence_input(path):
        return _sequence_info(path, fps or SEQUENCE_FPS)
    _check_file(path)
    if fps is not None:
        raise UsageError(f"{path}: fps is for numbered pictures, such as frame_%05d.png")
    picture = load_picture(path)
    return _probe_video(path) if picture is None else _picture_info(path, picture)


def decode(
    info: MediaInfo,
    *,
    cut: Cut | None = None,
    lead: int = 0,
    keep_alpha: bool = False,
    gpu: int | None = None,
    report: DecodeReport | None = None,
) -> Generator[Frame]:
    """Yield every frame, upright, in its own pixel format, with strictly increasing pts.

    cut: only its frames, and up to `lead` frames before them. keep_alpha: a video's alpha comes
    beside its colours; else it is laid on black. A picture's is left out. gpu: the NVIDIA GPU that
    decodes; its frames stay in its memory (format `cuda`) and come to the host when they are
    converted. What it does not decode comes from the CPU, as `report` says.

    Corrupt packets are skipped and counted in `report`; the frames after them keep their times.
    Missing or repeated pts are counted on from the one before at the frame rate. Raises
    MediaError if the file cannot be read.
    """
    report = report or DecodeReport()
    cut = cut or Cut()
    if info.is_image:
        picture = load_picture(info.path)
        if picture is None:
            raise MediaError(f"{info.path}: changed while it was in use")
        pixels = np.asarray(picture.convert("RGB").resize((info.width, info.height)))
        yield Frame(av.VideoFrame.from_ndarray(pixels, "rgb24"), 0, None, 0.0)
        return
    if info.pictures:
        if gpu is not None:
            report.not_on_gpu = "numbered pictures are read by the CPU"
        yield from _decode_pictures(info, cut, lead, keep_alpha, report)
        return
    upright = _Upright(info, keep_alpha)
    for image, pts, step in _decode_from(info, cut.start, lead, gpu, report):
        seconds = info.seconds(pts)
        if seconds >= cut.end:
            return
        report.damaged_frames += image.is_corrupt and seconds >= cut.start
        if gpu is not None and image.format.name != "cuda":
            report.not_on_gpu = report.not_on_gpu or f"it cannot decode this {info.pix_fmt}"
        colors, alpha = upright(image)
        yield Frame(
            image=colors,
            pts=pts,
            duration=image.duration or step,
            seconds=seconds,
            alpha=alpha,
        )
    report.ended = True


def frames_near(info: MediaInfo, places: Iterable[float]) -> Generator[Frame]:
    """Yield a few of a video's frames, as `decode` gives them: for each place at most one, later
    than the one before. places: in rising order, in seconds since the first frame.

    It is one that costs little: the key frame before the place. Where that is not later, or cannot
    be sought, it is the one at the place, or the last of _MOST_WALKED frames on the way there from
    the one before (or from the start). Damage is passed over. Raises MediaError if the file cannot
    be read.
    """
    if info.pictures:
        for place in places:
            with closing(decode(info, cut=Cut(place))) as frames:
                yield from islice(frames, 1)
        return
    upright = _Upright(info, keep_alpha=False)
    walk, last = _images_from(info, None), None
    try:
        for place in places:
            jump = _images_from(info, place)
            found = next(jump, None)
            if found and (last is None or found[1] > last):
                walk.close()
                walk = jump
            else:
                jump.close()
                found = None
                for found in islice(walk, _MOST_WALKED):
                    if info.seconds(found[1]) >= place:
                        break
            if found:
                image, last = found
                yield Frame(upright(image)[0], last, image.duration or None, info.seconds(last))
    finally:
        walk.close()


def _images_from(info: MediaInfo, place: float | None) -> Generator[tuple[av.VideoFrame, int]]:
    """Frames as decoded and their pts: all, or those from the key frame before a place on, and
    none where seeking cannot be trusted."""
    with open_input(info.path) as container:
        stream = container.streams[info.stream_index]
        assert isinstance(stream, VideoStream)
        if place is None or _seek(stream, info.start_pts, place):
            sought = place is not None
            yield from _decode_stream(stream, None, DecodeReport(), from_key_frame=sought)


def measure_duration(info: MediaInfo) -> float:
    """Seconds from the first frame to the end of the last, found by reading the whole file.

    For files that do not say. Where no frame has a time (raw H.264), frames are counted. Raises
    MediaError if they have no rate either.
    """
    if info.is_image:
        return 0.0
    start, end, count = math.inf, -math.inf, 0
    with open_input(info.path) as container:
        stream = container.streams[info.stream_index]
        assert isinstance(stream, VideoStream)
        step = _ticks_per_frame(stream) or 0
        for packet in _packets(stream, DecodeReport()):
            count += 1
            if packet.pts is not None:
                start = min(start, packet.pts)
                end = max(end, packet.pts + (packet.duration or step))
    if start == math.inf:
        if not count * step:
            raise MediaError(f"{info.path}: its frames have no times, so its length is unknown")
        start, end = 0, count * step
    return float((end - start) * info.time_base)


@contextmanager
def open_input(path: Path, hwaccel: HWAccel | None = None) -> Iterator[InputContainer]:
    """Open a file, of numbered pictures the first, to read. Raises MediaError, also for faults
    FFmpeg finds later on."""
    path = next(iter(files_of(path)), path)
    try:
        # An absolute path, so that no name is taken for a protocol.
        with av.open(
            str(path.absolute()), "r", metadata_errors="replace", hwaccel=hwaccel
        ) as container:
            # FFmpeg would type any text file onto a screen and call that a video.
            if container.format.name == "tty":
                raise MediaError(f"{path}: is text, not a video or picture")
            yield container
    except av.error.InvalidDataError as error:
        raise MediaError(
            f"{path}: cannot be read as video or picture; it is of another kind, cut off or damaged"
        ) from error
    except av.FFmpegError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error


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


def _decode_pictures(
    info: MediaInfo, cut: Cut, lead: int, keep_alpha: bool, report: DecodeReport
) -> Generator[Frame]:
    """Read by Pillow, as still pictures are: FFmpeg takes an empty one for the end, and knows
    neither every TIFF nor how a palette is transparent."""
    begin = max(0, math.ceil(cut.start / info.time_base) - lead)
    for pts, number in islice(enumerate(info.pictures), begin, None):
        seconds = info.seconds(pts)
        if seconds >= cut.end:
            return
        file = numbered(info.path, number)
        try:
            picture = load_picture(file)
        except MediaError:
            picture = None
        if picture is None:
            if seconds >= cut.start:
                report.unreadable += (file.name,)
            continue
        picture = picture.resize((info.width, info.height))
        alpha = None
        if keep_alpha:
            alpha = np.asarray(picture.convert("RGBA"))[..., 3] * np.uint16(257)
        elif picture.mode == "RGBA":
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
        image = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), "rgb24")
        yield Frame(image, pts, 1, seconds, alpha)
    report.ended = True


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise missing(path)
        if not path.is_file():
            raise MediaError(f"{path}: is a folder or device, not a file")
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
        first = next(_decode_stream(stream, 1, DecodeReport()), None)
        if first is None and stream.codec_context.name == "webp":
            raise MediaError(f"{path}: is an animated WebP, which FFmpeg cannot decode")
        if first is None:
            raise MediaError(f"{path}: holds no frame that can be decoded; it is damaged")
        image, start_pts = first
        filters = _filters(image)
        sideways = any("transpose" in name for name in filters)
        aspect = stream.sample_aspect_ratio or None
        return MediaInfo(
            path=path,
            is_image=False,
            stream_index=stream.index,
            width=image.height if sideways else image.width,
            height=image.width if sideways else image.height,
            pix_fmt=image.format.name,
            color=_color(image),
            time_base=_time_base(stream),
            start_pts=start_pts,
            duration_seconds=_duration(container, stream, float(start_pts * _time_base(stream))),
            frame_count=stream.frames or None,
            frame_rate=_frame_rate(container, stream, path),
            rotation_degrees=image.rotation,
            upright_filters=filters,
            sample_aspect_ratio=1 / aspect if aspect and sideways else aspect,
            other_streams=tuple(map(_describe, _others(container, stream))),
        )


def _main_video(container: InputContainer, path: Path) -> VideoStream:
    videos = [item for item in container.streams.video if not item.disposition & _COVER]
    videos = [item for item in videos if item.codec_context is not None]
    if not videos:
        kinds = ", ".join(sorted({item.type for item in container.streams}))
        raise MediaError(
            f"{path}: holds no video that can be decoded (it has: {kinds or 'nothing'})"
        )
    return next((item for item in videos if item.disposition & Disposition.default), videos[0])


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


def _color(image: av.VideoFrame) -> ColorSpec:
    name = image.format.name
    tagged = {1: False, 2: True}.get(image.color_range)
    full_by_format = name.startswith(("yuvj", "gray"))
    return ColorSpec.resolve(
        image.colorspace,
        image.color_primaries,
        image.color_trc,
        full_range=full_by_format if tagged is None else tagged,
        is_rgb=image.format.is_rgb or image.format.has_palette,
        height=image.height,
    )


def _duration(container: InputContainer, stream: VideoStream, start: float) -> float | None:
    """Seconds from the first frame, which is at `start`, to the end of the stream."""
    if stream.duration:
        return float(stream.duration * _time_base(stream))
    if not container.duration:
        return None
    # Matroska says when its longest stream ends, and most writers tag each stream with its own end.
    end = container.duration / av.time_base
    with suppress(ValueError):
        end = min(end, float(parse_time(stream.metadata.get("DURATION", "")).seconds) or end)
    return max(0.0, end - start) or None


def _time_base(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _declared_rate(stream: VideoStream) -> Fraction | None:
    return stream.average_rate or stream.guessed_rate or None


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
    return _count_rate(path, stream.index, guessed) or _declared_rate(stream)


def _count_rate(path: Path, index: int, guessed: Fraction | None) -> Fraction | None:
    """Frames a second up to the last frame, which may stay for long, by reading the whole file."""
    with open_input(path) as container:
        stream = container.streams[index]
        assert isinstance(stream, VideoStream)
        tick = _time_base(stream)
        packets = _packets(stream, DecodeReport())
        stamps = {packet.pts for packet in packets if packet.pts is not None}
    if len(stamps) < 2:
        return None
    steps, length = len(stamps) - 1, (max(stamps) - min(stamps)) * tick
    # The guess is a rounder number; the length is one of whole ticks.
    if guessed and abs(steps / guessed - length) <= tick:
        return guessed
    return (steps / length).limit_denominator(100_000)


def _ticks_per_frame(stream: VideoStream) -> int | None:
    rate = _declared_rate(stream)
    return max(1, round(1 / (rate * _time_base(stream)))) if rate else None


def _decode_from(
    info: MediaInfo,
    start: float,
    lead: int,
    gpu: int | None,
    report: DecodeReport,
) -> Generator[tuple[av.VideoFrame, int, int | None]]:
    """Frames as decoded, pts and the ticks of one frame, from `lead` frames before a time on.

    Seeks, ever farther back, until enough frames come before that time.
    """
    back = _FIRST_SEEK_SECONDS
    while True:
        report.skipped_packets = 0
        with _open(info, gpu, report) as container:
            stream = container.streams[info.stream_index]
            assert isinstance(stream, VideoStream)
            seeking = start > back
            if seeking and not _seek(stream, info.start_pts, start - back):
                back = start
                continue
            begin = info.start_pts + math.ceil(start / info.time_base) if start else None
            images = _decode_stream(stream, None, report, from_key_frame=seeking, begin=begin)
            before: deque[tuple[av.VideoFrame, int]] = deque(maxlen=max(1, lead))
            first = None
            for first in images:
                if start == 0 or info.seconds(first[1]) >= start:
                    break
                before.append(first)
                first = None
            if seeking and len(before) < max(1, lead):
                back *= 8
                continue
            wanted = (*list(before)[max(0, len(before) - lead) :], *([first] if first else []))
            for image, pts in chain(wanted, images):
                yield image, pts, _ticks_per_frame(stream)
            return


@contextmanager
def _open(info: MediaInfo, gpu: int | None, report: DecodeReport) -> Iterator[InputContainer]:
    """Open a video to be decoded by a GPU where that is wanted and can be."""
    with ExitStack() as opened:
        container = None
        # PyTorch and FFmpeg share the GPU's primary context, or FFmpeg takes what is current.
        for context in ({}, {"primary_ctx": "0", "current_ctx": "1"}) if gpu is not None else ():
            hwaccel = HWAccel("cuda", gpu, True, dict(context), is_hw_owned=True)
            try:
                container = opened.enter_context(open_input(info.path, hwaccel))
            except MediaError as error:
                report.not_on_gpu = getattr(error.__cause__, "strerror", None) or str(error)
                continue
            codec = container.streams[info.stream_index].codec_context
            report.not_on_gpu = "" if codec.is_hwaccel else f"it has no decoder for {codec.name}"
            break
        yield container or opened.enter_context(open_input(info.path))


def _seek(stream: VideoStream, start_pts: int, seconds: float) -> bool:
    """Go to a key frame before a time since the first frame; False where that cannot be trusted,
    and the file must be opened anew."""
    container = stream.container
    assert isinstance(container, InputContainer)
    context = stream.codec_context
    head = list(islice(_packets(stream, DecodeReport()), _HEAD))
    if any(packet.pts is None for packet in head) or _is_shuffled(context, head):
        return False
    # FFmpeg reads streams by the x264 that wrote them, which only the first packet names.
    if head and (build := re.search(rb"x264 - core (\d+)", bytes(head[0]))):
        context.options = {**context.options, "x264_build": build[1].decode()}
    try:
        container.seek(start_pts + int(seconds / _time_base(stream)), stream=stream)
    except av.FFmpegError:
        return False
    return True


def _decode_stream(
    stream: VideoStream,
    threads: int | None,
    report: DecodeReport,
    *,
    from_key_frame: bool = False,
    begin: int | None = None,
) -> Iterator[tuple[av.VideoFrame, int]]:
    """Frames as decoded, with pts that strictly increase. Packets before the pts `begin` that
    cannot be decoded are not counted. from_key_frame: after a seek; none where the first frame
    does not stand alone."""
    context = _decoder(stream, threads)
    packets = _packets(stream, report)
    if from_key_frame:
        # A seek may land within a frame (MPEG-PS). FFmpeg gives its rest the times of the frame
        # after it, and that one times of others and no place in the file.
        packets = dropwhile(lambda packet: not packet.is_keyframe or packet.pos is None, packets)
    head = list(islice(packets, _HEAD))
    images = _images(context, chain(head, packets), report, begin)
    step = _ticks_per_frame(stream) or 1
    window = _MOST_REORDERED if _is_shuffled(context, head) else 0
    stamped = _stamp(images, window, step, stream.start_time or 0)
    if not from_key_frame or not head or head[0].pts is None:
        return stamped
    # Frames shown before the key frame may need others that come before it in the file.
    first_pts = head[0].pts
    complete = (item for item in stamped if item[1] >= first_pts)
    first = next(complete, None)
    # What a container calls a key frame may be one from which a picture is renewed bit by bit.
    if first is None or (not first[0].key_frame and first[0].pict_type in _BUILDS_ON_OTHERS):
        return iter(())
    return chain((first,), complete)


def _is_shuffled(context: VideoCodecContext, head: list[av.Packet[VideoStream]]) -> bool:
    """B-frames with pts equal to dts, or a tick later (AVI): the file does not hold the reordering.
    The pictures come out of the decoder in order, and the stamps are right but for theirs."""
    return bool(context.reorder_depth) and all(
        packet.pts is not None and packet.dts is not None and 0 <= packet.pts - packet.dts <= 1
        for packet in head
    )


def _decoder(stream: VideoStream, threads: int | None) -> VideoCodecContext:
    context = stream.codec_context
    # FFmpeg's own VP8 and VP9 decoders leave the alpha layer out.
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") == "1" and context.name in ("vp8", "vp9"):
        layered = av.CodecContext.create(f"libvpx-{context.name}", "r")
        assert isinstance(layered, VideoCodecContext)
        for name in ("colorspace", "color_primaries", "color_trc", "color_range"):
            setattr(layered, name, getattr(context, name))
        context = layered
    context.options = {**context.options, "max_pixels": str(MAX_PIXELS)}
    context.thread_type = ThreadType.AUTO
    context.thread_count = threads or min(MAX_THREADS, os.cpu_count() or 1)
    return context


def _packets(stream: VideoStream, report: DecodeReport) -> Iterator[av.Packet[VideoStream]]:
    container = stream.container
    assert isinstance(container, InputContainer)
    try:
        # Only empty packets mark the end; one without dts is as good as any other.
        yield from (packet for packet in container.demux(stream) if packet.size)
    except (av.error.InvalidDataError, av.error.EOFError):
        report.cut_short = True
    except IndexError:  # of PyAV, at the end of a file in which a stream appeared on the way
        return


def _images(
    context: VideoCodecContext,
    packets: Iterable[av.Packet[VideoStream]],
    report: DecodeReport,
    begin: int | None = None,
) -> Iterator[av.VideoFrame]:
    for packet in chain(packets, (None,)):
        try:
            images = context.decode(packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            if packet is None or begin is None or packet.pts is None or packet.pts >= begin:
                report.skipped_packets += 1
            continue
        yield from images


def _stamp(
    images: Iterable[av.VideoFrame], window: int, step: int, start: int
) -> Iterator[tuple[av.VideoFrame, int]]:
    """Give the next image the smallest pts among it and the `window` images after it.

    Where that is missing, or not after the one before, it is counted on by `step`.
    """
    waiting: deque[av.VideoFrame] = deque()
    stamps: list[int] = []
    last = start - step
    begun = False

    def pop() -> tuple[av.VideoFrame, int]:
        nonlocal last, begun
        stamp = heapq.heappop(stamps) if stamps else None
        last = last + step if stamp is None or (begun and stamp <= last) else stamp
        begun = True
        return waiting.popleft(), last

    for image in images:
        waiting.append(image)
        if image.pts is not None:
            heapq.heappush(stamps, image.pts)
        if len(waiting) > window:
            yield pop()
    while waiting:
        yield pop()


def _filters(image: av.VideoFrame) -> tuple[str, ...]:
    """FFmpeg filters that turn the picture upright."""
    try:
        data = image.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know every kind of side data, and then gives none
        return _TURNED.get(image.rotation % 360, ())
    if data is None:
        return ()
    assert isinstance(data, SideData)
    matrix = np.frombuffer(memoryview(data), np.int32)[[0, 1, 3, 4]]  # 16.16 fixed point
    signs = np.rint(matrix / max(1, np.abs(matrix).max())).astype(int)
    return _UPRIGHT.get(tuple(signs.tolist()), ())


class _Upright:
    """Turns frames upright, brings them to one size where a file changes it on the way, and lays
    alpha on black or takes it out."""

    def __init__(self, info: MediaInfo, keep_alpha: bool) -> None:
        self._info = info
        self._keep_alpha = keep_alpha
        self._reformatter = VideoReformatter()
        self._key: tuple[object, ...] = ()
        self._graph: av.filter.Graph | None = None

    def __call__(self, image: av.VideoFrame) -> tuple[av.VideoFrame, Alpha | None]:
        key = (image.rotation, image.format.name, image.width, image.height)
        if key != self._key:
            # Side data and frame hold each other, and with the frame its decoder's memory, until
            # the garbage collector comes round; so the display matrix is looked at only where it
            # is another one than the first frame's.
            turned = image.rotation != self._info.rotation_degrees
            filters = _filters(image) if turned else self._info.upright_filters
            self._key, self._graph = key, self._make_graph(image, filters)
        if self._graph is not None:
            if image.format.name == "cuda":
                image = image.reformat(format=self._info.pix_fmt)
            image.pts = None  # the pts travel beside the image
            self._graph.push(image)
            pulled = self._graph.pull()
            assert isinstance(pulled, av.VideoFrame)
            image = pulled
        color, alpha = self._info.hdr_color or self._info.color, None
        if self._keep_alpha:
            image, alpha = split_alpha(self._reformatter, image, color)
        else:
            image = flatten(self._reformatter, image, color)
        if self._info.hdr_color:
            image = tone_map(self._reformatter, image, color)
        return image, alpha

    def _make_graph(self, image: av.VideoFrame, names: tuple[str, ...]) -> av.filter.Graph | None:
        size = (image.width, image.height)
        upright = size[::-1] if any("transpose" in name for name in names) else size
        wanted = (self._info.width, self._info.height)
        if upright != wanted:
            names = (*names, f"scale={wanted[0]}:{wanted[1]}")
        if not names:
            return None
        on_gpu = image.format.name == "cuda"
        graph = av.filter.Graph()
        nodes = [
            graph.add_buffer(
                width=image.width,
                height=image.height,
                format=av.VideoFormat(self._info.pix_fmt) if on_gpu else image.format,
                time_base=self._info.time_base,
            ),
            *(graph.add(*name.split("=", 1)) for name in names),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph
