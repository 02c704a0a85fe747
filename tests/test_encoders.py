"""Every container and encoder: what is refused before the run, and what comes out of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
import pipeline
import pytest
from conftest import BT601, BT709
from PIL import Image
from pipeline import Clip, untouched

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.containers import CONTAINERS
from videostyle.encode.encode import EncodeReport, encode
from videostyle.encode.encoders import ENCODERS, encoder_settings
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import exists, plan_output
from videostyle.encode.plan import EncodingPlan
from videostyle.encode.planner import plan_encoding
from videostyle.errors import MediaError, UsageError
from videostyle.look import Look
from videostyle.media.color import ColorConverter, split_alpha
from videostyle.media.frame import Frame
from videostyle.rendering.render import render
from videostyle.rendering.verify import Difference, verify
from videostyle.stylize.stylizer import Stylizer
from videostyle.whole_file import part_path

VARIABLE = [0, 40, 80, 250, 1000, 1040, 1200]  # ms
SOFTWARE = [
    (suffix, codec)
    for suffix, container in CONTAINERS.items()
    for codec in container.codecs
    if not ENCODERS[codec].hardware
]


def copy(source: Path, output: Path, **options: object) -> EncodeReport:
    return pipeline.copy(source, output, EncodeOptions(**options))  # type: ignore[arg-type]


def milliseconds(path: Path) -> list[float]:
    """Every frame's time since the first."""
    if path.suffix == ".webp":  # FFmpeg cannot read animated ones
        return list(np.cumsum([0, *durations(path)])[:-1])
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base * 1000 for frame in container.decode(video=0)]
    return [float(time - times[0]) for time in times]


def durations(path: Path) -> list[int]:
    with Image.open(path) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            found.append(round(picture.info["duration"]))
        return found


def rgb(path: Path) -> np.ndarray:
    """The first frame as a player shows it."""
    if path.suffix in (".webp", ".gif", ".png"):
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB")).astype(int)
    info = probe(path)
    frame = next(iter(decode(info)))
    return ColorConverter(info, "yuv420p").to_rgb(frame.image).astype(int)


@pytest.mark.parametrize(("suffix", "codec"), SOFTWARE)
def test_variable_frame_times_survive_in_every_container(
    clip: Clip, tmp_path: Path, suffix: str, codec: str
) -> None:
    source = clip(pts=VARIABLE, time_base=Fraction(1, 1000), audio="aac")
    report = copy(source, tmp_path / f"out{suffix}", codec=codec)
    assert report.frames == len(VARIABLE)
    assert milliseconds(report.output) == VARIABLE
    if suffix in (".mp4", ".mov"):
        assert probe(report.output).duration_seconds == pytest.approx(1.36)


@pytest.mark.parametrize(("suffix", "codec"), SOFTWARE)
def test_colours_survive_in_every_container(
    clip: Clip, tmp_path: Path, suffix: str, codec: str
) -> None:
    for color in (BT709, replace(BT601, full_range=True)):
        source = clip(pts=range(2), color=color)
        report = copy(source, tmp_path / f"out{suffix}", codec=codec)
        # Two codecs halve the chroma of a gradient in their own ways.
        assert np.abs(rgb(source) - rgb(report.output)).mean() < (5 if suffix == ".gif" else 3)


def test_the_table_names_no_codec_its_container_refuses(tmp_path: Path) -> None:
    for suffix, facts in CONTAINERS.items():
        with av.open(str(tmp_path / f"x{suffix}"), "w") as container:
            names = {av.Codec(codec, "w").canonical_name for codec in facts.codecs}
            assert names <= container.supported_codecs
            assert set(facts.audio) <= container.supported_codecs


def test_the_table_names_no_pixel_format_its_encoder_refuses() -> None:
    for codec, encoder in ENCODERS.items():
        taken = {item.name for item in av.Codec(codec, "w").video_formats or ()}
        layouts = {"yuv420p": "nv12", "yuv420p10le": "p010le"}
        assert all(name in taken or layouts.get(name) in taken for name in encoder.pix_fmts), codec


