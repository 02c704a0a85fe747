"""What training minimises. Every loss is relative to the size of its target, so that one weight
serves every painting and every tap."""

from __future__ import annotations

import torch
from torch import Tensor

Grams = dict[str, Tensor]


def gram_matrix(features: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, C) in fp32: G = F F^T / (H W) (paper, equation 2).

    The product runs in the features' own precision: bf16 errs by 0.4 % of an entry, where
    trained styles end some 15 % away from their target.
    """
    flat = features.permute(0, 2, 3, 1).flatten(1, 2)  # keeps gradients channels-last
    gram = (flat.detach().transpose(1, 2) @ flat).float() / flat.shape[1]
    # A loss is symmetric in G, so either factor gets half of the gradient: one product doubled.
    return gram if not gram.requires_grad else 2 * gram - gram.detach()


def style_loss(grams: Grams, targets: Grams) -> Tensor:
    """(N,): mean over the taps of |G - G_s|^2 / |G_s|^2.

    The paper (equation 2) sums |G - G_s|^2 / n^2 over the taps instead; there the largest
    features of a painting decide its weight.
    """
    per_tap = [
        (grams[tap] - target).square().sum((1, 2)) / target.square().sum((1, 2))
        for tap, target in targets.items()
    ]
    return torch.stack(per_tap).mean(0)


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """(N,): |F - F_c|^2 / |F_c|^2 at the content tap (paper, equation 1, made relative)."""
    target = target.float()
    return (features.float() - target).square().sum((1, 2, 3)) / target.square().sum((1, 2, 3))


def total_variation(pixels: Tensor) -> Tensor:
    """(N,): mean squared difference of neighbouring pixels, [0, 1] RGB.

    The paper takes no such term; a little keeps single-pixel noise out of flat areas.
    """
    rows = (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean((1, 2, 3))
    columns = (pixels[:, :, :, 1:] - pixels[:, :, :, :-1]).square().mean((1, 2, 3))
    return rows + columns


def temporal_loss(moved: Tensor, pastiche_of_moved: Tensor, seen: Tensor) -> Tensor:
    """(N,): mean squared difference in [0, 1] RGB between a pastiche that was moved by a known
    warp and the pastiche of the moved and noisy picture, where `seen` (N, 1, H, W) is 1.

    The compound regularization of Wang et al., AAAI 2020, equation 8.
    """
    difference = (moved - pastiche_of_moved).square().mean(1, keepdim=True)
    return (difference * seen).sum((1, 2, 3)) / seen.sum((1, 2, 3)).clamp(min=1)
