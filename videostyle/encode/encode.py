"""The last stage: frames to a file, with the input's sound, subtitles and metadata beside them.

The file is written as NAME.part.EXT and takes its name when it is whole; until then an output
that was there before stays as it is.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream
from PIL import Image

from videostyle.decode.decode import decode
from videostyle.decode.stream import open_input
from videostyle.encode.encoders import Clock, EncodingPlan, open_encoder, plan_encoding
from videostyle.encode.options import EncodeOptions
from videostyle.encode.palette import PalettePicker
from videostyle.encode.passthrough import Passthrough, Span, kept_tags, stream_tags
from videostyle.encode.segments import SegmentRecord, segment_folder
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import join_alpha, plane_array
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MATRICES, MediaInfo
from videostyle.media.numbered import file_keys, is_sequence, numbered, sequence_numbers
from videostyle.media.picture import save_picture, wide_profile, write_picture
from videostyle.whole_file import part_path

_PROGRESSIVE = 1  # of FFmpeg's field orders; 0 is unknown
_WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_ARBITRARY_CLOCKS = ("mpeg", "mpegts")  # formats that may begin at any time of a broadcast's day


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
    those of a part, which begins when the input does. If `interrupted` is true once the frames
    end, the part is finished, playable, and keeps its .part name. On any error it is removed.
    An earlier run's part stays until there is a frame. Raises MediaError if the file cannot be
    written, and what reading `frames` raises.
    """
    part = part_path(output)
    with ExitStack() as on_error:
        on_error.callback(_close, frames)
        remaining = iter(frames)
        first = next(remaining, None)
        if first is None:
            if interrupted():
                return EncodeReport(part, 0, False, ())
            raise _no_frame(info, output, cut or Cut())
        on_error.callback(_remove, part)
        remaining = chain([first], remaining)
        if info.is_image:
            count, notes = _write_picture(remaining, info, part), list[str]()
        elif plan.codec is None:
            count, notes = _write_sequence(remaining, info, plan, output, part)
        else:
            count, notes = _write_video(
                remaining, first.pts, info, part, plan, cut or Cut(), interrupted
            )
        complete = not interrupted()
        if complete:
            _sync(part)
        on_error.pop_all()  # the part is whole, whatever keeps it from its name
    if complete:
        _give_name(part, output)
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
        with _writing(self._part):
            self._container = av.open(str(self._part.absolute()), "w")
        with self._or_abandon():
            span = Span(earlier=info.start_pts * info.time_base)
            self._video = _Video(self._container, info, plan, span)

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
            _sync(self._part)
            self._part.replace(self._path)
        return SegmentRecord(
            frames=len(pts),
            first_pts=pts[0],
            durations=durations if len(set(durations)) > 1 else durations[:1],
            bytes=self._path.stat().st_size,
        )

    def abandon(self) -> None:
        """Remove what was written, if it is not finished."""
        with suppress(av.FFmpegError, OSError):
            self._container.close()
        _remove(self._part)

    @contextmanager
    def _or_abandon(self) -> Iterator[None]:
        try:
            with _writing(self._part):
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
        on_error.callback(_remove, part)
        with open_input(info.path) as source, _open_output(part, plan) as container:
            span = _span(segments[0][1].first_pts, info, cut, source)
            video = _Video(container, info, plan, span, source)
            others = Passthrough(source, container, plan.streams, span)
            for path, record in segments:
                for number, packet in enumerate(_segment_packets(path, info)):
                    others.until(float((packet.pts or 0) * info.time_base))
                    video.copy(packet, record.duration(number))
            if complete:
                others.until(math.inf)
            others.finish()
        _read_back(part, plan, video.packets, others.sounds)
        if complete:
            _sync(part)
        on_error.pop_all()
    if complete:
        _give_name(part, output)
    count = sum(record.frames for _, record in segments)
    notes = (*video.notes(), *others.notes)
    return EncodeReport(output if complete else part, count, complete, notes)


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


def exists(output: Path) -> bool:
    """Whether a file, or a picture of a sequence, is there already."""
    if is_sequence(output) and sequence_numbers(output):
        return True
    # Path.exists raises for a name that is too long. A link that leads nowhere is there too.
    return os.path.lexists(output)


def behind_link(output: Path) -> Path:
    """The file to write: what a link points at, so that the link stays one. Raises MediaError for
    links that lead round in a circle."""
    # Path.is_symlink raises for a name that is too long.
    if not os.path.islink(output):  # noqa: PTH114
        return output
    target = Path(os.path.realpath(output))
    if target.is_symlink():
        raise MediaError(f"{output}: is a link that leads back to itself; choose another output")
    return target


