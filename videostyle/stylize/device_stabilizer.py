"""Keeps still what stands still, in batches on the device: the bytes that `stabilizer` gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.media.frame import Part
from videostyle.network.fused_network import Kernels
from videostyle.stylize.stabilizer import (
    BLOCK,
    BLOCK_OF_ONES,
    CELL,
    COLORS,
    CONTRAST,
    GREEN_COUNTS,
    LEAST_CHANGE,
    MEMORY,
    MOST_CONTRAST,
    MOST_NOISE,
    NOISE,
    REACH,
    SQUARES,
    WHOLE,
    within,
)


def hold(
    frames: Tensor,
    pastiches: Tensor,
    alike: Tensor,
    kernels: Kernels | None = None,
    part: Part | None = None,
) -> Tensor:
    """The pastiches to show for all but the first MEMORY frames, which come before them.

    frames, pastiches: (MEMORY + N, H, W, 3) uint8. alike: (N, MEMORY) `similarity` of each frame's
    mixture to those of the frames before it, the next one first; 0 where none counts. kernels: of
    the engine, if it has some. part: as a Stabilizer takes it.
    """
    width = frames.shape[2]
    lines = frames[:, ::2].permute(3, 0, 1, 2).float()
    margins = (0, -width % BLOCK, 0, -lines.shape[2] % (BLOCK // 2))
    lines = F.pad(lines, margins, mode="replicate")
    height, width = lines.shape[2] * 2 // BLOCK, lines.shape[3] // BLOCK
    cells = lines.reshape(3, -1, 2 * height, 2, 2 * width, CELL).sum((3, 5))
    change = _changes(*within(part, lines[1, MEMORY:], cells[:, MEMORY:]))[:, None, None]
    limit = (BLOCK_OF_ONES * change * change).float()
    weights = []
    for lag in range(MEMORY, 0, -1):
        red, green, blue = (cells[:, MEMORY:] - cells[:, MEMORY - lag : -lag]).square_()
        squared = red + blue + GREEN_COUNTS * green
        mean = squared.reshape(-1, height, 2, width, 2).sum((2, 4))
        likeness = (1 - mean / limit).clamp_(0, 1) * alike[:, lag - 1, None, None]
        # What lies beyond the border is left out, which for the least is as good as its copy.
        likeness = -F.max_pool2d(-likeness, 2 * REACH + 3, stride=1, padding=REACH + 1)
        around = F.pad(likeness, (1, 1, 1, 1), mode="replicate")
        around = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
        around = around[..., :-2] + around[..., 1:-1] + around[..., 2:]
        weights.append(around * (1 / 9))
    every = torch.stack(weights)
    shares = (every / (1 + every.sum(0)) * WHOLE).floor_()
    shares = torch.cat((WHOLE - shares.sum(0, keepdim=True), shares))
    weigh = kernels.weighted_mean if kernels else weighted_mean
    return weigh(pastiches, shares, block=BLOCK, whole=WHOLE)


def _changes(green: Tensor, cells: Tensor) -> Tensor:
    """(N,) fp64: `_change` of frames' green (N, h * BLOCK / 2, w * BLOCK) and of their cells
    (3, N, 2 h, 2 w)."""
    means = cells.double() / 8
    mean = means.mean((2, 3))
    red, middle, blue = means.square().mean((2, 3)) - mean * mean
    variance = (red + blue + GREEN_COUNTS * middle) / COLORS
    lines = green[:, ::2]
    curves = 2 * lines[..., 1:-1] - lines[..., :-2] - lines[..., 2:]
    shape = (len(green), -1, BLOCK // 4, green.shape[2] // BLOCK, BLOCK)
    blocks = F.pad(curves.square_(), (1, 1)).reshape(shape).sum((2, 4)).flatten(1)
    smooth = blocks.kthvalue(blocks.shape[1] // 5 + 1, dim=1).values.double() / SQUARES
    contrast = (CONTRAST * variance.clamp(min=0).sqrt()).clamp(max=MOST_CONTRAST)
    noise = (NOISE * smooth.sqrt()).clamp(max=MOST_NOISE)
    return torch.maximum(contrast, noise).clamp(min=LEAST_CHANGE)


def weighted_mean(pastiches: Tensor, shares: Tensor, *, block: int, whole: int) -> Tensor:
    """See `fused_network.Kernels`."""
    memory, count, (height, width) = len(shares) - 1, shares.shape[1], pastiches.shape[1:3]
    mean = torch.full_like(pastiches[memory:], whole // 2, dtype=torch.float32)
    for share, first in zip(shares, (memory, *range(memory)), strict=True):
        wide = share.repeat_interleave(block, 1).repeat_interleave(block, 2)
        mean.addcmul_(pastiches[first : first + count], wide[:, :height, :width, None])
    return mean.mul_(1 / whole).floor_().to(torch.uint8)
