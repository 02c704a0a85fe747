"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

from videostyle.checks import check_function, check_one_of, check_whole, check_yes_or_no
from videostyle.decode.letterbox import describe_bars, with_bars
from videostyle.decode.mask import Mask
from videostyle.decode.probe import measure_duration, probe
from videostyle.decode.report import DecodeReport
from videostyle.encode.encode import EncodeReport, encode, join_segments
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import behind_link, make_folder, plan_output
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.segments import (
    LEAST_SEGMENT_SECONDS,
    SEGMENT_SECONDS,
    SegmentFolder,
    SegmentRecord,
    remove_segments,
    segment_cuts,
)
from videostyle.errors import MediaError, ModelError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo, check_max_size
from videostyle.network.model import load_model
from videostyle.network.model_card import DEFAULT_MODEL, STYLE_NAME, ModelCard, read_model_card
from videostyle.rendering.choices import BARS, HDR, HWACCEL
from videostyle.rendering.painter import Account, Assignment, Painted, Painter, Progress
from videostyle.rendering.workers import paint_in_processes
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import NEAR, Time, parse_part, parse_rate
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.reader import read_timeline
from videostyle.timeline.timeline import Timeline
from videostyle.whole_file import only_writer


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
    Once `interrupted` returns true, no further frame is painted and the part written so far is
    finished; if all were painted by then, the output is whole.

    Raises TimelineError, MediaError, ModelError or UsageError; the output is then as it was
    before. What no render could use is a UsageError before any file is touched; what the encoder
    or the input does not have is found by looking at the input.
    """
    if not isinstance(stylizer, Stylizer | None):
        raise UsageError(f"stylizer is {stylizer!r}; give Stylizer(load_model())")
    check_yes_or_no("stabilize", stabilize)
    check_yes_or_no("strict", strict)
    check_one_of("hwaccel", hwaccel, HWACCEL)
    check_whole("workers", workers)
    if not (isinstance(segment_seconds, Real) and segment_seconds >= LEAST_SEGMENT_SECONDS):
        least = f"a number of seconds, at least {LEAST_SEGMENT_SECONDS:g}"
        raise UsageError(f"segment_seconds is {segment_seconds!r}; it must be {least}")
    if on_progress is not None:
        check_function("on_progress", on_progress)
    check_function("interrupted", interrupted)
    card = stylizer.model.card if stylizer else read_model_card(DEFAULT_MODEL)
    settled = _settle(
        source,
        output,
        timeline,
        card,
        options=options,
        max_size=max_size,
        start=start,
        end=end,
        hdr=hdr,
        fps=fps,
        bars=bars,
        mask=mask,
        invert_mask=invert_mask,
        on_warning=on_warning,
    )
    info, cut, plan = settled.info, settled.cut, settled.plan
    stylizer = stylizer or Stylizer(load_model())
    make_folder(settled.output)
    in_pieces = plan.joins_segments and segment_seconds < math.inf
    cuts = segment_cuts(info, cut, segment_seconds) if in_pieces else [cut]
    account = Account(info.frame_count, on_progress)
    with only_writer(settled.output):
        assignment = Assignment(info, plan, settled.looks, stabilize, strict, hwaccel, settled.mask)
        job = _Job(assignment, stylizer, settled.output, cut, account, interrupted)
        result, notes = _in_pieces(job, cuts, workers) if len(cuts) > 1 else _in_one_piece(job)
    if workers > 1 and len(cuts) == 1:
        why = "; see segment_seconds (--segment-seconds)" if plan.joins_segments else ""
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
        notes=(
            *settled.warnings,
            *describe_bars(info),
            *(settled.mask.notes(info, cut) if settled.mask else ()),
            *notes,
        ),
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
        result = encode(
            *(frames, info, job.output, plan),
            cut=job.cut,
            interrupted=lambda: painter.stopped_early,
        )
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


def cut_for(info: MediaInfo, times: Mapping[str, Time]) -> tuple[MediaInfo, Cut]:
    """Settle which part of an input is meant by the times of `parse_part`; the facts come back
    with the part's frame count, as far as the frame rate tells it. A picture has no parts.

    Raises MediaError for a time the input does not have, UsageError for a timecode whose frames
    its rate does not have.
    """
    if info.is_image or not times:
        return info, Cut()
    if info.duration_seconds is None and any(time.needs_duration for time in times.values()):
        info = replace(info, duration_seconds=measure_duration(info))
    seconds = {name: _resolve(info, name, time) for name, time in times.items()}
    length = math.inf if info.duration_seconds is None else info.duration_seconds
    begin, stop = seconds.get("start", 0.0), seconds.get("end", length)
    first = max(0.0, begin - NEAR)
    if begin >= min(stop, length) or first >= stop - NEAR:
        limit = f"end {times['end']}" if stop < length else f"the end, {length:.3f} s"
        raise MediaError(f"{info.path}: start {times.get('start', '0s')} is not before {limit}")
    count = None
    if info.frame_rate and (last := min(stop, length) - NEAR) < math.inf:
        count = math.ceil(last * info.frame_rate) - math.ceil(first * info.frame_rate)
    # A file may have frames after the length it declares.
    cut = Cut(first, math.inf if stop == length else stop - NEAR)
    return replace(info, frame_count=count), cut


def _resolve(info: MediaInfo, name: str, time: Time) -> float:
    if time.frames and not info.frame_rate:
        raise MediaError(f"{info.path}: has no frame rate; write {name} {time} in seconds")
    seconds = time.resolve(info.duration_seconds, info.frame_rate, info.time_base)
    if seconds < 0:
        raise MediaError(f"{info.path}: {name} {time} lies before its start")
    return seconds


def timeline_for(
    info: MediaInfo,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    card: ModelCard,
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
        timeline = timeline_file(timeline, card)
    duration = info.duration_seconds
    if duration is None and timeline.needs_duration:
        duration = measure_duration(info)
    looks, warnings = timeline.resolve(duration, info.frame_rate, info.time_base)
    return looks, warnings + _warn_of_one_moment(info, len({key.at for key in timeline.keys}))


def timeline_file(name: str | Path, card: ModelCard) -> TimelineDocument:
    """Read a timeline. Raises UsageError, also for what may be meant as a style, TimelineError."""
    if STYLE_NAME.fullmatch(str(name).lower()) and not Path(name).exists():
        raise UsageError(
            f'{name}: no such timeline; for one style throughout give Look({{"{name}": 1}})'
        )
    return read_timeline(name, card)


def _warn_of_one_moment(info: MediaInfo, moments: int) -> list[str]:
    if not (info.is_image and moments > 1):
        return []
    return [
        f"{info.path}: a picture has one moment, the timeline's at 0 s; "
        "a Look (--style or --mix) paints it in any other"
    ]


def describe(
    source: str | Path,
    output: str | Path,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    card: ModelCard,
    **settings: Any,
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    card: of the model that would paint. settings: those of `render` that `_settle` takes. Raises
    what `render` would raise before its first frame.
    """
    settled = _settle(source, output, timeline, card, **settings)
    info, cut = settled.info, settled.cut
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
        "output": str(settled.output),
        **info.to_dict(),
        "bars": info.bars_to_dict(),
        **part,
        **(settled.mask.to_dict() if settled.mask else {}),
        "encoding": settled.plan.to_dict(),
        "looks": [{"at": at, **settled.looks.look_at(at).to_dict()} for at in times],
    }


