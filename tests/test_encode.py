"""What comes out: times, sound, tags and size of the input; and never half a file by its name."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import OutputContainer
from av.stream import Disposition
from conftest import BT601, BT709, CLIPS, REFUSED
from PIL import Image
from pipeline import FAST, Clip, copy, faults, mux, seconds, untouched

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.containers import CONTAINERS, Container
from videostyle.encode.encode import encode, join_segments
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import exists, plan_output
from videostyle.encode.output_video import open_output
from videostyle.encode.plan import EncodingPlan
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import ColorConverter, output_color
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import plane_array
from videostyle.whole_file import part_path, written_whole

LOSSLESS = EncodeOptions(preset="ultrafast", crf=0)


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """Time and content of every packet of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(item for item in container.streams if item.type == kind)
        return [(p.pts * p.time_base, bytes(p)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    "pts",
    [range(12), [0, 40, 41, 200, 1000], [70, 90, 200], [3]],
    ids=["constant", "variable", "late start", "one frame"],
)
def test_every_pts_comes_out(clip: Clip, tmp_path: Path, pts: list[int], suffix: str) -> None:
    source = clip(pts=pts, time_base=Fraction(1, 1000))
    report = copy(source, tmp_path / f"out{suffix}")
    assert (report.frames, report.complete) == (len(pts), True)
    assert seconds(report.output) == seconds(source) == [Fraction(p, 1000) for p in pts]


PAUSE = [0, 33_333_333, 66_666_667, 4_000_000_000, 9_000_000_000]  # billionths of a second


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_pause_on_a_fine_clock_is_kept(clip: Clip, tmp_path: Path, suffix: str) -> None:
    """MP4 counts the ticks between two frames with 32 bits, two seconds of billionths."""
    source = clip("in.nut", pts=PAUSE, time_base=Fraction(1, 10**9))
    found = seconds(copy(source, tmp_path / f"out{suffix}").output)
    assert [float(time) for time in found] == pytest.approx([pts / 1e9 for pts in PAUSE], abs=1e-6)


def test_times_on_a_fine_clock_are_exact_where_they_can_be(clip: Clip, tmp_path: Path) -> None:
    source = clip("in.nut", pts=[0, 600_000, 400 * 14_400_000], time_base=Fraction(1, 14_400_000))
    assert seconds(copy(source, tmp_path / "out.mp4").output) == seconds(source)
    for rate in (Fraction(30_000, 1001), Fraction(24_000, 1001), Fraction(25)):
        tick = CONTAINERS[".mp4"].tick(Fraction(1, rate.numerator * 1000), rate)
        assert tick >= Fraction(1, 1_000_000)
        assert (1 / rate / tick).denominator == 1


def test_a_pause_that_mp4_cannot_hold_is_refused(clip: Clip, tmp_path: Path) -> None:
    source = clip("in.nut", pts=[0, 3600, 2**31 + 3600], time_base=Fraction(1, 90_000))
    with pytest.raises(MediaError, match=r"at 0\.04 s its times jump on by 23861 s, and MP4 holds"):
        copy(source, tmp_path / "out.mp4")
    assert seconds(copy(source, tmp_path / "out.mkv").output)[-1] > 23_860


def test_times_that_come_out_wrong_take_no_name(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Container, "longest_step", lambda *_: float("inf"))
    source = clip("in.nut", pts=[0, 3600, 2**31 + 3600], time_base=Fraction(1, 90_000))
    with pytest.raises(MediaError, match=r"read back at 0\.040 s instead of 23860\.969 s"):
        copy(source, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_the_length_of_a_variable_rate_track_is_kept(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=[0, 40, 41, 500, 600], time_base=Fraction(1, 1000))
    report = copy(source, tmp_path / "out.mp4")
    assert probe(report.output).duration_seconds == probe(source).duration_seconds == 0.7


def test_sound_is_copied_packet_by_packet(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=range(25), audio="aac")
    output = copy(source, tmp_path / "out.mp4").output
    assert packets(output, "audio") == packets(source, "audio")
    with av.open(str(output)) as container:
        assert container.streams.audio[0].language == "deu"


def test_sound_stays_in_step_where_the_container_moves_the_start(
    clip: Clip, tmp_path: Path
) -> None:
    # Matroska has no negative times: sound and picture move together.
    source = clip(pts=range(25), audio="aac")
    output = copy(source, tmp_path / "out.mkv").output
    assert abs(lead(output) - lead(source)) <= Fraction(1, 1000)


def lead(path: Path) -> Fraction:
    """How much later than the picture the sound begins, in seconds."""
    return packets(path, "audio")[0][0] - seconds(path)[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_a_broadcast_begins_at_0_with_its_sound_in_step(
    clip: Clip, tmp_path: Path, suffix: str
) -> None:
    plain, source = clip(pts=range(5), audio="aac"), tmp_path / "in.ts"
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        streams = {stream: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream]
                packet.pts += round(26_000 / packet.time_base)
                packet.dts = packet.pts
                new.mux(packet)
    output = copy(source, tmp_path / f"out{suffix}", EncodeOptions()).output
    assert 0 <= seconds(output)[0] < 0.1
    if suffix != ".gif":
        assert abs(lead(output) - lead(source)) <= Fraction(1, 1000)


def test_sound_can_be_left_out_or_made_aac(clip: Clip, tmp_path: Path) -> None:
    source = clip("clip.mkv", pts=range(25), audio="flac")
    for audio, expected in (("none", []), ("aac", ["aac"]), ("copy", ["flac"])):
        output = copy(source, tmp_path / f"{audio}.mp4", replace(FAST, audio=audio)).output
        assert [stream.codec for stream in probe(output).streams("audio")] == expected
    times = packets(tmp_path / "aac.mp4", "audio")
    assert float(times[-1][0]) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("codec", ["tta", "wavpack"])
def test_sound_the_container_refuses_is_transcoded_and_noted(
    clip: Clip, tmp_path: Path, codec: str
) -> None:
    source = clip("clip.mkv", pts=range(25), audio=codec)
    report = copy(source, tmp_path / "out.mp4")
    assert [stream.codec for stream in probe(report.output).streams("audio")] == ["aac"]
    assert report.notes == (
        f"stream 1 (audio, {codec}, deu) transcoded to AAC: this container cannot hold it",
    )


@pytest.mark.parametrize("color", [BT601, BT709, replace(BT601, full_range=True)])
def test_colour_is_tagged_as_in_the_input(clip: Clip, tmp_path: Path, color: object) -> None:
    for suffix in (".mp4", ".mkv"):
        output = copy(clip(pts=range(3), color=color), tmp_path / f"out{suffix}").output
        assert probe(output).color == color


def test_a_guessed_colour_is_tagged_and_noted(clip: Clip, tmp_path: Path) -> None:
    report = copy(clip(pts=range(2), tagged=False), tmp_path / "out.mp4")
    assert probe(report.output).color == BT601
    assert "smpte170m" in report.notes[0]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colours_survive_the_whole_way(
    clip: Clip, tmp_path: Path, pix_fmt: str, codec: str
) -> None:
    source = clip(pts=range(3), color=BT709)
    options = EncodeOptions(codec=codec, crf=4, preset="ultrafast", pix_fmt=pix_fmt)
    output = copy(source, tmp_path / "out.mp4", options).output
    before, after = (
        ColorConverter(info, "yuv420p").to_rgb(next(iter(decode(info))).image).astype(int)
        for info in (probe(source), probe(output))
    )
    assert probe(output).pix_fmt == pix_fmt
    assert np.abs(before - after).mean() < 1.5


@pytest.mark.parametrize(
    ("pix_fmt", "options"),
    [
        ("yuv420p", LOSSLESS),
        ("yuv420p10le", EncodeOptions(pix_fmt="yuv420p10le", encoder_options={"qp": "0"})),
    ],
)
def test_lossless_frames_come_out_as_they_went_in(
    clip: Clip, tmp_path: Path, pix_fmt: str, options: EncodeOptions
) -> None:
    source = clip("in.mkv", pts=range(4), codec="ffv1", pix_fmt=pix_fmt)
    output = copy(source, tmp_path / "out.mp4", options).output
    for before, after in zip(decode(probe(source)), decode(probe(output)), strict=True):
        assert np.array_equal(before.image.to_ndarray(), after.image.to_ndarray())


def test_the_aspect_of_pixels_is_kept_and_a_turn_is_not_repeated(
    clip: Clip, tmp_path: Path
) -> None:
    source = clip(pts=range(3), rotation=(90, False, False), sample_aspect_ratio=Fraction(2, 3))
    info = probe(copy(source, tmp_path / "out.mp4").output)
    assert (info.width, info.height, info.rotation_degrees) == (64, 96, 0)
    assert info.sample_aspect_ratio == Fraction(3, 2)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "libx265"), ("a.mkv", "ffv1"), ("a.webm", None), ("a.gif", None)]
)
def test_the_aspect_of_pixels_is_kept_or_said_to_be_lost(
    clip: Clip, tmp_path: Path, name: str, codec: str | None
) -> None:
    source = clip(pts=range(3), sample_aspect_ratio=Fraction(4, 3))
    report = copy(source, tmp_path / name, EncodeOptions(codec=codec))
    is_kept = probe(report.output).sample_aspect_ratio == Fraction(4, 3)
    assert is_kept == (codec == "libx265")
    assert any("pixels of 4/3 come out square" in note for note in report.notes) != is_kept


