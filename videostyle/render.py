"""The job: decode, stylize and encode composed, with progress and a report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import av

from videostyle import __version__
from videostyle.color import ColorConverter
from videostyle.decode import DecodeReport, decode, measure_duration, probe
from videostyle.encode import EncodeReport, encode, encode_segment, join_segments, plan_output
from videostyle.encoders import EncodingPlan
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media import Cut, Frame, MediaInfo
from videostyle.model import load_model
from videostyle.options import EncodeOptions
from videostyle.segments import SEGMENT_SECONDS, SegmentFolder, file_identity, segment_cuts
from videostyle.stabilizer import MEMORY
from videostyle.stages import Meter, prefetch
from videostyle.stylize import stylize
from videostyle.stylizer import Stylizer
from videostyle.timecode import Time, parse_time
from videostyle.timeline import Timeline, Track
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
    segment_seconds: float = SEGMENT_SECONDS,
    strict: bool = False,
    hdr: str = "refuse",
    on_progress: Callable[[Progress], None] | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Report:
    """Paint a video or a picture.

    timeline: a YAML file, a timeline, or one look throughout. max_size: longest side of the
    output in pixels; a larger input is scaled down. start, end: the part to paint, from `start`
    up to but not with `end`, as times of `timecode`; the timeline runs on the input's clock, so
    a part looks as it does in the whole. A picture has one moment and ignores them. stabilize:
    hold the pastiche where the picture stands still. segment_seconds: a longer video is painted
    in pieces of this length, and the next call with the same arguments goes on after the last
    piece that an interrupted one finished. strict: stop at the first damage of the input, which
    is otherwise skipped and counted. hdr: what becomes of PQ and HLG: refuse, tonemap or pass.
    on_progress is called after every frame.
    Once `interrupted` returns true, no further frame is read and the part written so far is
    finished.

    Raises TimelineError, MediaError, ModelError or UsageError; the output is then as it was
    before.
    """
    stylizer = stylizer or Stylizer(load_model())
    output = Path(output)
    info, cut = cut_for(_probe(Path(source), max_size, hdr), start, end)
    plan = plan_output(info, output, options or EncodeOptions())
    looks, warnings = timeline_for(info, timeline, stylizer.model.card.style_names)
    stylizer.check(looks.style_names)
    painter = _Painter(info, plan, looks, stylizer, stabilize, strict, interrupted, on_progress)
    cuts = segment_cuts(info, cut, segment_seconds) if plan.joins_segments else [cut]
    if len(cuts) == 1:
        with painter.paint(cut) as (frames, faults):
            result = encode(frames, info, output, plan, cut=cut, interrupted=interrupted)
        notes = [*faults.notes, *result.notes]
    else:
        result, notes = _render_segments(painter, output, cuts, cut)
    meter = painter.meter
    return Report(
        output=result.output,
        frames=result.frames,
        seconds=meter.seconds,
        fps=painter.frames_painted / meter.seconds,
        limited_by=_limiting_stage(meter),
        complete=result.complete,
        notes=(*warnings, *notes),
    )


def _render_segments(
    painter: _Painter, output: Path, cuts: list[Cut], whole: Cut
) -> tuple[EncodeReport, list[str]]:
    """Paint the pieces that are not there yet, each to a file, then join them all."""
    info, plan = painter.info, painter.plan
    folder = SegmentFolder(output, painter.identity(cuts))
    notes = folder.open()
    segments = []
    complete = True
    for number, cut in enumerate(cuts):
        record = folder.record(number)
        if record is None:
            with painter.paint(cut) as (frames, faults):
                file = folder.file(number)
                record = encode_segment(frames, info, file, plan)
            record = replace(record, notes=faults.notes)
            # What an interruption cut short is joined, but not kept for the next run.
            complete = not painter.interrupted()
            if complete:
                folder.finish(number, record)
        else:
            painter.skip(record.frames)
        segments.append((folder.file(number), record))
        if not complete:
            break
    notes += dict.fromkeys(note for _, record in segments for note in record.notes)
    result = join_segments(segments, info, output, plan, cut=whole, complete=complete)
    if complete:
        folder.remove()
    else:
        segments[-1][0].unlink(missing_ok=True)
    return result, [*notes, *result.notes]


class _Painter:
    """Everything between a part of the input and its painted frames."""

    def __init__(
        self,
        info: MediaInfo,
        plan: EncodingPlan,
        looks: Timeline,
        stylizer: Stylizer,
        stabilize: bool,
        strict: bool,
        interrupted: Callable[[], bool],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.info, self.plan, self.interrupted = info, plan, interrupted
        self.meter = Meter()
        self.frames_painted = 0
        self._frames_skipped = 0
        self._looks, self._stylizer, self._stabilize = looks, stylizer, stabilize
        self._strict = strict
        self._on_progress = on_progress

    @contextmanager
    def paint(self, cut: Cut) -> Iterator[tuple[Iterator[Frame], DecodeReport]]:
        """The painted frames of a part, and what is wrong with its input once they have come."""
        converter = ColorConverter(self.info, self.plan.working_pix_fmt, self.plan.color)
        faults = DecodeReport()
        lead = MEMORY if self._stabilize else 0
        keep_alpha = self.plan.keeps_alpha
        frames = decode(self.info, cut=cut, lead=lead, keep_alpha=keep_alpha, report=faults)
        if self._strict:
            frames = _undamaged(frames, faults, self.info.path)
        meter = self.meter
        decoded = prefetch(meter.watch("decoded", frames), AHEAD)
        to_paint = meter.watch("to paint", _until(self.interrupted, decoded))
        painting = stylize(
            to_paint, self._stylizer, self._looks, converter, stabilize=self._stabilize
        )
        wanted = (frame for frame in painting if frame.seconds >= cut.start)
        painted = prefetch(meter.watch("painted", wanted), AHEAD)
        # An error keeps the stages alive in its traceback; closing them ends their threads at once.
        with closing(decoded), closing(painted):
            yield self._count(meter.watch("to encode", painted)), faults

    def skip(self, frames: int) -> None:
        """Count frames that were painted by an earlier run."""
        self._frames_skipped += frames

    def identity(self, cuts: list[Cut]) -> dict[str, str]:
        """What decides the pictures, by what a user calls it: equal text for equal pictures."""
        model = self._stylizer.model
        tensors = [model.styles, *model.network.state_dict().values()]
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.contiguous().numpy().tobytes())
        info = self.info
        hdr = info.hdr_color is not None
        plan = {
            **self.plan.to_dict(),
            "tone_mapped": hdr,
            "size": [info.width, info.height],
            "cuts": str(cuts),
        }
        return {
            "input": file_identity(info.path),
            "timeline": hashlib.sha256(_as_text(self._looks).encode()).hexdigest(),
            "model": digest.hexdigest(),
            "options": json.dumps({**plan, "stabilize": self._stabilize}, sort_keys=True),
            "software": f"{__version__}, av {av.__version__}, {self._stylizer.engine.description}",
        }

    def _count(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            yield frame
            self.frames_painted += 1
            if self._on_progress:
                seconds, done = self.meter.seconds, self.frames_painted
                self._on_progress(
                    Progress(
                        frame=self._frames_skipped + done,
                        total=self.info.frame_count,
                        seconds=seconds,
                        fps=done / seconds,
                        limited_by=_limiting_stage(self.meter),
                    )
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
    hdr: str = "refuse",
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    Raises what `render` would raise before its first frame.
    """
    info, cut = cut_for(_probe(source, max_size, hdr), start, end)
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