@dataclass(frozen=True, slots=True)
class _Settled:
    """All that is known of a render before its first frame. cut: the part of the input; output:
    the file to write; mask: where to paint, None for everywhere; warnings: of the timeline."""

    info: MediaInfo
    cut: Cut
    output: Path
    mask: Mask | None
    plan: EncodingPlan
    looks: Timeline
    warnings: list[str]


def _settle(
    source: str | Path,
    output: str | Path,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    card: ModelCard,
    *,
    options: EncodeOptions | None = None,
    max_size: int | None = None,
    start: str | float | None = None,
    end: str | float | None = None,
    hdr: str = "refuse",
    fps: str | float | Fraction | None = None,
    bars: str = "auto",
    mask: str | Path | None = None,
    invert_mask: bool = False,
    on_warning: Callable[[str], None] = lambda warning: None,
) -> _Settled:
    """What `render` and `describe` begin with: all is checked, and the output planned."""
    options = EncodeOptions() if options is None else options
    _check_look(timeline)
    if not isinstance(options, EncodeOptions):
        raise UsageError(
            f"options is {options!r}; give EncodeOptions, such as EncodeOptions(crf=20)"
        )
    if max_size is not None:
        check_whole("max_size", max_size)
        check_max_size(max_size)
    check_one_of("hdr", hdr, HDR)
    check_one_of("bars", bars, BARS)
    check_yes_or_no("invert_mask", invert_mask)
    if invert_mask and mask is None:
        raise UsageError("invert_mask needs a mask")
    check_function("on_warning", on_warning)
    rate, times = None if fps is None else parse_fps(fps), parse_part(start, end)
    source, output = _path("source", source), behind_link(_path("output", output))
    mask = None if mask is None else _path("mask", mask)
    info = probe(source, hdr, rate)
    where = None if mask is None else Mask.of(mask, info, is_inverted=invert_mask)
    info, cut = cut_for(info if max_size is None else info.fitted(max_size), times)
    plan = plan_output(info, output, options, *_other_files(timeline, where))
    looks, warnings = timeline_for(info, timeline, card)
    for warning in warnings:
        on_warning(warning)
    if unknown := card.unknown_style(looks.style_names):
        raise ModelError(unknown)
    info = with_bars(info) if bars == "auto" else info
    return _Settled(info, cut, output, where, plan, looks, warnings)


def _other_files(timeline: object, mask: Mask | None) -> list[Path]:
    """Those a render reads beside its input."""
    path = timeline.path if isinstance(timeline, TimelineDocument) else timeline
    files = [_path("timeline", path)] if isinstance(path, str | PathLike) else []
    return files if mask is None else [*files, mask.info.path]


def parse_fps(fps: str | float | Fraction) -> Fraction:
    """Frames a second, as `render` takes them. Raises UsageError."""
    if isinstance(fps, Fraction) and 0 < (rate := fps.limit_denominator(100_000)) < 10**6:
        return rate
    try:
        return parse_rate(f"{fps:.6f}" if isinstance(fps, float) else str(fps))
    except ValueError as error:
        raise UsageError(f"fps: {error}") from error


def _check_look(timeline: object) -> None:
    if not isinstance(timeline, str | PathLike | TimelineDocument | Timeline | Look):
        raise UsageError(
            f"timeline is {timeline!r}; give a YAML file's name, a Timeline or a Look, such as "
            'Look({"starry_night": 1})'
        )


def _path(name: str, path: object) -> Path:
    if not isinstance(path, str | PathLike):
        raise UsageError(f"{name} is {path!r}; give the name of a file")
    if "\0" in str(path):
        raise UsageError(f"{name} is {str(path)!r}; no name of a file has a NUL character")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:  # half of a character
        raise UsageError(f"{name} is {str(path)!r}; no file has such a name") from error
    return Path(path)
