"""Holds a painted video against its input: what was to be kept, and what was not.

A difference that the output's container or the settings make necessary is `expected`; any other
is a fault of the render.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
import av.error
from av.stream import Disposition, Stream

from videostyle.checks import given_path
from videostyle.decode.decode import decode, is_transparent
from videostyle.decode.probe import inspect
from videostyle.decode.report import DecodeReport
from videostyle.decode.stream import open_input, packets_of
from videostyle.encode.chapters import CHAPTER_SECONDS
from videostyle.encode.containers import CONTAINERS, Clock, Container
from videostyle.encode.languages import held_language, same_language
from videostyle.encode.options import EncodeOptions
from videostyle.encode.planner import plan_encoding
from videostyle.encode.span import is_hidden
from videostyle.encode.stream_plans import StreamPlan
from videostyle.encode.tags import held_marks, held_tags, kept_tags, mark_names
from videostyle.errors import UsageError
from videostyle.media.color import output_color
from videostyle.media.info import ALL_AROUND, LIGHT_LEVELS, MediaInfo, StreamInfo

# Containers round times to their clock; a frame may be off by so much in seconds.
_CLOCKS = {"Matroska": 0.001, "WebM": 0.001, "GIF": 0.01}
_SOUND_SECONDS = 0.1  # by so much and a packet, encoders and containers move sound
# Matroska and MP4 mark the first stream of a kind as the default one by themselves, and who reads
# MP4 adds the others to the marks for the impaired.
_ADDED_MARKS = Disposition.default | Disposition.captions | Disposition.descriptions
_CAPTIONED = ("h264", "hevc")  # hold closed captions
_Chapter = tuple[str, float]  # its title, and when it begins in seconds


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as in the input. what: frames, times, size, color, streams, chapters
    or tags."""

    what: str
    message: str
    expected: bool = False


def verify(source: str | Path, output: str | Path) -> list[Difference]:
    """Compare a video with what `render` made of all of it, at its own size.

    Raises MediaError for a file that cannot be read, UsageError for one that is no video.
    """
    source, output = given_path("source", source), given_path("output", output)
    before, after = inspect(source), inspect(output)
    for path, is_video in (
        (source, not (before.is_image or before.pictures)),
        (output, not after.is_image and output.suffix.lower() in CONTAINERS),
    ):
        if not is_video:
            raise UsageError(f"{path}: is no video; only videos can be verified")
    options = EncodeOptions()
    plan = plan_encoding(before, output, options)
    return [
        *_times(before, after, plan.container),
        *_picture(before, after, plan.container),
        *_streams(before, after, plan.streams, plan.container.name.lower()),
        *_sound(before, after, plan.streams),
        *_container(before, after, plan.container),
    ]


def _times(before: MediaInfo, after: MediaInfo, container: Container) -> Iterator[Difference]:
    faults = DecodeReport()
    old, new = _times_of(before, faults), _times_of(after)
    for note in faults.notes:
        yield Difference("frames", f"the input is damaged: {note}", expected=True)
    if tick := container.time_base:
        clock = Clock(container)
        held = [clock.place(begin, begin + duration) for begin, duration in old]
        old = [(begin * tick, duration * tick) for begin, duration in filter(None, held)]
        for note in clock.notes():
            yield Difference("frames", note, expected=True)
    if len(old) != len(new):
        yield Difference("frames", f"{len(new)} frames, where the input has {len(old)}")
        return
    tolerance = (
        _CLOCKS.get(container.name, 0.0) + float(before.time_base) / 2 + float(after.time_base) / 2
    )
    late = [
        (number, float(b - a))
        for number, ((a, _), (b, _)) in enumerate(zip(old, new, strict=True))
        if abs(b - a) > tolerance
    ]
    if late:
        number, by = max(late, key=lambda item: abs(item[1]))
        yield Difference("times", f"frame {number} comes {by:+.4f} s off")
    ends = [float(sum(items[-1])) for items in (old, new) if items[-1][1]]
    if len(ends) == 2 and abs(ends[1] - ends[0]) > tolerance + 0.001:
        yield Difference("times", f"ends at {ends[1]:.3f} s, where the input ends at {ends[0]:.3f}")


def _times_of(
    info: MediaInfo, report: DecodeReport | None = None
) -> list[tuple[Fraction, Fraction]]:
    """Every frame's time since the first and its duration, 0 where it is unknown, in seconds."""
    times = []
    for frame in decode(info, report=report):
        begin, duration = frame.pts - info.start_pts, frame.duration or 0
        times.append((begin * info.time_base, duration * info.time_base))
    return times


