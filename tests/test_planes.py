"""YUV planes to RGB and back in PyTorch: the numbers of swscale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter
from conftest import SPECS

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.media.color import OUTPUT_PIX_FMTS, RGB, convert
from videostyle.media.info import ColorSpec
from videostyle.media.pixels import plane_array
from videostyle.stylize.planes import (
    PlaneLayout,
    PlanesToRgb,
    RgbToPlanes,
    blend,
    centred,
    supports,
    to_samples,
)

NUMBERS = [
    ("cpu", torch.float32),
    ("cpu", torch.float16),
    pytest.param("cuda", torch.float16, marks=pytest.mark.cuda),
]
SIZES = [((46, 66), (46, 66)), ((46, 66), (64, 96)), ((90, 131), (64, 72)), ((45, 33), (45, 33))]


def squares(size: tuple[int, int], seed: int) -> np.ndarray:
    """Random colours in squares of four pixels: hard edges, in chroma too."""
    height, width = size
    random = np.random.default_rng(seed)
    small = random.integers(20, 236, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return np.ascontiguousarray(small.repeat(4, 0).repeat(4, 1)[:height, :width])


def picture(pix_fmt: str, color: ColorSpec, size: tuple[int, int], seed: int = 0) -> av.VideoFrame:
    source = av.VideoFrame.from_ndarray(squares(size, seed), "rgb24")
    return convert(VideoReformatter(), source, pix_fmt, RGB, color)


def packed(image: av.VideoFrame) -> tuple[PlaneLayout, torch.Tensor]:
    layout = PlaneLayout(image.format.name, image.height, image.width)
    row = torch.zeros(1, layout.samples, dtype=layout.dtype)
    layout.pack(image, row[0])
    return layout, row


@pytest.mark.parametrize(("device", "dtype"), NUMBERS)
@pytest.mark.parametrize("pix_fmt", OUTPUT_PIX_FMTS)
@pytest.mark.parametrize("color", SPECS)
def test_both_ways_are_within_2_of_swscale_at_any_size(
    color: ColorSpec, pix_fmt: str, device: str, dtype: torch.dtype
) -> None:
    like = torch.zeros(0, dtype=dtype, device=device)
    for size, working in SIZES:
        image = picture(pix_fmt, color, size)
        layout, row = packed(image)
        expected = convert(VideoReformatter(), image, "rgb24", color, RGB, working).to_ndarray()
        to_rgb = PlanesToRgb(layout, color, working, like, left=False)
        rgb = to_rgb(layout.split(row.to(device)))[0].cpu().numpy()
        assert np.abs(rgb.astype(int) - expected).max() <= 2

        source = av.VideoFrame.from_ndarray(squares(working, 1), "rgb24")
        target = convert(VideoReformatter(), source, pix_fmt, RGB, color, size)
        from_rgb = RgbToPlanes(layout, color, working, like, left=False)
        planes = from_rgb(torch.from_numpy(source.to_ndarray())[None].to(device))
        for index, plane in enumerate(planes):
            samples = to_samples(plane, layout)[0].cpu().numpy().astype(int)
            off = np.abs(samples - plane_array(target, index)) / (1 << (layout.bits - 8))
            assert off.max() <= 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_the_chroma_of_a_decoded_video_is_taken_where_its_codec_puts_it(
    clip: Callable[..., Path], pix_fmt: str
) -> None:
    info = probe(clip(pts=[0], pix_fmt=pix_fmt, pixels=lambda _: squares((64, 96), 0)))
    image = next(iter(decode(info))).image
    layout, row = packed(image)
    for working in ((64, 96), (48, 72)):
        expected = convert(VideoReformatter(), image, "rgb24", info.color, RGB, working)
        rgb = PlanesToRgb(layout, info.color, working, torch.zeros(0))(layout.split(row))[0]
        assert np.abs(rgb.numpy().astype(int) - expected.to_ndarray()).max() <= 2


def test_chroma_comes_back_where_it_was() -> None:
    color = ColorSpec(6, 6, 6, full_range=False)
    layout = PlaneLayout("yuv420p", 48, 96)
    ramp = np.linspace(60, 190, 96)[None, :, None] * [1, 0.5, 0.2]
    rgb = torch.from_numpy(np.broadcast_to(ramp, (48, 96, 3)).astype(np.uint8).copy())[None]
    for left in (True, False):
        planes = RgbToPlanes(layout, color, (48, 96), torch.zeros(0), left=left)(rgb)
        samples = [to_samples(plane, layout) for plane in planes]
        again = PlanesToRgb(layout, color, (48, 96), torch.zeros(0), left=left)(samples)
        inside = np.s_[:, :, 4:-4]
        assert (again[inside].int() - rgb[inside].int()).abs().max() <= 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("pix_fmt", OUTPUT_PIX_FMTS)
def test_every_sample_survives_and_a_blend_is_exact_at_its_ends(
    pix_fmt: str, dtype: torch.dtype
) -> None:
    layout = PlaneLayout(pix_fmt, 32, 32)
    values = torch.arange(1 << layout.bits, dtype=layout.dtype).reshape(1, -1, 32)
    below = centred(values, layout.bits, dtype)
    above = centred(values.flip(1), layout.bits, dtype)
    assert torch.equal(to_samples(below, layout), values)
    ends = blend(below.expand(2, -1, -1), above.expand(2, -1, -1), torch.tensor([0.0, 1.0]))
    assert torch.equal(to_samples(ends, layout), torch.cat((values, values.flip(1))))


@pytest.mark.parametrize("pix_fmt", OUTPUT_PIX_FMTS)
@pytest.mark.parametrize("size", [(48, 64), (45, 33)])
def test_planes_packed_and_unpacked_are_the_frames(pix_fmt: str, size: tuple[int, int]) -> None:
    color = ColorSpec(1, 1, 1, full_range=False)
    image = picture(pix_fmt, color, size)
    layout, row = packed(image)
    again = layout.frame(row[0], color)
    del row
    assert again.format.name == pix_fmt
    for index in range(3):
        assert np.array_equal(plane_array(again, index), plane_array(image, index))


@pytest.mark.parametrize(
    ("pix_fmt", "interleaved"), [("yuv420p", "nv12"), ("yuv420p10le", "p010le")]
)
def test_planes_are_taken_as_a_gpus_decoder_leaves_them(pix_fmt: str, interleaved: str) -> None:
    color = ColorSpec(1, 1, 1, full_range=False)
    image = picture(pix_fmt, color, (46, 66))
    layout, row = packed(image)
    assert not layout.on_gpu(image)
    taken = torch.zeros_like(row[0])
    layout.take(image.reformat(format=interleaved), taken)
    assert torch.equal(taken, row[0])


def test_what_cannot_be_converted_is_known() -> None:
    assert supports("yuv420p", ColorSpec(1, 1, 1, full_range=False))
    assert not supports("rgb24", RGB)
    assert not supports("yuv420p", ColorSpec(8, 1, 1, full_range=False))
