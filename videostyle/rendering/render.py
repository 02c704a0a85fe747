"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

from videostyle.decode.letterbox import describe_bars, with_bars
from videostyle.decode.mask import Mask
from videostyle.decode.probe import measure_duration, probe
from videostyle.decode.report import DecodeReport
from videostyle.encode.encode import EncodeReport, encode, join_segments
from videostyle.encode.options import LEAST_SEGMENT_SECONDS, EncodeOptions
from videostyle.encode.output_file import behind_link, make_folder, plan_output
from videostyle.encode.segments import (
    SEGMENT_SECONDS,
    SegmentFolder,
    SegmentRecord,
    remove_segments,
    segment_cuts,
)
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo
from videostyle.network.model import load_model
from videostyle.network.model_card import STYLE_NAME
from videostyle.rendering.painter import Account, Assignment, Painted, Painter, Progress
from videostyle.rendering.workers import paint_in_processes
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import (
    FORMS,
    NEAR,
    Time,
    check_order,
    format_seconds,
    parse_rate,
    parse_time,
)
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.reader import read_timeline
from videostyle.timeline.timeline import Timeline
from videostyle.whole_file import only_writer

HDR = ("refuse", "tonemap", "pass")
HWACCEL = ("none", "cuda")
BARS = ("auto", "none")