def _picture(before: MediaInfo, after: MediaInfo, container: Container) -> Iterator[Difference]:
    sizes = [(info.width, info.height) for info in (before, after)]
    if sizes[0] != sizes[1]:
        padded = all(0 <= b - a <= 1 for a, b in zip(*sizes, strict=True))
        text = " is ".join("{}x{}".format(*size) for size in sizes)
        yield Difference("size", text + (", padded to even sides" if padded else ""), padded)
    if after.rotation_degrees:
        yield Difference("size", f"is still to be rotated by {after.rotation_degrees} degrees")
    if before.has_captions and not after.has_captions:
        with open_input(after.path) as file:
            codec = file.streams[after.stream_index].codec_context.codec.canonical_name
        message = "has no closed captions in its pictures, as the input has"
        yield Difference("streams", message, expected=codec not in _CAPTIONED)
    if before.is_spherical and not after.is_spherical:
        yield Difference("size", f"does not say that it shows {ALL_AROUND}", expected=True)
    if before.has_light_levels and after.color.is_hdr and not after.has_light_levels:
        yield Difference("color", f"does not say {LIGHT_LEVELS}", expected=True)
    ratios = [info.sample_aspect_ratio or Fraction(1) for info in (before, after)]
    if ratios[0] != ratios[1]:
        with open_input(after.path) as file:
            codec = file.streams[after.stream_index].codec_context.codec.canonical_name
        is_lost = ratios[1] == 1 and not container.keeps_aspect(codec)
        yield Difference("size", f"pixels of {ratios[0]} are {ratios[1]}", expected=is_lost)
    if is_transparent(before) and not is_transparent(after):
        yield Difference("color", "what is transparent is laid on black", expected=True)
    wanted, found = output_color(before), after.color
    names = ("matrix", "full_range", "primaries", "transfer")
    for name in names:
        values = getattr(wanted, name), getattr(found, name)
        if values[0] != values[1] and not found.is_rgb:
            tone_mapped = wanted.is_hdr and not found.is_hdr
            yield Difference("color", f"{name} {values[0]} is {values[1]}", expected=tone_mapped)


def _streams(
    before: MediaInfo, after: MediaInfo, plans: Iterable[StreamPlan], muxer: str
) -> Iterator[Difference]:
    kept = [plan for plan in plans if plan.action != "leave out"]
    for plan in plans:
        if plan.reason:
            yield Difference("streams", str(plan), expected=True)
    with open_input(before.path) as one, open_input(after.path) as other:
        found = {
            kind: [other.streams[stream.index] for stream in after.streams(kind)]
            for kind in ("audio", "subtitle", "cover", "attachment")
        }
        for plan in kept:
            same_kind = found[plan.stream.kind]
            if not same_kind:
                yield Difference("streams", f"{plan.stream} is missing")
                continue
            yield from _facts(plan, one.streams[plan.stream.index], same_kind.pop(0), muxer)
        for stream in (stream for streams in found.values() for stream in streams):
            yield Difference("streams", f"stream {stream.index} ({stream.type}) is new")


def _facts(plan: StreamPlan, old: Stream, new: Stream, muxer: str) -> Iterator[Difference]:
    if plan.action == "attach":
        return
    title = old.metadata.get("title")
    facts = [
        ("language", old.language or "und", new.language or "und"),
        # MP4 and MOV keep a stream's title as the name of its handler.
        ("title", title, title if title in new.metadata.values() else new.metadata.get("title")),
    ]
    for name, before, after in facts:
        if before == after or (name == "language" and same_language(before, after)):
            continue
        is_unknown = name == "language" and held_language(before or "", muxer) is None
        yield Difference(
            "streams", f"{name} of {plan.stream}: {before} is {after}", expected=is_unknown
        )
    marks = old.disposition, new.disposition
    if marks[0] != marks[1]:
        held = held_marks(old.disposition, old.type, muxer)
        lost, added = held & ~new.disposition, new.disposition & ~held
        yield Difference(
            "streams",
            f"disposition of {plan.stream}: {' is '.join(map(mark_names, marks))}",
            expected=not (lost & ~Disposition.default or added & ~_ADDED_MARKS),
        )


