"""A file's video stream: opening, seeking, packets, and the frames a decoder makes of them."""

from __future__ import annotations

import heapq
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from videostyle.decode.matroska import is_shorter_than_it_says
from videostyle.decode.report import DecodeReport
from videostyle.errors import MediaError
from videostyle.media.numbered import files_of
from videostyle.media.picture import is_animation

# More decoder threads than this cost memory and gain nothing on the way to a network.
MAX_THREADS = 4
# Larger frames (16K) are taken for damage: a few bytes must not make us fill the memory.
MAX_PIXELS = 1 << 27
_HEAD = 32  # packets looked at before decoding begins
_MOST_REORDERED = 16  # frames H.264 and HEVC may hold back at most
_TAIL_BYTES = 4096
_BUILDS_ON_OTHERS = (PictureType.P, PictureType.B)
_LISTS = ("concat", "hls", "dash", "webm_dash_manifest", "sdp")
JOINED_AS_THEY_ARE = ("mpegts", "mpeg")  # recordings put one after another, byte by byte


@contextmanager
def open_input(path: Path, hwaccel: HWAccel | None = None) -> Iterator[InputContainer]:
    """Open a file, of numbered pictures the first, to read. Raises MediaError, also for faults
    FFmpeg finds later on."""
    path = next(iter(files_of(path)), path)
    # By its name, or a %d anywhere in its path would make an animated PNG numbered pictures.
    demuxer = "apng" if path.suffix.lower() == ".png" and is_animation(path) else None
    try:
        # An absolute path, so that no name is taken for a protocol.
        with av.open(
            str(path.absolute()), "r", demuxer, metadata_errors="replace", hwaccel=hwaccel
        ) as container:
            # FFmpeg would type any text file onto a screen and call that a video.
            if container.format.name == "tty":
                raise MediaError(f"{path}: is text, not a video or picture")
            # An output could take the place of a file that such a one names.
            if container.format.name in _LISTS:
                raise MediaError(f"{path}: is a list of other files; give those themselves")
            yield container
    except av.error.InvalidDataError as error:
        raise MediaError(
            f"{path}: cannot be read as video or picture; it is of another kind, cut off or damaged"
        ) from error
    except av.FFmpegError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error


def video_stream(container: InputContainer, index: int) -> VideoStream:
    """The stream of an index that is known to be a video's."""
    stream = container.streams[index]
    assert isinstance(stream, VideoStream)
    return stream


def time_base_of(stream: VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def declared_rate(stream: VideoStream) -> Fraction | None:
    return stream.average_rate or stream.guessed_rate or None


def ticks_per_frame(stream: VideoStream) -> int | None:
    rate = declared_rate(stream)
    return max(1, round(1 / (rate * time_base_of(stream)))) if rate else None


def seek(stream: VideoStream, start_pts: int, seconds: float) -> bool:
    """Go to a key frame before a time since the first frame; False where that cannot be trusted,
    and the file must be opened anew."""
    container = stream.container
    assert isinstance(container, InputContainer)
    context = stream.codec_context
    head = list(islice(read_packets(stream, DecodeReport()), _HEAD))
    if any(packet.pts is None for packet in head) or _is_shuffled(context, head):
        return False
    # FFmpeg reads streams by the x264 that wrote them, which only the first packet names.
    if head and (build := re.search(rb"x264 - core (\d+)", bytes(head[0]))):
        context.options = {**context.options, "x264_build": build[1].decode()}
    try:
        container.seek(start_pts + int(seconds / time_base_of(stream)), stream=stream)
    except av.FFmpegError:
        return False
    return True


def clock_jumps_back(stream: VideoStream) -> bool:
    """Whether times may come twice, so that none says where in the file it is. Of kinds of files
    that are joined byte by byte, the whole is read for it, once."""
    if stream.container.format.name not in JOINED_AS_THEY_ARE:
        return False
    path = Path(stream.container.name)
    status = path.stat()
    return _jumps_back(path, stream.index, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _jumps_back(path: Path, index: int, size: int, changed_ns: int) -> bool:
    """size, changed_ns: of the file, as another may get its name."""
    with open_input(path) as container:
        stream = video_stream(container, index)
        packets = read_packets(stream, DecodeReport())
        return goes_back(packet.dts for packet in packets if packet.dts is not None)


def goes_back(stamps: Iterable[int]) -> bool:
    """Whether stamps begin anew on the way; a lone one that is wrong is none that others follow."""
    latest = deque[int](maxlen=6)
    for stamp in stamps:
        latest.append(stamp)
        before, after = list(latest)[:3], list(latest)[3:]
        if len(after) == 3 and max(after) < min(before):
            return True
    return False


def decode_stream(
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
    packets = read_packets(stream, report)
    if from_key_frame:
        # A seek may land within a frame (MPEG-PS). FFmpeg gives its rest the times of the frame
        # after it, and that one times of others and no place in the file.
        packets = dropwhile(lambda packet: not packet.is_keyframe or packet.pos is None, packets)
    head = list(islice(packets, _HEAD))
    images = _images(context, chain(head, packets), report, begin)
    step = ticks_per_frame(stream) or 1
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


def read_packets(stream: VideoStream, report: DecodeReport) -> Iterator[av.Packet[VideoStream]]:
    container = stream.container
    assert isinstance(container, InputContainer)
    try:
        yield from packets_of(container, [stream])
    except (av.error.InvalidDataError, av.error.EOFError):
        report.cut_short = True


def packets_of(container: InputContainer, streams: Iterable[Stream]) -> Iterator[av.Packet[Any]]:
    """The packets of streams, as they come in the file. Raises av.FFmpegError."""
    # IndexError: PyAV's, at the end of a file in which streams appeared on the way.
    with suppress(IndexError):
        # Only empty packets mark the end; one without dts is as good as any other.
        yield from (packet for packet in container.demux(*streams) if packet.size)


def is_cut_off(container: InputContainer, path: Path) -> bool:
    """Whether a file is shorter than it says, as half of a download is: FFmpeg ends such a file as
    it ends a whole one. Asked once it is read, because a fragmented MP4 has its index here and
    there."""
    size = container.size
    lasts = [entries[-1] for stream in container.streams if (entries := stream.index_entries)]
    return any(entry.pos + entry.size > size for entry in lasts) or is_shorter_than_it_says(path)


def ends_in_zeros(path: Path) -> bool:
    """Whether a file may have got its size before its contents, as some downloads do."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(-min(_TAIL_BYTES, path.stat().st_size), os.SEEK_END)
        return not any(file.read())
    return False


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
