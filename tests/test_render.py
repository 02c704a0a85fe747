"""The whole job: lengths, times, memory of threads, errors of every stage."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from conftest import stage_threads
from PIL import Image
from pipeline import Clip, seconds

from videostyle.cli import main
from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.errors import MediaError, ModelError, UsageError
from videostyle.look import ORIGINAL, Look
from videostyle.rendering.progress import Progress, ProgressCount
from videostyle.rendering.render import Report, render
from videostyle.rendering.settle import describe
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.reader import read_timeline
from videostyle.timeline.timeline import Keyframe, Timeline, Track
from videostyle.whole_file import only_writer


@pytest.mark.parametrize("pts", [range(8), [0, 3, 4, 9, 15], range(100, 108)])
def test_every_frame_keeps_its_time(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, pts: list[int]
) -> None:
    source, output = clip(pts=list(pts)), tmp_path / "out.mp4"
    report = render(source, output, Look({"red": 1}), stylizer=stylizer)
    assert seconds(output) == seconds(source)
    assert report.frames == len(pts)
    assert report.complete


def test_a_timeline_paints_by_the_time_of_the_frame(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    timeline = tmp_path / "t.yaml"
    timeline.write_text(
        "version: 1\nkeyframes:\n  - {at: 0s, mix: original, ease: hold}\n  - {at: 50%, mix: red}\n"
    )
    source, output = clip(pts=list(range(10))), tmp_path / "out.mkv"
    render(source, output, timeline, stylizer=stylizer)
    before = [frame.image.to_ndarray(format="rgb24") for frame in decode(probe(source))]
    after = [frame.image.to_ndarray(format="rgb24") for frame in decode(probe(output))]
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(after, before, strict=True)]
    assert max(changes[:5]) < 4
    assert min(changes[5:]) > 8


@pytest.mark.parametrize("second", ["1s", "100%"])
def test_a_picture_is_said_to_have_one_moment(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, second: str
) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (96, 64), (200, 90, 20)).save(picture)
    file = tmp_path / "t.yaml"
    first = "version: 1\nkeyframes:\n  - {at: 0s, mix: original}\n"

    def notes(source: Path, keys: str) -> tuple[str, ...]:
        file.write_text(first + keys)
        output = tmp_path / f"out{source.suffix}"
        return render(source, output, file, stylizer=stylizer).notes

    note = f"{picture}: a picture has one moment, the timeline's at 0 s"
    assert [text.partition(";")[0] for text in notes(picture, "")] == []
    more = f"  - {{at: {second}, mix: red}}\n"
    assert [text.partition(";")[0] for text in notes(picture, more)] == [note]
    assert not any("moment" in text for text in notes(clip(pts=range(30)), more))
    looks = Timeline(Track([Keyframe(0.0, {"red": 1.0}), Keyframe(1.0, {"blue": 1.0})]))
    assert render(picture, tmp_path / "out.png", looks, stylizer=stylizer).notes[0].startswith(note)


def test_a_largest_side_scales_pictures_and_videos(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGBA", (300, 150), (200, 90, 20, 128)).save(picture)
    for source, output in ((clip(size=(160, 96)), "out.mp4"), (picture, "out.png")):
        path = tmp_path / output
        render(source, path, Look({"red": 1}), stylizer=stylizer, max_size=80)
        info = probe(path)
        assert (info.width, info.height) == ((80, 48) if output == "out.mp4" else (80, 40))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.h264"])
def test_progress_counts_every_frame(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, name: str
) -> None:
    """Also where the file does not say how many there are."""
    seen: list[Progress] = []
    source = clip(name, pts=list(range(6)))
    render(source, tmp_path / "o.mp4", Look({"red": 1}), stylizer=stylizer, on_progress=seen.append)
    assert [progress.frame for progress in seen] == [1, 2, 3, 4, 5, 6]
    assert {progress.total for progress in seen} == {6}
    assert seen[-1].fps > 0


def test_progress_waits_for_the_first_frame() -> None:
    """Workers take seconds to start, in which there is no rate to tell."""
    told: list[Progress] = []
    progress = ProgressCount(10, told.append)
    busy = {"decode": 0.0, "stylize": 0.0, "encode": 0.0}
    for painted in (0, 0, 1, 1, 3):
        progress.update(painted, busy)
    assert [progress.frame for progress in told] == [1, 3]
    assert {progress.total for progress in told} == {10}
    assert all(progress.fps > 0 for progress in told)


def test_a_total_grows_with_frames_that_nobody_knew_of() -> None:
    progress = ProgressCount(2, None)
    progress.update(3, {"decode": 0.0, "stylize": 0.0, "encode": 0.0})
    assert (progress.now().frame, progress.now().total) == (3, 3)


def test_an_interruption_leaves_a_playable_part(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    count = 0

    def interrupted() -> bool:
        return count >= 5

    def on_progress(progress: Progress) -> None:
        nonlocal count
        count = progress.frame

    source, output = clip(pts=list(range(60)), audio="aac"), tmp_path / "out.mp4"
    report = render(
        source,
        output,
        Look({"red": 1}),
        stylizer=stylizer,
        on_progress=on_progress,
        interrupted=interrupted,
    )
    assert not report.complete
    assert not report.goes_on  # one piece
    assert not output.exists()
    assert report.output == tmp_path / "out.part.mp4"
    assert 5 <= len(seconds(report.output)) < 60
    assert not stage_threads()


@pytest.mark.parametrize("piece", [10.0, 0.4])
def test_an_interruption_after_the_last_frame_comes_too_late(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, piece: float
) -> None:
    source, output = clip(pts=range(20), audio="aac"), tmp_path / "out.mp4"
    told: list[Progress] = []
    report = render(
        source,
        output,
        Look({"red": 1}),
        stylizer=stylizer,
        segment_seconds=piece,
        on_progress=told.append,
        interrupted=lambda: len(told) >= 20,
    )
    assert (report.complete, report.frames, report.output) == (True, 20, output)
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.mp4"]


@pytest.mark.parametrize("piece", [10.0, 0.4])
def test_an_interruption_before_the_first_frame_leaves_nothing(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, piece: float
) -> None:
    report = render(
        clip(pts=range(20)),
        tmp_path / "out.mp4",
        Look({"red": 1}),
        stylizer=stylizer,
        segment_seconds=piece,
        interrupted=lambda: True,
    )
    assert (report.complete, report.frames) == (False, 0)
    assert report.to_dict()["output"] is None
    assert not report.output.exists()


def test_no_part_is_printed_where_there_is_none(
    clip: Clip,
    model_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stopped = Event()
    stopped.set()
    monkeypatch.setattr("videostyle.cli.render.interruptible", lambda: nullcontext(stopped))
    command = ["render", str(clip()), "-o", str(tmp_path / "out.mp4"), "--style", "red"]
    assert main([*command, "--model", model_file]) == 130
    out, error = capsys.readouterr()
    assert out == ""
    assert "stopped: no part. Start over" in error


def failing(*_: object, **__: object) -> None:
    raise RuntimeError("the stage broke")


@pytest.mark.parametrize("stage", ["to_rgb", "from_rgb"])
def test_the_first_error_stops_every_stage_and_keeps_the_old_output(
    clip: Clip,
    stylizer: Stylizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    monkeypatch.setattr(f"videostyle.media.color.ColorConverter.{stage}", failing)
    source, output = clip(pts=list(range(40))), tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(RuntimeError, match="the stage broke"):
        render(source, output, Look({"red": 1}), stylizer=stylizer)
    assert output.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]
    assert not stage_threads()


def test_a_gpu_that_cannot_decode_is_noted_but_is_no_damage(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    look, output = Look({"red": 1}), tmp_path / "out.mp4"
    # Lossless H.264 is more than NVDEC takes, where there is one.
    report = render(clip(), output, look, stylizer=stylizer, strict=True, hwaccel="cuda")
    assert report.complete
    if not torch.cuda.is_available():
        assert any("decoded in software" in note for note in report.notes)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
)
def test_too_little_memory_names_what_helps(
    clip: Clip,
    stylizer: Stylizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr(stylizer.engine, "submit", exhausted)
    monkeypatch.setattr("videostyle.network.strips.paint_in_strips", exhausted)
    with pytest.raises(
        MediaError, match="not enough memory to paint 96x64; max_size 48 \\(--max-size\\)"
    ):
        render(clip(), tmp_path / "out.mp4", Look({"red": 1}), stylizer=stylizer)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_folder_that_vanishes_is_named(clip: Clip, stylizer: Stylizer, tmp_path: Path) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()

    def on_progress(progress: Progress) -> None:
        if progress.frame == 5:
            shutil.rmtree(folder)

    source, look = clip(pts=range(20)), Look({"red": 1})
    with pytest.raises(MediaError, match="stick"):
        render(source, folder / "o.mp4", look, stylizer=stylizer, on_progress=on_progress)
    assert not stage_threads()


def test_an_error_while_encoding_ends_the_other_stages(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    def on_progress(_: Progress) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(MediaError, match="No space left"):
        render(
            clip(pts=list(range(40))),
            tmp_path / "out.mp4",
            Look({"red": 1}),
            stylizer=stylizer,
            on_progress=on_progress,
        )
    assert not stage_threads()
    assert not list(tmp_path.glob("out*"))


def test_an_unknown_style_fails_before_anything_is_written(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"unknown style 'rad'\. Did you mean red\?"):
        render(clip(), tmp_path / "out.mp4", Look({"rad": 1}), stylizer=stylizer)
    with pytest.raises(ModelError, match=r"unknown style 'rad'\. Did you mean red\?"):
        describe(clip(), tmp_path / "out.mp4", Look({"rad": 1}), stylizer.model.card)
    assert not list(tmp_path.glob("out*"))


def test_a_timeline_is_never_overwritten(
    clip: Clip, stylizer: Stylizer, model_file: str, tmp_path: Path
) -> None:
    source, timeline = clip(), tmp_path / "t.part.mp4"
    timeline.write_text("version: 1\nkeyframes:\n  - {at: 0s, mix: red}\n")
    before = timeline.read_bytes()
    (tmp_path / "link.mp4").symlink_to(timeline)
    card = stylizer.model.card
    for given in (timeline, str(timeline), read_timeline(timeline, card)):
        for name in ("t.part.mp4", "t.mp4", "link.mp4"):
            with pytest.raises(UsageError, match=r"would overwrite .*; choose another output"):
                render(source, tmp_path / name, given, stylizer=stylizer)
            with pytest.raises(UsageError, match=r"would overwrite .*; choose another output"):
                describe(source, tmp_path / name, given, card)
    arguments = ["render", str(source), "-t", str(timeline), "-o", str(timeline), "-y"]
    assert main([*arguments, "--model", model_file, "--precision", "fp32"]) == 2
    assert timeline.read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": "abc"}, "start: 'abc' is not a time"),
        ({"start": "2s", "end": "1s"}, "start 2s is not before end 1s"),
        ({"max_size": 1}, "max_size is 1; it must be at least 2 pixels"),
        ({"fps": 0}, "fps: '0': write frames a second"),
        ({"invert_mask": True}, "invert_mask needs a mask"),
        ({"stabilize": "no"}, "stabilize is 'no'; it must be True or False"),
        ({"strict": None}, "strict is None; it must be True or False"),
        ({"invert_mask": 1, "mask": "m.png"}, "invert_mask is 1; it must be True or False"),
    ],
)
def test_what_no_render_could_use_is_refused_before_the_input_is_looked_for(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    look = Look({"the_kiss": 1})
    with pytest.raises(UsageError, match=message):
        render(tmp_path / "gone.mp4", tmp_path / "out.mp4", look, **settings)
    Image.new("RGB", (96, 64)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=message):  # a picture has no parts, but these are none
        render(tmp_path / "a.png", tmp_path / "out.png", look, **settings)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_is_rendered_file_by_file(tmp_path: Path, stylizer: Stylizer) -> None:
    message = r"is a folder; give its files one by one, .*, or numbered pictures as frame_%05d\.png"
    with pytest.raises(MediaError, match=message):
        render(tmp_path, tmp_path / "out.mp4", Look({"red": 1}), stylizer=stylizer)


def test_the_input_is_never_the_output(clip: Clip, stylizer: Stylizer) -> None:
    source = clip()
    with pytest.raises(UsageError, match="input"):
        render(source, source, Look({"red": 1}), stylizer=stylizer)


@pytest.mark.parametrize("piece", [10.0, 0.4])
def test_what_a_link_points_at_is_written(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, piece: float
) -> None:
    (tmp_path / "disk").mkdir()
    link, target = tmp_path / "link.mp4", tmp_path / "disk" / "out.mp4"
    link.symlink_to("disk/out.mp4")
    source = clip(pts=range(20))
    report = render(source, link, Look({"red": 1}), stylizer=stylizer, segment_seconds=piece)
    assert report.output == target.resolve()
    assert link.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["out.mp4"]
    assert len(seconds(target)) == 20


def test_links_that_lead_round_in_a_circle_are_named(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    links = [tmp_path / "one.mp4", tmp_path / "other.mp4"]
    for link, other in zip(links, reversed(links), strict=True):
        link.symlink_to(other)
    with pytest.raises(MediaError, match=r"one\.mp4: is a link that leads back to itself"):
        render(clip(), links[0], Look({"red": 1}), stylizer=stylizer)
    assert all(link.is_symlink() for link in links)


def test_two_renders_do_not_write_one_output(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = clip(), tmp_path / "out.mp4"
    refused = list[str]()

    def on_progress(progress: Progress) -> None:
        if not refused:
            with pytest.raises(UsageError, match="another process is writing it") as second:
                render(source, output, Look({"red": 1}), stylizer=Stylizer(stylizer.model))
            refused.append(str(second.value))

    report = render(source, output, Look({"red": 1}), stylizer=stylizer, on_progress=on_progress)
    assert refused
    assert probe(output).frame_count == report.frames
    again = render(source, output, Look({"red": 1}), stylizer=stylizer)
    assert again.complete


def test_an_output_has_one_writer_at_a_time_who_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    output, writers, most = tmp_path / "out.mp4", list[int](), list[int]()

    def write(number: int) -> None:
        with suppress(UsageError), only_writer(output):
            writers.append(number)
            most.append(len(writers))
            time.sleep(0.001)
            writers.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(100)))
    assert set(most) == {1}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["gate.lock"]


def test_a_writer_that_ends_just_then_still_refuses_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third may have begun by then."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with only_writer(tmp_path / "out.mp4"):
        monkeypatch.setattr(Path, "is_file", lambda path: False)  # its lock has just been removed
        with pytest.raises(UsageError, match="another process"), only_writer(tmp_path / "out.mp4"):
            pass


def test_strict_stops_at_the_first_damage_and_says_where(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = clip(pts=list(range(50)), size=(320, 240)), tmp_path / "out.mp4"
    render(source, output, Look({ORIGINAL: 1}), stylizer=stylizer, strict=True)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    source.write_bytes(bytes(data))
    output.write_bytes(b"precious")
    with pytest.raises(MediaError, match=r"after 0\.\d+ s; without strict"):
        render(source, output, Look({ORIGINAL: 1}), stylizer=stylizer, strict=True)
    assert output.read_bytes() == b"precious"
    report = render(source, output, Look({ORIGINAL: 1}), stylizer=stylizer)
    assert report.complete
    assert report.notes


def test_strict_meets_the_damage_in_pieces_of_an_earlier_run_too(
    clip: Clip, stylizer: Stylizer, tmp_path: Path
) -> None:
    source, output = clip(pts=range(60), size=(320, 240)), tmp_path / "out.mp4"
    data = bytearray(source.read_bytes())
    data[len(data) // 4 : len(data) // 4 + 2000] = bytes(2000)
    source.write_bytes(bytes(data))
    seen: list[int] = []

    def paint(**settings: Any) -> Report:
        return render(
            *(source, output, Look({ORIGINAL: 1})),
            stylizer=stylizer,
            segment_seconds=0.4,
            on_progress=lambda progress: seen.append(progress.frame),
            **settings,
        )

    assert not paint(interrupted=lambda: len(seen) > 40).complete
    with pytest.raises(MediaError, match="without strict"):
        paint(strict=True)
    assert paint().complete
