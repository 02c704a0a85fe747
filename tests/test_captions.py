"""Closed captions inside the pictures stay in them, or are said to be lost."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type
from conftest import make_clip
from pipeline import copy, faults

from videostyle.encode.options import EncodeOptions
from videostyle.look import Look
from videostyle.media.captions import CaptionCarrier
from videostyle.media.frame import has_beside
from videostyle.media.pixels import plane_array
from videostyle.rendering.render import render
from videostyle.rendering.verify import verify
from videostyle.stylize.stylizer import Stylizer

LOST = "closed captions in the pictures are left out; H.264 and H.265 keep them"


def message(number: int) -> bytes:
    """The SEI of H.264 with one pair of letters of CEA-608."""
    letters = bytes([0xFC, 0x41 + number, 0x42])
    payload = b"\xb5\x00\x31GA94\x03\xc1\xff" + letters + b"\xff"
    return b"\x00\x00\x00\x01\x06\x04" + bytes([len(payload)]) + payload + b"\x80"


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """Ten pictures with captions."""
    plain, path = make_clip(tmp_path / "plain.ts", size=(64, 48)), tmp_path / "captioned.ts"
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux() if p.size):
            with_words: av.Packet[av.VideoStream] = av.Packet(message(number) + bytes(packet))
            with_words.pts, with_words.dts = packet.pts, packet.dts
            with_words.time_base, with_words.stream = packet.time_base, stream
            with_words.is_keyframe = packet.is_keyframe
            new.mux(with_words)
    return path


def captions(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [
            bytes(data)
            for image in container.decode(video=0)
            for data in image.side_data
            if data.type == Type.A53_CC
        ]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("pieces", [10.0, 0.2])
@pytest.mark.parametrize("style", ["red", "original"])
def test_captions_stay_in_their_pictures(
    captioned: Path, tmp_path: Path, stylizer: Stylizer, codec: str, pieces: float, style: str
) -> None:
    output, options = tmp_path / "out.mp4", EncodeOptions(codec=codec, pix_fmt="yuv444p")
    look = Look({style: 1})
    report = render(
        captioned, output, look, stylizer=stylizer, options=options, segment_seconds=pieces
    )
    assert len(captions(captioned)) == 10
    assert captions(output) == captions(captioned)
    assert LOST not in report.notes
    assert faults(captioned, output) == []


@pytest.mark.parametrize("name", ["out.webm", "out.gif", "out_%d.png", "pieces.mkv"])
def test_captions_that_are_lost_are_noted(
    captioned: Path, tmp_path: Path, stylizer: Stylizer, name: str
) -> None:
    output = tmp_path / name
    options = EncodeOptions(codec="ffv1" if name == "pieces.mkv" else None)
    report = render(
        captioned, output, Look({"red": 1}), stylizer=stylizer, options=options, segment_seconds=0.2
    )
    assert report.notes.count(LOST) == 1
    if "%" not in name:
        assert faults(captioned, output) == []
        lost = "has no closed captions in its pictures, as the input has"
        assert lost in [item.message for item in verify(captioned, output)]


def test_verify_names_captions_that_are_missing(captioned: Path, tmp_path: Path) -> None:
    copy(tmp_path / "plain.ts", tmp_path / "out.mp4")
    lost = "streams: has no closed captions in its pictures, as the input has"
    assert faults(captioned, tmp_path / "out.mp4") == [lost]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le", "rgb24"])
@pytest.mark.parametrize("size", [(64, 48), (97, 65)])
def test_a_picture_that_gets_captions_is_the_same(
    captioned: Path, pix_fmt: str, size: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    image = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pix_fmt)
    with av.open(str(captioned)) as container:
        source = next(container.decode(video=0))
        before = source.to_ndarray()
        carried = CaptionCarrier()(source, image)
        assert np.array_equal(source.to_ndarray(), before)
    assert has_beside(carried, "A53_CC")
    assert carried.format.name == pix_fmt
    for index in range(len(image.planes)):
        assert np.array_equal(plane_array(carried, index), plane_array(image, index))
    assert (carried.colorspace, carried.color_range) == (image.colorspace, image.color_range)
