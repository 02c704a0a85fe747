"""The network: the paper's numbers, the exact fold, rows and moments."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from videostyle.network.architecture import (
    ARCHITECTURES,
    SMOOTHING,
    Architecture,
    ConvLayer,
    Convolution,
)
from videostyle.network.network import (
    StyleNetwork,
    UpsampleConv,
    conditional_instance_norm,
    instance_moments,
)


def small(name: str = "lean") -> StyleNetwork:
    torch.manual_seed(0)
    return StyleNetwork(ARCHITECTURES[name].scaled(0.25)).eval().requires_grad_(False)


def random_rows(network: StyleNetwork, count: int) -> torch.Tensor:
    numbers = network.architecture.row_size
    return torch.stack((torch.rand(count, numbers) + 0.5, torch.randn(count, numbers)), dim=1)


def test_the_paper_network_has_the_papers_weights_and_row() -> None:
    network = StyleNetwork(ARCHITECTURES["paper"])
    assert sum(p.numel() for p in network.parameters()) == 1_674_432
    assert 2 * network.architecture.row_size == 3_206


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_returns_a_picture_of_the_same_size(name: str) -> None:
    network = small(name)
    pastiche, moments = network(torch.rand(2, 3, 64, 96), random_rows(network, 2))
    assert pastiche.shape == (2, 3, 64, 96)
    assert 0 <= pastiche.min() <= pastiche.max() <= 1
    assert moments.shape == (2, 2, network.architecture.row_size)


def test_sides_that_do_not_divide_are_refused() -> None:
    network = small()
    with pytest.raises(ValueError, match="multiples of 8"):
        network(torch.rand(1, 3, 63, 96), random_rows(network, 1))


def test_upsampling_by_three_equals_nearest_reflect_and_convolution() -> None:
    layer = UpsampleConv(Convolution(4, ConvLayer(3, 2, 5), enlarges=True))
    x = torch.randn(2, 4, 7, 9)
    large = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (1,) * 4, mode="reflect")
    torch.testing.assert_close(layer(x), F.conv2d(large, layer.weight))


def test_upsampling_by_five_equals_replicate_nearest_and_convolution() -> None:
    layer = UpsampleConv(Convolution(4, ConvLayer(5, 2, 3), enlarges=True))
    x = torch.randn(2, 4, 7, 9)
    large = F.interpolate(F.pad(x, (1,) * 4, mode="replicate"), scale_factor=2, mode="nearest")
    torch.testing.assert_close(layer(x), F.conv2d(large, layer.weight))


@pytest.mark.parametrize("kernel", [3, 5])
def test_smoothing_equals_a_filter_of_what_comes_out(kernel: int) -> None:
    rough, smooth = (
        UpsampleConv(Convolution(4, ConvLayer(kernel, 2, 3), enlarges=True, smooths=smooths))
        for smooths in (False, True)
    )
    smooth.load_state_dict(rough.state_dict())
    x = torch.randn(2, 4, 7, 9)
    taps = torch.tensor(SMOOTHING).expand(3, 1, 1, -1)
    expected = F.conv2d(F.conv2d(rough(x), taps, groups=3), taps.mT, groups=3)
    assert smooth(x).shape == rough(x).shape
    torch.testing.assert_close(smooth(x)[..., 4:-4, 4:-4], expected[..., 2:-2, 2:-2])


def test_smoothing_takes_what_alternates_and_leaves_slopes() -> None:
    across = torch.arange(16.0)
    for row, expected in ((across % 2, torch.full((12,), 0.5)), (across, across[2:-2])):
        smoothed = F.conv1d(row[None, None], torch.tensor(SMOOTHING)[None, None])
        torch.testing.assert_close(smoothed[0, 0], expected)


@pytest.mark.parametrize("smooths", [False, True])
def test_a_flat_area_gets_no_checkerboard(smooths: bool) -> None:
    layer = UpsampleConv(Convolution(4, ConvLayer(5, 2, 3), enlarges=True, smooths=smooths))
    painted = layer(torch.randn(1, 4, 1, 1).expand(1, 4, 6, 6))
    torch.testing.assert_close(painted, painted[..., :1, :1].expand_as(painted))


def test_normalisation_gives_the_rows_mean_and_deviation() -> None:
    x = torch.randn(2, 6, 20, 30) * 7 + 3
    gamma, beta = torch.rand(2, 6) + 0.5, torch.randn(2, 6)
    z = conditional_instance_norm(x, gamma, beta, instance_moments(x))
    torch.testing.assert_close(z.mean((2, 3)), beta, atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((2, 3), correction=0), gamma, atol=1e-4, rtol=0)


def test_frames_of_a_batch_do_not_touch_each_other() -> None:
    network = small()
    frames, rows = torch.rand(3, 3, 64, 64), random_rows(network, 3)
    together = network(frames, rows)[0]
    for index in range(3):
        alone = network(frames[index : index + 1], rows[index : index + 1])[0]
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_frames_own_moments_given_back_change_nothing() -> None:
    network = small()
    frame, rows = torch.rand(1, 3, 64, 64), random_rows(network, 1)
    pastiche, moments = network(frame, rows)
    again, used = network(frame, rows, moments)
    torch.testing.assert_close(again, pastiche)
    torch.testing.assert_close(used, moments)


def test_an_architecture_survives_its_plain_form() -> None:
    for architecture in ARCHITECTURES.values():
        assert Architecture.from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize(
    "change",
    [
        {"residual_blocks": 10_000},
        {"unshuffle": 3},
        {"contract": (ConvLayer(3.0, 1, 16), *ARCHITECTURES["lean"].contract[1:])},
        {"contract": ()},
        {"expand": ()},
        {"skips": 9},
        {"contract": (ConvLayer(3, 1, 10**9),)},
        {"contract": (ConvLayer(3, 2, 16), ConvLayer(3, 2, 32), ConvLayer(3, 1, 96))},
        {"contract": ARCHITECTURES["lean"].contract * 9},
        {"expand": (*ARCHITECTURES["lean"].expand[:-1], ConvLayer(7, 2, 3))},
        {"unshuffle": 1, "expand": (*ARCHITECTURES["lean"].expand[:-1], ConvLayer(5, 1, 3))},
    ],
)
def test_an_architecture_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    broken = replace(ARCHITECTURES["lean"], **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"."):
        Architecture.from_dict(broken.to_dict())
