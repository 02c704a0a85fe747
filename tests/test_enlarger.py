"""What keeps doubled pastiches sharp, and the blocks its graphs and the network's work on."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from videostyle import Look
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.info import ColorSpec, MediaInfo
from videostyle.media.pixels import luma_of, with_detail
from videostyle.network import openvino_engine
from videostyle.network.architecture import SMOOTHING
from videostyle.network.blocks import from_blocks, to_blocks
from videostyle.network.engine import Engine
from videostyle.network.enlarger import enlarger_weights
from videostyle.network.enlarger_network import EnlargerNetwork
from videostyle.network.model import Model, load_model
from videostyle.network.openvino_engine import OpenVinoEngine
from videostyle.network.torch_engine import TorchEngine
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Stylizer, resize
from videostyle.timeline.timeline import Timeline

SAMPLES = Path(__file__).parents[1] / "samples"


def coffee(height: int, width: int) -> Image.Image:
    with Image.open(SAMPLES / "coffee.jpg") as photo:
        return photo.convert("RGB").resize((width, height))


def shapes(height: int, width: int) -> Image.Image:
    """Discs and boxes with sharp edges."""
    picture = Image.new("RGB", (2 * width, 2 * height), (90, 110, 60))
    draw, random = ImageDraw.Draw(picture), np.random.default_rng(0)
    for number in range(60):
        left, top, across, down = random.integers((0, 0, 20, 20), (2 * width, 2 * height, 160, 160))
        color = tuple(random.integers(20, 235, 3).tolist())
        box = (left, top, left + across, top + down)
        (draw.ellipse if number % 2 else draw.rectangle)(box, fill=color)
    return picture.reduce(2)


def smoothed(pixels: np.ndarray) -> np.ndarray:
    """As a network smooths what it makes."""
    x = pixels.astype(float)
    for axis in (0, 1):
        shares = zip(SMOOTHING, range(-2, 3), strict=True)
        x = sum(share * np.roll(x, offset, axis) for share, offset in shares)
    return x.round().clip(0, 255).astype(np.uint8)


@given(
    count=st.integers(1, 2),
    rows=st.integers(1, 5),
    columns=st.integers(1, 6),
    side=st.sampled_from([1, 2, 3, 4]),
    channels=st.sampled_from([1, 3, 4]),
)
def test_blocks_hold_the_pixels_row_by_row(
    count: int, rows: int, columns: int, side: int, channels: int
) -> None:
    shape = (count, rows * side, columns * side, channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    blocks = to_blocks(pixels, side)
    assert blocks.shape == (count, rows, columns, side * side * channels)
    last = pixels[-1, -side:, -side:].ravel()
    assert np.array_equal(blocks[-1, -1, -1], last)
    assert np.array_equal(from_blocks(blocks, side), pixels)


@pytest.mark.parametrize("size", [(64, 96), (66, 70)])
@pytest.mark.parametrize(
    ("package", "device", "precision"),
    [
        ("openvino", "cpu", "fp32"),
        ("openvino", "cpu", "bf16"),
        ("torch", "cpu", "fp32"),
        pytest.param("torch", "cuda", "fp16", marks=pytest.mark.cuda),
    ],
)
def test_the_engines_add_the_same_detail(
    small_model: Model, size: tuple[int, int], package: str, device: str, precision: str
) -> None:
    luma = luma_of(np.array(coffee(*size)))[None]
    network = EnlargerNetwork.of(enlarger_weights())
    expected = network.detail(torch.from_numpy(luma)).numpy()
    assert expected.std() > 1
    engine: Engine
    if package == "torch":
        engine = TorchEngine(small_model.network, device, precision)
    else:
        engine = OpenVinoEngine(small_model.architecture, small_model.weights, precision, 2)
    found = engine.detail(luma)()
    assert found.shape == (1, 2 * size[0], 2 * size[1])
    assert np.abs(found.astype(int) - expected).max() <= (1 if precision == "fp32" else 3)


def test_detail_brings_back_what_scaling_leaves_out(small_model: Model) -> None:
    large = shapes(400, 600)
    small = smoothed(np.array(large.reduce(2)))
    plain = resize(small, 400, 600)
    detail = Stylizer(small_model, device="cpu", precision="fp32").detail(small)()
    off = [
        np.square(luma_of(each) - luma_of(np.array(large)).astype(float)).mean()
        for each in (with_detail(plain, detail, 1), with_detail(plain, detail, 0.5), plain)
    ]
    assert off == sorted(off)
    assert off[0] < 0.65 * off[-1]


@pytest.mark.parametrize("level", [0, 60, 128, 255])
def test_what_is_flat_gets_no_detail(small_model: Model, level: int) -> None:
    detail = Stylizer(small_model, device="cpu").detail(np.full((64, 64, 3), level, np.uint8))()
    assert np.abs(detail.astype(int) - 128).max() <= 2


def test_what_720_lines_show_is_scaled_alone_and_what_1080_show_has_its_detail(
    small_model: Model,
) -> None:
    stylizer = Stylizer(small_model, device="cpu")
    weights = [stylizer.sharpness(512, lines) for lines in range(512, 1081)]
    assert (weights[720 - 512], weights[-1]) == (0, 1)
    assert 0 <= np.diff(weights).min() <= np.diff(weights).max() < 0.01


def test_a_network_that_does_not_smooth_needs_no_detail() -> None:
    stylizer = Stylizer(load_model("paper_half"), device="cpu")
    assert stylizer.sharpness(512, 1080) == 0


def as_picture(stylizer: Stylizer, frame: np.ndarray, look: Look) -> np.ndarray:
    return stylizer(frame, look)


def as_video(pix_fmt: str) -> Callable[[Stylizer, np.ndarray, Look], np.ndarray]:
    def painted(stylizer: Stylizer, frame: np.ndarray, look: Look) -> np.ndarray:
        height, width = frame.shape[:2]
        color = ColorSpec(1, 1, 1, full_range=False)
        info = MediaInfo(Path("x.mp4"), False, 0, width, height, "yuv420p", color, Fraction(1, 25))
        converter = ColorConverter(info, pix_fmt)
        image = av.VideoFrame.from_ndarray(frame, "rgb24")
        given = Frame(converter.to_output(image), 0, None, 0.0)
        ((result),) = stylize([given], stylizer, Timeline.constant(look), converter)
        return result.image.to_ndarray(format="rgb24")

    return painted


@pytest.mark.parametrize("paint", [as_picture, as_video("yuv420p"), as_video("rgb24")])
def test_1080_lines_are_sharper_than_scaled(
    stylizer: Stylizer, paint: Callable[[Stylizer, np.ndarray, Look], np.ndarray]
) -> None:
    """Of a pastiche of 128 lines (stroke 2 and 256 lines) as of one of 512 (stroke 1 and 1080)."""
    frame = np.array(coffee(256, 384))
    sharp = paint(stylizer, frame, Look({"red": 1}, stroke=2))
    scaled = resize(stylizer.submit(resize(frame, 128, 192), {"red": 1})(), 256, 384)
    fine = [np.diff(luma_of(each).astype(float), axis=1).std() for each in (sharp, scaled)]
    assert fine[0] > 1.05 * fine[1]


@pytest.mark.parametrize(("lines", "stroke"), [(1080, 1.0), (2160, 1.0), (2160, 2.0), (4320, 1.0)])
def test_a_second_frame_needs_nothing_compiled(
    small_model: Model, lines: int, stroke: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any size, though it is painted, and painted over, in several; here of an eighth."""
    for name in ("PIXELS_KEPT", "PIXELS_BESIDES"):
        monkeypatch.setattr(openvino_engine, name, getattr(openvino_engine, name) // 64)
    monkeypatch.setattr("videostyle.stylize.stylizer.LOOK_LINES", 64)
    monkeypatch.setattr("videostyle.stylize.stylizer.MIN_SIDE", 32)
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")
    engine = stylizer.engine
    assert isinstance(engine, OpenVinoEngine)
    frame = np.array(coffee(lines // 8, lines // 8 * 3 // 2))
    stylizer(frame, Look({"red": 1}, stroke=stroke))
    monkeypatch.delattr(engine, "_core")
    stylizer(frame, Look({"red": 1}, stroke=stroke))
