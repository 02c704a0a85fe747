"""What keeps doubled pastiches sharp, and the blocks its graphs and the network's work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from videostyle import Look
from videostyle.media.color import luma_of, with_detail
from videostyle.network.architecture import SMOOTHING
from videostyle.network.blocks import from_blocks, to_blocks
from videostyle.network.enlarger import enlarger_weights
from videostyle.network.enlarger_network import EnlargerNetwork
from videostyle.network.model import Model, load_model
from videostyle.stylize.stylizer import Stylizer, resize

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
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_engines_add_the_same_detail(
    small_model: Model, size: tuple[int, int], precision: str
) -> None:
    luma = luma_of(np.array(coffee(*size)))[None]
    network = EnlargerNetwork.of(enlarger_weights())
    expected = network.detail(torch.from_numpy(luma)).numpy()
    assert expected.std() > 1
    engine = Stylizer(small_model, device="cpu", precision=precision).engine
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


@pytest.mark.parametrize(
    ("enlargement", "weight"), [(1.4, 0), (1.5, 0), (1.75, 0.5), (2, 1), (2.25, 1)]
)
def test_detail_fades_in(small_model: Model, enlargement: float, weight: float) -> None:
    stylizer = Stylizer(small_model, device="cpu")
    assert stylizer.sharpness(1000, round(1000 * enlargement)) == pytest.approx(weight)


def test_a_network_that_does_not_smooth_needs_no_detail() -> None:
    stylizer = Stylizer(load_model("paper_half"), device="cpu")
    assert stylizer.sharpness(512, 1080) == 0


def test_1080_lines_are_sharper_than_scaled(small_model: Model) -> None:
    """Of a pastiche of 128 lines (stroke 2 and 256 lines) as of one of 512 (stroke 1 and 1080)."""
    stylizer = Stylizer(small_model, device="cpu", precision="fp32")
    frame = np.array(coffee(256, 384))
    sharp = stylizer(frame, Look({"red": 1}, stroke=2))
    scaled = resize(stylizer.submit(resize(frame, 128, 192), {"red": 1})(), 256, 384)
    fine = [np.diff(luma_of(each).astype(float), axis=1).std() for each in (sharp, scaled)]
    assert fine[0] > 1.05 * fine[1]
