"""The last stage: frames to a file, with the input's sound, subtitles and metadata beside them.

The file is written as NAME.part.EXT and takes its name when it is whole; until then an output
that was there before stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import chain, islice
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from videostyle.decode.decode import decode
from videostyle.decode.stream import open_input
from videostyle.encode.output_file import give_name, remove, sync, writing
from videostyle.encode.output_video import OutputVideo, aspect_note, input_notes, open_output
from videostyle.encode.passthrough import Passthrough
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.segments import SegmentRecord, checksum
from videostyle.encode.span import Span
from videostyle.errors import MediaError
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.media.numbered import numbered, sequence_numbers
from videostyle.media.picture import save_picture, write_picture
from videostyle.whole_file import part_path

_ARBITRARY_CLOCKS = ("mpeg", "mpegts")  # formats that may begin at any time of a broadcast's day
_READ_BACK_SECONDS = 0.005  # containers round times to a millisecond


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What was written. complete is False after an interruption: `output` is then the part."""

    output: Path
    frames: int
    complete: bool
    notes: tuple[str, ...]


def encode(
    frames: Iterable[Frame],
    info: MediaInfo,
    output: Path,
    plan: EncodingPlan,
    *,
    cut: Cut | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> EncodeReport:
    """Write the frames, which are in the plan's working_pix_fmt and colour.

    The frames' pts and the other streams' times stay as they are; `cut` says that the frames are
    those of a part, which begins when the input does. `interrupted` is asked once, when the frames
    end: if it is true they are not all, and the part is finished, playable, and keeps its .part
    name. On any error it is removed. An earlier run's part stays until there is a frame. Raises
    MediaError if the file cannot be written, and what reading `frames` raises.
    """
    part = part_path(output)
    interrupted = cache(interrupted)
    with ExitStack() as on_error:
        on_error.callback(_close, frames)
        remaining = iter(frames)
        first = next(remaining, None)
        if first is None:
            if interrupted():
                return EncodeReport(part, 0, False, ())
            raise _no_frame(info, output, cut or Cut())
        on_error.callback(remove, part)
        remove(part)  # what an interruption left, or a link, which would be written through
        remaining = chain([first], remaining)
        if info.is_image:
            count, notes = _write_picture(remaining, info, part)
        elif plan.codec is None:
            count, notes = _write_sequence(remaining, info, plan, output, part)
        else:
            count, notes = _write_video(
                remaining, first.pts, info, part, plan, cut or Cut(), interrupted
            )
        complete = not interrupted()
        if complete:
            sync(part)
        on_error.pop_all()  # the part is whole, whatever keeps it from its name
    if complete:
        give_name(part, output)
    return EncodeReport(output if complete else part, count, complete, tuple(notes))


def _no_frame(info: MediaInfo, output: Path, cut: Cut) -> MediaError:
    """What to say where there is nothing to write: a long frame may hide the whole part."""
    why = "there was no frame to write"
    if cut != Cut():
        why = f"no frame begins at {cut.start:.2f} s or later"
        if cut.end < math.inf:
            why += f" but before {cut.end:.2f} s"
        with closing(decode(info, cut=cut, lead=1)) as frames:
            shown = next(frames, None)
        if shown:
            why += f"; the one on show then begins at {shown.seconds:.2f} s"
    return MediaError(f"{output}: not written, because {why}")


class SegmentWriter:
    """Writes frames alone to a file that `join_segments` reads, and checks it.

    The container is NUT: it keeps any time_base exactly, whatever the codec. It has no negative
    times, so they count from the input's first frame. Until `finish` the file is a part; if
    anything raises, or `abandon` is called instead, it is removed. Every method raises MediaError.
    """

    def __init__(self, info: MediaInfo, path: Path, plan: EncodingPlan) -> None:
        self._info, self._path = info, path
        self._part = part_path(path)
        self._pts, self._durations = list[int](), list[int]()
        remove(self._part)
        with writing(self._part):
            self._container = av.open(str(self._part.absolute()), "w")
        with self._or_abandon():
            span = Span(earlier=info.start_pts * info.time_base)
            self._video = OutputVideo(self._container, info, plan, span)

    def write(self, frame: Frame) -> None:
        """Add a frame."""
        with self._or_abandon():
            self._pts.append(frame.pts)
            self._durations.append(frame.duration or 0)
            self._video.write(frame)

    def finish(self) -> SegmentRecord:
        """Give the file, which holds a frame, its name; in any thread."""
        pts, durations = self._pts, self._durations
        with self._or_abandon():
            self._video.finish()
            self._container.close()
            _check_segment(self._part, self._info, pts)
            sync(self._part)
            self._part.replace(self._path)
        return SegmentRecord(
            frames=len(pts),
            first_pts=pts[0],
            durations=durations if len(set(durations)) > 1 else durations[:1],
            bytes=self._path.stat().st_size,
            checksum=checksum(self._path),
        )

    def abandon(self) -> None:
        """Remove what was written, if it is not finished."""
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        remove(self._part)

    @contextmanager
    def _or_abandon(self) -> Iterator[None]:
        try:
            with writing(self._part):
                yield
        except BaseException:
            self.abandon()
            raise


def join_segments(
    segments: Iterable[tuple[Path, SegmentRecord]],
    info: MediaInfo,
    output: Path,
    plan: EncodingPlan,
    *,
    cut: Cut,
    complete: bool,
) -> EncodeReport:
    """Put segments one after another without encoding them again, with the sound and all else of
    the input beside them.

    complete: they are the whole output; else the output keeps its .part name, and its sound ends
    with them. Raises MediaError if the file cannot be written or a segment cannot be read.
    """
    part = part_path(output)
    segments = [item for item in segments if item[1].frames]
    if not segments:
        if complete:
            raise _no_frame(info, output, cut)
        return EncodeReport(part, 0, False, ())
    with ExitStack() as on_error:
        on_error.callback(remove, part)
        remove(part)
        with open_input(info.path) as source, open_output(part, plan) as container:
            span = _span(segments[0][1].first_pts, info, cut, source)
            video = OutputVideo(container, info, plan, span, source)
            others = Passthrough(source, container, plan.streams, span)
            for path, record in segments:
                for number, packet in enumerate(_whole_segment(path, record, info)):
                    others.until(float((packet.pts or 0) * info.time_base))
                    video.copy(packet, record.duration(number))
            if complete:
                others.until(math.inf)
            others.finish()
        _read_back(part, plan, video, others.sounds)
        if complete:
            sync(part)
        on_error.pop_all()
    if complete:
        give_name(part, output)
    count = sum(record.frames for _, record in segments)
    notes = (*video.notes(), *others.notes)
    return EncodeReport(output if complete else part, count, complete, notes)


def _whole_segment(
    path: Path, record: SegmentRecord, info: MediaInfo
) -> Iterator[av.Packet[VideoStream]]:
    """A segment's packets. Raises MediaError if they are not as many as were written."""
    count = 0
    with suppress(MediaError):  # so that what could be read is counted
        for packet in islice(_segment_packets(path, info), record.frames):
            count += 1
            yield packet
    if count < record.frames:
        raise MediaError(
            f"{path}: was damaged on the disk, {count} of its {record.frames} frames are left; "
            "the same command paints this piece again"
        )


def _segment_packets(path: Path, info: MediaInfo) -> Iterator[av.Packet[VideoStream]]:
    """A segment's packets, in ticks of the input's time_base."""
    with open_input(path) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if not packet.size or packet.pts is None:
                continue
            ratio = packet.time_base / info.time_base
            packet.pts = packet.dts = info.start_pts + round(packet.pts * ratio)
            packet.time_base = info.time_base
            yield packet


def _check_segment(path: Path, info: MediaInfo, pts: list[int]) -> None:
    found = [packet.pts for packet in _segment_packets(path, info)]
    if found != pts:
        raise MediaError(
            f"{path}: holds other frames than were written ({len(found)} of {len(pts)}); "
            "this encoder cannot be used for long videos"
        )


def _close(frames: Iterable[Frame]) -> None:
    """Stop the stages before this one, whatever they wait for."""
    close = getattr(frames, "close", None)
    if close is not None:
        close()


def _write_video(
    frames: Iterable[Frame],
    first_pts: int,
    info: MediaInfo,
    part: Path,
    plan: EncodingPlan,
    cut: Cut,
    interrupted: Callable[[], bool],
) -> tuple[int, list[str]]:
    with open_input(info.path) as source, open_output(part, plan) as container:
        span = _span(first_pts, info, cut, source)
        video = OutputVideo(container, info, plan, span, source)
        others = Passthrough(source, container, plan.streams, span)
        for frame in frames:
            others.until(float(frame.pts * info.time_base))
            video.write(frame)
        is_part = interrupted()
        video.finish()
        if not is_part:
            others.until(math.inf)
        others.finish()
    _read_back(part, plan, video, others.sounds)
    return video.frames, [*video.notes(), *others.notes]


def _read_back(part: Path, plan: EncodingPlan, video: OutputVideo, sounds: range) -> None:
    """Raise MediaError if a reader does not find every frame, the last frame's time and every
    sound again: damaged sound that is copied can spoil the whole file. Animations, which copy
    nothing, are not looked at."""
    if plan.container.time_base:
        return
    with open_input(part) as container:
        streams = container.streams.video[:1]
        packets = container.demux(streams) if streams else ()
        times = [
            packet.pts * packet.time_base
            for packet in packets
            if packet.size and packet.pts is not None
        ]
        heard = len(container.streams.audio)
    if len(times) != video.packets or heard not in sounds:
        raise MediaError(
            f"{part}: of {video.packets} frames and {sounds[-1]} sounds, {len(times)} and {heard} "
            "are read back; the input's sound may be damaged: audio aac or none (--audio) does "
            "without copying it"
        )
    found, written = float(max(times) - min(times)), video.length_seconds
    if abs(found - written) > _READ_BACK_SECONDS:
        raise MediaError(
            f"{part}: the last frame is read back at {found:.3f} s instead of {written:.3f} s; "
            f"{plan.container.name} may not hold such times: choose another ending, such as .mkv"
        )


def _span(first_pts: int, info: MediaInfo, cut: Cut, source: InputContainer) -> Span:
    start = info.start_pts * info.time_base
    begin = first_pts * info.time_base if cut.start else start
    # What begins before 0 begins at 0: MP4 would hide it, other containers move it themselves.
    zero = min(start, Fraction(0))
    if source.format.name in _ARBITRARY_CLOCKS:  # else a video of hours, with nothing at first
        zero = min(start, Fraction(source.start_time or 0, av.time_base))
    earlier = begin - start + zero
    return Span(float(begin) if cut.start else -math.inf, float(start) + cut.end, earlier)


def _write_picture(frames: Iterable[Frame], info: MediaInfo, part: Path) -> tuple[int, list[str]]:
    count, notes = 0, list[str]()
    for frame in frames:
        pixels = frame.image.to_ndarray().astype(np.uint8, copy=False)
        notes += save_picture(pixels, info.path, part)
        count += 1
    return count, notes


def _write_sequence(
    frames: Iterable[Frame], info: MediaInfo, plan: EncodingPlan, output: Path, part: Path
) -> tuple[int, list[str]]:
    written = set[int]()
    with open_input(info.path) as source:
        notes = [*input_notes(info, plan, source), *aspect_note(info, plan.container.name)]
    with writing(part):
        part.mkdir()
    for count, frame in enumerate(frames, 1):
        number = info.pictures[frame.pts] if info.pictures else count
        picture = Image.fromarray(frame.image.to_ndarray().astype(np.uint8, copy=False))
        if frame.alpha is not None:
            picture.putalpha(Image.fromarray((frame.alpha >> 8).astype(np.uint8)))
        write_picture(picture, part / numbered(output, number).name, info.icc_profile)
        written.add(number)
    notes += [str(stream) for stream in plan.streams]
    stale = len(set(sequence_numbers(output)) - written)
    if stale:
        were = "picture of that name was there, and still is"
        if stale > 1:
            were = "pictures of that name were there, and still are"
        notes.append(f"{stale} other {were}")
    return len(written), notes