@dataclass(frozen=True, slots=True)
class _Heard:
    """When there is sound, in seconds since the first frame.

    stretches: begins and ends of what hangs together. packet: the usual length of a packet. again:
    how long all packets are whose times had been before.
    """

    stretches: list[tuple[float, float]]
    packet: float
    again: float

    @property
    def begin(self) -> float:
        return self.stretches[0][0]

    @property
    def end(self) -> float:
        return self.stretches[-1][1]

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Begins and ends of what is silent between."""
        return [(end, begin) for (_, end), (begin, _) in pairwise(self.stretches)]


def _sound(
    before: MediaInfo, after: MediaInfo, plans: Iterable[StreamPlan]
) -> Iterator[Difference]:
    """Where a sound begins and ends, and what is silent between, against the first frame."""
    kept = [plan for plan in plans if plan.stream.kind == "audio" and plan.action != "leave out"]
    pairs = list(zip(kept, after.streams("audio"), strict=False))
    in_input = _heard_in(before, [plan.stream.index for plan, _ in pairs])
    in_output = _heard_in(after, [stream.index for _, stream in pairs])
    for plan, stream in pairs:
        if in_input[plan.stream.index].stretches:
            heard = in_input[plan.stream.index], in_output[stream.index]
            yield from _compare_heard(plan.stream, *heard)


def _compare_heard(stream: StreamInfo, wanted: _Heard, found: _Heard) -> Iterator[Difference]:
    """wanted: of the input; there is some."""
    if not found.stretches:
        yield Difference("streams", f"{stream} is silent")
        return
    tolerance = _SOUND_SECONDS + wanted.packet + found.packet
    lost = wanted.again - found.again
    if lost > tolerance:
        text = f"{lost:.1f} s of {stream} are left out, where its times jump back"
        yield Difference("streams", text, expected=True)
    late = found.begin - wanted.begin
    if abs(late) > tolerance:
        yield Difference("times", f"{stream} comes {late:+.2f} s off the picture")
    if abs(found.end - wanted.end - late) > tolerance:
        text = f"{stream} ends at {found.end:.2f} s, where the input's ends at {wanted.end:.2f}"
        yield Difference("times", text)
    for begin, end in found.gaps:
        if not any(
            gap_begin + late - tolerance < begin and end < gap_end + late + tolerance
            for gap_begin, gap_end in wanted.gaps
        ):
            text = f"{stream} has a gap of {end - begin:.2f} s at {begin:.2f} s"
            yield Difference("times", text)


def _heard_in(info: MediaInfo, indices: list[int]) -> dict[int, _Heard]:
    """When there is sound, by the stream's index."""
    spans: dict[int, list[tuple[float, float]]] = {index: [] for index in indices}
    zero = float(info.start_pts * info.time_base)
    with open_input(info.path) as file:
        streams = [file.streams[index] for index in indices]
        with suppress(av.FFmpegError):
            for packet in packets_of(file, streams) if streams else ():
                stamp = packet.dts if packet.pts is None else packet.pts
                if stamp is not None and not is_hidden(packet):
                    begin = float(stamp * packet.time_base) - zero
                    length = float((packet.duration or 0) * packet.time_base)
                    spans[packet.stream.index].append((begin, length))
        is_pcm = {stream.index: stream.codec_context.name.startswith("pcm_") for stream in streams}
    return {index: _stretches(found, is_pcm[index]) for index, found in spans.items()}


def _stretches(packets: list[tuple[float, float]], is_pcm: bool) -> _Heard:
    """When there is sound, from the begins and lengths of packets in the file's order."""
    latest, again = -math.inf, 0.0
    for begin, length in packets:
        again += length if begin < latest else 0.0
        latest = max(latest, begin)
    usual = median(length for _, length in packets) if packets else 0.0
    if not usual and len(packets) > 1:  # WavPack does not say it
        usual = median(after - before for before, after in pairwise(sorted(b for b, _ in packets)))
    joined: list[tuple[float, float]] = []
    for begin, length in sorted(packets):
        # To MP4 the packet before a hole is as long as the hole.
        end = begin + (length if is_pcm or length < 2 * usual + _SOUND_SECONDS / 2 else usual)
        if joined and begin - joined[-1][1] <= _SOUND_SECONDS:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return _Heard(joined, usual, again)


def _unlike(
    before: list[_Chapter], after: list[_Chapter]
) -> Iterator[tuple[_Chapter | None, _Chapter | None]]:
    """What is left of two lists of chapters without those that are equal: what has the other's
    title or time, then what has nothing in the other list."""
    lost, found = list(before), list(after)
    for alike in ({"title", "time"}, {"title"}, {"time"}):
        for old in list(lost):
            pairs = (new for new in found if alike <= _in_common(old, new))
            if (new := next(pairs, None)) is not None:
                lost.remove(old)
                found.remove(new)
                if len(alike) == 1:
                    yield old, new
    yield from ((old, None) for old in lost)
    yield from ((None, new) for new in found)


def _in_common(old: _Chapter, new: _Chapter) -> set[str]:
    title = {"title"} if old[0] == new[0] else set()
    return title | ({"time"} if abs(old[1] - new[1]) <= CHAPTER_SECONDS else set())


def _container(before: MediaInfo, after: MediaInfo, container: Container) -> Iterator[Difference]:
    is_animation = container.time_base is not None  # which holds neither chapters nor tags
    with open_input(before.path) as one, open_input(after.path) as other:
        lists = [
            [
                (
                    chapter["metadata"].get("title", ""),
                    float(chapter["start"] * (chapter["time_base"] or 1)),
                )
                for chapter in file.chapters()
            ]
            for file in (one, other)
        ]
        for old, new in _unlike(*lists):
            # MP4 and MOV have a chapter without a title before one that begins later than 0.
            is_filler = container.name in ("MP4", "MOV") and old is None and new == ("", 0.0)
            expected = is_animation or is_filler
            yield Difference("chapters", f"{old} is {new}", expected=expected)
        new_tags = {key.lower(): text for key, text in other.metadata.items()}
        old_tags = kept_tags(one.metadata)
        held = held_tags(old_tags, container.name.lower())
        for key, value in old_tags.items():
            found = new_tags.get(key.lower())
            if found != value:
                expected = is_animation or found == held.get(key.lower())
                yield Difference("tags", f"tag {key}: {value!r} is {found!r}", expected=expected)
