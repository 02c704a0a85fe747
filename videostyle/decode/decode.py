"""The frames of a file, upright and in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain, islice

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from videostyle.decode.report import DecodeReport
from videostyle.decode.stream import (
    clock_jumps_back,
    decode_stream,
    ends_in_zeros,
    is_cut_off,
    open_input,
    seek,
    ticks_per_frame,
    video_stream,
)
from videostyle.decode.upright import Upright
from videostyle.errors import MediaError
from videostyle.media.color import has_alpha
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.media.numbered import numbered
from videostyle.media.picture import load_picture, on_black

_FIRST_SEEK_SECONDS = 0.5  # before a cut; enough for most files
_LEAST_LOST_SECONDS = 0.05  # worth a word; less may be how long its last frame stays
_SURELY_LOST_SECONDS, _SURELY_LOST = 0.5, 0.02  # and of the length; a file may declare more
_ALPHA_IN_ANY_CASE = ("gif", "apng")
_OPAQUE = 0xFFFF
_MOST_WALKED = 48  # frames from one that is looked at to the next
_Image = tuple[av.VideoFrame, int]  # a frame as decoded, and its pts


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
    A file that is shorter than it says is given as far as it goes, and `report` says so.
    Missing or repeated pts are counted on from the one before at the frame rate. Raises
    MediaError if the file cannot be read.
    """
    report = report or DecodeReport()
    cut = cut or Cut()
    if info.is_image:
        yield _decode_picture(info)
    elif info.pictures:
        if gpu is not None:
            report.not_on_gpu = "numbered pictures are read by the CPU"
        yield from _decode_pictures(info, cut, lead, keep_alpha, report)
    else:
        yield from _decode_video(info, cut, lead, keep_alpha, gpu, report)


def _decode_picture(info: MediaInfo) -> Frame:
    picture = load_picture(info.path)
    if picture is None:
        raise MediaError(f"{info.path}: changed while it was in use")
    pixels = np.asarray(picture.convert("RGB").resize((info.width, info.height)))
    return Frame(av.VideoFrame.from_ndarray(pixels, "rgb24"), 0, None, 0.0)


def _decode_video(
    info: MediaInfo, cut: Cut, lead: int, keep_alpha: bool, gpu: int | None, report: DecodeReport
) -> Generator[Frame]:
    upright = Upright(info, keep_alpha)
    end = math.inf
    for image, pts, step in _decode_from(info, cut.start, lead, gpu, report):
        seconds = info.seconds(pts)
        if seconds >= cut.end:
            return
        report.damaged_frames += image.is_corrupt and seconds >= cut.start
        if gpu is not None and image.format.name != "cuda":
            report.not_on_gpu = report.not_on_gpu or f"it cannot decode this {info.pix_fmt}"
        duration = image.duration or step
        if step and image.interlaced_frame and image.duration < 0.6 * step:
            duration = step  # the other was that of one of its fields
        end = info.seconds(pts + (duration or 0))
        colors, alpha = upright(image)
        yield Frame(image=colors, pts=pts, duration=duration, seconds=seconds, alpha=alpha)
    report.ended = True
    _note_lost_end(info, end, report)


def _note_lost_end(info: MediaInfo, end: float, report: DecodeReport) -> None:
    """Say what is missing of a video whose last frame ends at `end` seconds."""
    length = info.duration_seconds or 0.0
    lost = length - end
    if lost >= max(_SURELY_LOST_SECONDS, _SURELY_LOST * length):
        report.cut_short |= ends_in_zeros(info.path)
    if report.cut_short and lost >= _LEAST_LOST_SECONDS:
        report.lost_end = f"the last {lost:.2f} s of its {length:.2f} s are missing"


def frames_near(info: MediaInfo, places: Iterable[float]) -> Generator[Frame]:
    """Yield a few of a video's frames, as `decode` gives them: for each place at most one, later
    than the one before. places: in rising order, in seconds since the first frame.

    It is one that costs little: the key frame before the place. Where that is not later, or cannot
    be sought, it is the one at the place, or the last of _MOST_WALKED frames on the way there from
    the one before (or from the start). Damage is passed over; where recordings were joined, times
    are those of the recording. Raises MediaError if the file cannot be read.
    """
    if info.pictures:
        for place in places:
            with closing(decode(info, cut=Cut(place))) as frames:
                yield from islice(frames, 1)
        return
    upright = Upright(info, keep_alpha=False)
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


def is_transparent(info: MediaInfo) -> bool:
    """Whether a video's alpha means something. Some kinds have it in any case; of those the first
    frame tells. Raises MediaError if the file cannot be read."""
    if not has_alpha(info.pix_fmt):
        return False
    with open_input(info.path) as container:
        if not info.pictures and container.format.name not in _ALPHA_IN_ANY_CASE:
            return True
    with closing(decode(info, keep_alpha=True)) as frames:
        alpha = next((frame.alpha for frame in frames), None)
    return alpha is not None and bool((alpha < _OPAQUE).any())


def _images_from(info: MediaInfo, place: float | None) -> Generator[_Image]:
    """Frames as decoded and their pts: all, or those from the key frame before a place on, and
    none where seeking cannot be trusted."""
    with open_input(info.path) as container:
        stream = video_stream(container, info.stream_index)
        if place is None or seek(stream, info.start_pts, place):
            sought = place is not None
            yield from decode_stream(stream, None, DecodeReport(), from_key_frame=sought)


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
        picture = picture.convert("RGB") if keep_alpha else on_black(picture)
        image = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
        yield Frame(image, pts, 1, seconds, alpha)
    report.ended = True


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
    begin = info.start_pts + math.ceil(start / info.time_base) if start else None
    least = max(1, lead)  # frames before it: one shows that none from it on is missing
    back = _FIRST_SEEK_SECONDS
    while True:
        report.skipped_packets = 0
        is_sought = back < start
        with _open(info, gpu, report) as container:
            stream = video_stream(container, info.stream_index)
            if is_sought and (
                clock_jumps_back(stream) or not seek(stream, info.start_pts, start - back)
            ):
                back = math.inf  # from the beginning of the file
                continue
            images = decode_stream(stream, None, report, from_key_frame=is_sought, begin=begin)
            before, images = _parted(images, info, start, least)
            if is_sought and len(before) < least:
                back *= 8
                continue
            for image, pts in chain(before if lead else (), images):
                yield image, pts, ticks_per_frame(stream)
            report.cut_short |= is_cut_off(container, info.path)
            return


def _parted(
    images: Iterator[_Image], info: MediaInfo, start: float, most: int
) -> tuple[Sequence[_Image], Iterator[_Image]]:
    """The last of the frames before a time, at most so many, and those from it on."""
    before = deque[_Image](maxlen=most)
    for image in images:
        if start == 0 or info.seconds(image[1]) >= start:
            return before, chain([image], images)
        before.append(image)
    return before, images


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