def _probe(source: Path, max_size: int | None, hdr: str) -> MediaInfo:
    info = probe(source, hdr)
    return info if max_size is None else info.fitted(max_size)


def _as_text(timeline: Timeline) -> str:
    """Text that is equal when timelines are."""
    tracks: dict[str, Track[Any]] = {"mix": timeline.mix, **timeline.scalars}
    keys = {
        name: [
            (key.seconds, str(key.value), getattr(key.ease, "__name__", str(key.ease)))
            for key in track.keyframes
        ]
        for name, track in tracks.items()
    }
    return f"{keys} {timeline.loop}"


def _undamaged(frames: Generator[Frame], faults: DecodeReport, path: Path) -> Generator[Frame]:
    """Pass frames on until one shows that the input is damaged."""
    seconds = 0.0
    with closing(frames):
        for frame in frames:
            if faults.notes:
                break
            yield frame
            seconds = frame.seconds
    if faults.notes:
        raise MediaError(
            f"{path}: {faults.notes[0]} after {seconds:.3f} s; without --strict it goes on"
        )


def _until(stop: Callable[[], bool], frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        if stop():
            return
        yield frame


def _limiting_stage(meter: Meter) -> str:
    """The stage with the most time of its own: what came out of it less the wait for its input."""
    busy = {
        "decode": meter.spent("decoded"),
        "stylize": meter.spent("painted") - meter.spent("to paint"),
        "encode": meter.seconds - meter.spent("to encode"),
    }
    return max(busy, key=lambda stage: busy[stage])
