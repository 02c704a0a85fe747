"""Long renders in pieces: the same frames however often they are interrupted."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline import Clip, faults, half_loaded

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.decode.report import DecodeReport
from videostyle.encode import encode
from videostyle.encode.encode import SegmentWriter
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import plan_output
from videostyle.encode.output_video import OutputVideo
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.segments import segment_cuts, segment_folder
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import ColorSpec, MediaInfo
from videostyle.network.model import Model, load_model
from videostyle.rendering.assignment import Assignment
from videostyle.rendering.painter import Painter
from videostyle.rendering.progress import Progress
from videostyle.rendering.render import Report, render
from videostyle.rendering.verify import verify
from videostyle.rendering.workers import _without_main
from videostyle.stylize.stabilizer import MEMORY
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.easing import CubicBezier, Easing, hold
from videostyle.timeline.timeline import Keyframe, Timeline, Track
from videostyle.whole_file import part_path, written_whole

PIECE = 0.4
RED, SLOW_RED = Look({"red": 1}), Look({"red": 1}, stroke=0.25)
BT709 = ColorSpec.resolve(1, 1, 1, full_range=False, is_rgb=False, height=64)
INFO = MediaInfo(Path("a.mp4"), False, 0, 96, 64, "yuv420p", BT709)
TIMELINE = """
version: 1
keyframes: [{at: 0s, mix: red}, {at: end, mix: {green: 1, original: 1}}]
"""


def frames(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, frame.to_ndarray().tobytes())
            for frame in container.decode(video=0)
        ]


def paint(
    source: Path,
    output: Path,
    stylizer: Stylizer,
    *,
    stop_after: int | None = None,
    style: str = "red",
    piece: float = PIECE,
    **options: object,
) -> tuple[Report, int]:
    """The report, and how many frames were painted on the way. stop_after: so many were read."""
    painted, asked = 0, count()

    def on_progress(progress: Progress) -> None:
        nonlocal painted
        painted += 1

    report = render(
        source,
        output,
        Look({style: 1}),
        stylizer=stylizer,
        segment_seconds=piece,
        on_progress=on_progress,
        interrupted=lambda: stop_after is not None and next(asked) >= stop_after,
        options=EncodeOptions(**options),  # type: ignore[arg-type]
    )
    return report, painted


@given(st.floats(0.1, 1000), st.floats(0, 50), st.floats(0.1, 100))
def test_pieces_cover_the_part_without_gap_or_overlap(
    pieces: float, start: float, seconds: float
) -> None:
    info = replace(INFO, duration_seconds=start + pieces * seconds)
    cuts = segment_cuts(info, Cut(start), seconds)
    assert cuts[0].start == start
    assert cuts[-1].end == float("inf")
    assert all(a.end == b.start for a, b in pairwise(cuts))
    assert all(cut.end - cut.start >= 0.49 * seconds for cut in cuts)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"])
def test_joined_pieces_have_every_frame_at_its_time(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, codec: str
) -> None:
    source = clip(pts=range(40), audio="aac")
    suffix = ".mkv" if codec == "ffv1" else ".mp4"
    whole, joined = tmp_path / f"whole{suffix}", tmp_path / f"joined{suffix}"
    paint(source, whole, stylizer, piece=10, codec=codec)
    paint(source, joined, stylizer, codec=codec)
    assert [time for time, _ in frames(joined)] == [time for time, _ in frames(whole)]
    if codec == "ffv1":  # lossless
        assert frames(joined) == frames(whole)
    with av.open(str(whole)) as one, av.open(str(joined)) as other:
        for stream, twin in zip(one.streams, other.streams, strict=True):
            assert (stream.type, stream.codec_context.name) == (
                twin.type,
                twin.codec_context.name,
            )
            assert stream.duration == twin.duration
            assert stream.codec_context.extradata == twin.codec_context.extradata
        a, b = one.streams.video[0].codec_context, other.streams.video[0].codec_context
        assert (a.colorspace, a.color_range, a.codec_tag) == (
            b.colorspace,
            b.color_range,
            b.codec_tag,
        )
    assert not segment_folder(joined).exists()


def test_no_piece_is_written_through_a_link_at_its_parts_name(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    mine, output = tmp_path / "mine.txt", tmp_path / "out.mp4"
    mine.write_text("mine")
    folder = segment_folder(output)
    folder.mkdir()
    for part in (folder / "00000.part.nut", folder / "manifest.part.json", part_path(output)):
        part.symlink_to(mine)
    paint(clip(pts=range(30)), output, stylizer)
    assert mine.read_text() == "mine"
    assert len(frames(output)) == 30


@pytest.mark.parametrize("offset", [0, 1234])
def test_uneven_times_and_a_late_start_are_kept(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, offset: int
) -> None:
    pts = [offset + t for t in (0, 40, 90, 130, 900, 905, 1700, 2400, 2440, 3000)]
    source, output = clip(pts=pts, time_base=Fraction(1, 1000)), tmp_path / "out.mp4"
    paint(source, output, stylizer)
    times = [time for time, _ in frames(output)]
    assert times == [time for time, _ in frames(source)]
    assert [b - a for a, b in pairwise(times)] == [Fraction(b - a, 1000) for a, b in pairwise(pts)]


def without_length(source: Path, path: Path) -> Path:
    """The same video as a program writes it that streams."""
    with av.open(str(source)) as old, av.open(str(path), "w", options={"live": "1"}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.h264"])
def test_an_interrupted_render_goes_on_and_comes_out_the_same(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, name: str
) -> None:
    """Also of a file that does not say how long it is: a streamed MKV, raw H.264."""
    source = clip(name, pts=range(50), audio=None if name == "clip.h264" else "aac")
    if name == "clip.mkv":
        source = without_length(source, tmp_path / "live.mkv")
    assert (probe(source).duration_seconds is None) == (name != "clip.mp4")
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    paint(source, whole, stylizer)
    total = 0
    for stop in (3, 13, 14):
        report, painted = paint(source, output, stylizer, stop_after=stop)
        total += painted
        assert not report.complete
        assert report.goes_on == (stop > 10)  # where the first piece is whole
        assert report.output.name == "out.part.mp4"
        assert not output.exists()
        assert 0 < len(frames(report.output)) == report.frames
        assert segment_folder(output).is_dir()
    report, painted = paint(source, output, stylizer)
    assert report.complete
    assert any("went on after" in note for note in report.notes)
    assert frames(output) == frames(whole)
    assert not segment_folder(output).exists()
    # Each time at most one piece, of ten frames, and what was in flight is painted again.
    assert total + painted <= 50 + 3 * (10 + 10)


def test_why_one_worker_paints_is_said(clip: Clip, stylizer: Stylizer, tmp_path: Path) -> None:
    source, look, output = clip(pts=range(10)), Look({"original": 1}), tmp_path / "out.mp4"
    report = render(source, output, look, stylizer=stylizer, workers=2, segment_seconds=5)
    why = "it is in one piece; see segment_seconds (--segment-seconds)"
    assert f"painted by one worker, because {why}" in report.notes


def test_pieces_do_not_stay_beside_what_was_painted_in_one(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    paint(source, output, stylizer, stop_after=15)
    assert segment_folder(output).is_dir()
    paint(source, output, stylizer, piece=9, stop_after=5)
    assert segment_folder(output).is_dir()
    report, _ = paint(source, output, stylizer, piece=9)
    assert not segment_folder(output).exists()
    assert "1 finished segment of an interrupted render removed" in report.notes
    segment_folder(output).mkdir()
    paint(source, output, stylizer, piece=9)
    assert segment_folder(output).is_dir()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"style": "green"}, "timeline"),
        ({"crf": 30}, "options"),
        ({"piece": 0.6}, "options"),
    ],
)
def test_a_change_is_noticed_and_said(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, change: dict[str, object], name: str
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    paint(source, output, stylizer, stop_after=15)
    report, painted = paint(source, output, stylizer, **change)  # type: ignore[arg-type]
    assert painted == 40
    assert any(f"started over: the {name} changed" in note for note in report.notes)


def by_hand(ease: Easing) -> Timeline:
    red: Mapping[str, float] = {"red": 1.0}
    return Timeline(Track([Keyframe(0.0, red, ease), Keyframe(1.6, {"green": 1.0})]))


def test_no_piece_is_kept_of_an_easing_that_is_a_function_of_the_callers(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    """Two functions cannot be told apart: each is `<lambda>`, and may do today what it did not
    yesterday."""
    source, whole, output = clip(pts=range(40)), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    settings: dict[str, Any] = {"stylizer": stylizer, "segment_seconds": PIECE}
    render(source, whole, by_hand(lambda part: part**3), **settings)
    done = list[Progress]()
    report = render(
        source,
        output,
        by_hand(lambda part: part),
        on_progress=done.append,
        interrupted=lambda: len(done) >= 25,
        **settings,
    )
    assert not report.complete
    assert not report.goes_on
    assert not segment_folder(output).exists()

    def fail(progress: Progress) -> None:
        if progress.frame == 25:
            raise ValueError("as if the machine went down")

    with pytest.raises(ValueError, match="as if the machine went down"):
        render(source, output, by_hand(lambda part: part), on_progress=fail, **settings)
    assert list(segment_folder(output).glob("*.nut"))
    report = render(source, output, by_hand(lambda part: part**3), **settings)
    assert report.complete
    assert any("an easing that is a function of yours" in note for note in report.notes)
    assert frames(output) == frames(whole)


@pytest.mark.parametrize("ease", [hold, CubicBezier(0.1, 0, 0.4, 1)])
def test_a_timeline_of_named_easings_and_curves_goes_on(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, ease: Easing
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    done = list[Progress]()
    report = render(
        source,
        output,
        by_hand(ease),
        stylizer=stylizer,
        segment_seconds=PIECE,
        on_progress=done.append,
        interrupted=lambda: len(done) >= 25,
    )
    assert report.goes_on
    again = by_hand(copy.deepcopy(ease))
    report = render(source, output, again, stylizer=stylizer, segment_seconds=PIECE)
    assert any("went on after" in note for note in report.notes)


def test_another_input_model_or_precision_is_noticed(
    clip: Clip,
    stylizer: Stylizer,
    small_model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    paint(source, output, stylizer, stop_after=15)
    changed = replace(small_model, styles=small_model.styles + 0.1)
    other = Stylizer(changed, device="cpu", precision="fp32")
    report, _ = paint(source, output, other, stop_after=15)
    assert any("the model changed" in note for note in report.notes)
    os.utime(source, (1, 1))
    report, _ = paint(source, output, other, stop_after=15)
    assert any("the input changed" in note for note in report.notes)
    monkeypatch.setattr(other.engine, "arithmetic", "of another precision")
    report, _ = paint(source, output, other)
    assert any("the precision or device changed" in note for note in report.notes)


def test_another_choice_of_sound_keeps_the_pieces(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = clip(pts=range(40), audio="aac"), tmp_path / "out.mp4"
    paint(source, output, stylizer, stop_after=25)
    report, painted = paint(source, output, stylizer, audio="none")
    assert report.complete
    assert painted <= 20
    with av.open(str(output)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def overwrite(file: Path, count: int) -> None:
    """Change bytes in the middle of a file."""
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + count] = bytes(byte ^ 0xFF for byte in data[middle : middle + count])
    file.write_bytes(data)


@pytest.mark.parametrize("whole", [False, True])
def test_a_piece_that_is_damaged_before_it_is_joined_is_painted_again(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    pieces = segment_folder(output)
    damaged = pieces / "00001.nut"
    with monkeypatch.context() as patched:

        def join(*arguments: Any, **options: Any) -> Any:
            overwrite(damaged, damaged.stat().st_size if whole else 2000)
            return encode.join_segments(*arguments, **options)

        patched.setattr("videostyle.rendering.render.join_segments", join)
        with pytest.raises(MediaError, match=r"00001\.nut: was damaged .* \d of its 10 frames"):
            paint(source, output, stylizer)
    assert not output.exists()
    assert len(list(pieces.glob("*.nut"))) == 4
    report, painted = paint(source, output, stylizer)
    assert painted == 10
    assert report.frames == len(frames(output)) == 40
    assert not pieces.exists()


@pytest.mark.parametrize("damage", ["manifest", "segment", "missing", "zeros", "a bit"])
def test_a_damaged_folder_is_not_trusted(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, damage: str
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    paint(source, output, stylizer, stop_after=35)
    folder = segment_folder(output)
    first = sorted(folder.glob("*.nut"))[0]
    if damage == "manifest":
        (folder / "manifest.json").write_text('{"format": 1, "segments": 5}')
    elif damage == "segment":
        first.write_bytes(first.read_bytes()[:-10])
    elif damage == "missing":
        first.unlink()
    else:
        overwrite(first, 1 if damage == "a bit" else first.stat().st_size // 2)
    report, painted = paint(source, output, stylizer)
    assert report.frames == len(frames(output)) == 40
    # What is whole is kept.
    assert painted == 40 if damage == "manifest" else 10 <= painted <= 20


def test_a_folder_of_somebody_else_is_left_alone(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    folder = segment_folder(output)
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(MediaError, match=r"holds notes\.txt; its name is needed, move it away"):
        paint(clip(pts=range(40)), output, stylizer)
    assert (folder / "notes.txt").read_text() == "mine"


def paint_with_workers(
    source: Path,
    output: Path,
    stylizer: Stylizer,
    interrupted: Callable[[int], bool] = lambda painted: False,
    look: Look = RED,
) -> tuple[Report, list[int]]:
    """Paint in two processes, in pieces of ten frames; the progress on the way too."""
    seen = [0]
    report = render(
        source,
        output,
        look,
        stylizer=stylizer,
        segment_seconds=PIECE,
        workers=2,
        on_progress=lambda progress: seen.append(progress.frame),
        interrupted=lambda: interrupted(seen[-1]),
    )
    return report, seen


def declared(path: Path, seconds: float) -> Path:
    """A Matroska file that says it is longer than it is, and not how long its streams are."""
    data = path.read_bytes().replace(b"DURATION", b"NOTATION")
    at = data.index(b"\x44\x89\x88") + 3  # Duration, a double of 8 bytes, in milliseconds
    path.write_bytes(data[:at] + struct.pack(">d", seconds * 1000) + data[at + 8 :])
    return path


def test_a_length_that_is_only_declared_costs_nothing(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = declared(clip("clip.mkv", pts=range(40)), 1e12), tmp_path / "out.mp4"
    report, _ = paint(source, output, stylizer, stop_after=25)
    assert not report.complete
    report, _ = paint(source, output, stylizer)
    assert report.complete
    assert report.frames == len(frames(output)) == 40


def test_workers_paint_the_same_frames_and_go_on_too(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = declared(clip("clip.mkv", pts=range(100), size=(320, 192), audio="aac"), 100)
    whole, output = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    paint(source, whole, stylizer)
    # The caller's script has no guard: a worker that ran it would leave the file.
    script, ran = tmp_path / "script.py", tmp_path / "ran"
    script.write_text(f"open({str(ran)!r}, 'w').close()")
    caller = ModuleType("__main__")
    caller.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", caller)
    report, _ = paint_with_workers(source, output, stylizer, lambda painted: painted > 20)
    assert not report.complete
    assert len(frames(report.output)) == report.frames
    report, seen = paint_with_workers(source, output, stylizer)
    assert report.complete
    assert any("went on after" in note for note in report.notes)
    assert seen[-1] == 100
    assert frames(output) == frames(whole)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.mp4"]
    assert not ran.exists()


def kill_a_worker() -> None:
    """If there is one: `interrupted` is asked once more when they are going, or gone."""
    for worker in multiprocessing.active_children()[:1]:
        worker.kill()


def test_a_worker_that_dies_is_said(clip: Clip, stylizer: Stylizer, tmp_path: Path) -> None:
    source, output = clip(pts=range(400)), tmp_path / "out.mp4"

    def kill_one(painted: int) -> bool:
        if painted:
            kill_a_worker()
        return False

    with pytest.raises(MediaError, match=r"fewer workers \(--workers\)"):
        paint_with_workers(source, output, stylizer, kill_one, SLOW_RED)
    assert multiprocessing.active_children() == []
    assert not output.exists()


def test_a_worker_that_dies_of_the_interruption_is_no_fault(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    """Windows lets workers hear Ctrl-C while they start."""
    source, output = clip(pts=range(400)), tmp_path / "out.mp4"

    def kill_one_and_stop(painted: int) -> bool:
        if painted:
            kill_a_worker()
        return painted > 0

    report, _ = paint_with_workers(source, output, stylizer, kill_one_and_stop, SLOW_RED)
    assert not report.complete
    assert multiprocessing.active_children() == []


def test_an_easing_that_workers_cannot_import_is_refused(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    red: Mapping[str, float] = {"red": 1.0}
    timeline = Timeline(Track([Keyframe(0.0, red, lambda part: part), Keyframe(1.0, red)]))
    output = tmp_path / "out.mp4"
    with pytest.raises(UsageError, match="cannot be handed to workers"):
        render(
            clip(pts=range(40)),
            output,
            timeline,
            stylizer=stylizer,
            segment_seconds=PIECE,
            workers=2,
        )
    assert not output.exists()


def test_the_script_is_back_in_its_place_after_renders_side_by_side() -> None:
    script = sys.modules["__main__"]
    entered, leave = (Event(), Event()), (Event(), Event())

    def start_workers(number: int) -> None:
        with _without_main():
            entered[number].set()
            leave[number].wait()

    with ThreadPoolExecutor() as pool:
        first = pool.submit(start_workers, 0)
        entered[0].wait()
        second = pool.submit(start_workers, 1)
        entered[1].wait(0.1)
        leave[0].set()
        first.result()
        leave[1].set()
        second.result()
        assert sys.modules["__main__"] is script


def test_no_worker_outlives_its_parent(clip: Clip, model_file: str, tmp_path: Path) -> None:
    source, output = clip(pts=range(400)), tmp_path / "out.mp4"
    command = [sys.executable, "-m", "videostyle", "render", str(source), "-o", str(output)]
    command += ["--style", "red", "--stroke", "0.25", "--model", model_file]
    command += ["--segment-seconds", "1", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while not list(segment_folder(output).glob("*.nut")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.kill()
        process.communicate(timeout=30)  # until nobody holds the other end of the pipe


def test_a_short_video_takes_the_direct_way(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videostyle.rendering.render.SegmentFolder", None)
    report, _ = paint(clip(pts=range(30)), tmp_path / "out.mp4", stylizer, piece=10)
    assert report.complete


@pytest.mark.parametrize("piece", [10, PIECE])
def test_an_input_that_breaks_off_is_painted_and_said_or_refused(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, piece: float
) -> None:
    source = half_loaded(clip("clip.mkv", pts=range(75)), 0.6)
    output, strictly = tmp_path / "out.mp4", tmp_path / "strict.mp4"
    report, painted = paint(source, output, stylizer, piece=piece)
    lost = f"the last {3 - painted / 25:.2f} s of its 3.00 s are missing"
    assert report.complete
    assert report.notes == (f"the input breaks off: {lost}",)
    assert faults(source, output) == []
    assert [item.message for item in verify(source, output)] == [
        f"the input is damaged: the input breaks off: {lost}"
    ]
    with pytest.raises(MediaError, match=rf"the input breaks off: {lost}"):
        render(source, strictly, RED, stylizer=stylizer, segment_seconds=piece, strict=True)
    assert not strictly.exists()
    options = {"segment_seconds": piece, "strict": True, "end": 0.8}
    assert render(source, strictly, RED, stylizer=stylizer, **options).complete  # type: ignore[arg-type]


def test_neighbouring_pieces_are_painted_as_one(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told the faults of its own frames; one without a frame does not end the others."""
    pts = [*range(15), *range(31, 48)]
    info = probe(clip(pts=pts))
    parts, decoded = [], []

    def damaged(*args: object, report: DecodeReport, **options: object) -> Iterator[Frame]:
        decoded.append(args)
        for frame in decode(*args, report=report, **options):  # type: ignore[arg-type]
            report.damaged_frames += round(frame.seconds * 25) in (9, 10, 11, 47)
            yield frame

    monkeypatch.setattr("videostyle.rendering.painter.decode", damaged)
    plan = plan_output(info, tmp_path / "out.mp4", EncodeOptions())
    looks = Timeline.constant(Look({"red": 1}))
    assignment = Assignment(info, plan, looks, stabilize=True, strict=False, hwaccel="none")
    painter = Painter(assignment, stylizer, lambda: False, lambda *_: None)
    cuts = segment_cuts(info, Cut(), PIECE)
    # The fifth is not asked for, and the input goes on behind it.
    asked = {number: (cuts[number], tmp_path / f"{number}.nut") for number in (0, 1, 2, 3)}
    for number, record, whole in painter.paint_segments(asked):
        assert whole
        parts.append((number, record.frames, record.faults["damaged_frames"], record.ends))
    assert parts == [(0, 10, 1, False), (1, 5, 2, False), (2, 0, 0, False), (3, 9, 0, False)]
    assert len(decoded) == 1


