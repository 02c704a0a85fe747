"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from videostyle.color import ColorConverter
from videostyle.decode import DecodeReport, decode, measure_duration, probe
from videostyle.encode import encode, plan_output
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media import Cut, Frame, MediaInfo
from videostyle.model import load_model
from videostyle.options import EncodeOptions
from videostyle.stabilizer import MEMORY
from videostyle.stages import Meter, prefetch
from videostyle.stylize import stylize
from videostyle.stylizer import Stylizer
from videostyle.timecode import Time, parse_time
from videostyle.timeline import Timeline
from videostyle.timeline_yaml import TimelineDocument, read_timeline

# Frames between two stages: enough to ride out a sync frame, little enough for 4K in memory.
AHEAD = 4


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a render stands. total is None when the length is unknown; seconds since the start;
    limited_by: the stage that was busiest so far (decode, stylize or encode)."""

    frame: int
    total: int | None
    seconds: float
    fps: float
    limited_by: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a render did. complete is False after an interruption: `output` is then the playable
    part, under its .part name."""

    output: Path
    frames: int
    seconds: float
    fps: float
    limited_by: str
    complete: bool
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "output": str(self.output)}


def render(
    source: str | Path,
    output: str | Path,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    *,
    stylizer: Stylizer | None = None,
    options: EncodeOptions | None = None,
    max_size: int | None = None,
    start: str | None = None,
    end: str | None = None,
    stabilize: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Paint a video or a picture.

    timeline: a YAML file, a timeline, or one look throughout. max_size: longest side of the
    output in pixels; a larger input is scaled down. start, end: the part to paint, from `start`
    up to but not with `end`, as times of `timecode`; the timeline runs on the input's clock, so
    a part looks as it does in the whole. A picture has one moment and ignores them. stabilize:
    hold the pastiche where the picture stands still. on_progress is called after every frame.
    Once `interrupted` returns true, no further frame is read and the part written so far is
    finished.

    Raises TimelineError, MediaError, ModelError or UsageError; the output is then as it was
    before.
    """
    stylizer = stylizer or Stylizer(load_model())
    info, cut = cut_for(_probe(Path(source), max_size), start, end)
    plan = plan_output(info, Path(output), options or EncodeOptions())
    looks, warnings = timeline_for(info, timeline, stylizer.model.card.style_names)
    stylizer.check(looks.style_names)
    meter = Meter()
    converter = ColorConverter(info, plan.working_pix_fmt, plan.color)
    faults = DecodeReport()
    lead = MEMORY if stabilize else 0
    frames = decode(info, cut=cut, lead=lead, keep_alpha=plan.keeps_alpha, report=faults)
    decoded = prefetch(meter.watch("decoded", frames), AHEAD)
    to_paint = meter.watch("to paint", _until(interrupted, decoded))
    painting = stylize(to_paint, stylizer, looks, converter, stabilize=stabilize)
    wanted = (frame for frame in painting if frame.seconds >= cut.start)
    painted = prefetch(meter.watch("painted", wanted), AHEAD)
    to_encode = _count(meter.watch("to encode", painted), info, meter, on_progress)
    # An error keeps the stages alive in its traceback; closing them ends their threads at once.
    with closing(decoded), closing(painted):
        result = encode(to_encode, info, Path(output), plan, cut=cut, interrupted=interrupted)
    return Report(
        output=result.output,
        frames=result.frames,
        seconds=meter.seconds,
        fps=result.frames / meter.seconds,
        limited_by=_limiting_stage(meter),
        complete=result.complete,
        notes=(*warnings, *faults.notes, *result.notes),
    )


def cut_for(info: MediaInfo, start: str | None, end: str | None) -> tuple[MediaInfo, Cut]:
    """Settle which part of an input is meant; the facts come back with the part's frame count,
    as far as the frame rate tells it.

    Raises UsageError for what is no time, MediaError for one the input does not have.
    """
    if info.is_image or (start is None and end is None):
        return info, Cut()
    given = {"start": start, "end": end}
    times = {name: _parse(name, text) for name, text in given.items() if text is not None}
    if info.duration_seconds is None and any(time.needs_duration for time in times.values()):
        info = replace(info, duration_seconds=measure_duration(info))
    settled = {name: _settle(info, name, time) for name, time in times.items()}
    length = math.inf if info.duration_seconds is None else info.duration_seconds
    begin, stop = settled.get("start", 0.0), settled.get("end", length)
    if begin >= min(stop, length):
        limit = f"end {end}" if stop < length else f"the end, {length:.3f} s"
        raise MediaError(f"{info.path}: start {start or '0s'} is not before {limit}")
    part = min(stop, length) - begin
    frames = part * (info.frame_rate or math.inf)
    count = None if frames == math.inf else round(frames)
    # Frame times are rounded to ticks, so frame 1 of 30 a second may be at 33 ms.
    slack = min(float(info.time_base), 0.001)
    cut = Cut(max(0.0, begin - slack), math.inf if end is None else stop - slack)
    return replace(info, frame_count=count), cut


def _parse(name: str, text: str) -> Time:
    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def _settle(info: MediaInfo, name: str, time: Time) -> float:
    if time.frames and not info.frame_rate:
        raise MediaError(f"{info.path}: has no frame rate; write {name} {time} in seconds")
    seconds = time.resolve(info.duration_seconds, info.frame_rate)
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
        return timeline, []
    if not isinstance(timeline, TimelineDocument):
        timeline = read_timeline(Path(timeline), tuple(style_names))
    duration = info.duration_seconds
    if duration is None and timeline.needs_duration:
        duration = measure_duration(info)
    return timeline.resolve(duration, info.frame_rate)


def describe(
    source: Path,
    output: Path,
    timeline: TimelineDocument | Look,
    options: EncodeOptions,
    max_size: int | None,
    start: str | None = None,
    end: str | None = None,
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    Raises what `render` would raise before its first frame.
    """
    info, cut = cut_for(_probe(source, max_size), start, end)
    plan = plan_output(info, output, options)
    looks, _ = timeline_for(info, timeline, ())
    length = min(cut.end, info.duration_seconds or 0.0) - cut.start
    times = [round(cut.start + length * part / 4, 3) for part in range(5 if length else 1)]
    return {
        "input": str(source),
        "output": str(output),
        **info.to_dict(),
        "encoding": plan.to_dict(),
        "looks": [{"at": at, **looks.look_at(at).to_dict()} for at in times],
    }


def _probe(source: Path, max_size: int | None) -> MediaInfo:
    info = probe(source)
    return info if max_size is None else info.fitted(max_size)


def _until(stop: Callable[[], bool], frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        if stop():
            return
        yield frame


def _count(
    frames: Iterable[Frame],
    info: MediaInfo,
    meter: Meter,
    on_progress: Callable[[Progress], None] | None,
) -> Iterator[Frame]:
    for number, frame in enumerate(frames, 1):
        yield frame
        if on_progress:
            seconds = meter.seconds
            stage = _limiting_stage(meter)
            on_progress(Progress(number, info.frame_count, seconds, number / seconds, stage))


def _limiting_stage(meter: Meter) -> str:
    """The stage with the most time of its own: what came out of it less the wait for its input."""
    busy = {
        "decode": meter.spent("decoded"),
        "stylize": meter.spent("painted") - meter.spent("to paint"),
        "encode": meter.seconds - meter.spent("to encode"),
    }
    return max(busy, key=lambda stage: busy[stage])
