"""Known motion of still pictures: what a video would ask of the network, without a video.

A warp is a sampling grid as `torch.nn.functional.grid_sample` takes it (align_corners=False):
output pixel p shows the picture at grid[p], so W(x)(p) = x(grid(p)).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def random_warp(
    count: int, height: int, width: int, generator: torch.Generator, *, bend: float, shift: float
) -> Tensor:
    """(N, H, W, 2), where the generator is: smooth random motion, after Wang et al., "Consistent
    Video Style Transfer via Compound Regularization" (AAAI 2020, section 3.2).

    bend: standard deviation in pixels of a displacement drawn on a 4x4 grid and interpolated.
    shift: the whole picture moves by up to this many pixels each way.
    """
    device = generator.device
    coarse = torch.randn(count, 2, 4, 4, generator=generator, device=device) * bend
    flow = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    moved = torch.rand(count, 2, 1, 1, generator=generator, device=device) * 2 - 1
    return flow_grid(flow + moved * shift)


def flow_grid(flow: Tensor) -> Tensor:
    """Displacements (N, 2, H, W), x then y, in pixels -> the grid that samples there."""
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    return torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=3)


def warp(pictures: Tensor, grid: Tensor) -> Tensor:
    """Sample pictures (N, C, H, W) bicubically at grid (N, H, W, 2)."""
    return F.grid_sample(
        pictures, grid.to(pictures.dtype), mode="bicubic", padding_mode="reflection",
        align_corners=False,
    )  # fmt: skip


def inside(grid: Tensor, margin: float = 0.0) -> Tensor:
    """(N, 1, H, W) of 0 and 1: where the grid samples within the picture, `margin` (a share of
    half the side) away from its border."""
    return (grid.abs() < 1 - margin).all(3)[:, None].to(grid.dtype)
