"""The style transfer network: one set of convolutions, every style a row of gammas and betas.

After Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style" (arXiv 1610.07629).
There is one network class; an `Architecture` says what it builds. Knows nothing of files, style
names, colour formats or devices.

Shapes: N frames, C channels, H x W pixels, D numbers of one kind (gamma, or beta) a style.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videostyle.network.architecture import EPSILON, Architecture, Convolution, walk


def initial_weight(shape: tuple[int, int, int, int]) -> nn.Parameter:
    """(out, in, k, k): normal, of variance 1 / (in k^2)."""
    return nn.Parameter(torch.randn(shape) * math.prod(shape[1:]) ** -0.5)


class Conv(nn.Module):
    """Convolution over a reflect-padded map, without bias (paper, appendix A)."""

    def __init__(self, plan: Convolution) -> None:
        super().__init__()
        self.plan = plan
        self.weight = initial_weight(plan.shape)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        if self.plan.margin:
            x = F.pad(x, (self.plan.margin,) * 4, mode="reflect")
        return F.conv2d(x, self.weight, stride=self.plan.layer.stride)


def _replicate(x: Tensor, margin: int) -> Tensor:
    """A border of replicated pixels. Compiled, the gradient of `F.pad` fails on channels-last
    maps: PyTorch 2.13 expects its strides otherwise than they are."""
    if not torch.compiler.is_compiling():
        return F.pad(x, (margin,) * 4, mode="replicate")
    x = torch.cat((*[x[:, :, :1]] * margin, x, *[x[:, :, -1:]] * margin), dim=2)
    return torch.cat((*[x[..., :1]] * margin, x, *[x[..., -1:]] * margin), dim=3)


class UpsampleConv(nn.Module):
    """Nearest up-scaling by 2 followed by a 3x3 or 5x5 convolution, computed on the small map.

    Two neighbouring rows of the large map see the same small rows: two of them for a 3x3 kernel,
    three for 5x5. So the kernel folds into four small ones, one for each parity of row and
    column, and a pixel shuffle: the same numbers for 4/9 (9/25) of the operations, and no large
    map in between. All four answer a flat area alike, so no checkerboard can arise.
    Smoothing what comes out folds into them too, with five small rows for 5x5.
    At the border the small map is replicated, which for 3x3 equals reflection of the large one.
    """

    def __init__(self, plan: Convolution) -> None:
        super().__init__()
        self.plan = plan
        self.weight = initial_weight(plan.shape)
        self.register_buffer("fold", torch.from_numpy(plan.fold()), persistent=False)
        self.fold: Tensor

    def phases(self) -> Tensor:
        """The four small kernels: (out, row, column, in, y, x), pixel_shuffle's order."""
        fold = self.fold.to(self.weight.dtype)
        return torch.einsum("ryk,cxl,oikl->orciyx", fold, fold, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, out, 2 H, 2 W)."""
        x = F.conv2d(_replicate(x, self.plan.margin), self.phases().flatten(0, 2))
        x = F.pixel_shuffle(x, 2)
        return x[..., 1:-1, 1:-1] if self.plan.crop else x


def instance_moments(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, 2, C): mean and biased variance of every feature map, in fp32."""
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)
    return torch.stack((mean, variance), dim=1)


def conditional_instance_norm(x: Tensor, gamma: Tensor, beta: Tensor, moments: Tensor) -> Tensor:
    """z = gamma (x - mean) / sqrt(variance + epsilon) + beta (paper, equation 5).

    x (N, C, H, W); gamma, beta (N, C); moments (N, 2, C) in fp32.
    """
    mean, variance = moments.unbind(1)
    scale = gamma.float() * torch.rsqrt(variance + EPSILON)
    shift = beta.float() - mean * scale
    return torch.addcmul(
        shift.to(x.dtype)[:, :, None, None], x, scale.to(x.dtype)[:, :, None, None]
    )


class StyleNetwork(nn.Module):
    """Paints N frames, each in the style its row of gammas and betas describes."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        architecture.check()
        self.architecture = architecture
        self.convs = nn.ModuleList(
            UpsampleConv(plan) if plan.enlarges else Conv(plan)
            for plan in architecture.convolutions
        )
        if not architecture.normalize_output:
            self.output_bias = nn.Parameter(torch.zeros(3))

    def forward(
        self,
        pixels: Tensor,
        rows: Tensor,
        moments: Tensor | None = None,
        *,
        counted: slice | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Stylize frames.

        pixels: (N, 3, H, W) RGB in [0, 1], H and W multiples of `architecture.multiple`.
        rows: (N, 2, D) gammas and betas, one row a frame.
        moments: (N, 2, D) means and variances to normalise by, as a call returned them, or
            of the first feature maps only; the others, or with None all, are normalised by each
            frame's own (paper, equation 4).
        counted: lines of the frame, from and up to multiples of `architecture.multiple`, that its
            own moments are taken over; None is all.

        Returns the pastiche (N, 3, H, W) in [0, 1] and the moments used (N, 2, D) in fp32.
        Raises ValueError for other sides.
        """
        plan = self.architecture
        if pixels.shape[2] % plan.multiple or pixels.shape[3] % plan.multiple:
            raise ValueError(f"{pixels.shape = }: sides must be multiples of {plan.multiple}")
        x = F.pixel_unshuffle(pixels, plan.unshuffle)
        used = [rows.new_empty(len(rows), 2, 0)]
        start = 0

        def normalize(x: Tensor) -> Tensor:
            nonlocal start
            span = slice(start, start + x.shape[1])
            start = span.stop
            gamma, beta = rows[:, 0, span], rows[:, 1, span]
            if moments is None or span.stop > moments.shape[2]:
                lines = pixels.shape[2] // x.shape[2]
                own = counted and slice(counted.start // lines, counted.stop // lines)
                these = instance_moments(x if own is None else x[:, :, own])
            else:
                these = moments[:, :, span]
            used.append(these)
            return conditional_instance_norm(x, gamma, beta, these)

        convs = iter(list(self.convs))  # `torch.compile` follows no iterator of a module

        def step(x: Tensor, *, relu: bool, add: Tensor | None = None) -> Tensor:
            x = normalize(next(convs)(x))
            if relu:
                x = F.relu(x)
            return x if add is None else add + x

        x = walk(plan, x, step)
        x = next(convs)(x)
        if plan.normalize_output:
            x = normalize(x)
        else:
            x = x + self.output_bias.to(x.dtype)[:, None, None]
        return torch.sigmoid(x), torch.cat(used, dim=2)