def test_the_ending_chooses_the_encoder(clip: Clip, tmp_path: Path) -> None:
    info = probe(clip(pts=range(2)))
    found = {
        suffix: plan_encoding(info, tmp_path / f"out{suffix}", EncodeOptions()).codec
        for suffix in CONTAINERS
    }
    assert found == {
        ".mp4": "libx264",
        ".mov": "libx264",
        ".mkv": "libx264",
        ".webm": "libvpx-vp9",
        ".gif": "gif",
        ".webp": "libwebp_anim",
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.webm", {"codec": "libx264"}, r"WebM cannot hold codec 'libx264' \(have: libvpx-vp9, l"),
        ("a.gif", {"codec": "libx264"}, r"GIF cannot hold codec 'libx264' \(have: gif\)"),
        ("a.mp4", {"codec": "H264"}, r"H264 is no encoder; for H\.264 use libx264"),
        ("a.mov", {"codec": "prores"}, "for ProRes use prores_ks"),
        ("painted", {}, r"painted: has no ending; name a file, such as .*painted\.mp4"),
        ("", {}, r"is a folder; name a file, such as .*/out\.mp4"),
        ("a.mp4", {"codec": "ffv1"}, "MP4 cannot hold codec 'ffv1'"),
        ("a.webm", {"pix_fmt": "yuv420p10le"}, "is 'yuv420p10le'; it must be one of yuv420p, yuv4"),
        ("a.mp4", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p"}, "vp9 in MP4 is 'yuva420p'"),
        ("a.webm", {"crf": 64}, r"crf is 64; libvpx-vp9 takes 0 \(best\) to 63"),
        ("a.mp4", {"codec": "libsvtav1", "crf": 0}, r"crf is 0; libsvtav1 takes 1 \(best\) to 63"),
        (
            "a.mp4",
            {"codec": "libsvtav1", "encoder_options": {"qp": "0"}},
            r"option qp: is 0; libsvtav1 takes 1 \(best\) to 63",
        ),
        ("a.mkv", {"codec": "ffv1", "crf": 10}, "ffv1 has no crf"),
        ("a.webm", {"preset": "veryfast"}, "preset of libvpx-vp9 is 'veryfast'; it .* 0, 1, 2"),
        ("a.mov", {"codec": "prores_ks", "preset": "fast"}, "prores_ks has no presets"),
        ("a.webm", {"audio": "aac"}, "audio in WebM is 'aac'; it must be one of copy, opus, none"),
        ("a.gif", {"audio": "aac"}, "audio in GIF is 'aac'; it must be one of copy, none"),
        (
            "a.webm",
            {"encoder_options": {"cpu-used": "4"}},
            r"option cpu-used: is set by preset \(--preset\)",
        ),
        ("a.webm", {"encoder_options": {"lagg": "4"}}, r"no option 'lagg' \(have: aq-mode"),
        (
            "a.mp4",
            {"crf": 20, "encoder_options": {"b": "1M"}},
            "encoder option b: a bitrate and a crf excl",
        ),
        ("a.mp4", {"encoder_options": {"x264-params": "bframes=2"}}, "leave bframes out"),
        ("a.mp4", {"encoder_options": {"x264opts": "bframes=2"}}, "leave bframes out"),
        ("a.mp4", {"encoder_options": {"x264-params": "nosuch=1"}}, "x264-params.*'nosuch = 1'"),
        ("a.mp4", {"encoder_options": {"x264-params": "ref=no"}}, "x264-params.*'ref = no'"),
        (
            "a.mp4",
            {"codec": "libx265", "encoder_options": {"x265-params": "ref=2:nosuch=1"}},
            "does not take x265-params=ref=2:nosuch=1: Unknown option: nosuch",
        ),
        (
            "a.mp4",
            {"codec": "libsvtav1", "encoder_options": {"svtav1-params": "nosuch=1"}},
            "svtav1-params.* option nosuch",
        ),
        ("a.webp", {"encoder_options": {"quality": "101"}}, "does not take quality=101: "),
        ("f%d.png", {"crf": 3}, "pictures have no crf; leave it out"),
        ("f%d.png", {"encoder_options": {"dpi": "3"}}, "pictures have no encoder options"),
        ("f.png", {}, r"as all is that moves or is no PNG, .* such as f_%05d\.png"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_with_what_exists(
    clip: Clip, tmp_path: Path, name: str, options: dict[str, object], message: str
) -> None:
    info = probe(clip(pts=range(2)))
    with pytest.raises(UsageError, match=message) as caught:
        plan_output(info, tmp_path / name, EncodeOptions(**options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("given", [{"qp": "20"}, {"qp": "20", "rc": "vbr"}])
def test_a_qp_of_nvenc_counts_unless_another_rate_control_is_given(given: dict[str, str]) -> None:
    options = EncodeOptions(codec="h264_nvenc", encoder_options=given)
    settings = encoder_settings("h264_nvenc", options)
    assert settings["qp"] == "20"
    assert settings["rc"] == given.get("rc", "constqp")
    assert "cq" not in settings


@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_qsv"])
def test_hardware_is_opened_or_refused_with_the_reason(
    clip: Clip, tmp_path: Path, codec: str
) -> None:
    info = probe(clip(pts=range(2), size=(640, 360)))
    try:
        plan = plan_encoding(info, tmp_path / "out.mp4", EncodeOptions(codec=codec))
    except UsageError as error:
        assert f"codec {codec} cannot be opened on this machine: " in str(error)
        assert "(have: libx264, libx265" in str(error)
    else:
        assert plan.codec == codec


def test_a_size_the_encoder_cannot_hold_is_named_before_the_run(clip: Clip, tmp_path: Path) -> None:
    info = replace(probe(clip(pts=range(2))), width=20_000, height=20_000)
    with pytest.raises(MediaError, match="libsvtav1 does not take 20000x20000 at 25 frames/s"):
        plan_encoding(info, tmp_path / "out.mp4", EncodeOptions(codec="libsvtav1"))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (64, 2)])
def test_a_picture_too_small_for_svt_av1_is_refused_in_one_line(
    clip: Clip, tmp_path: Path, capfd: pytest.CaptureFixture[str], size: tuple[int, int]
) -> None:
    info, options = probe(clip(pts=range(2))), EncodeOptions(codec="libsvtav1")
    small = replace(info, width=size[0], height=size[1])
    with pytest.raises(MediaError, match=rf"{size[0]}x{size[1]} is too small .* such as libx264"):
        plan_encoding(small, tmp_path / "out.mp4", options)
    assert capfd.readouterr().err == ""
    plan_encoding(replace(info, width=4, height=4), tmp_path / "out.mp4", options)


@pytest.mark.parametrize(
    ("codec", "size"),
    [
        *(("libsvtav1", size) for size in [(66, 16), (300, 24), (16, 1000), (23, 65)]),
        *(("libx265", size) for size in [(16, 64), (47, 480), (48, 20)]),
    ],
)
def test_a_size_with_which_an_encoder_would_crash_or_wait_for_ever_is_refused(
    clip: Clip, tmp_path: Path, codec: str, size: tuple[int, int]
) -> None:
    info, options = probe(clip(pts=range(2))), EncodeOptions(codec=codec)
    strip = replace(info, width=size[0], height=size[1])
    with pytest.raises(MediaError, match=rf"{size[0]}x{size[1]} is too narrow .* such as libx264"):
        plan_encoding(strip, tmp_path / "out.mp4", options)
    plan_encoding(strip, tmp_path / "out.mp4", EncodeOptions())
    plan_encoding(replace(info, width=50, height=20), tmp_path / "out.mp4", options)


@pytest.mark.parametrize("size", [(64, 16), (66, 26), (24, 24)])
def test_strips_that_svt_av1_can_take_are_written(
    clip: Clip, tmp_path: Path, size: tuple[int, int]
) -> None:
    report = copy(clip(pts=range(3), size=size), tmp_path / "out.mp4", codec="libsvtav1")
    assert report.frames == 3


@pytest.mark.parametrize(
    ("name", "longest"),
    [("a.webp", 16383), ("a.gif", 65535), ("f%d.webp", 16383), ("f%d.JPG", 65500)],
)
def test_a_size_the_format_cannot_hold_is_named_before_the_run(
    clip: Clip, tmp_path: Path, name: str, longest: int
) -> None:
    info = replace(probe(clip(pts=range(2))), width=16, height=longest + 1)
    message = (
        f"16x{longest + 1} is too large, .* holds {longest} pixels a side; "
        f".* with max_size {longest} "
    )
    with pytest.raises(MediaError, match=message):
        plan_encoding(info, tmp_path / name, EncodeOptions())
    plan_encoding(info.fitted(longest), tmp_path / name, EncodeOptions())


def test_a_reason_is_given_as_often_as_it_is_one(clip: Clip, tmp_path: Path) -> None:
    info = replace(probe(clip(pts=range(2))), width=65_536, height=16)
    for _ in range(2):
        with pytest.raises(MediaError, match=r"libx264 does not .*: invalid width x height"):
            plan_encoding(info, tmp_path / "out.mp4", EncodeOptions())


def test_nobody_listens_to_the_log_of_a_process_that_may_be_decoding(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody does, a thread that closes a decoder may wait for ever."""

    def listened(*_: object) -> None:
        pytest.fail("the log is listened to")

    for name in ("set_level", "set_skip_repeated", "Capture"):
        monkeypatch.setattr(av.logging, name, listened)
    info = probe(clip(pts=range(2)))
    plan_encoding(info, tmp_path / "out.mp4", EncodeOptions())
    with pytest.raises(MediaError, match="invalid width x height"):
        plan_encoding(replace(info, width=65_536), tmp_path / "out.mp4", EncodeOptions())


def test_a_reason_nobody_can_tell_is_that_of_the_error(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    info = replace(probe(clip(pts=range(2))), width=65_536)
    with pytest.raises(MediaError, match=r"libx264 does not take 65536x64 at .*: \w+"):
        plan_encoding(info, tmp_path / "out.mp4", EncodeOptions())


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")
def test_no_thread_becomes_a_real_time_thread(clip: Clip, tmp_path: Path) -> None:
    """SVT-AV1 run by root makes some; the rest of the machine may then wait for ever."""

    def policies() -> set[int]:
        return {os.sched_getscheduler(int(path.name)) for path in Path("/proc/self/task").iterdir()}

    def looked_at(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            found.append(policies())
            yield frame

    found = [policies()]
    info, output = probe(clip(pts=range(3))), tmp_path / "out.mp4"
    plan = plan_output(info, output, EncodeOptions(codec="libsvtav1"))
    encode(looked_at(untouched(info, plan)), info, output, plan)
    assert found == [{os.SCHED_OTHER}] * 4


def test_an_option_of_the_encoder_reaches_it(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=range(12))
    options = {"g": "3", "sc_threshold": "0"}
    report = copy(source, tmp_path / "out.mp4", encoder_options=options)
    with av.open(str(report.output)) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
    assert keys == [True, False, False] * 4


@pytest.mark.parametrize(
    ("codec", "name", "value"),
    [
        ("libx264", "x264-params", "ref=2:deblock=1,1"),
        ("libx265", "x265-params", "ref=2"),
        ("libsvtav1", "svtav1-params", "tune=1"),
    ],
)
def test_a_list_of_options_that_the_encoder_knows_is_taken(
    clip: Clip, tmp_path: Path, codec: str, name: str, value: str
) -> None:
    options = EncodeOptions(codec=codec, encoder_options={name: value})
    assert value in plan_encoding(probe(clip()), tmp_path / "a.mp4", options).settings[name]


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
def test_a_bitrate_takes_the_place_of_the_crf(clip: Clip, tmp_path: Path, codec: str) -> None:
    random = np.random.default_rng(0)
    source = clip(pts=range(12), pixels=lambda _: random.integers(0, 255, (64, 96, 3), np.uint8))
    sizes = [
        copy(source, tmp_path / f"{bitrate}.mkv", codec=codec, encoder_options={"b": bitrate})
        .output.stat()
        .st_size
        for bitrate in ("20k", "2M")
    ]
    assert 2 * sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("instructions", "params"),
    [({"avx2", "avx512bw"}, "asm=AVX2:weightp=0"), ({"avx2"}, "weightp=0"), ({}, "weightp=0")],
)
def test_x264_goes_without_its_unrepeatable_avx512(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instructions: set[str], params: str
) -> None:
    monkeypatch.setattr("videostyle.encode.plan.cpu_has", instructions.__contains__)
    options = EncodeOptions(encoder_options={"x264-params": "weightp=0"})
    plan = plan_encoding(probe(clip()), tmp_path / "out.mp4", options)
    assert plan.encoder_options()["x264-params"] == params


def test_prores_and_ffv1_take_the_format_that_loses_least(clip: Clip, tmp_path: Path) -> None:
    def chosen(codec: str, pix_fmt: str) -> str:
        info = replace(probe(source), pix_fmt=pix_fmt)
        return plan_encoding(info, tmp_path / "out.mkv", EncodeOptions(codec=codec)).pix_fmt

    source = clip(pts=range(2))
    assert chosen("ffv1", "yuv422p10le") == "yuv422p10le"
    assert chosen("ffv1", "yuva444p10le") == "yuva444p10le"
    assert chosen("prores_ks", "yuv420p") == "yuv422p10le"
    assert chosen("prores_ks", "yuv444p") == "yuv444p10le"
    assert chosen("prores_ks", "argb") == "yuva444p10le"
    assert chosen("libx264", "yuv422p10le") == "yuv420p"


@pytest.fixture
def see_through(tmp_path: Path) -> Path:
    """A clip whose left half is a fifth opaque, its right half wholly."""
    path = tmp_path / "alpha.mov"
    pixels = np.full((48, 64, 4), (200, 100, 50, 51), np.uint8)
    pixels[:, 32:, 3] = 255
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "argb"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgba")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.webm", None), ("a.mkv", "ffv1"), ("a.mov", "prores_ks"), ("a.mkv", "libvpx-vp9")],
)
def test_alpha_is_kept_where_the_output_carries_it(
    see_through: Path, tmp_path: Path, name: str, codec: str | None
) -> None:
    output = copy(see_through, tmp_path / name, codec=codec).output
    frame = next(iter(decode(probe(output), keep_alpha=True)))
    assert frame.alpha is not None
    assert abs(frame.alpha[24, 8] / 65_535 - 0.2) < 0.01
    assert frame.alpha[24, 56] > 65_000
    colors = ColorConverter(probe(output), "yuv420p").to_rgb(frame.image)
    assert np.abs(colors[24, [8, 56]].astype(int) - (200, 100, 50)).max() < 12


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "prores_ks"), ("a.webm", "libvpx-vp9")])
def test_what_pieces_cannot_hold_is_written_in_one(
    see_through: Path, tmp_path: Path, stylizer: Stylizer, name: str, codec: str
) -> None:
    report = render(
        see_through,
        tmp_path / name,
        Look({"original": 1}),
        stylizer=stylizer,
        segment_seconds=0.1,
        options=EncodeOptions(codec=codec),
    )
    frames = list(decode(probe(report.output), keep_alpha=True))
    assert len(frames) == 3
    assert all(abs(frame.alpha[24, 8] / 65_535 - 0.2) < 0.01 for frame in frames)  # type: ignore


@pytest.mark.parametrize("name", ["a.webp", "a_%d.png", "a_%d.webp"])
def test_alpha_is_kept_in_pictures(see_through: Path, tmp_path: Path, name: str) -> None:
    copy(see_through, tmp_path / name)
    with Image.open(tmp_path / name.replace("%d", "1")) as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    assert (pixels[24, 8, 3], pixels[24, 56, 3]) == (51, 255)
    assert np.abs(pixels[24, [8, 56], :3].astype(int) - (200, 100, 50)).max() < 12


@pytest.mark.parametrize(
    ("name", "options", "keeps"),
    [
        ("a.mp4", {}, "an output ending in .webm or .webp keeps it"),
        ("a.gif", {}, "an output ending in .webm or .webp keeps it"),
        ("a.mov", {}, "codec prores_ks (--codec) keeps it"),
        ("a.mkv", {}, "codec libvpx-vp9 or prores_ks or ffv1 (--codec) keeps it"),
        ("a.webm", {"pix_fmt": "yuv420p"}, "pix_fmt yuva420p (--pix-fmt) keeps it"),
        ("a_%d.jpg", {}, "PNG, WebP and TIFF keep it"),
    ],
)
def test_that_alpha_is_lost_is_said(
    see_through: Path, tmp_path: Path, name: str, options: dict[str, Any], keeps: str
) -> None:
    notes = copy(see_through, tmp_path / name, **options).notes
    assert f"what is transparent is laid on black; {keeps}" in notes
    if "%" not in name:
        lost = [item for item in verify(see_through, tmp_path / name) if item.what == "color"]
        assert lost == [Difference("color", "what is transparent is laid on black", expected=True)]


def test_alpha_that_is_nowhere_transparent_is_not_spoken_of(clip: Clip, tmp_path: Path) -> None:
    gif = clip("clip.gif", pts=range(3), codec="gif", pix_fmt="rgb8")
    Image.new("RGBA", (64, 64), "red").save(tmp_path / "1.png")
    for source in (gif, tmp_path / "%d.png"):
        assert not any("transparent" in note for note in copy(source, tmp_path / "a.mp4").notes)
    assert not any(
        item.what == "color" for item in verify(gif, copy(gif, tmp_path / "b.mp4").output)
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a_%d.jpg"])
def test_alpha_is_laid_on_black_elsewhere(see_through: Path, tmp_path: Path, name: str) -> None:
    copy(see_through, tmp_path / name)
    path = tmp_path / name.replace("%d", "1")
    if path.suffix == ".mp4":
        pixels = rgb(path)
    else:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(pixels[24, 8] - (40, 20, 10)).max() < 12
    assert np.abs(pixels[24, 56] - (200, 100, 50)).max() < 24


@pytest.mark.parametrize("pix_fmt", ["yuva420p", "yuva444p10le"])
def test_parted_alpha_and_planes_are_the_frames_own(clip: Clip, pix_fmt: str) -> None:
    path = clip("a.mkv", pts=range(2), codec="ffv1", pix_fmt=pix_fmt)
    info = probe(path)
    with av.open(str(path)) as container:
        whole = next(container.decode(video=0))
        frame = next(iter(decode(info, keep_alpha=True)))
        opaque, alpha = split_alpha(ColorConverter(info, "yuv420p")._reformatter, whole, info.color)
    assert opaque.format.name == frame.image.format.name == pix_fmt.replace("yuva", "yuv")
    assert alpha is not None
    assert (alpha == 65_535).all()
    for before, after in zip(whole.planes, frame.image.planes, strict=False):
        assert bytes(before)[: before.width] == bytes(after)[: before.width]


def test_sound_becomes_opus_in_webm_and_keeps_in_step(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=range(25), audio="aac")
    report = copy(source, tmp_path / "out.webm")
    assert report.notes == (
        "stream 1 (audio, aac, deu) transcoded to Opus: this container cannot hold it",
    )
    with av.open(str(report.output)) as container:
        (sound,) = container.streams.audio
        video = container.streams.video[0]
        assert (sound.codec_context.name, sound.language) == ("opus", "deu")
        first = [
            min(float(p.pts * p.time_base) for p in packets if p.stream == stream)
            for packets in [[p for p in container.demux() if p.size]]
            for stream in (video, sound)
        ]
    assert abs(first[0] - first[1]) < 0.03


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out_%d.png"])
def test_what_holds_no_sound_says_so(clip: Clip, tmp_path: Path, name: str) -> None:
    report = copy(clip(pts=range(3), audio="aac"), tmp_path / name)
    assert any("stream 1 (audio, aac, deu) left out" in note for note in report.notes)


def test_opus_is_made_on_request(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=range(5), audio="aac")
    for suffix in (".mp4", ".mkv"):
        output = copy(source, tmp_path / f"out{suffix}", audio="opus").output
        assert [stream.codec for stream in probe(output).streams("audio")] == ["opus"]


def test_frames_too_close_for_a_gif_are_left_out_and_counted(clip: Clip, tmp_path: Path) -> None:
    source = clip(pts=[0, 2, 20, 40], time_base=Fraction(1, 1000))
    report = copy(source, tmp_path / "out.gif")
    assert milliseconds(report.output) == [0, 20, 40]
    assert report.frames == 3
    assert report.notes == ("1 frame left out: GIF counts time in steps of 1/100 s",)
    with Image.open(report.output) as picture:
        assert picture.info["loop"] == 0


def test_a_sequence_is_numbered_from_1_and_appears_whole(clip: Clip, tmp_path: Path) -> None:
    source, folder = clip(pts=[0, 3, 4]), tmp_path / "out"
    folder.mkdir()
    output = folder / "f_%03d.png"
    assert not exists(output)
    report = copy(source, output)
    assert (report.output, report.frames) == (output, 3)
    assert sorted(path.name for path in folder.iterdir()) == [f"f_00{n}.png" for n in (1, 2, 3)]
    assert np.abs(rgb(folder / "f_001.png") - rgb(source)).max() <= 1
    assert exists(output)


def test_a_sequence_that_fails_leaves_the_old_one(clip: Clip, tmp_path: Path) -> None:
    info, folder = probe(clip(pts=range(5))), tmp_path / "out"
    folder.mkdir()
    output = folder / "%d.png"
    for number in (1, 9):
        (folder / f"{number}.png").write_bytes(b"precious")

    def failing(plan: EncodingPlan) -> Iterator[Frame]:
        frames = untouched(info, plan)
        yield next(frames)
        raise MediaError("broken")

    plan = plan_output(info, output, EncodeOptions())
    with pytest.raises(MediaError, match="broken"):
        encode(failing(plan), info, output, plan)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "1.png": b"precious",
        "9.png": b"precious",
    }
    report = copy(info.path, output)
    assert report.notes == ("1 other picture of that name was there, and still is",)
    assert (folder / "9.png").read_bytes() == b"precious"
    assert not part_path(output).exists()


def test_an_interrupted_sequence_keeps_its_pictures_in_the_part(clip: Clip, tmp_path: Path) -> None:
    info, output = probe(clip(pts=range(5))), tmp_path / "%d.png"
    plan = plan_output(info, output, EncodeOptions())
    report = encode(untouched(info, plan), info, output, plan, interrupted=lambda: True)
    assert (report.complete, report.output) == (False, part_path(output))
    assert len(list(report.output.iterdir())) == 5
    assert not exists(output)
