"""The fused network paints as the plain one; its kernels compute what their definitions say.

The kernels run on CUDA, or on a CPU in Triton's interpreter: TRITON_INTERPRET=1 and Triton, which
is too large to be a dependency of the tests (`pip install triton`).
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from architectures import PLANS
from torch import Tensor

from videostyle.network.architecture import EPSILON, Architecture
from videostyle.network.fused_network import FusedNetwork, Map
from videostyle.network.fused_network import in_blocks as kernel_in_blocks
from videostyle.network.network import StyleNetwork
from videostyle.stylize.device_stabilizer import weighted_mean
from videostyle.stylize.stabilizer import MEMORY

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def values(x: Map) -> Tensor:
    """(N, H, W, C) by the definition of `Map`, in fp32."""
    y = torch.arange(x.height)[:, None] + x.shift
    across = torch.arange(x.width) + x.shift
    rows, columns = x.strides[:3], x.strides[3:]
    place = sum(
        each // 4 * strides[0] + each // 2 % 2 * strides[1] + each % 2 * strides[2]
        for each, strides in ((y, rows), (across, columns))
    )
    place = (place[..., None] + torch.arange(x.channels)).to(x.data.device)
    return x.data.flatten(1)[:, place].float()


def in_blocks(pixels: Tensor, block: int) -> Tensor:
    """(N, H, W, C) -> (N, H / block, W / block, block^2 C)."""
    count, height, width, channels = pixels.shape
    shape = (count, height // block, block, width // block, block, channels)
    return pixels.reshape(shape).permute(0, 1, 3, 2, 4, 5).flatten(3).contiguous()


def unshuffle(
    frames: Tensor, dtype: torch.dtype, *, pixel: int, margin: int, block: int, stored: int
) -> Tensor:
    pixels = F.pixel_unshuffle(frames.permute(0, 3, 1, 2).float() / 255, pixel)
    pixels = F.pad(pixels, (margin,) * 4, mode="reflect").permute(0, 2, 3, 1)
    blocks = in_blocks(pixels, block)
    return F.pad(blocks, (0, stored - blocks.shape[3])).to(dtype)


def moments(x: Map) -> Tensor:
    variance, mean = torch.var_mean(values(x), dim=(1, 2), correction=0)
    return torch.stack((mean, variance), 1)


def finish(
    x: Map,
    affine: Tensor,
    moments: Tensor,
    *,
    relu: bool = False,
    add: Map | None = None,
    margin: int = 0,
    reflect: bool = True,
    block: int = 1,
) -> Tensor:
    z = normalised(x, affine, moments)
    z = F.relu(z) if relu else z
    z = z + values(add) if add else z
    z = z.permute(0, 3, 1, 2)
    z = F.pad(z, (margin,) * 4, mode="reflect" if reflect else "replicate").permute(0, 2, 3, 1)
    return in_blocks(z, block).to(x.data.dtype)


def to_bytes(x: Map, affine: Tensor, moments: Tensor) -> Tensor:
    return (torch.sigmoid(normalised(x, affine, moments)) * 255 + 0.5).to(torch.uint8)


def normalised(x: Map, affine: Tensor, moments: Tensor) -> Tensor:
    (gamma, beta), (mean, variance) = (
        each[:, :, None, None].unbind(1) for each in (affine, moments)
    )
    return gamma * (values(x) - mean) / (variance + EPSILON).sqrt() + beta


PLAIN = SimpleNamespace(unshuffle=unshuffle, moments=moments, finish=finish, to_bytes=to_bytes)


@pytest.fixture(params=DEVICES)
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "cpu" and "TRITON_INTERPRET" not in os.environ:
        pytest.skip("needs TRITON_INTERPRET=1")
    pytest.importorskip("triton")
    from videostyle.network import kernels

    return kernels


def device() -> str:
    return "cpu" if "TRITON_INTERPRET" in os.environ else "cuda"


def network(plan: Architecture) -> StyleNetwork:
    torch.manual_seed(0)
    return StyleNetwork(plan).eval().requires_grad_(False)


def random_rows(plan: Architecture, count: int) -> Tensor:
    return torch.stack(
        (torch.rand(count, plan.row_size) + 0.5, torch.randn(count, plan.row_size)), 1
    )


def paints_alike(fused: FusedNetwork, plain: StyleNetwork, size: tuple[int, int]) -> None:
    count = 2
    frames = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (count, *size, 3), np.uint8)
    )
    rows = random_rows(plain.architecture, count)
    pixels = frames.permute(0, 3, 1, 2) / 255
    expected = (plain(pixels, rows)[0] * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
    painted = fused(frames.to(fused.device), rows.to(fused.device)).cpu()
    assert painted.shape == expected.shape
    assert (painted.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("name", PLANS)
def test_the_fused_network_paints_as_the_plain_one(name: str) -> None:
    plain = network(PLANS[name])
    fused = FusedNetwork(plain, torch.device("cpu"), torch.float32, PLAIN)
    paints_alike(fused, plain, (64, 88))


@pytest.mark.parametrize("name", ["lean", "paper"])
def test_the_fused_network_paints_with_the_kernels(kernels: ModuleType, name: str) -> None:
    plain = network(PLANS[name])
    fused = FusedNetwork(plain, torch.device(device()), torch.float32, kernels)
    paints_alike(fused, plain, (64, 72))


def maps(channels: int, dtype: torch.dtype) -> dict[str, Map]:
    """Maps of odd sides inside larger buffers, two frames each, far from zero."""

    def buffer(height: int, width: int, stored: int) -> Tensor:
        random = torch.Generator().manual_seed(channels)
        data = torch.randn(2, height, width, stored, generator=random) * 3 + 50
        return data.to(device(), dtype)

    stored = -(-channels // 8) * 8
    return {
        "plain": Map.of(buffer(13, 21, channels), channels),
        "in a margin": Map.of(buffer(15, 23, channels), channels, shift=4),
        "of fewer channels": Map.of(buffer(9, 70, stored), channels, shift=1),
        "in blocks of 2": Map.of(buffer(7, 9, 4 * channels), channels, blocks=(2,)),
        "cropped": Map.of(buffer(8, 5, 4 * channels + 4), channels, shift=1, blocks=(2,)),
        "in blocks of 4": Map.of(buffer(5, 6, 16 * channels), channels, shift=4, blocks=(4,)),
        "in blocks of blocks": Map.of(buffer(4, 5, 16 * channels + 8), channels, blocks=(2, 2)),
        "large": Map.of(buffer(150, 131, channels), channels),
    }


NUMBERS = [(3, torch.float32), (16, torch.float16), (48, torch.bfloat16), (96, torch.float16)]


@pytest.mark.parametrize(("channels", "dtype"), NUMBERS)
def test_statistics_are_right_far_from_zero(
    kernels: ModuleType, channels: int, dtype: torch.dtype
) -> None:
    for x in maps(channels, dtype).values():
        found = kernels.moments(x)
        exact = moments(replace(x, data=x.data.double())) if dtype == torch.float32 else moments(x)
        torch.testing.assert_close(found, exact.to(found.dtype), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("channels", "dtype"), NUMBERS)
def test_what_follows_the_statistics_is_right_in_one_pass(
    kernels: ModuleType, channels: int, dtype: torch.dtype
) -> None:
    tolerance = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 2e-1}[dtype]
    for name, x in maps(channels, dtype).items():
        if name == "large" and channels > 3:
            continue
        random = torch.Generator().manual_seed(5)
        wide = torch.randn(2, 2, channels + 7, generator=random).to(device())
        affine, these = wide[:, :, 4 : 4 + channels], moments(x)
        beside = torch.randn(2, x.height + 4, x.width + 4, channels, generator=random)
        add = Map.of(beside.to(device(), dtype), channels, shift=2)
        for margin, reflect, relu, other in (
            (0, True, True, None),
            (4, True, True, None),
            (1, False, False, add),
            (1, True, True, add),
        ):
            sides = (x.height + 2 * margin, x.width + 2 * margin)
            block = math.gcd(4, *sides) if margin else 1
            options = {"margin": margin, "reflect": reflect, "relu": relu, "add": other}
            options["block"] = block
            found = kernels.finish(x, affine, these, **options)
            expected = finish(x, affine, these, **options)
            assert found.shape == expected.shape
            torch.testing.assert_close(found, expected, atol=tolerance, rtol=1e-2)
        found = kernels.to_bytes(x, affine, these)
        assert (found.int() - to_bytes(x, affine, these).int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("pixel", "margin", "block", "stored"), [(1, 4, 4, 64), (2, 1, 2, 48), (1, 1, 1, 8)]
)
def test_frames_become_blocks(
    kernels: ModuleType, pixel: int, margin: int, block: int, stored: int
) -> None:
    frames = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (2, 24, 36, 3), np.uint8))
    options = {"pixel": pixel, "margin": margin, "block": block, "stored": stored}
    found = kernels.unshuffle(frames.to(device()), torch.float32, **options)
    torch.testing.assert_close(found.cpu(), unshuffle(frames, torch.float32, **options))


def test_pastiches_are_held_by_the_kernel_as_without_it(kernels: ModuleType) -> None:
    random = np.random.default_rng(3)
    pastiches = torch.from_numpy(random.integers(0, 256, (MEMORY + 2, 21, 35, 3), np.uint8))
    shares = torch.from_numpy(random.integers(0, 65, (MEMORY + 1, 2, 3, 5)))
    shares[0] = 256 - shares[1:].sum(0)
    options = {"block": 8, "whole": 256}
    found = kernels.weighted_mean(pastiches.to(device()), shares.float().to(device()), **options)
    assert torch.equal(found.cpu(), weighted_mean(pastiches, shares.float(), **options))


def test_a_convolution_of_blocks_is_the_convolution_of_pixels() -> None:
    torch.manual_seed(0)
    for size, block in ((9, 4), (9, 2), (5, 4), (3, 2), (3, 1)):
        weight, pixels = (
            torch.randn(5, 3, size, size),
            torch.randn(1, 16 + size - 1, 8 + size - 1, 3),
        )
        plain = F.conv2d(pixels.permute(0, 3, 1, 2), weight).permute(0, 2, 3, 1)
        blocks = in_blocks(pixels, block).permute(0, 3, 1, 2)
        found = F.conv2d(blocks, kernel_in_blocks(weight, block)).permute(0, 2, 3, 1)
        torch.testing.assert_close(found, in_blocks(plain, block), atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:TRITON_")  # of Triton about its own defaults
@pytest.mark.parametrize("name", ["lean", "paper"])
def test_the_kernels_compile_where_there_is_no_gpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter lets pass what Triton's compiler refuses, such as a variable that changes
    its shape in a loop."""
    triton = pytest.importorskip("triton")
    if "TRITON_INTERPRET" in os.environ:
        pytest.skip("interpreted, not compiled")
    from videostyle.network import kernels

    compiled = set()

    def compiling(kernel: Any) -> Any:
        def launch(*arguments: Any, **constants: Any) -> None:
            names = kernel.arg_names
            given = dict(zip(names, arguments, strict=False))
            types = dict.fromkeys(constants, "constexpr")
            types |= {key: triton_type(value) for key, value in given.items()}
            if str(key := (kernel.__name__, types, constants)) in compiled:
                return
            compiled.add(str(key))
            places = {(names.index(each),): value for each, value in constants.items()}
            source = triton.compiler.ASTSource(kernel, types, places)
            hopper = triton.backends.compiler.GPUTarget("cuda", 90, 32)
            triton.compile(source, target=hopper)

        return defaultdict(lambda: launch)

    for each in (
        "unshuffle",
        "part_moments",
        "merge_moments",
        "finish",
        "to_bytes",
        "weighted_mean",
    ):
        monkeypatch.setattr(kernels, f"_{each}", compiling(getattr(kernels, f"_{each}")))
    plain = network(PLANS[name])
    fused = FusedNetwork(plain, torch.device("cpu"), torch.float16, kernels)
    frames = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    fused(frames, torch.zeros(2, 2, plain.architecture.row_size))
    shares = torch.zeros(1 + MEMORY, 2, 8, 8)
    pastiches = torch.zeros(MEMORY + 2, 64, 64, 3, dtype=torch.uint8)
    kernels.weighted_mean(pastiches, shares, block=8, whole=256)
    assert len(compiled) > 6


def triton_type(value: object) -> str:
    if isinstance(value, Tensor):
        names = {torch.float16: "fp16", torch.float32: "fp32", torch.uint8: "u8"}
        return "*" + names[value.dtype]
    return "i32"
