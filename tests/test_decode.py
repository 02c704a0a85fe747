"""What probe finds out, and frames that come in order, upright and on time."""

from __future__ import annotations

import gc
import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import av
import av.error
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import PictureType
from conftest import BT601, add_tone, write_frames, write_tone
from PIL import Image
from pipeline import Clip, add_to_video, element, half_loaded, joined, mux, seconds

from videostyle.decode.decode import decode, frames_near
from videostyle.decode.probe import probe, with_duration
from videostyle.decode.report import DecodeReport
from videostyle.decode.stream import _images, goes_back
from videostyle.decode.upright import upright_filters
from videostyle.encode.encoders import encoder_context, open_encoder
from videostyle.errors import MediaError, UsageError
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Cut, Frame
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import plane_array

# Red left above, green right above, blue left below, white right below.
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)


def quarters(number: int) -> np.ndarray:
    return CORNERS.repeat(32, 0).repeat(48, 1)


def test_probe_says_what_a_clip_is(clip: Clip) -> None:
    info = probe(clip(pts=range(12), size=(96, 64), audio="aac"))
    assert (info.width, info.height, info.pix_fmt) == (96, 64, "yuv420p")
    assert (info.frame_rate, info.frame_count, info.duration_seconds) == (25, 12, 0.48)
    assert [(s.kind, s.codec, s.language) for s in info.streams("audio")] == [
        ("audio", "aac", "deu")
    ]
    assert info.to_dict()["color"]["matrix"] == "smpte170m"


