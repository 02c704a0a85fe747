"""What goes in comes out: colours through identity looks, and sound beside the picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from conftest import make_clip

from videostyle.encode.options import EncodeOptions
from videostyle.look import Look
from videostyle.media.color import OUTPUT_PIX_FMTS, RGB, convert
from videostyle.media.info import ColorSpec
from videostyle.rendering.render import render
from videostyle.stylize.stylizer import Stylizer

SPECS = [
    ColorSpec(matrix, primaries, transfer, full_range=full)
    for matrix, primaries, transfer in ((6, 6, 6), (1, 1, 1), (9, 9, 14))
    for full in (False, True)
]
SIZE = (128, 64)


def patches(number: int) -> np.ndarray:
    """Solid squares of 32 pixels above, a gradient below."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 40, 40)]
    if number:
        colors = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (40, 200, 120)]
    for index, color in enumerate(colors):
        picture[:32, 32 * index : 32 * index + 32] = color
    picture[32:] = np.linspace(0, 255, SIZE[0])[None, :, None].astype(np.uint8)
    return picture


def shown(path: Path, color: ColorSpec) -> tuple[list[np.ndarray], av.VideoFrame]:
    """The frames as a player that believes the tags shows them, away from the patches' edges."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    rgb = [convert(VideoReformatter(), frame, "rgb24", color, RGB).to_ndarray() for frame in frames]
    return [picture[4:28, 4::32].astype(int) for picture in rgb] + [
        picture[40:].astype(int) for picture in rgb
    ], frames[0]


@pytest.mark.parametrize("pix_fmt", OUTPUT_PIX_FMTS)
@pytest.mark.parametrize(
    "color", SPECS, ids=lambda c: f"{c.matrix} {'full' if c.full_range else 'limited'}"
)
def test_identity_looks_keep_every_color(
    tmp_path: Path, stylizer: Stylizer, color: ColorSpec, pix_fmt: str
) -> None:
    source, output = tmp_path / "in.mkv", tmp_path / "out.mkv"
    make_clip(source, pts=range(2), size=SIZE, pixels=patches, pix_fmt=pix_fmt, color=color)
    options = EncodeOptions(crf=0, preset="ultrafast", pix_fmt=pix_fmt)
    before, _ = shown(source, color)
    for look in (Look({"original": 1}), Look({"red": 1}, strength=0)):
        render(source, output, look, stylizer=stylizer, options=options)
        after, frame = shown(output, color)
        for old, new in zip(before, after, strict=True):
            assert np.abs(old - new).max() <= 2
        assert frame.format.name in (pix_fmt, pix_fmt.replace("yuv", "yuvj"))
        tags = (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range)
        assert tags == (color.matrix, color.primaries, color.transfer, 2 if color.full_range else 1)


def clapper(path: Path, times: list[int], codecs: tuple[str, str]) -> Path:
    """Frames at so many milliseconds, every tenth one white, a click as each white one comes."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        video = container.add_stream(
            codecs[0], rate=25, options={"preset": "ultrafast", "crf": "1"}
        )
        context = video.codec_context
        context.width, context.height, context.pix_fmt = 64, 64, "yuv420p"
        context.time_base = Fraction(1, 1000)
        context.max_b_frames = 0
        sound = container.add_stream(codecs[1], rate=48_000, layout="mono")
        for number, at in enumerate(times):
            image = np.full((64, 64, 3), 255 if number % 10 == 5 else 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(video.encode(frame))
        samples = np.zeros((1, 48 * (times[-1] - times[0] + 40)), np.float32)
        for at in times[5::10]:
            samples[0, 48 * (at - times[0]) :][:96] = 0.9
        for begin in range(0, samples.shape[1], 1024):
            noise = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, begin : begin + 1024]), "fltp", "mono"
            )
            noise.sample_rate, noise.time_base = 48_000, Fraction(1, 48_000)
            noise.pts = begin + 48 * times[0]
            container.mux(sound.encode(noise))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [
            float(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray")[32, 32] > 150
        ]


def clicks(path: Path) -> list[float]:
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray()[0].astype(float))
            begin = float(frame.pts * frame.time_base)
            for index in np.flatnonzero(loud > 0.3):
                time = begin + index / frame.sample_rate
                if not found or time > found[-1] + 0.1:
                    found.append(time)
    return found


EVEN = list(range(0, 4000, 40))
UNEVEN = [40 * n + (17 * n * n) % 31 for n in range(100)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
@pytest.mark.parametrize(
    ("times", "options"),
    [
        (EVEN, {}),
        (UNEVEN, {}),
        ([at + 1500 for at in EVEN], {}),
        ([at - 700 for at in EVEN], {}),
        ([at - 700 for at in EVEN], {"segment_seconds": 0.7}),
        ([at - 700 for at in EVEN], {"start": "1.1s", "end": "3.4s"}),
        (EVEN, {"segment_seconds": 0.7}),
        (UNEVEN, {"start": "1.1s", "end": "3.4s"}),
    ],
    ids=[
        *("even", "uneven", "late", "early", "early pieces", "early part", "pieces", "part"),
    ],
)
def test_every_click_comes_with_its_flash(
    tmp_path: Path,
    stylizer: Stylizer,
    suffix: str,
    times: list[int],
    options: dict[str, object],
) -> None:
    name = "in.ts" if times[0] < 0 else "in.mkv"  # Matroska has no negative times
    source = clapper(tmp_path / name, times, ("libx264", "aac"))
    output = tmp_path / f"out{suffix}"
    look = Look({"original": 1})
    render(source, output, look, stylizer=stylizer, **options)  # type: ignore[arg-type]
    light, sound = flashes(output), clicks(output)
    if "start" not in options:
        assert len(light) == len(flashes(source))
    assert len(light) >= (5 if "start" in options else 10)
    # At the edges of a part a flash or a click may be cut off alone.
    pairs = [(flash, min(sound, key=lambda click: abs(click - flash))) for flash in light]
    inner = pairs[1:-1] if "start" in options else pairs
    assert max(abs(flash - click) for flash, click in inner) < 0.04


def test_a_clapper_that_is_off_is_seen(tmp_path: Path) -> None:
    """The measure itself: the input's own flashes and clicks agree, shifted ones would not."""
    source = clapper(tmp_path / "in.mkv", EVEN, ("libx264", "aac"))
    light, sound = flashes(source), clicks(source)
    assert len(light) == len(sound) == 10
    assert max(abs(a - b) for a, b in zip(light, sound, strict=True)) < 0.01