def test_a_sequence_says_what_its_pictures_lose(clip: Clip, tmp_path: Path) -> None:
    wide = replace(BT709, primaries=9)
    source = clip(pts=range(3), sample_aspect_ratio=Fraction(4, 3), color=wide)
    assert copy(source, tmp_path / "%d.png", EncodeOptions()).notes == (
        "the colours, of BT.2020, look pale: a picture does not say what they are",
        "pixels of 4/3 come out square: a picture knows no others",
    )


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.mp4"])
def test_a_percent_sign_in_a_path_means_nothing(clip: Clip, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "50%done"
    folder.mkdir()
    assert copy(clip(pts=range(3)), folder / name, EncodeOptions()).frames == 3
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_part_of_matroska_has_no_timecode_of_the_whole(clip: Clip, tmp_path: Path) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(clip(pts=range(10)))) as before, av.open(str(source), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        after.metadata["timecode"] = "01:00:00:00"
        mux(after, {before.streams.video[0]: stream}, before.demux(video=0))
    info = probe(source)
    plan = plan_output(info, output, FAST)
    frames = (frame for frame in untouched(info, plan) if frame.seconds >= 0.2)
    report = encode(frames, info, output, plan, cut=Cut(0.2))
    assert any("timecode" in note for note in report.notes)
    with av.open(str(output)) as container:
        assert "timecode" not in {key.lower() for key in container.metadata}


def test_an_odd_size_is_padded_by_its_edge_and_noted(clip: Clip, tmp_path: Path) -> None:
    source = clip("odd.mkv", pts=range(3), size=(97, 65), codec="ffv1")
    report = copy(source, tmp_path / "out.mp4", LOSSLESS)
    info = probe(report.output)
    assert (info.width, info.height) == (98, 66)
    assert any("padded to 98x66" in note for note in report.notes)
    before, after = next(iter(decode(probe(source)))).image, next(iter(decode(info))).image
    for index in range(3):
        small, large = plane_array(before, index), plane_array(after, index)
        height, width = small.shape
        assert np.array_equal(large[:height, :width], small)
        assert np.array_equal(large[:height, -1], small[:, -1])


def test_an_odd_size_needs_no_padding_in_444(clip: Clip, tmp_path: Path) -> None:
    source = clip("odd.mkv", pts=range(3), size=(97, 65), codec="ffv1")
    options = replace(FAST, pix_fmt="yuv444p")
    info = probe(copy(source, tmp_path / "out.mp4", options).output)
    assert (info.width, info.height) == (97, 65)


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out_%03d.png", "out.json"])
def test_nothing_is_written_through_a_link_at_a_parts_name(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    mine, output = tmp_path / "mine.txt", tmp_path / name
    mine.write_text("mine")
    part_path(output).symlink_to(mine)
    if name == "out.json":
        with written_whole(output) as part:
            part.write_text("{}")
    elif name == "out.png":
        Image.new("RGB", (32, 32)).save(tmp_path / "in.png")
        copy(tmp_path / "in.png", output)
    else:
        copy(clip(), output, EncodeOptions())
    assert mine.read_text() == "mine"
    assert not output.is_symlink()
    assert not os.path.lexists(part_path(output))


def test_metadata_and_chapters_are_kept(clip: Clip, tmp_path: Path) -> None:
    plain, source = clip(pts=range(25)), tmp_path / "titled.mkv"
    with av.open(str(plain)) as before, av.open(str(source), "w") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        after.metadata["title"] = "Holiday"
        stream.metadata["language"] = "fra"
        chapter = {"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000)}
        after.set_chapters([{**chapter, "metadata": {"title": "One"}}])  # type: ignore[typeddict-item]
        mux(after, {before.streams.video[0]: stream}, before.demux(video=0))
    for suffix in (".mkv", ".mp4"):
        output = copy(source, tmp_path / f"out{suffix}").output
        with av.open(str(output)) as container:
            assert container.metadata["title"] == "Holiday"
            assert container.streams.video[0].language == "fra"
            assert [item["metadata"]["title"] for item in container.chapters()] == ["One"]
    # MP4 keeps them in a stream beside them, of which nothing is to be said.
    assert copy(tmp_path / "out.mp4", tmp_path / "again.mp4").notes == ()


def test_an_interruption_leaves_a_playable_part(clip: Clip, tmp_path: Path) -> None:
    info, output = probe(clip(pts=range(50), audio="aac")), tmp_path / "out.mp4"
    plan = plan_output(info, output, FAST)
    frames = islice(untouched(info, plan), 20)
    report = encode(frames, info, output, plan, interrupted=lambda: True)
    assert (report.complete, report.frames, report.output) == (False, 20, part_path(output))
    assert not output.exists()
    assert len(seconds(report.output)) == 20
    assert float(packets(report.output, "audio")[-1][0]) < 0.85


@pytest.mark.parametrize("name", ["out.mp4", "out.gif", "%d.png"])
def test_an_interruption_after_the_last_frame_comes_too_late(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    """Nothing is left to be painted while the file is ended and read back."""
    info, output = probe(clip(pts=range(5), audio="aac")), tmp_path / name
    plan = plan_output(info, output, EncodeOptions())
    asked = iter([False, True, True])
    report = encode(untouched(info, plan), info, output, plan, interrupted=lambda: next(asked))
    assert (report.complete, report.output) == (True, output)
    assert exists(output)
    assert not part_path(output).exists()


def test_an_interruption_before_the_first_frame_leaves_nothing(clip: Clip, tmp_path: Path) -> None:
    info, output = probe(clip(pts=range(5))), tmp_path / "out.mp4"
    plan = plan_output(info, output, FAST)
    report = encode([], info, output, plan, interrupted=lambda: True)
    assert (report.complete, report.frames) == (False, 0)
    assert not part_path(output).exists()


def test_an_interruption_before_the_first_frame_leaves_the_part_of_an_earlier_run(
    clip: Clip, tmp_path: Path
) -> None:
    info, output = probe(clip(pts=range(5))), tmp_path / "out.mp4"
    part_path(output).write_bytes(b"playable")
    encode([], info, output, plan_output(info, output, FAST), interrupted=lambda: True)
    assert part_path(output).read_bytes() == b"playable"


def failing(info: MediaInfo, plan: EncodingPlan, error: Exception) -> Iterator[Frame]:
    yield from islice(untouched(info, plan), 3)
    raise error


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), MediaError("broken input")])
def test_an_error_leaves_the_old_output_and_no_part(
    clip: Clip, tmp_path: Path, error: Exception
) -> None:
    info, output = probe(clip(pts=range(9), audio="aac")), tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    plan = plan_output(info, output, FAST)
    with pytest.raises(type(error), match=str(error)):
        encode(failing(info, plan, error), info, output, plan)
    assert output.read_bytes() == b"precious"
    assert not part_path(output).exists()


def test_a_fault_of_the_disk_is_a_clear_error_and_stops_the_frames(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, output = probe(clip(pts=range(9))), tmp_path / "out.mp4"
    plan = plan_output(info, output, FAST)

    def on_full_disk(part: Path, plan: EncodingPlan) -> AbstractContextManager[OutputContainer]:
        part.symlink_to("/dev/full")
        return open_output(part, plan)

    monkeypatch.setattr("videostyle.encode.encode.open_output", on_full_disk)
    frames = untouched(info, plan)
    next(frames)
    with pytest.raises(MediaError, match=r"out\.part\.mp4: cannot be written: No space left"):
        encode(frames, info, output, plan)
    assert list(frames) == []
    assert not output.exists()


def test_what_no_reader_finds_again_takes_no_name(clip: Clip, tmp_path: Path) -> None:
    """Sound whose first bytes look like another framing makes FFmpeg write broken Matroska."""
    source, output = clip(audio="aac"), tmp_path / "out.mkv"
    with av.open(str(source)) as container:
        place = next(packet.pos for packet in container.demux(audio=0) if packet.size)
    data = bytearray(source.read_bytes())
    data[place : place + 2] = b"\xff\xf1"
    source.write_bytes(data)
    output.write_bytes(b"precious")
    with pytest.raises(MediaError, match="are read back; the input's sound"):
        copy(source, output)
    assert output.read_bytes() == b"precious"
    assert copy(source, output, replace(FAST, audio="none")).complete


@pytest.mark.parametrize("name", ["held.mp4", "held_%d.png"])
def test_an_output_that_a_player_holds_open_costs_nothing_painted(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Windows lets nobody replace an open file."""

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    info, output = probe(clip(pts=range(9))), tmp_path / name
    plan = plan_output(info, output, FAST if output.suffix == ".mp4" else EncodeOptions())
    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(MediaError, match=rf"{name}: cannot be replaced.* is in .*held.*\.part\."):
        encode(untouched(info, plan), info, output, plan)
    part = part_path(output)
    assert len(list(part.iterdir()) if part.is_dir() else seconds(part)) == 9


def test_nothing_to_write_is_an_error(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip(pts=range(3)))
    with pytest.raises(MediaError, match="no frame to write"):
        encode([], info, tmp_path / "out.mp4", plan_output(info, tmp_path / "out.mp4", FAST))
    assert not part_path(tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (Cut(0.1), r"no frame begins at 0\.10 s or later; .* begins at 0\.04 s"),
        (Cut(0.01, 0.03), r"at 0\.01 s or later but before 0\.03 s; .* begins at 0\.00 s"),
    ],
)
def test_a_part_in_which_no_frame_begins_is_explained(
    clip: Clip, tmp_path: Path, cut: Cut, message: str
) -> None:
    info = probe(clip(pts=range(2)))
    plan = plan_output(info, tmp_path / "out.mp4", FAST)
    with pytest.raises(MediaError, match=message):
        encode([], info, tmp_path / "out.mp4", plan, cut=cut)
    with pytest.raises(MediaError, match=message):
        join_segments([], info, tmp_path / "out.mp4", plan, cut=cut, complete=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crf": "20"}, "crf is '20'; it must be a whole number"),
        ({"crf": True}, "crf is True; it must be a whole number"),
        ({"codec": 5}, "codec is 5; it must be text"),
        ({"audio": None}, "audio is None; it must be one of copy, aac, opus, none"),
        ({"audio": "mono"}, "audio is 'mono'; it must be one of copy, aac, opus, none"),
        ({"encoder_options": {"g": 50}}, "encoder_options: g is 50; write it as text, '50'"),
        (
            {"encoder_options": [("g", "50")]},
            r"encoder_options is \[\('g', '50'\)\]; write \{\"g\"",
        ),
        ({"encoder_options": {5: "50"}}, "encoder_options: 5 is no name of an option"),
    ],
)
def test_options_that_no_output_could_have_are_refused_where_they_are_made(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        EncodeOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "libx266"}, r"MP4 cannot hold codec 'libx266' \(have: libx264, libx265, libsv"),
        ({"codec": "prores_ks"}, "MP4 cannot hold codec 'prores_ks'"),
        ({"crf": 9, "encoder_options": {"b": "4M"}}, "a bitrate and a crf exclude each other"),
        ({"crf": 9, "encoder_options": {"qp": "0"}}, "a qp and a crf exclude each other"),
        ({"preset": "warp"}, "preset of libx264 is 'warp'; it must be one of ultrafast"),
        ({"pix_fmt": "nv21"}, "pixel format of libx264 in MP4 is 'nv21'; it must be one of yuv4"),
        ({"crf": 52}, r"crf is 52; libx264 takes 0 \(best\) to 51"),
        ({"encoder_options": {"tuen": "film"}}, "libx264 has no option 'tuen'; did you mean tune"),
        (
            {"encoder_options": {"crf": "20"}},
            r"encoder option crf: is set by crf \(--crf\); use that",
        ),
        ({"encoder_options": {"aq-mode": "9x"}}, "libx264 does not take aq-mode=9x: "),
    ],
)
def test_wrong_options_are_refused_before_the_run(
    clip: Clip, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    info = probe(clip(pts=range(3)))
    with pytest.raises(UsageError, match=message):
        plan_output(info, tmp_path / "out.mp4", replace(FAST, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.xyz", r"ending of a video .*\.mp4, \.mov, \.mkv"),
        ("out%d.avi", r"ending of a video .*\.mp4, \.mov, \.mkv"),
        ("out", r"has no ending; name a file, such as .*out\.mp4"),
    ],
)
def test_an_unknown_ending_is_refused(clip: Clip, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_output(probe(clip(pts=range(3))), tmp_path / name, FAST)


def test_the_input_is_never_overwritten(clip: Clip, tmp_path: Path) -> None:
    source = clip("in.part.mp4", pts=range(3))
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    for name in ("in.part.mp4", "in.mp4", "link.mp4", "hard.mp4"):
        with pytest.raises(UsageError, match="would overwrite the input"):
            plan_output(probe(source), tmp_path / name, FAST)


def test_a_folder_that_cannot_be_made_is_named(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip(pts=range(3)))
    (tmp_path / "file").touch()
    plan_output(info, tmp_path / "new" / "folders" / "out.mp4", FAST)
    assert not (tmp_path / "new").exists()
    with pytest.raises(MediaError, match="file: is a file, not a folder"):
        plan_output(info, tmp_path / "file" / "out.mp4", FAST)


def test_a_drive_that_is_not_there_is_named(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = probe(clip(pts=range(3)))
    monkeypatch.setattr(os.path, "exists", lambda _: False)
    with pytest.raises(MediaError, match="no such drive"):
        plan_output(info, tmp_path / "out.mp4", FAST)


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("gone.mp4")
    assert exists(tmp_path / "link.mp4")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_only_a_file_is_replaced(
    clip: Clip, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    output = tmp_path / "out.mp4"
    make(output)
    with pytest.raises(MediaError, match="is a folder or device"):
        plan_output(probe(clip(pts=range(3))), output, FAST)


@pytest.mark.parametrize("name", ["keep.mp4", "keep_%03d.png"])
def test_a_folder_named_like_the_part_is_not_removed(clip: Clip, tmp_path: Path, name: str) -> None:
    info, output = probe(clip(pts=range(3))), tmp_path / name
    part_path(output).mkdir()
    (part_path(output) / "precious.txt").touch()
    with pytest.raises(MediaError, match="its name is needed; move this folder away"):
        plan_output(info, output, FAST if output.suffix == ".mp4" else EncodeOptions())


@pytest.mark.parametrize("length", [247, 251, 256])  # too long for its pieces, its part, itself
def test_a_name_too_long_is_refused_before_the_run(clip: Clip, tmp_path: Path, length: int) -> None:
    info, output = probe(clip(pts=range(3))), tmp_path / f"{'a' * (length - 4)}.mp4"
    assert not exists(output)
    with pytest.raises(MediaError, match="cannot be written: File name too long"):
        plan_output(info, output, FAST)
    if length < 250:
        plan_output(info, output.with_suffix(".gif"), EncodeOptions())  # has no pieces


def test_what_cannot_be_removed_hides_no_error(clip: Clip, tmp_path: Path) -> None:
    info, output = probe(clip(pts=range(3))), tmp_path / f"{'a' * 247}.mp4"
    plan = plan_output(info, tmp_path / "out.mp4", FAST)
    with pytest.raises(MediaError, match="cannot be written: File name too long"):
        encode(untouched(info, plan), info, output, plan)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user with limits")
def test_a_folder_that_may_not_be_written_to_is_named(clip: Clip, tmp_path: Path) -> None:
    info, folder = probe(clip(pts=range(3))), tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(MediaError, match="cannot be written to"):
        plan_output(info, folder / "out.mp4", FAST)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_a_picture_is_written_as_a_picture(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (35, 51, 3), np.uint8).repeat(8, 0)
    source = tmp_path / "in.png"
    Image.fromarray(pixels).save(source)
    report = copy(source, tmp_path / f"out{suffix}")
    assert report.frames == 1
    with Image.open(report.output) as written:
        assert written.size == (51, 280)
        if suffix in (".png", ".bmp", ".tif"):
            assert np.array_equal(np.asarray(written), pixels)


def test_a_pictures_alpha_is_kept_or_laid_on_black(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    pixels = np.full((64, 64, 4), (200, 100, 50, 0), np.uint8)
    pixels[:, 32:, 3] = 255
    Image.fromarray(pixels).save(source)
    whole, lost = copy(source, tmp_path / "out.webp"), copy(source, tmp_path / "out.bmp")
    assert whole.notes == ()
    assert lost.notes == ("what is transparent is laid on black; PNG, WebP and TIFF keep it",)
    with Image.open(whole.output) as kept:
        assert np.array_equal(np.asarray(kept)[..., 3], pixels[..., 3])
    with Image.open(lost.output) as flat:
        assert flat.getpixel((5, 5)) == (0, 0, 0)
        assert flat.getpixel((60, 5)) == (200, 100, 50)


def test_that_only_the_first_page_is_painted_is_said(tmp_path: Path) -> None:
    source, pages = (
        tmp_path / "in.tif",
        [Image.new("RGB", (8, 8), name) for name in ("red", "blue")],
    )
    pages[0].save(source, save_all=True, append_images=pages[1:])
    report = copy(source, tmp_path / "out.png")
    assert report.notes == ("only the first of its 2 pages is painted",)
    with Image.open(report.output) as written:
        assert written.getpixel((4, 4)) == (255, 0, 0)


def test_a_picture_named_like_a_sequence_is_seen(tmp_path: Path) -> None:
    source, output = tmp_path / "in.png", tmp_path / "out_%03d.png"
    Image.new("RGB", (64, 64)).save(source)
    assert not exists(output)
    assert copy(source, output).output.exists()
    assert exists(output)


def test_a_picture_does_not_become_a_video(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    Image.new("RGB", (64, 64)).save(source)
    with pytest.raises(UsageError, match="ending of a picture"):
        copy(source, tmp_path / "out.mp4")


@pytest.mark.parametrize("source", CLIPS, ids=[path.name for path in CLIPS])
def test_every_awkward_clip_comes_out_whole_or_is_refused(source: Path, tmp_path: Path) -> None:
    if source.name in REFUSED:
        with pytest.raises(MediaError, match=source.name):
            probe(source)
        return
    info, output, read = probe(source), tmp_path / "out.mp4", list[Fraction]()
    plan = plan_output(info, output, replace(FAST, crf=51))  # nobody looks at it

    def noting() -> Iterator[Frame]:
        for frame in untouched(info, plan):
            read.append(frame.pts * info.time_base)
            yield frame

    report = encode(noting(), info, output, plan)
    times = seconds(report.output)
    assert times == read
    assert all(after > before for before, after in pairwise(times))
    written = probe(report.output)
    assert (written.width, written.height) == (
        info.width + info.width % 2,
        info.height + info.height % 2,
    )
    assert written.color == replace(output_color(info), guessed=False)
    assert len(written.streams("audio")) == len(info.streams("audio"))
    assert len(written.streams("subtitle")) == len(info.streams("subtitle"))
    assert faults(source, report.output) == []


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_text_subtitles_are_kept_in_every_container(
    clip: Clip, tmp_path: Path, suffix: str
) -> None:
    plain, words, source = clip(pts=range(50)), tmp_path / "w.srt", tmp_path / "in.mkv"
    words.write_text("1\n00:00:00,500 --> 00:00:01,500\nHällo\n")
    with av.open(str(plain)) as film, av.open(str(words)) as text, av.open(str(source), "w") as out:
        streams = {s: out.add_stream_from_template(s) for s in (*film.streams, *text.streams)}
        streams[text.streams[0]].metadata["language"] = "swe"
        mux(out, streams, (*text.demux(), *film.demux()))
    output = tmp_path / f"out{suffix}"
    copy(source, output, EncodeOptions())
    with av.open(str(output)) as container:
        stream = container.streams.subtitles[0]
        if suffix != ".mov":  # FFmpeg writes no language for the text of MOV
            assert stream.language == "swe"
        found = [
            (float(packet.pts * packet.time_base), float(packet.duration * packet.time_base))
            for packet in container.demux(stream)
            if "Hällo".encode() in bytes(packet)
        ]
    assert found == [(pytest.approx(0.5, abs=0.002), pytest.approx(1.0, abs=0.002))]


def test_cover_art_and_attachments_stay_in_matroska(clip: Clip, tmp_path: Path) -> None:
    plain, source, output = clip(pts=range(5)), tmp_path / "in.mkv", tmp_path / "out.mkv"
    cover = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(cover, "JPEG")
    with av.open(str(plain)) as film, av.open(str(source), "w") as out:
        stream = out.add_stream_from_template(film.streams.video[0])
        out.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        out.add_attachment("font.ttf", "application/x-truetype-font", b"letters")
        mux(out, {film.streams.video[0]: stream}, film.demux(video=0))
    copy(source, output)
    with av.open(str(output)) as container:
        (font,) = container.streams.attachments
        assert (font.name, font.data) == ("font.ttf", b"letters")
        assert len(container.streams.video) == 2
        picture = container.streams.video[1]
        assert picture.disposition & Disposition.attached_pic
        assert bytes(next(container.demux(picture))) == cover.getvalue()
    assert probe(output).stream_index == 0