@pytest.mark.parametrize(
    "pts",
    [range(8), [0, 40, 41, 200, 1000], [7, 9, 20], [0, 1], [5]],
    ids=["constant", "variable", "late start", "two frames", "one frame"],
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_every_pts_is_kept(clip: Clip, name: str, pts: list[int]) -> None:
    path = clip(name, pts=pts, time_base=Fraction(1, 1000))
    assert seconds(path) == [Fraction(stamp, 1000) for stamp in pts]


def test_pts_zero_is_a_time_and_seconds_count_from_the_first_frame(clip: Clip) -> None:
    for first in (0, 50):
        frames = list(decode(probe(clip(pts=[first, first + 5]))))
        assert [frame.seconds for frame in frames] == [0.0, 0.2]


@pytest.mark.parametrize("b_frames", [1, 3])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi"])
def test_b_frames_come_in_the_order_of_display(clip: Clip, name: str, b_frames: int) -> None:
    info = probe(clip(name, pts=range(60), b_frames=b_frames))
    frames = list(decode(info))
    assert sum(frame.image.pict_type == PictureType.B for frame in frames) >= 20
    assert [frame.seconds for frame in frames] == pytest.approx([n / 25 for n in range(60)])
    blue = [frame.image.to_ndarray(format="rgb24")[..., 2].mean() for frame in frames[:28]]
    assert blue == sorted(blue)


def test_frames_without_pts_are_counted(clip: Clip) -> None:
    path = clip("clip.h264", pts=range(9))
    times = seconds(path)
    assert [b - a for a, b in pairwise(times)] == [Fraction(1, 25)] * 8


def measured(info: MediaInfo) -> tuple[float | None, int | None]:
    """Its length and how many frames it has, found by reading it."""
    info = with_duration(replace(info, duration_seconds=None, frame_count=None))
    return info.duration_seconds and round(info.duration_seconds, 6), info.frame_count


def test_a_file_that_does_not_say_its_length_is_measured(clip: Clip) -> None:
    for name in ("clip.mp4", "clip.mkv"):
        info = probe(clip(name, pts=[0, 40, 80], time_base=Fraction(1, 1000)))
        assert measured(info) == (0.12, 3)
        assert info.duration_seconds == pytest.approx(0.12)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_the_frames_of_a_file_without_times_are_counted(clip: Clip, b_frames: int) -> None:
    info = probe(clip("clip.h264", pts=range(40), b_frames=b_frames))
    assert info.duration_seconds is None
    assert measured(info) == (1.6, 40)


def test_the_frames_of_an_uneven_recording_are_counted_not_estimated(clip: Clip) -> None:
    """As a browser writes them: no length, and the camera's rate, which it seldom reaches."""
    path = clip("clip.mkv", pts=[0, 33, 700, 2000, 2033], time_base=Fraction(1, 1000))
    info = replace(probe(path), frame_rate=Fraction(30))
    assert measured(info) == (2.066, 5)


def test_a_length_that_ffmpeg_guesses_by_the_bit_rate_of_the_sound_is_measured(
    tmp_path: Path,
) -> None:
    """As of a recording to FFV1 that was killed."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w", options={"live": "1"}) as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        tone = add_tone(container, "ac3")
        write_frames(container, stream, range(25), quarters, BT601)
        write_tone(container, tone, 1.0)
    assert with_duration(probe(path)).duration_seconds == pytest.approx(1)


@pytest.mark.parametrize("ending", ["flv", "nut"])
def test_the_length_of_a_live_recording_counts_from_its_first_frame(
    clip: Clip, ending: str
) -> None:
    """Its times go on from those of the broadcast."""
    path = clip(f"clip.{ending}", pts=range(3000, 5000, 100), time_base=Fraction(1, 1000))
    assert probe(path).duration_seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(("ending", "codec"), [(".ts", "libx264"), (".mpg", "mpeg2video")])
def test_the_length_of_joined_recordings_is_that_of_all(
    clip: Clip, ending: str, codec: str
) -> None:
    """FFmpeg takes the last time there is, which here is one of the second recording."""
    parts = (clip(f"{n}{ending}", pts=range(n), codec=codec, b_frames=2) for n in (60, 40))
    info = with_duration(probe(joined(*parts)))
    frames = list(decode(info))
    found = (info.duration_seconds, info.frame_count, len(frames))
    assert found == (pytest.approx(4), 100, 100)
    assert frames[-1].seconds == pytest.approx(3.96)


def coded(number: int) -> str:
    """An unsigned Exp-Golomb code (ITU-T H.264, section 9.1) as bits."""
    bits = f"{number + 1:b}"
    return "0" * (len(bits) - 1) + bits


def nal_unit(kind: int, bits: str) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return b"\0\0\0\1" + bytes(
        [kind, *(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))]
    )


def field(is_bottom: bool, number: int) -> bytes:
    """A field of 16x16, grey, in one macroblock that is not compressed (I_PCM)."""
    kind, identity = (0x61, "") if is_bottom else (0x65, coded(number % 2))
    marking = "0" if is_bottom else "00"
    bits = coded(0) + coded(7) + coded(0) + f"00001{is_bottom:b}" + identity + marking + "1"
    bits += coded(25)
    bits += "0" * (-len(bits) % 8) + f"{100:08b}" * 256 + f"{128:08b}" * 128
    return nal_unit(kind, bits + "1")


def write_fields(path: Path, frames: int) -> None:
    """Raw H.264, 25 frames of two field pictures a second."""
    size = coded(0) + coded(0) + "0010"  # 16x32, may have fields
    timing = f"1{1:032b}{50:032b}1"
    head = f"{77:08b}{0:08b}{30:08b}" + coded(0) + coded(0) + coded(2) + coded(1) + "0"
    sequence = nal_unit(0x67, head + size + "1" + "0000" + timing + "0000" + "1")
    zeros = coded(0)
    picture = nal_unit(0x68, zeros * 2 + "00" + zeros * 3 + "000" + zeros * 3 + "000" + "1")
    fields = (
        sequence + picture + field(False, number) + field(True, number) for number in range(frames)
    )
    path.write_bytes(b"".join(fields))


def test_two_fields_are_one_frame(tmp_path: Path) -> None:
    write_fields(path := tmp_path / "fields.h264", 20)
    info = probe(path)
    frames = list(decode(info))
    assert len(frames) == 20
    assert measured(info) == (0.8, 20)
    assert {(frame.duration or 0) * info.time_base for frame in frames} == {Fraction(1, 25)}


def test_fields_that_have_times_are_not_counted_as_frames(tmp_path: Path) -> None:
    write_fields(path := tmp_path / "fields.h264", 20)
    with av.open(str(path)) as raw, av.open(str(tmp_path / "a.ts"), "w") as recording:
        stream = recording.add_stream_from_template(raw.streams.video[0])
        for number, packet in enumerate(each for each in raw.demux(video=0) if each.size):
            packet.stream, packet.time_base = stream, Fraction(1, 50)
            packet.pts = packet.dts = number
            recording.mux(packet)
    seconds, count = measured(probe(tmp_path / "a.ts"))
    assert (seconds, count) == (pytest.approx(0.8, abs=0.01), None)


def test_the_length_of_matroska_is_that_of_its_picture(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        tone = add_tone(container, "flac")
        write_frames(container, stream, range(25, 50), quarters, BT601)
        write_tone(container, tone, 4.0)
    assert probe(path).duration_seconds == pytest.approx(1.0)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[av.VideoFrame]:
    """Every frame that comes out of a decoder."""
    frames = list[av.VideoFrame]()

    def images(*arguments: Any) -> Iterator[av.VideoFrame]:
        for image in _images(*arguments):
            frames.append(image)
            yield image

    monkeypatch.setattr("videostyle.decode.stream._images", images)
    return frames


def near(info: MediaInfo, *places: float) -> list[float]:
    return [round(frame.seconds, 3) for frame in frames_near(info, places)]


def test_frames_near_places_are_key_frames_or_a_few_on(
    clip: Clip, decoded: list[av.VideoFrame]
) -> None:
    one = probe(clip(pts=range(240)))
    decoded.clear()
    assert near(one, 4.0) == [0.0]
    assert len(decoded) == 1
    assert near(one, 0.5, 0.8, 1.0, 6.0, 9.0, 30.0) == [0.0, 0.8, 1.0, 2.92, 4.84, 6.76]
    assert len(decoded) <= 2 + 169 + 5  # every seek gives the first frame
    # One in twelve is a key frame.
    many = probe(clip("many.mkv", pts=range(240), codec="ffv1"))
    decoded.clear()
    assert near(many, 1.0, 1.01, 5.0, 9.0) == [0.96, 1.04, 4.8, 8.64]
    assert len(decoded) <= 5 + 1


def test_frames_near_places_come_where_seeking_cannot_be_trusted(clip: Clip) -> None:
    for path in (clip("clip.h264", pts=range(100)), clip("clip.avi", pts=range(100), b_frames=2)):
        assert near(probe(path), 1.0, 3.0, 9.0) == [1.0, 2.92, 3.96]


def test_frames_near_places_are_upright_and_pass_over_damage(clip: Clip) -> None:
    path = clip("clip.mkv", pts=range(100), pixels=quarters, rotation=(90, False, False))
    info = probe(path).fitted(48)
    sizes = [(frame.image.width, frame.image.height) for frame in frames_near(info, [1, 2])]
    assert sizes == [(info.width, info.height)] * 2
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    assert near(info, 1.0, 2.0, 3.0)[0] == 0.0


@pytest.mark.parametrize("name", ["copy.mkv", "copy.ts"])
def test_frames_are_counted_where_a_copy_has_lost_the_rate(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    pts = [number // 2 * 130 + number % 2 * 110 for number in range(50)]
    source, copy = clip(pts=pts, time_base=Fraction(1, 1000)), tmp_path / name
    with av.open(str(source)) as film, av.open(str(copy), "w") as out:
        stream = film.streams.video[0]
        mux(out, {stream: out.add_stream_from_template(stream)}, film.demux(stream))
    assert probe(copy).frame_rate == Fraction(49_000, pts[-1])
    assert probe(source).frame_rate == pytest.approx(probe(copy).frame_rate, rel=0.02)


@pytest.mark.parametrize("begin", [0, 33.6])
@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), Fraction(30_000, 1001), 30])
def test_times_that_were_rounded_to_a_millisecond_change_no_rate(
    clip: Clip, rate: Fraction | int, begin: float
) -> None:
    pts = [round(begin + float(number * 1000 / rate)) for number in range(40)]
    assert probe(clip(pts=pts, time_base=Fraction(1, 1000))).frame_rate == rate


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), 25, 30])
def test_the_rate_of_a_gif_is_that_of_all_its_frames(clip: Clip, rate: Fraction | int) -> None:
    pts = [round(number * 100 / rate) for number in range(50)]
    path = clip("clip.gif", pts=pts, time_base=Fraction(1, 100), codec="gif", pix_fmt="rgb8")
    assert probe(path).frame_rate == rate


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picture_is_upright(clip: Clip, degrees: int, mirrored: bool) -> None:
    path = clip(pts=range(3), pixels=quarters, rotation=(degrees, mirrored, False))
    info = probe(path)
    frame = next(iter(decode(info)))
    expected = np.rot90(CORNERS, degrees // 90)
    if mirrored:
        expected = expected[:, ::-1]
    pixels = ColorConverter(info, "yuv420p").to_rgb(frame.image)
    assert plane_array(frame.image, 0).shape == (info.height, info.width)  # lines run downwards
    assert pixels.shape == (info.height, info.width, 3)
    assert (info.width, info.height) == ((64, 96) if degrees % 180 else (96, 64))
    found = pixels[[info.height // 4, -info.height // 4]][:, [info.width // 4, -info.width // 4]]
    assert np.abs(found.astype(int) - expected).max() <= 3


def test_a_turned_picture_has_its_pixels_turned(tmp_path: Path, clip: Clip) -> None:
    path = clip(pts=range(2), rotation=(90, False, False), sample_aspect_ratio=Fraction(2, 3))
    info = probe(path)
    assert (info.rotation_degrees, info.sample_aspect_ratio) == (90, Fraction(3, 2))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_what_matroska_hides_is_not_painted(clip: Clip, pix_fmt: str) -> None:
    path = clip("clip.mkv", pix_fmt=pix_fmt, codec="ffv1")
    whole = plane_array(next(decode(probe(path))).image, 0)
    sides = {"54bb": 2, "54aa": 9, "54cc": 4, "54dd": 17}  # top, bottom, left, right
    add_to_video(path, *(element(bytes.fromhex(key), bytes([n])) for key, n in sides.items()))
    info = probe(path)
    frame = next(decode(info))
    assert (info.width, info.height) == (frame.image.width, frame.image.height) == (75, 53)
    assert np.array_equal(plane_array(frame.image, 0), whole[2:55, 4:79])


def test_pixels_that_nothing_converts_are_refused(clip: Clip) -> None:
    path = clip("a.nut", codec="rawvideo", pts=range(2))
    info = replace(probe(path), pix_fmt="rgb4")
    with (
        patch("videostyle.decode.probe.inspect", return_value=info),
        pytest.raises(MediaError, match="cannot convert pixels of rgb4 to RGB"),
    ):
        probe(path)


@pytest.mark.parametrize("longest", [2, 50, 51, 64, 95])
def test_no_side_is_longer_than_is_asked_for(clip: Clip, longest: int) -> None:
    info = probe(clip(size=(96, 64), pts=range(1))).fitted(longest)
    assert max(info.width, info.height) == longest // 2 * 2
    assert info.height == pytest.approx(info.width * 2 / 3, abs=1.4)


def test_no_side_of_one_pixel_is_promised(clip: Clip) -> None:
    with pytest.raises(UsageError, match="max_size is 1; it must be at least 2"):
        probe(clip(pts=range(1))).fitted(1)


def test_a_corrupt_packet_is_skipped_and_counted(tmp_path: Path, clip: Clip) -> None:
    whole = clip("whole.mkv", pts=range(30))
    broken = tmp_path / "broken.mkv"
    with av.open(str(whole)) as source, av.open(str(broken), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            if number == 7:
                packet.update(b"\xff" * packet.size)
            packet.stream = stream
            target.mux(packet)
    report = DecodeReport()
    frames = list(decode(probe(broken), report=report))
    assert len(frames) == 29
    assert report.skipped_packets == 1
    assert report.notes == ("skipped 1 corrupt packet",)
    left = [Fraction(number, 25) for number in range(30) if number != 7]
    assert [frame.pts * Fraction(1, 1000) for frame in frames] == left
    for start, found in (0.2, 1), (0.4, 0):
        part = DecodeReport()
        list(decode(probe(broken), cut=Cut(start), report=part))
        assert part.skipped_packets == found


def test_a_cut_off_file_gives_the_frames_it_has(tmp_path: Path, clip: Clip) -> None:
    whole = clip("whole.mkv", pts=range(30))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert 5 < len(list(decode(probe(cut)))) < 30


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", {"movflags": "faststart"}),
        ("clip.mkv", {}),
        ("clip.mkv", {"cues_to_front": "1", "reserve_index_space": "500"}),
        ("clip.webm", {}),
    ],
)
def test_where_half_of_a_download_breaks_off_is_said(
    clip: Clip, name: str, options: dict[str, str]
) -> None:
    kind = {"codec": "libvpx-vp9"} if name.endswith("webm") else {"audio": "aac"}
    path = half_loaded(clip(name, pts=range(75), **kind), 0.7, **options)
    report = DecodeReport()
    frames = list(decode(info := probe(path), report=report))
    end = len(frames) / 25
    assert 0.5 < end < 2.7
    words = f"the last {3 - end:.2f} s of its 3.00 s are missing"
    assert report.notes[-1] == f"the input breaks off: {words}"
    part = DecodeReport()
    list(decode(info, cut=Cut(0, end - 0.2), report=part))
    assert part.notes == ()
    list(decode(info, cut=Cut(end - 0.2), report=part))
    assert part.notes[-1] == report.notes[-1]


def test_how_long_an_avi_without_its_end_was_is_told_by_its_number_of_frames(clip: Clip) -> None:
    report, info = DecodeReport(), probe(half_loaded(clip("clip.avi", pts=range(75)), 0.7))
    assert info.duration_seconds == pytest.approx(3, abs=0.1)
    list(decode(info, report=report))
    assert re.fullmatch(r"the last 0\.\d\d s of its 3\.0\d s are missing", report.lost_end)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_download_that_had_its_size_beforehand_breaks_off_too(clip: Clip, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    whole = clip(name, pts=range(75), pixels=lambda number: np.roll(noise, 9 * number, 0))
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    path = half_loaded(whole, 0.6, **options)
    path.write_bytes(path.read_bytes() + bytes(path.stat().st_size * 4 // 6))
    report = DecodeReport()
    end = len(list(decode(probe(path), report=report))) / 25
    assert report.notes[-1] == (
        f"the input breaks off: the last {3 - end:.2f} s of its 3.00 s are missing"
    )


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_file_in_fragments_breaks_off_without_a_length(clip: Clip, name: str) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"} if name.endswith("mp4") else {}
    report, path = DecodeReport(), half_loaded(clip(name, pts=range(75)), 0.7, **options)
    info = replace(probe(path), duration_seconds=None)
    list(decode(info, report=report))
    assert report.notes[-1] == "the input breaks off"


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm", "clip.avi", "clip.nut"])
def test_whole_files_whose_sound_or_last_frame_is_long_do_not_break_off(
    clip: Clip, tmp_path: Path, name: str
) -> None:
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    codec, sound = ("libvpx-vp9", "libopus") if name.endswith("webm") else ("libx264", "aac")
    picture = clip(f"a{Path(name).suffix}", pts=[0, 5, 50], codec=codec)
    tone = clip(f"b{Path(name).suffix}", pts=range(150), codec=codec, audio=sound)
    path = tmp_path / name
    with (
        av.open(str(picture)) as one,
        av.open(str(tone)) as other,
        av.open(str(path), "w", options=options) as film,
    ):
        sources = one.streams.video[0], other.streams.audio[0]
        streams = {stream: film.add_stream_from_template(stream) for stream in sources}
        mux(film, streams, one.demux())
        mux(film, streams, other.demux(audio=0))
    report = DecodeReport()
    assert len(list(decode(probe(path), report=report))) == 3
    assert report.notes == ()


def test_alpha_is_laid_on_black(tmp_path: Path) -> None:
    path = tmp_path / "alpha.mov"
    pixels = np.full((48, 64, 4), (200, 100, 50, 0), np.uint8)
    pixels[:, 32:, 3] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgba")))
        container.mux(stream.encode(None))
    info = probe(path)
    flat = ColorConverter(info, "yuv420p").to_rgb(next(iter(decode(info))).image)
    assert flat[24, 8].tolist() == [0, 0, 0]
    assert flat[24, 56].tolist() == [200, 100, 50]


def test_without_the_gpu_asked_for_the_cpu_decodes_and_says_so(clip: Clip) -> None:
    info, report = probe(clip()), DecodeReport()
    frames = [frame.image.to_ndarray() for frame in decode(info, gpu=99, report=report)]
    expected = [frame.image.to_ndarray() for frame in decode(info)]
    assert np.array_equal(frames, expected)
    (note,) = report.notes
    assert note.startswith("decoded in software, not by the GPU: ")
    assert report.faults == ()


@pytest.mark.cuda
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("rotation", [(0, False, False), (90, False, False)])
def test_a_gpu_decodes_the_same_samples(
    clip: Clip, pix_fmt: str, rotation: tuple[int, bool, bool]
) -> None:
    # H.264 without loss is of a profile that NVDEC lacks, and so is H.264 of 10 bits.
    facts = {"pix_fmt": pix_fmt, "rotation": rotation, "size": (256, 192)}
    info = probe(clip("clip.mkv", codec="libx265", **facts))
    converter, report = ColorConverter(info, pix_fmt), DecodeReport()
    frames = list(decode(info, gpu=0, report=report))
    assert report.notes == ()
    assert rotation[0] or {frame.image.format.name for frame in frames} == {"cuda"}
    for frame, expected in zip(frames, decode(info), strict=True):
        image = converter.to_output(frame.image)
        assert np.array_equal(image.to_ndarray(), expected.image.to_ndarray())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_leaving_early_closes_the_file(clip: Clip) -> None:
    path = clip(pts=range(20))
    frames = decode(probe(path))
    next(frames)
    frames.close()
    assert path not in {link.resolve() for link in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_a_picture_is_one_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(quarters(0)).save(path)
    info = probe(path)
    assert (info.is_image, info.width, info.height, info.duration_seconds) == (True, 96, 64, 0.0)
    (frame,) = decode(info)
    pixels = frame.image.to_ndarray()
    assert np.abs(pixels[[16, 48]][:, [24, 72]].astype(int) - CORNERS).max() <= 3


@pytest.mark.parametrize("suffix", ["mjpeg", "mjpg"])
def test_a_raw_stream_of_jpegs_is_a_video(clip: Clip, suffix: str) -> None:
    path = clip("clip.mjpeg", pts=range(7), codec="mjpeg", pix_fmt="yuvj420p")
    info = probe(path.rename(path.with_suffix(f".{suffix}")))
    assert not info.is_image
    assert len(list(decode(info))) == 7


def test_a_large_picture_is_read_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(quarters(0)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    assert probe(tmp_path / "large.png").is_image


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_what_a_file_has_before_its_first_frame_is_known(clip: Clip, ending: str) -> None:
    late = probe(clip(f"late{ending}", pts=range(15, 40), audio="aac"))
    assert late.lead_seconds == pytest.approx(0.6, abs=0.05)
    assert probe(clip(f"prompt{ending}", audio="aac")).lead_seconds < 0.05


def test_side_data_that_pyav_does_not_know_leaves_a_frame_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(quarters(0)).save(tmp_path / "phone.jpg", exif=exif)
    with av.open(str(tmp_path / "phone.jpg")) as container:
        image = next(container.decode(video=0))
        with pytest.raises(ValueError, match="not a valid Type"):
            image.side_data.get("DISPLAYMATRIX")
        assert upright_filters(image) == ("transpose=clock",)


def test_a_picture_is_turned_by_its_exif(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    Image.fromarray(quarters(0)).save(path, exif=exif, quality=95)
    info = probe(path)
    assert (info.width, info.height) == (64, 96)
    (frame,) = decode(info)
    found = frame.image.to_ndarray()[[24, 72]][:, [16, 48]]
    assert np.abs(found.astype(int) - np.rot90(CORNERS, -1)).max() <= 4


def test_16_bit_grey_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((64, 64), 32_768, np.uint16)).save(path)
    (frame,) = decode(probe(path))
    assert frame.image.to_ndarray()[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    ("kind", "values", "shown"),
    [
        (np.float32, (0, 0.5, 1), (0, 127, 255)),
        (np.float32, (-1, 0.5, 1.5), (0, 127, 255)),
        (np.float32, (np.nan, -np.inf, 0.5, np.inf), (0, 0, 127, 127)),
        (np.float32, (np.nan, np.nan), (0, 0)),
        (np.float32, (0, 100, 255), (0, 100, 255)),
        (np.int32, (-5, 0, 100), (0, 0, 100)),
        (np.int32, (0, 512, 1000), (0, 128, 250)),
        (np.int32, (0, 32_768, 65_535), (0, 128, 255)),
        (np.int32, (0, 2**30, 2**31 - 1), (0, 128, 255)),
    ],
)
def test_32_bit_grey_is_scaled_by_its_range(
    tmp_path: Path, kind: type, values: tuple[float, ...], shown: tuple[int, ...]
) -> None:
    path = tmp_path / "grey.tif"
    Image.fromarray(np.array([values], kind)).save(path)
    (frame,) = decode(probe(path))
    assert tuple(frame.image.to_ndarray()[0, :, 0].tolist()) == shown


def write_audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))


def write_vast(path: Path) -> None:
    path.write_bytes(b"YUV4MPEG2 W16000 H16000 F25:1 C420jpeg\nFRAME\n" + bytes(9999))


def write_animation(path: Path) -> None:
    pictures = [Image.fromarray(np.roll(quarters(0), 20 * n, 1)) for n in range(3)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("gone.mp4", lambda path: None, "no such file"),
        ("folder.mp4", Path.mkdir, "is a folder"),
        ("fifo.mp4", os.mkfifo, "is a pipe; save what it gives to a file first"),
        ("empty.mp4", Path.touch, "is empty"),
        ("noise.mp4", lambda path: path.write_bytes(bytes(range(256)) * 9), "cannot be read"),
        ("note.txt", lambda path: path.write_text("hello\n" * 99), "is text"),
        ("vast.y4m", write_vast, "says that it is 16000x16000"),
        ("sound.wav", write_audio_only, "holds no video"),
        ("turns.webp", write_animation, "is an animated WebP"),
        (
            "torn.png",
            lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40)),
            "is encrypted or damaged",
        ),
    ],
)
def test_what_is_no_video_is_named_in_one_line(
    tmp_path: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(MediaError, match=message) as caught:
        probe(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("film.ffconcat", "ffconcat version 1.0\nfile clip.ts\n"),
        ("film.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\nclip.ts\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_list_of_files_is_refused(clip: Clip, name: str, text: str) -> None:
    (path := clip("clip.ts").with_name(name)).write_text(text)
    with pytest.raises(MediaError, match="is a list of other files; give those themselves"):
        probe(path)


def test_an_encrypted_file_is_not_called_damaged_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7" * 16}
    # Of 15 files encrypted at random one can be decoded by chance.
    options = {"encryption_scheme": "cenc-aes-ctr", **key, "fflags": "+bitexact"}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        write_frames(container, stream, range(10), quarters, BT601)
    with pytest.raises(MediaError, match="is encrypted or damaged"):
        probe(path)


def test_a_cut_off_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"cut\.png: cannot be read as a picture"):
        probe(path)


def test_a_file_of_which_the_first_half_is_left_is_named(tmp_path: Path, clip: Clip) -> None:
    whole = clip(pts=range(10))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(MediaError, match="cut off or damaged"):
        probe(cut)


def test_the_main_video_is_not_the_cover(shared_data: Path) -> None:
    info = probe(shared_data / "clips" / "h264-mjpeg.mkv")
    assert (info.width, info.height, info.pix_fmt) == (640, 360, "yuv420p")
    assert [str(stream) for stream in info.other_streams] == [
        "stream 1 (audio, aac)",
        "stream 2 (cover, mjpeg)",
    ]


@pytest.mark.parametrize("sizes", [((96, 64), (64, 48)), ((64, 48), (96, 64))])
def test_of_several_videos_the_largest_that_moves_is_the_main_one(
    tmp_path: Path, sizes: tuple[tuple[int, int], ...]
) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        still = container.add_stream("mjpeg", rate=25)
        films = [container.add_stream("ffv1", rate=25) for _ in sizes]
        still.width, still.height, still.pix_fmt = 320, 240, "yuvj420p"
        still.disposition = Disposition(0)  # a picture that does not say it is a cover
        for film, (width, height) in zip(films, sizes, strict=True):
            film.width, film.height, film.pix_fmt = width, height, "yuv420p"
            film.disposition = Disposition(0)
        for number in range(6):
            for stream in films if number else (still, *films):
                image = av.VideoFrame(stream.width, stream.height, stream.pix_fmt)
                image.pts, image.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(image))
    info = probe(path)
    assert (info.width, info.height, len(list(decode(info)))) == (96, 64, 6)


def box(name: bytes, *parts: bytes, flags: int | None = None) -> bytes:
    """A box of ISO/IEC 14496-12; flags: of a full one, after its version."""
    body = b"".join(parts) if flags is None else struct.pack(">I", flags) + b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def write_tiles(path: Path) -> None:
    """An AVIF (ISO/IEC 23008-12) of two tiles side by side, which are items 1 and 2 of 3."""
    context = encoder_context("libsvtav1")
    context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
    context.time_base = Fraction(1, 25)
    open_encoder(context)
    packets = [*context.encode(av.VideoFrame(64, 64, "yuv420p")), *context.encode(None)]
    tile, grid = bytes(packets[0]), bytes([0, 0, 0, 1]) + struct.pack(">HH", 128, 64)
    version_2 = 2 << 24
    entries = [
        box(b"infe", struct.pack(">HH4sx", number, 0, kind), flags=version_2)
        for number, kind in ((1, b"av01"), (2, b"av01"), (3, b"grid"))
    ]
    sizes = [box(b"ispe", struct.pack(">II", width, 64), flags=0) for width in (64, 128)]
    owners = b"".join(struct.pack(">HBB", item, 1, size) for item, size in ((1, 1), (2, 1), (3, 2)))
    tiles_of_grid = box(b"dimg", struct.pack(">HHHH", 3, 2, 1, 2))

    def head(first: int) -> bytes:
        places = ((1, first, len(tile)), (2, first, len(tile)), (3, first + len(tile), len(grid)))
        extents = b"".join(struct.pack(">HHHII", item, 0, 1, *place) for item, *place in places)
        return box(b"ftyp", b"avif", bytes(4), b"avifmif1") + box(
            b"meta",
            box(b"hdlr", struct.pack(">I4s13x", 0, b"pict"), flags=0),
            box(b"pitm", struct.pack(">H", 3), flags=0),
            box(b"iloc", b"\x44\0", struct.pack(">H", 3), extents, flags=0),
            box(b"iinf", struct.pack(">H", 3), *entries, flags=0),
            box(b"iref", tiles_of_grid, flags=0),
            box(b"iprp", box(b"ipco", *sizes), box(b"ipma", struct.pack(">I", 3), owners, flags=0)),
            flags=0,
        )

    path.write_bytes(head(len(head(0)) + 8) + box(b"mdat", tile, grid))


def test_a_picture_in_tiles_is_refused_not_painted_by_one_tile(tmp_path: Path) -> None:
    write_tiles(path := tmp_path / "tiles.avif")
    with pytest.raises(MediaError, match="is a picture in tiles"):
        probe(path)


@pytest.mark.parametrize("name", ["bt2020_10bit.mp4", "testsrc2_hdr.mp4"])
def test_hdr_is_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"HDR video \(PQ\)"):
        probe(shared_data / "clips" / name)


def test_shuffled_stamps_are_put_in_order(shared_data: Path) -> None:
    info = probe(shared_data / "clips" / "phone_vfr_box.mp4")
    stamps = [frame.pts for frame in decode(info)]
    assert len(stamps) == 455
    assert {after - before for before, after in pairwise(stamps)} == {32_000, 33_000, 34_000}


def test_the_layer_of_alpha_in_vp9_is_read(shared_data: Path) -> None:
    info = probe(shared_data / "clips" / "transparent.webm")
    assert info.pix_fmt == "yuva420p"
    assert next(iter(decode(info))).image.format.name == "rgb24"


def test_no_frame_waits_for_the_garbage_collector(clip: Clip) -> None:
    info = probe(clip(pts=range(60)))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert sum(1 for _ in decode(info)) == 60
        gc.collect()  # other threads of the tests leave garbage too
        assert not any(isinstance(each, (Frame, av.VideoFrame)) for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_faults_of_parts_add_up() -> None:
    parts = [DecodeReport(skipped_packets=2), DecodeReport(skipped_packets=1, cut_short=True)]
    total = DecodeReport.of_parts(asdict(part) for part in parts)
    assert total.notes == ("skipped 3 corrupt packets", "the input breaks off")
    assert DecodeReport(damaged_frames=1).notes == ("1 frame is damaged in the input",)
    assert DecodeReport(damaged_frames=2).notes == ("2 frames are damaged in the input",)


def test_memory_that_runs_out_is_no_damage() -> None:
    def decode_packet(packet: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    report = DecodeReport()
    with pytest.raises(MemoryError):
        list(_images(SimpleNamespace(decode=decode_packet), [object()], report))  # type: ignore
    assert report.notes == ()


def test_a_lone_wrong_time_is_no_new_recording() -> None:
    clock = list(range(0, 900, 40))
    assert not goes_back(clock)
    assert goes_back([*clock, *clock])
    for place in range(len(clock)):
        for wrong in (-5000, 5, 99_999):
            assert not goes_back([*clock[:place], wrong, *clock[place + 1 :]])