def plan_output(info: MediaInfo, output: Path, options: EncodeOptions) -> EncodingPlan:
    """The plan of `plan_encoding`, for an output that can be written.

    Raises UsageError or MediaError for what would fail later, without touching any file.
    """
    plan = plan_encoding(info, output, options)
    part = part_path(output)
    segments = [segment_folder(output)] if plan.joins_segments else []
    inputs = file_keys(info.path)
    for path in (output, part, *segments):
        try:
            path.exists()
        except OSError as error:  # its name may be too long
            raise MediaError(f"{path}: cannot be written: {error.strerror}") from error
        if file_keys(path) & inputs:
            raise UsageError(f"{output}: would overwrite the input; choose another output")
    if output.exists() and not output.is_file():
        raise MediaError(f"{output}: is a folder or device; name a file")
    if part.is_dir():  # it would be removed
        own = len(sequence_numbers(part / output.name)) if is_sequence(output) else -1
        if own < len(list(part.iterdir())):
            raise MediaError(f"{part}: its name is needed; move this folder away")
    # Path.exists raises where it may not look.
    folder = next((p for p in output.absolute().parents if os.path.exists(p)), None)  # noqa: PTH110
    if folder is None:
        raise MediaError(f"{output.absolute().anchor}: no such drive")
    if not folder.is_dir():
        raise MediaError(f"{folder}: is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MediaError(f"{folder}: cannot be written to")
    return plan


def make_folder(output: Path) -> None:
    """Make the folder an output goes to, where it is missing. Raises MediaError."""
    folder = output.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{folder}: cannot be made: {error.strerror}") from error


def _remove(part: Path) -> None:
    with suppress(OSError):  # what went wrong before says more
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink()


def _sync(part: Path) -> None:
    """So that even a power cut leaves the output with all of it or with what was there."""
    if not part.is_dir():
        with _writing(part), part.open("rb+") as file:
            os.fsync(file.fileno())


def _give_name(part: Path, output: Path) -> None:
    """Raises MediaError where the output cannot be replaced: Windows lets nobody replace a file
    that a player has open."""
    try:
        if not part.is_dir():
            part.replace(output)
            return
        for path in part.iterdir():
            path.replace(output.with_name(path.name))
        part.rmdir()
    except OSError as error:
        raise MediaError(
            f"{output}: cannot be replaced, perhaps because a program has it open "
            f"({error.strerror}); what was painted is in {part}"
        ) from error


@contextmanager
def _writing(part: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:  # FFmpeg's is one of its errors too; the painter says what helps
        raise
    except (av.FFmpegError, OSError) as error:
        raise MediaError(f"{part}: cannot be written: {error.strerror or error}") from error


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
    count = 0
    with open_input(info.path) as source, _open_output(part, plan) as container:
        span = _span(first_pts, info, cut, source)
        video = _Video(container, info, plan, span, source)
        others = Passthrough(source, container, plan.streams, span)
        for frame in frames:
            others.until(float(frame.pts * info.time_base))
            video.write(frame)
            count += 1
        video.finish()
        if not interrupted():
            others.until(math.inf)
        others.finish()
    _read_back(part, plan, video.packets, others.sounds)
    return count, [*video.notes(), *others.notes]


def _read_back(part: Path, plan: EncodingPlan, frames: int, sounds: range) -> None:
    """Raise MediaError if a reader does not find every frame and sound again: damaged sound that
    is copied can spoil the whole file. Animations, which copy nothing, are not looked at."""
    if plan.container.time_base:
        return
    with open_input(part) as container:
        streams = container.streams.video[:1]
        found = sum(packet.size > 0 for packet in container.demux(streams)) if streams else 0
        heard = len(container.streams.audio)
    if found != frames or heard not in sounds:
        raise MediaError(
            f"{part}: of {frames} frames and {sounds[-1]} sounds, {found} and {heard} are read "
            "back; the input's sound may be damaged: --audio aac or none does without copying it"
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


@contextmanager
def _open_output(part: Path, plan: EncodingPlan) -> Iterator[OutputContainer]:
    options = dict(plan.container.options)
    # By its name, or a %d anywhere in its path would make GIF and WebP numbered pictures.
    muxer = plan.container.name.lower()
    with _writing(part), av.open(str(part.absolute()), "w", muxer, options) as container:
        yield container


class _Video:
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
        self._clock = Clock(plan.container) if plan.container.time_base else None
        self._lost_timecode = False
        self._input_notes = list[str]()
        self.packets = 0
        # The durations of the frames the encoder holds, by pts; not every encoder returns them.
        self._durations: dict[int, int] = {}
        assert plan.codec is not None
        rate = info.frame_rate or 25
        stream = container.add_stream(plan.codec, rate=rate, options=plan.encoder_options())
        assert isinstance(stream, VideoStream)
        plan.configure(stream.codec_context, info)
        if source:
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
            chapters = span.chapters(source)
            container.set_chapters(chapters)
            self._input_notes.extend(_input_notes(info, plan, source))
            self._input_notes.extend(_profile_note(info, plan))
            self._input_notes.extend(_lost_notes(plan, chapters, kept_tags(source.metadata)))
        open_encoder(stream.codec_context)
        self._stream = stream

    def write(self, frame: Frame) -> None:
        times = self._times(frame)
        if times is None:
            return
        pts, duration = times
        image = frame.image if frame.alpha is None else join_alpha(frame.image, frame.alpha)
        context = self._stream.codec_context
        image = _pad(image, context.width, context.height)
        if self._palette:
            image = self._palette(image)
        image.pts, image.time_base, image.duration = pts, context.time_base, duration
        image.pict_type = PictureType.NONE  # or the decoder's sync frames would be copied
        self._durations[pts] = duration
        self._mux(self._stream.encode(image))

    def copy(self, packet: av.Packet[VideoStream], duration: int) -> None:
        """Write a packet of a segment, in ticks of the input's time_base."""
        assert packet.pts is not None
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
            yield from _aspect_note(info, name if tick else f"{name} with {context.name}")
        if self._lost_timecode:
            yield "the timecode is left out: it is that of the whole"
        if self._clock:
            yield from self._clock.notes()

    def _times(self, frame: Frame) -> tuple[int, int] | None:
        """Pts and duration in the output's ticks, None where it has no room for the frame."""
        pts, duration = frame.pts - self._earlier, frame.duration or 0
        if self._clock is None:
            return pts, duration
        if self._first_pts is None:
            self._first_pts = pts
        begin = (pts - self._first_pts) * self._info.time_base
        return self._clock.place(begin, begin + duration * self._info.time_base)

    def _mux(self, packets: list[av.Packet[VideoStream]]) -> None:
        for packet in packets:
            duration = self._durations.pop(packet.pts or 0, 0)
            packet.duration = packet.duration or duration
            self._container.mux(packet)
            self.packets += 1


def _input_notes(info: MediaInfo, plan: EncodingPlan, source: InputContainer) -> Iterator[str]:
    color = info.hdr_color or info.color
    if color.guessed:
        how = "its transfer" if color.is_hdr else "its height"
        name = MATRICES[color.matrix]
        yield f"the input does not say its colour matrix; taken as {name} by {how}"
    has_tags = plan.codec is not None and plan.container.time_base is None
    if info.color.primaries in _WIDE_PRIMARIES and not has_tags:
        wide = _WIDE_PRIMARIES[info.color.primaries]
        yield f"the colours, of {wide}, look pale: {plan.container.name} does not say what they are"
    video = source.streams[info.stream_index]
    assert isinstance(video, VideoStream)
    if video.codec_context.field_order > _PROGRESSIVE:
        yield "the input is interlaced; its frames are painted, and written, as if they were not"


def _profile_note(info: MediaInfo, plan: EncodingPlan) -> Iterator[str]:
    if name := info.icc_profile and wide_profile(info.icc_profile):
        held = f"{plan.container.name} does not hold the pictures' profile"
        yield f"the colours, of {name}, look pale: {held}"


def _lost_notes(
    plan: EncodingPlan, chapters: Sequence[object], tags: Iterable[str]
) -> Iterator[str]:
    name = plan.container.name
    if plan.container.time_base is None:
        return
    if chapters:
        yield f"{len(chapters)} chapter{'s' * (len(chapters) > 1)} left out: {name} holds none"
    if tags:
        yield f"tags left out ({', '.join(tags)}): {name} holds none"


def _aspect_note(info: MediaInfo, holder: str) -> Iterator[str]:
    if info.sample_aspect_ratio not in (None, 1):
        yield f"pixels of {info.sample_aspect_ratio} come out square: {holder} knows no others"


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


def _write_picture(frames: Iterable[Frame], info: MediaInfo, part: Path) -> int:
    count = 0
    for frame in frames:
        save_picture(frame.image.to_ndarray().astype(np.uint8, copy=False), info.path, part)
        count += 1
    return count


def _write_sequence(
    frames: Iterable[Frame], info: MediaInfo, plan: EncodingPlan, output: Path, part: Path
) -> tuple[int, list[str]]:
    written = set[int]()
    with open_input(info.path) as source:
        notes = [*_input_notes(info, plan, source), *_aspect_note(info, plan.container.name)]
    with _writing(part):
        _remove(part)  # what an interruption left
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
