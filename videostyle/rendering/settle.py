"""All that is settled of a render before its first frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from videostyle.checks import (
    check_function,
    check_one_of,
    check_whole,
    check_yes_or_no,
    given_path,
)
from videostyle.decode.letterbox import with_bars
from videostyle.decode.mask import Mask
from videostyle.decode.probe import probe, with_duration
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import behind_link, plan_output
from videostyle.encode.plan import EncodingPlan
from videostyle.errors import MediaError, ModelError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut
from videostyle.media.info import MediaInfo, check_max_size
from videostyle.network.model_card import STYLE_NAME, ModelCard
from videostyle.rendering.choices import BARS, HDR
from videostyle.timecode import NEAR, Time, parse_part, parse_rate
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.reader import read_timeline
from videostyle.timeline.timeline import Timeline
from videostyle.wording import shown


@dataclass(frozen=True, slots=True)
class Settled:
    """All that is known of a render before its first frame. cut: the part of the input; output:
    the file to write; mask: where to paint, None for everywhere; warnings: of the timeline."""

    info: MediaInfo
    cut: Cut
    output: Path
    mask: Mask | None
    plan: EncodingPlan
    looks: Timeline
    warnings: list[str]


def settle(
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
) -> Settled:
    """What `render` and `describe` begin with: all is checked, and the output planned."""
    options = EncodeOptions() if options is None else options
    _check_look(timeline)
    if not isinstance(options, EncodeOptions):
        raise UsageError(
            f"options is {shown(options)}; give EncodeOptions, such as EncodeOptions(crf=20)"
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
    source, output = given_path("source", source), behind_link(given_path("output", output))
    mask = None if mask is None else given_path("mask", mask)
    info = with_duration(probe(source, hdr, rate))
    where = None if mask is None else Mask.of(mask, info, is_inverted=invert_mask)
    info, cut = cut_for(info if max_size is None else info.fitted(max_size), times)
    plan = plan_output(info, output, options, *_other_files(timeline, where))
    looks, warnings = timeline_for(info, timeline, card)
    for warning in warnings:
        on_warning(warning)
    if unknown := card.unknown_style(looks.style_names):
        raise ModelError(unknown)
    info = with_bars(info) if bars == "auto" else info
    return Settled(info, cut, output, where, plan, looks, warnings)


def describe(
    source: str | Path,
    output: str | Path,
    timeline: str | Path | TimelineDocument | Timeline | Look,
    card: ModelCard,
    **settings: Any,
) -> dict[str, Any]:
    """Say what `render` would do: input, streams, colour, output, the mixture at some times.

    card: of the model that would paint. settings: those of `render` that `settle` takes. Raises
    what `render` would raise before its first frame.
    """
    settled = settle(source, output, timeline, card, **settings)
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


def cut_for(info: MediaInfo, times: Mapping[str, Time]) -> tuple[MediaInfo, Cut]:
    """Settle which part of an input is meant by the times of `parse_part`; the facts come back
    with its frame count, as far as the file or the frame rate tells it. A picture has no parts.

    Raises MediaError for a time the input does not have, UsageError for a timecode whose frames
    its rate does not have.
    """
    if info.is_image or not times:
        return _with_frame_count(info), Cut()
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


def _with_frame_count(info: MediaInfo) -> MediaInfo:
    """The same with the count that its rate makes likely, where the file does not say it."""
    if info.frame_count or info.frame_rate is None or info.duration_seconds is None:
        return info
    return replace(info, frame_count=max(1, round(info.duration_seconds * info.frame_rate)))


def _resolve(info: MediaInfo, name: str, time: Time) -> float:
    if lack := time.lacks(info.duration_seconds, info.frame_rate):
        what = "length that can be found" if lack == "duration" else "frame rate"
        raise MediaError(f"{info.path}: has no {what}; write {name} {time} in seconds")
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
    looks, warnings = timeline.resolve(info.duration_seconds, info.frame_rate, info.time_base)
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


def _other_files(timeline: object, mask: Mask | None) -> list[Path]:
    """Those a render reads beside its input."""
    path = timeline.path if isinstance(timeline, TimelineDocument) else timeline
    files = [given_path("timeline", path)] if isinstance(path, str | PathLike) else []
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
            f"timeline is {shown(timeline)}; give a YAML file's name, a Timeline or a Look, such "
            'as Look({"starry_night": 1})'
        )