SLIDES = (0, 3, 40, 41, 520, 1000)  # in the pieces 0, 4, 52 and 100 of 101


def test_pieces_without_frames_open_no_encoder_and_write_no_manifest(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = clip(pts=SLIDES, audio="aac")
    whole, output = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    paint(source, whole, stylizer, piece=100, codec="ffv1")
    written = []

    def noting(path: Path) -> AbstractContextManager[Path]:
        written.append(path.name)
        return written_whole(path)

    class Noted(SegmentWriter):
        def __init__(self, info: MediaInfo, path: Path, plan: EncodingPlan) -> None:
            written.append(path.name)
            super().__init__(info, path, plan)

    monkeypatch.setattr("videostyle.encode.segments.written_whole", noting)
    monkeypatch.setattr("videostyle.rendering.painter.SegmentWriter", Noted)
    report, _ = paint(source, output, stylizer, codec="ffv1")
    assert report.complete
    assert frames(output) == frames(whole)
    files = [name for name in written if name != "manifest.json"]
    assert files == ["00000.nut", "00004.nut", "00052.nut", "00100.nut"]
    assert written.count("manifest.json") == 1 + len(files)


@pytest.mark.parametrize("stop", [1, 4, 5])
def test_pieces_without_frames_are_gone_on_after(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, stop: int
) -> None:
    source, whole, output = clip(pts=SLIDES), tmp_path / "whole.mkv", tmp_path / "out.mkv"
    paint(source, whole, stylizer, piece=100, codec="ffv1")
    report, _ = paint(source, output, stylizer, codec="ffv1", stop_after=stop)
    assert not report.complete
    manifest = json.loads((segment_folder(output) / "manifest.json").read_text())
    finished = sum(record["frames"] for record in manifest["segments"].values())
    report, painted = paint(source, output, stylizer, codec="ffv1")
    assert report.complete
    assert painted == len(SLIDES) - finished
    assert frames(output) == frames(whole)


def test_a_piece_without_frames_paints_none_before_it(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is given one piece at a time."""
    info, submitted, submit = probe(clip(pts=SLIDES)), [], stylizer.submit

    def noting(*args: Any) -> Callable[[], np.ndarray]:
        submitted.append(args)
        return submit(*args)

    monkeypatch.setattr(stylizer, "submit", noting)
    plan = plan_output(info, tmp_path / "out.mp4", EncodeOptions())
    looks = Timeline.constant(RED)
    assignment = Assignment(info, plan, looks, stabilize=True, strict=False, hwaccel="none")
    painter = Painter(assignment, stylizer, lambda: False, lambda *_: None)
    cuts = segment_cuts(info, Cut(), PIECE)
    asked = {number: (cuts[number], tmp_path / f"{number}.nut") for number in (20, 52)}
    found = [(number, record.frames) for number, record, _ in painter.paint_segments(asked)]
    assert found == [(20, 0), (52, 1)]
    assert len(submitted) == MEMORY + 1


def test_a_part_without_any_frame_is_an_error(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = declared(clip("clip.mkv", pts=range(40)), 100), tmp_path / "out.mp4"
    with pytest.raises(MediaError, match="not written, because no frame begins at 50"):
        render(source, output, RED, stylizer=stylizer, start=50)
    assert list(tmp_path.glob("out*")) == []


def test_a_full_disk_leaves_what_is_finished_and_the_old_output(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    written, write = 0, OutputVideo.write

    def until_full(video: OutputVideo, frame: Frame) -> None:
        nonlocal written
        written += 1
        if written == 25:
            raise OSError(28, "No space left on device")
        write(video, frame)

    with monkeypatch.context() as patch:
        patch.setattr(OutputVideo, "write", until_full)
        with pytest.raises(MediaError, match="No space left"):
            render(source, output, Look({"red": 1}), stylizer=stylizer, segment_seconds=PIECE)
    assert output.read_bytes() == b"precious"
    assert len(list(segment_folder(output).glob("*.nut"))) == 2
    report, painted = paint(source, output, stylizer)
    assert report.complete
    assert painted == 20


def test_a_piece_that_cannot_be_finished_takes_no_other_with_it(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = clip(pts=range(40)), tmp_path / "out.mp4"
    check = encode._check_segment

    def slow_and_failing(path: Path, info: MediaInfo, pts: list[int]) -> None:
        if pts[0] == 0:
            time.sleep(1)  # the next is written meanwhile
            raise MediaError("broken")
        check(path, info, pts)

    with monkeypatch.context() as patch:
        patch.setattr(encode, "_check_segment", slow_and_failing)
        with pytest.raises(MediaError, match="broken"):
            paint(source, output, stylizer)
    assert [path.name for path in segment_folder(output).glob("*.nut")] == ["00001.nut"]
    report, painted = paint(source, output, stylizer)
    assert report.complete
    assert painted == 30


def test_killed_again_and_again_it_comes_out_the_same(
    clip: Clip, model_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = clip(pts=range(150), size=(160, 96)), tmp_path / "out.mp4"
    timeline = tmp_path / "dusk.yaml"
    timeline.write_text(TIMELINE)
    command = [sys.executable, "-m", "videostyle", "render", str(source), "-o", str(output)]
    command += ["-t", str(timeline), "--model", model_file, "--segment-seconds", "1", "-y"]
    manifest = segment_folder(output) / "manifest.json"
    for finished in (1, 3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if manifest.exists() and len(json.loads(manifest.read_text())["segments"]) >= finished:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert main(command[3:]) == 0
    assert "started over" not in capsys.readouterr().err
    whole, stylizer = tmp_path / "whole.mp4", Stylizer(load_model(model_file), device="cpu")
    render(source, whole, timeline, stylizer=stylizer, segment_seconds=1)
    assert frames(output) == frames(whole)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.mp4"]


def test_a_file_whose_length_cannot_be_found_is_one_piece(clip: Clip, tmp_path: Path) -> None:
    info = replace(probe(clip(pts=range(40))), duration_seconds=None)
    assert segment_cuts(info, Cut(), 0.1) == [Cut()]
