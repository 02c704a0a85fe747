"""HDR is never silently wrong: refused, brought down to SDR, or passed with its tags."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from conftest import gradient, write_frames
from pipeline import Clip, joined

from videostyle.decode.decode import decode
from videostyle.decode.hdr import tone_map
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.errors import MediaError
from videostyle.look import Look
from videostyle.media.info import ColorSpec
from videostyle.rendering.render import render
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer

PQ = ColorSpec(9, 9, 16, full_range=False)
HLG = ColorSpec(9, 9, 18, full_range=False)


def pq(nits: float) -> float:
    """The code of a luminance, SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10_000) ** m1
    return float(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


def shown(codes: list[float], color: ColorSpec) -> np.ndarray:
    """What greys of these codes, 0 to 1, become: (n, 3) of 0 to 255."""
    frame = av.VideoFrame(16 * len(codes), 16, "yuv444p10le")
    for plane, values in zip(frame.planes, (np.array(codes) * 876 + 64, 512, 512), strict=True):
        row = np.repeat(np.broadcast_to(values, len(codes)), 16).astype(np.uint16)
        padded = np.zeros((16, plane.line_size // 2), np.uint16)
        padded[:, : len(row)] = row
        plane.update(padded.tobytes())
    return tone_map(VideoReformatter(), frame, color).to_ndarray()[8, 8::16].astype(int)


def test_pq_greys_keep_their_order_and_dark_ones_their_light() -> None:
    nits = [0.0, 1.0, 10.0, 50.0, 203.0, 500.0, 1000.0, 4000.0]
    found = shown([pq(each) if each else 0.0 for each in nits], PQ)
    assert (np.ptp(found, axis=1) <= 1).all()
    grey = found[:, 1]
    assert grey[0] == 0
    assert (np.diff(grey) >= 0).all()
    assert grey[-1] == grey[-2] == 255
    # Far below white nothing changes but the curve: BT.1886 shows it at the same light.
    for level, value in zip(nits[1:4], grey[1:4], strict=True):
        assert value == pytest.approx(255 * (level / 203) ** (1 / 2.4), abs=8)
    assert 200 < grey[4] < 250


def test_hlg_white_is_nearly_white_and_grey_is_grey() -> None:
    found = shown([0.0, 0.38, 0.75, 1.0], HLG)[:, 1]
    assert found[0] == 0
    assert 90 < found[1] < 160
    assert 200 < found[2] < 250
    assert found[3] == 255


@pytest.fixture
def film(clip: Clip) -> Path:
    return clip(pts=range(6), size=(96, 64), color=PQ, pix_fmt="yuv420p10le")


def test_hdr_is_refused_by_a_line_that_names_the_ways_on(film: Path) -> None:
    with pytest.raises(MediaError, match=r"HDR video \(PQ\).*hdr tonemap \(--hdr\) .*hdr pass"):
        probe(film)


def test_untagged_hdr_is_taken_as_bt2020(clip: Clip) -> None:
    info = probe(clip(color=ColorSpec(2, 9, 16, full_range=False)), hdr="tonemap")
    assert info.hdr_color is not None
    assert (info.hdr_color.matrix, info.hdr_color.guessed) == (9, True)


def test_a_matrix_that_cannot_be_converted_is_refused(clip: Clip) -> None:
    with pytest.raises(MediaError, match="cannot convert colour matrix 14"):
        probe(clip(color=ColorSpec(14, 9, 16, full_range=False)), hdr="tonemap")


def test_hdr_keeps_its_alpha(clip: Clip) -> None:
    path = clip("a.mkv", color=PQ, pix_fmt="yuva444p10le", codec="ffv1", pts=range(2))
    info = probe(path, hdr="tonemap")
    with_alpha = next(iter(decode(info, keep_alpha=True)))
    assert with_alpha.alpha is not None
    assert with_alpha.image.format.name == "rgb24"
    assert next(iter(decode(info))).image.format.name == "rgb24"


@pytest.mark.parametrize(
    ("hdr", "tags", "pix_fmt"),
    [("tonemap", (1, 1, 1), "yuv420p"), ("pass", (9, 9, 16), "yuv420p10le")],
)
def test_what_comes_out_says_what_it_is(
    film: Path,
    stylizer: Stylizer,
    tmp_path: Path,
    hdr: str,
    tags: tuple[int, int, int],
    pix_fmt: str,
) -> None:
    output = tmp_path / "out.mp4"
    look = Look({"red": 1, "original": 1})
    render(film, output, look, stylizer=stylizer, hdr=hdr)
    with av.open(str(output)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 6
    first = frames[0]
    assert (first.colorspace, first.color_primaries, first.color_trc) == tags
    assert first.format.name == pix_fmt


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuva444p10le"])
def test_every_frame_of_prores_says_what_it_is(
    clip: Clip, stylizer: Stylizer, tmp_path: Path, pix_fmt: str
) -> None:
    """Its decoder believes the frame, not the container."""
    source = clip("in.mkv", color=PQ, pix_fmt=pix_fmt, codec="ffv1", pts=range(2), size=(96, 64))
    output, options = tmp_path / "out.mov", EncodeOptions(codec="prores_ks")
    render(source, output, Look({"red": 1}), stylizer=stylizer, hdr="pass", options=options)
    with av.open(str(output)) as container:
        for frame in container.decode(video=0):
            assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (9, 9, 16)
    assert not [found for found in verify(source, output) if found.what == "color"]


def test_that_light_levels_are_lost_is_said(stylizer: Stylizer, tmp_path: Path) -> None:
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    primaries = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
    levels = f"mastering-display={primaries}L(10000000,1):cll=1000,400"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": levels})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        context = stream.codec_context
        context.time_base = Fraction(1, 25)
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16
        write_frames(container, stream, range(2), gradient((96, 64)), PQ)
    report = render(source, output, Look({"red": 1}), stylizer=stylizer, hdr="pass")
    assert any("how bright its mastering display" in note for note in report.notes)
    (lost,) = verify(source, output)
    assert lost.expected
    assert "how bright its mastering display" in lost.message
    report = render(source, output, Look({"red": 1}), stylizer=stylizer, hdr="tonemap")
    assert not any("how bright" in note for note in report.notes)


def test_video_that_turns_to_hdr_on_the_way_is_refused_or_tone_mapped(clip: Clip) -> None:
    bright = clip("pq.ts", pts=range(10, 20), pix_fmt="yuv420p10le", color=PQ)
    path = joined(clip("sdr.ts"), bright)
    with pytest.raises(MediaError, match=r"HDR video \(PQ\)"):
        list(decode(probe(path)))
    mapped = [frame.image for frame in decode(probe(path, "tonemap"))]
    expected = [frame.image for frame in decode(probe(bright, "tonemap"))]
    assert len(mapped) == 20
    for image, alone in zip(mapped[10:], expected, strict=True):
        assert np.array_equal(image.to_ndarray(), alone.to_ndarray())
    assert len(list(decode(probe(path, "pass")))) == 20