@dataclass(frozen=True, slots=True)
class Report:
    """What a render did. complete is False after an interruption: `output` is then the playable
    part, under its .part name, which is there if `frames` is above 0; goes_on says whether the
    next call with the same arguments paints only the rest."""

    output: Path
    frames: int
    seconds: float
    fps: float
    limited_by: str
    complete: bool
    goes_on: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `output` is None if nothing was written."""
        return {**asdict(self), "output": str(self.output) if self.frames else None}


def render(
    source: str | Path,
    output: str | Path,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    *,
    stylizer: Stylizer | None = None,
    options: EncodeOptions | None = None,
    max_size: int | None = None,
    start: str | float | None = None,
    end: str | float | None = None,
    stabilize: bool = True,
    segment_seconds: float = SEGMENT_SECONDS,
    workers: int = 1,
    strict: bool = False,
    hdr: str = "refuse",
    fps: str | float | Fraction | None = None,
    hwaccel: str = "none",
    bars: str = "auto",
    mask: str | Path | None = None,
    invert_mask: bool = False,
    on_warning: Callable[[str], None] = lambda warning: None,
    on_progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Paint a video or a picture.

    output: a file, which is replaced if it is there once the new one is whole; where it is a link,
    what it points at is written, and named in the report. timeline: a YAML file, a timeline, or one
    look throughout. max_size: longest side of the output in pixels; a larger input is scaled down.
    start, end: the part to paint, from `start` up to but not with
    `end`, as numbers of seconds or times of `timecode`; the timeline runs on the input's clock, so
    a part looks as it does in the whole. A picture has one moment and ignores them. stabilize: hold
    the pastiche where the picture stands still. segment_seconds: a longer video is painted in
    pieces of this length (math.inf: in one), and the next call with the same arguments goes on
    after the last piece that an interrupted one finished, unless an easing of the timeline is a
    function of yours, which may be another by then. workers: processes that paint pieces at the
    same time, each on a GPU of its own or with its part of the threads. strict: stop at the first
    damage of the input, which is otherwise skipped and counted. hdr: what becomes of PQ and HLG:
    refuse, tonemap or pass. fps: frames a second of numbered pictures, 25 if None, such as 24,
    23.976 or "30000/1001". hwaccel: cuda lets the GPU decode what it can, none the CPU.
    bars: auto leaves the black bars of a film as they are, none paints them. mask: a video, a
    picture or numbered pictures: white is painted, black stays as it was; or the reverse with
    invert_mask.
    on_warning is called with every warning of the timeline, before the first frame; they are also
    the first of the report's notes. on_progress is called after every frame.
    Once `interrupted` returns true, no further frame is read and the part written so far is
    finished.

    Raises TimelineError, MediaError, ModelError or UsageError; the output is then as it was
    before. Words and numbers out of their range are a UsageError before any file is touched.
    """
    options = EncodeOptions() if options is None else options
    if not isinstance(stylizer, Stylizer | None):
        raise UsageError(f"stylizer is {stylizer!r}; give Stylizer(load_model())")
    _check(source, output, timeline, options, max_size, hdr)
    _check_choice("hwaccel", hwaccel, HWACCEL)
    _check_choice("bars", bars, BARS)
    _check_whole("workers", workers)
    if not (isinstance(segment_seconds, Real) and segment_seconds >= LEAST_SEGMENT_SECONDS):
        least = f"a number of seconds, at least {LEAST_SEGMENT_SECONDS:g}"
        raise UsageError(f"segment_seconds is {segment_seconds!r}; it must be {least}")
    _check_function("on_warning", on_warning)
    if on_progress is not None:
        _check_function("on_progress", on_progress)
    _check_function("interrupted", interrupted)
    stylizer = stylizer or Stylizer(load_model())
    output = behind_link(Path(output))
    info, cut = cut_for(_probe(Path(source), max_size, hdr, fps), start, end)
    where = _mask_for(info, mask, invert_mask)
    plan = plan_output(info, output, options, where.info.path if where else None)
    looks, warnings = timeline_for(info, timeline, stylizer.model.card.style_names)
    for warning in warnings:
        on_warning(warning)
    stylizer.check(looks.style_names)
    make_folder(output)
    in_pieces = plan.joins_segments and segment_seconds < math.inf
    cuts = segment_cuts(info, cut, segment_seconds) if in_pieces else [cut]
    account = Account(info.frame_count, on_progress)
    with only_writer(output):
        info = with_bars(info) if bars == "auto" else info
        assignment = Assignment(info, plan, looks, stabilize, strict, hwaccel, where)
        job = _Job(assignment, stylizer, output, cut, account, interrupted)
        result, notes = _in_pieces(job, cuts, workers) if len(cuts) > 1 else _in_one_piece(job)
    if workers > 1 and len(cuts) == 1:
        why = "; see --segment-seconds" if plan.joins_segments else ""
        notes.append(f"painted by one worker, because it is in one piece{why}")
    done = account.progress()
    return Report(
        output=result.output,
        frames=result.frames,
        seconds=done.seconds,
        fps=done.fps,
        limited_by=done.limited_by,
        complete=result.complete,
        goes_on=not result.complete and len(cuts) > 1 and assignment.is_repeatable,
        notes=(*warnings, *describe_bars(info), *(where.notes(info) if where else ()), *notes),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    assignment: Assignment
    stylizer: Stylizer
    output: Path
    cut: Cut
    account: Account
    interrupted: Callable[[], bool]

    def painter(self) -> Painter:
        return Painter(self.assignment, self.stylizer, self.interrupted, self.account.update)


def _in_one_piece(job: _Job) -> tuple[EncodeReport, list[str]]:
    info, plan = job.assignment.info, job.assignment.plan
    painter, faults = job.painter(), DecodeReport()
    with painter.paint(job.cut, faults) as frames:
        result = encode(frames, info, job.output, plan, cut=job.cut, interrupted=job.interrupted)
    if result.complete:
        remove_segments(job.output)
    return result, [*faults.notes, *painter.notes, *result.notes]


def _in_pieces(job: _Job, cuts: list[Cut], workers: int) -> tuple[EncodeReport, list[str]]:
    """Paint the pieces that no earlier run finished, and join all."""
    assignment = job.assignment
    folder = SegmentFolder(job.output, assignment.identity(cuts, job.stylizer))
    notes = folder.open()
    if notes and not assignment.is_repeatable:
        notes = ["started over: an easing that is a function of yours may have changed"]
    missing = {
        number: (cut, folder.file(number))
        for number, cut in enumerate(cuts[: folder.count(len(cuts))])
        if (record := folder.record(number)) is None
        or (assignment.strict and DecodeReport(**record.faults).faults)  # to be met again
    }
    job.account.skip(folder.frames)
    if workers > 1:
        painting = paint_in_processes(
            missing, assignment, job.stylizer, workers, job.account, job.interrupted
        )
    else:
        painting = job.painter().paint_segments(missing)
    with closing(painting):
        segments, complete = _collect(painting, folder, len(cuts))
    records = [record for _, record in segments]
    if complete and not any(record.frames for record in records):
        folder.remove()  # `join_segments` says why, and there is nothing to go on with
    notes += DecodeReport.of_parts(record.faults for record in records).notes
    notes += dict.fromkeys(note for record in records for note in record.notes)
    info, plan = assignment.info, assignment.plan
    result = join_segments(segments, info, job.output, plan, cut=job.cut, complete=complete)
    if complete or not assignment.is_repeatable:
        folder.remove()
    else:
        folder.remove_unfinished()
    return result, [*notes, *result.notes]


def _collect(
    painting: Iterable[Painted], folder: SegmentFolder, count: int
) -> tuple[list[tuple[Path, SegmentRecord]], bool]:
    """Note segments as they are finished. Returns those from the first to before the first that
    is missing, and whether they are all. The last of them may be one that an interruption cut
    short, which is joined, but not kept for the next run."""
    cut_short = {}
    for number, record, whole in painting:
        if whole:
            folder.finish(number, record)
        else:
            cut_short[number] = record
    segments = []
    count = folder.count(count)
    for number in range(count):
        found = folder.record(number) or cut_short.get(number)
        if found is None:
            break
        segments.append((folder.file(number), found))
        if number in cut_short:
            break
    complete = all(folder.record(number) for number in range(count))
    return segments, complete


def cut_for(
    info: MediaInfo, start: str | float | None, end: str | float | None
) -> tuple[MediaInfo, Cut]:
    """Settle which part of an input is meant; the facts come back with the part's frame count,
    as far as the frame rate tells it.

    Raises UsageError for what is no time or cannot be a part of anything, MediaError for a time
    the input does not have.
    """
    if info.is_image or (start is None and end is None):
        return info, Cut()
    given = {"start": start, "end": end}
    times = {name: _parse(name, time) for name, time in given.items() if time is not None}
    check_order(times.get("start", parse_time("0s")), times.get("end", parse_time("end")))
    if info.duration_seconds is None and any(time.needs_duration for time in times.values()):
        info = replace(info, duration_seconds=measure_duration(info))
    settled = {name: _settle(info, name, time) for name, time in times.items()}
    length = math.inf if info.duration_seconds is None else info.duration_seconds
    begin, stop = settled.get("start", 0.0), settled.get("end", length)
    first = max(0.0, begin - NEAR)
    if begin >= min(stop, length) or first >= stop - NEAR:
        limit = f"end {times['end']}" if stop < length else f"the end, {length:.3f} s"
        raise MediaError(f"{info.path}: start {times.get('start', '0s')} is not before {limit}")
    part = min(stop, length) - begin
    frames = part * (info.frame_rate or math.inf)
    count = None if frames == math.inf else round(frames)
    # A file may have frames after the length it declares.
    cut = Cut(first, math.inf if stop == length else stop - NEAR)
    return replace(info, frame_count=count), cut


def _parse(name: str, time: str | float) -> Time:
    try:
        if isinstance(time, Real):
            time = format_seconds(float(time))
        if not isinstance(time, str):
            raise ValueError(f"{time!r} is not a time; write a number of seconds, or {FORMS}")
        return parse_time(time)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def _settle(info: MediaInfo, name: str, time: Time) -> float:
    if time.frames and not info.frame_rate:
        raise MediaError(f"{info.path}: has no frame rate; write {name} {time} in seconds")
    seconds = time.resolve(info.duration_seconds, info.frame_rate, info.time_base)
    if seconds < 0:
        raise MediaError(f"{info.path}: {name} {time} lies before its start")
    return seconds


def timeline_for(
    info: MediaInfo,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    style_names: Iterable[str],
) -> tuple[Timeline, list[str]]:
    """Settle every time of a timeline for one input, with warnings. A picture is a video of
    length 0."""
    if isinstance(timeline, Look):
        return Timeline.constant(timeline), []
    if isinstance(timeline, Timeline):
        tracks = timeline.tracks.values()
        moments = {key.seconds for track in tracks for key in track.keyframes}
        return timeline, _warn_of_one_moment(info, len(moments))
    if not isinstance(timeline, TimelineDocument):
        timeline = timeline_file(timeline, style_names)
    duration = info.duration_seconds
    if duration is None and timeline.needs_duration:
        duration = measure_duration(info)
    looks, warnings = timeline.resolve(duration, info.frame_rate, info.time_base)
    return looks, warnings + _warn_of_one_moment(info, len({key.at for key in timeline.keys}))


def timeline_file(name: str | Path, style_names: Iterable[str]) -> TimelineDocument:
    """Read a timeline. Raises UsageError, also for what may be meant as a style, TimelineError."""
    if STYLE_NAME.fullmatch(str(name).lower()) and not Path(name).exists():
        raise UsageError(
            f'{name}: no such timeline; for one style throughout give Look({{"{name}": 1}})'
        )
    return read_timeline(name, tuple(style_names))


def _warn_of_one_moment(info: MediaInfo, moments: int) -> list[str]:
    if not (info.is_image and moments > 1):
        return []
    return [
        f"{info.path}: a picture has one moment, the timeline's at 0 s; "
        "--style or --mix paints it in any other look"
    ]


def describe(
    source: Path,
    output: Path,
    timeline: TimelineDocument | Look,
    options: EncodeOptions,
    max_size: int | None,
    start: str | float | None = None,
    end: str | float | None = None,
    hdr: str = "refuse",
    fps: Fraction | None = None,
    bars: str = "auto",
    *,
    mask: Path | None = None,
    invert_mask: bool = False,
    on_warning: Callable[[str], None],
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    Raises what `render` would raise before its first frame.
    """
    _check(source, output, timeline, options, max_size, hdr)
    output = behind_link(output)
    info, cut = cut_for(_probe(source, max_size, hdr, fps), start, end)
    where = _mask_for(info, mask, invert_mask)
    plan = plan_output(info, output, options, where.info.path if where else None)
    looks, warnings = timeline_for(info, timeline, ())
    for warning in warnings:
        on_warning(warning)
    end = cut.end if info.duration_seconds is None else min(cut.end, info.duration_seconds)
    length = end - cut.start if end < math.inf else 0.0
    part = {}
    if cut != Cut() and length:
        begin = cut.start and cut.start + NEAR
        stop = min(cut.end + NEAR, info.duration_seconds or math.inf)
        part = {"duration_seconds": round(stop - begin, 6)}
    times = [round(cut.start + length * part / 4, 3) for part in range(5 if length else 1)]
    return {
        "input": str(source),
        "output": str(output),
        **info.to_dict(),
        "bars": (with_bars(info) if bars == "auto" else info).bars_to_dict(),
        **part,
        **({"mask": str(mask), "mask_is_inverted": invert_mask} if where else {}),
        "encoding": plan.to_dict(),
        "looks": [{"at": at, **looks.look_at(at).to_dict()} for at in times],
    }


def _probe(
    source: Path, max_size: int | None, hdr: str, fps: str | float | Fraction | None
) -> MediaInfo:
    info = probe(source, hdr, None if fps is None else parse_fps(fps))
    return info if max_size is None else info.fitted(max_size)


def _mask_for(info: MediaInfo, mask: str | Path | None, is_inverted: bool) -> Mask | None:
    if mask is not None:
        return Mask.of(_path("mask", mask), info, is_inverted=is_inverted)
    if is_inverted:
        raise UsageError("invert_mask needs a mask")
    return None


def parse_fps(fps: str | float | Fraction) -> Fraction:
    """Frames a second, as `render` takes them. Raises UsageError."""
    if isinstance(fps, Fraction) and 0 < (rate := fps.limit_denominator(100_000)) < 10**6:
        return rate
    try:
        return parse_rate(f"{fps:.6f}" if isinstance(fps, float) else str(fps))
    except ValueError as error:
        raise UsageError(f"fps: {error}") from error


def _check(
    source: object,
    output: object,
    timeline: object,
    options: EncodeOptions,
    max_size: int | None,
    hdr: str,
) -> None:
    """Raise UsageError for what the command line's parser would not let through."""
    _path("source", source)
    _path("output", output)
    if not isinstance(timeline, str | PathLike | TimelineDocument | Timeline | Look):
        raise UsageError(
            f"timeline is {timeline!r}; give a YAML file's name, a Timeline or a Look, such as "
            'Look({"starry_night": 1})'
        )
    if not isinstance(options, EncodeOptions):
        raise UsageError(
            f"options is {options!r}; give EncodeOptions, such as EncodeOptions(crf=20)"
        )
    for name in ("codec", "preset", "pix_fmt", "audio"):
        word = getattr(options, name)
        if not (isinstance(word, str) or (word is None and name != "audio")):
            raise UsageError(f"{name} is {word!r}; it must be text")
    if options.crf is not None and not _is_whole(options.crf):
        raise UsageError(f"crf is {options.crf!r}; it must be a whole number")
    if not isinstance(options.encoder_options, Mapping):
        found = repr(options.encoder_options)
        raise UsageError(f'encoder_options is {found}; write {{"g": "50"}}')
    for key, value in options.encoder_options.items():
        if not isinstance(key, str):
            raise UsageError(f"encoder_options: {key!r} is no name of an option; write it as text")
        if not isinstance(value, str):
            raise UsageError(f"encoder_options: {key} is {value!r}; write it as text, '{value}'")
    if max_size is not None:
        _check_whole("max_size", max_size)
    _check_choice("hdr", hdr, HDR)


def _path(name: str, path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise UsageError(f"{name} is {path!r}; give the name of a file")
    if "\0" in str(path):
        raise UsageError(f"{name} is {str(path)!r}; no name of a file has a NUL character")
    return Path(path)


def _check_whole(name: str, value: object) -> None:
    if not (_is_whole(value) and int(value) > 0):
        raise UsageError(f"{name} is {value!r}; it must be a whole number above 0")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_function(name: str, value: object) -> None:
    if not callable(value):
        raise UsageError(f"{name} is {value!r}; give a function")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
