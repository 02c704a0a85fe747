"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

from videostyle.checks import check_function, check_one_of, check_whole, check_yes_or_no
from videostyle.decode.letterbox import describe_bars
from videostyle.decode.report import DecodeReport
from videostyle.encode.encode import EncodeReport, encode, join_segments
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import make_folder
from videostyle.encode.segments import (
    LEAST_SEGMENT_SECONDS,
    SEGMENT_SECONDS,
    SegmentFolder,
    SegmentRecord,
    remove_segments,
    segment_cuts,
)
from videostyle.errors import UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.network.model import load_model
from videostyle.network.model_card import DEFAULT_MODEL, read_model_card
from videostyle.rendering.assignment import Assignment
from videostyle.rendering.choices import HWACCEL
from videostyle.rendering.painter import Painted, Painter
from videostyle.rendering.progress import Progress, ProgressCount
from videostyle.rendering.settle import settle
from videostyle.rendering.workers import paint_in_processes
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.timeline import Timeline
from videostyle.whole_file import only_writer
from videostyle.wording import shown


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
        raise UsageError(f"stylizer is {shown(stylizer)}; give Stylizer(load_model())")
    check_yes_or_no("stabilize", stabilize)
    check_yes_or_no("strict", strict)
    check_one_of("hwaccel", hwaccel, HWACCEL)
    check_whole("workers", workers)
    if not (isinstance(segment_seconds, Real) and segment_seconds >= LEAST_SEGMENT_SECONDS):
        least = f"a number of seconds, at least {LEAST_SEGMENT_SECONDS:g}"
        raise UsageError(f"segment_seconds is {shown(segment_seconds)}; it must be {least}")
    if on_progress is not None:
        check_function("on_progress", on_progress)
    check_function("interrupted", interrupted)
    card = stylizer.model.card if stylizer else read_model_card(DEFAULT_MODEL)
    settled = settle(
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
    progress = ProgressCount(info.frame_count, on_progress)
    with only_writer(settled.output):
        assignment = Assignment(info, plan, settled.looks, stabilize, strict, hwaccel, settled.mask)
        job = _Job(assignment, stylizer, settled.output, cut, progress, interrupted)
        written = _in_pieces(job, cuts, workers) if len(cuts) > 1 else _in_one_piece(job)
    result, notes, goes_on = written
    if workers > 1 and len(cuts) == 1:
        why = "; see segment_seconds (--segment-seconds)" if plan.joins_segments else ""
        notes.append(f"painted by one worker, because it is in one piece{why}")
    done = progress.now()
    return Report(
        output=result.output,
        frames=result.frames,
        seconds=done.seconds,
        fps=done.fps,
        limited_by=done.limited_by,
        complete=result.complete,
        goes_on=goes_on,
        notes=(
            *settled.warnings,
            *describe_bars(info),
            *(settled.mask.notes(info, cut) if settled.mask else ()),
            *notes,
        ),
    )


# What was written, its notes, and whether an interruption left whole pieces to go on after.
_Written = tuple[EncodeReport, list[str], bool]


@dataclass(frozen=True, slots=True)
class _Job:
    assignment: Assignment
    stylizer: Stylizer
    output: Path
    cut: Cut
    progress: ProgressCount
    interrupted: Callable[[], bool]

    def painter(self) -> Painter:
        return Painter(self.assignment, self.stylizer, self.interrupted, self.progress.update)


def _in_one_piece(job: _Job) -> _Written:
    info, plan = job.assignment.info, job.assignment.plan
    painter, faults = job.painter(), DecodeReport()
    with painter.paint(job.cut, faults) as frames:
        result = encode(
            *(frames, info, job.output, plan),
            cut=job.cut,
            interrupted=lambda: painter.stopped_early,
        )
    removed = remove_segments(job.output) if result.complete else []
    return result, [*removed, *faults.notes, *painter.notes, *result.notes], False


def _in_pieces(job: _Job, cuts: list[Cut], workers: int) -> _Written:
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
    job.progress.skip(folder.frames)
    if workers > 1:
        painting = paint_in_processes(
            missing, assignment, job.stylizer, workers, job.progress, job.interrupted
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
    is_kept = not complete and assignment.is_repeatable
    if is_kept:
        folder.remove_unfinished()
    else:
        folder.remove()
    return result, [*notes, *result.notes], is_kept and folder.frames > 0


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
