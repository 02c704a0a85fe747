"""The fused network paints as the plain one; its kernels compute what their definitions say.

The kernels run on CUDA, or on a CPU in Triton's interpreter: TRITON_INTERPRET=1 and Triton, which
is too large to be a dependency of the tests (`pip install triton`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from architectures import PLANS
from torch import Tensor

from videostyle.fused_network import FusedNetwork, Map
from videostyle.network import EPSILON, Architecture, StyleNetwork

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]


def values(x: Map) -> Tensor:
    """(N, H, W, C) by the definition of `Map`, in fp32."""
    y = torch.arange(x.height)[:, None] + x.shift
    across = torch.arange(x.width) + x.shift
    row_pair, row, column_pair, column = x.strides
    place = y // 2 * row_pair + y % 2 * row + across // 2 * column_pair + across % 2 * column
    place = (place[..., None] + torch.arange(x.channels)).to(x.data.device)
    return x.data.flatten(1)[:, place].float()


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
    to_bytes: bool = False,
) -> Tensor:
    (gamma, beta), (mean, variance) = (
        each[:, :, None, None].unbind(1) for each in (affine, moments)
    )
    z = gamma * (values(x) - mean) / (variance + EPSILON).sqrt() + beta
    z = F.relu(z) if relu else z
    z = z + values(add) if add else z
    z = z.permute(0, 3, 1, 2)
    z = F.pad(z, (margin,) * 4, mode="reflect" if reflect else "replicate").permute(0, 2, 3, 1)
    if to_bytes:
        return (torch.sigmoid(z) * 255 + 0.5).to(torch.uint8)
    return z.to(x.data.dtype).contiguous()


PLAIN = SimpleNamespace(moments=moments, finish=finish)


@pytest.fixture(params=DEVICES)
def kernels(request: pytest.FixtureRequest) -> ModuleType:
    if request.param == "cpu" and "TRITON_INTERPRET" not in os.environ:
        pytest.skip("needs TRITON_INTERPRET=1")
    pytest.importorskip("triton")
    from videostyle import kernels

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
        "plain": Map.inside(buffer(13, 21, channels), 0, channels),
        "in a margin": Map.inside(buffer(15, 23, channels), 4, channels),
        "of fewer channels": Map.inside(buffer(9, 70, stored), 1, channels),
        "shuffled": Map.shuffled(buffer(7, 9, 4 * channels), 0, channels),
        "shuffled and cropped": Map.shuffled(buffer(8, 5, 4 * channels + 4), 1, channels),
        "large": Map.inside(buffer(150, 131, channels), 0, channels),
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
        add = Map.inside(beside.to(device(), dtype), 2, channels)
        for margin, reflect, relu, other in (
            (0, True, True, None),
            (4, True, True, None),
            (1, False, False, add),
            (1, True, True, add),
        ):
            options = {"margin": margin, "reflect": reflect, "relu": relu, "add": other}
            found = kernels.finish(x, affine, these, **options)
            expected = finish(x, affine, these, **options)
            assert found.shape == expected.shape
            torch.testing.assert_close(found, expected, atol=tolerance, rtol=1e-2)
        found = kernels.finish(x, affine, these, to_bytes=True)
        assert (found.int() - finish(x, affine, these, to_bytes=True).int()).abs().max() <= 1
