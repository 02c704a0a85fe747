"""Paints a frame that is too large for the memory in strips, as if it were painted whole.

A feature map is normalised by its mean and variance over the whole frame, so these are gathered
from all strips before the next map is begun: one pass over the frame for every normalised map,
and one that paints. It is slow, and no seam can show. Knows nothing of looks or devices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from videostyle.network.architecture import Numbers, Pictures
from videostyle.network.network import StyleNetwork


@torch.inference_mode()
def paint_in_strips(
    network: StyleNetwork, pictures: Pictures, numbers: Numbers, lines: int
) -> Pictures:
    """What the network makes of frames (N, H, W, 3) uint8 and rows (N, 2, D), as such frames.

    lines: height of a strip, a multiple of the architecture's, to which it adds the lines around
    that the strip's pixels depend on.
    """
    plan, parameter = network.architecture, next(network.parameters())
    height = pictures.shape[1]
    margin = -(-plan.reach // plan.multiple) * plan.multiple
    frames, rows = torch.from_numpy(pictures), torch.from_numpy(numbers).to(parameter.device)
    strips = []
    for top in range(0, height, lines):
        bottom = min(height, top + lines)
        above, below = max(0, top - margin), min(height, bottom + margin)
        strips.append((slice(above, below), slice(top - above, bottom - above)))

    def paint(strip: slice, inner: slice, moments: Tensor) -> tuple[Tensor, Tensor]:
        pixels = frames[:, strip].to(parameter.device).permute(0, 3, 1, 2).to(parameter.dtype)
        pastiche, used = network(pixels / 255, rows, moments, counted=inner)
        return (pastiche[:, :, inner].float() * 255 + 0.5).to(torch.uint8).cpu(), used

    moments = rows.new_empty(len(rows), 2, 0)
    for channels in plan.norm_channels:
        span = slice(moments.shape[2], moments.shape[2] + channels)
        mean = square = rows.new_zeros(len(rows), channels, dtype=torch.float64)
        for strip, inner in strips:
            used = paint(strip, inner, moments)[1][:, :, span].double()
            share = (inner.stop - inner.start) / height
            mean = mean + share * used[:, 0]
            square = square + share * (used[:, 1] + used[:, 0] ** 2)
        # In fp32 the squares would cancel where a map is all but flat.
        these = torch.stack((mean, square - mean**2), dim=1)
        moments = torch.cat((moments, these.to(moments.dtype)), dim=2)
    painted = [paint(strip, inner, moments)[0] for strip, inner in strips]
    pastiches: Pictures = torch.cat(painted, dim=2).permute(0, 2, 3, 1).contiguous().numpy()
    return pastiches
