"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videostyle.color import ColorConverter
from videostyle.decode import DecodeReport, decode, measure_duration, probe
from videostyle.encode import check_output, encode
from videostyle.look import Look
from videostyle.media import Frame, MediaInfo
from videostyle.model import load_model
from videostyle.options import EncodeOptions
from videostyle.stages import Meter, prefetch
from videostyle.stylize import stylize
from videostyle.stylizer import Stylizer
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
    stabilize: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Paint a video or a picture.

    timeline: a YAML file, a timeline, or one look throughout. max_size: longest side of the
    output in pixels; a larger input is scaled down. stabilize: hold the pastiche where the
    picture stands still. on_progress is called after every frame. Once `interrupted` returns
    true, no further frame is read and the part written so far is finished.

    Raises TimelineError, MediaError, ModelError or UsageError; the output is then as it was
    before.
    """
    stylizer = stylizer or Stylizer(load_model())
    options = options or EncodeOptions()
    info = _probe(Path(source), max_size)
    looks, warnings = timeline_for(info, timeline, stylizer.model.card.style_names)
    stylizer.check(looks.style_names)
    meter = Meter()
    converter = ColorConverter(info, options.pix_fmt)
    faults = DecodeReport()
    decoded = prefetch(meter.watch("decoded", decode(info, report=faults)), AHEAD)
    to_paint = meter.watch("to paint", _until(interrupted, decoded))
    painting = stylize(to_paint, stylizer, looks, converter, stabilize=stabilize)
    painted = prefetch(meter.watch("painted", painting), AHEAD)
    to_encode = _count(meter.watch("to encode", painted), info, meter, on_progress)
    # An error keeps the stages alive in its traceback; closing them ends their threads at once.
    with closing(decoded), closing(painted):
        result = encode(to_encode, info, Path(output), options, interrupted=interrupted)
    return Report(
        output=result.output,
        frames=result.frames,
        seconds=meter.seconds,
        fps=result.frames / meter.seconds,
        limited_by=_limiting_stage(meter),
        complete=result.complete,
        notes=(*warnings, *faults.notes, *result.notes),
    )


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
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    Raises what `render` would raise before its first frame.
    """
    info = _probe(source, max_size)
    check_output(info, output, options)
    looks, _ = timeline_for(info, timeline, ())
    length = info.duration_seconds or 0.0
    times = [round(length * part / 4, 3) for part in range(5)] if length else [0.0]
    return {
        "input": str(source),
        "output": str(output),
        **info.to_dict(),
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
