"""The style transfer network: one set of convolutions, every style a row of gammas and betas.

After Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style" (arXiv 1610.07629).
An architecture is data (`Architecture`), stored in the model file; there is one network class.
Knows nothing of files, style names, colour formats or devices.

Shapes: N frames, C channels, H x W pixels, D numbers of one kind (gamma, or beta) a style.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A convolution: odd `kernel` in pixels, `stride` (in expand: up-scale), `channels` out."""

    kernel: int
    stride: int
    channels: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """What to build, as plain numbers.

    unshuffle: side of the pixel blocks folded into channels before the first convolution.
    contract: convolutions with stride, each with conditional instance normalization and ReLU.
    residual_blocks: blocks of two 3x3 convolutions at the last contract layer's width.
    expand: nearest up-scaling by `stride`, then a convolution; the last one makes RGB.
    skips: how many expand layers, from the coarsest, add the contract map of their size.
    normalize_output: whether the last layer is conditionally normalised too (the paper) or has
        a plain bias.
    """

    name: str
    unshuffle: int
    contract: tuple[ConvLayer, ...]
    residual_blocks: int
    expand: tuple[ConvLayer, ...]
    skips: int
    normalize_output: bool

    def scaled(self, width: float) -> Architecture:
        """Return the architecture with every hidden channel count multiplied by `width`."""
        hidden = [replace(c, channels=round(c.channels * width)) for c in self.contract]
        expand = [replace(c, channels=round(c.channels * width)) for c in self.expand[:-1]]
        return replace(self, contract=tuple(hidden), expand=(*expand, self.expand[-1]))

    @property
    def norm_channels(self) -> tuple[int, ...]:
        """Channels of each normalised feature map, in the order the network applies them."""
        body = self.contract[-1].channels
        expand = self.expand if self.normalize_output else self.expand[:-1]
        return (
            *(layer.channels for layer in self.contract),
            *([body] * (2 * self.residual_blocks)),
            *(layer.channels for layer in expand),
        )

    @property
    def row_size(self) -> int:
        """D: gammas (and as many betas) that make one style."""
        return sum(self.norm_channels)

    @property
    def multiple(self) -> int:
        """Frame sides the network takes are multiples of this many pixels."""
        return self.unshuffle * math.prod(layer.stride for layer in self.contract)

    @property
    def reach(self) -> int:
        """Moments aside, a pixel of the pastiche depends on the frame's at most so many away."""
        reach, step = 0, self.unshuffle
        for layer in self.contract:
            reach += layer.kernel // 2 * step
            step *= layer.stride
        reach += 2 * self.residual_blocks * step
        for layer in self.expand:
            reach += (1 if layer.stride > 1 else layer.kernel // 2) * step
            step //= layer.stride
        return reach + self.multiple

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """Rebuild from `to_dict`. Raises KeyError, TypeError or ValueError on anything else."""
        layers = {k: tuple(ConvLayer(**layer) for layer in data[k]) for k in ("contract", "expand")}
        architecture = cls(**{**data, **layers})
        architecture.check()
        return architecture

    def check(self) -> None:
        """Raise ValueError on numbers out of bounds: a model file is untrusted input."""
        if not (1 <= len(self.contract) <= 8 and 1 <= len(self.expand) <= 8):
            raise ValueError("needs 1 to 8 contract and as many expand layers")
        if self.expand[-1].channels != 3:
            raise ValueError("the last expand layer must have 3 channels")
        up, down = math.prod(layer.stride for layer in self.expand), self.multiple
        for layer in (*self.contract, *self.expand):
            if layer.kernel not in (1, 3, 5, 7, 9):
                raise ValueError(f"kernel {layer.kernel} is not 1, 3, 5, 7 or 9")
            if layer.stride not in (1, 2, 4) or not 1 <= layer.channels <= 1024:
                raise ValueError(f"layer out of bounds: {layer}")
        if up != down:
            raise ValueError(f"expand scales up {up} times, contract scales down {down} times")
        if self.unshuffle not in (1, 2, 4) or not 0 <= self.residual_blocks <= 32:
            raise ValueError("unshuffle or residual_blocks out of bounds")
        if not 0 <= self.skips < min(len(self.contract), len(self.expand)):
            raise ValueError(f"{self.skips} skips are more than there are layers to join")
        for index in range(self.skips):
            if self.contract[-2 - index].channels != self.expand[index].channels:
                raise ValueError("a skip joins maps of different widths")
            across = self.contract[-1 - index :], self.expand[: index + 1]
            if len({math.prod(layer.stride for layer in layers) for layers in across}) > 1:
                raise ValueError("a skip joins maps of different sizes")


ARCHITECTURES: Mapping[str, Architecture] = {
    # The table in appendix A of the paper.
    "paper": Architecture(
        name="paper",
        unshuffle=1,
        contract=(ConvLayer(9, 1, 32), ConvLayer(3, 2, 64), ConvLayer(3, 2, 128)),
        residual_blocks=5,
        expand=(ConvLayer(3, 2, 64), ConvLayer(3, 2, 32), ConvLayer(9, 1, 3)),
        skips=0,
        normalize_output=True,
    ),
    # An eighth of the paper's operations: the body works at 1/8 of the resolution, which also
    # widens the receptive field from 109 to about 190 pixels.
    "lean": Architecture(
        name="lean",
        unshuffle=2,
        contract=(ConvLayer(3, 1, 16), ConvLayer(3, 2, 32), ConvLayer(3, 2, 96)),
        residual_blocks=5,
        expand=(ConvLayer(3, 2, 32), ConvLayer(3, 2, 16), ConvLayer(5, 2, 3)),
        skips=1,
        normalize_output=False,
    ),
}


def initial_weight(shape: tuple[int, int, int, int]) -> nn.Parameter:
    """(out, in, k, k): normal, of variance 1 / (in k^2)."""
    weight = torch.empty(shape)
    if not weight.is_meta:  # where drawing would do nothing, but import a compiler for 0.7 s
        weight.normal_(std=math.prod(shape[1:]) ** -0.5)
    return nn.Parameter(weight)


class Conv(nn.Module):
    """Convolution over a reflect-padded map, without bias (paper, appendix A)."""

    def __init__(self, channels_in: int, layer: ConvLayer) -> None:
        super().__init__()
        self.layer = layer
        shape = (layer.channels, channels_in, layer.kernel, layer.kernel)
        self.weight = initial_weight(shape)

    def forward(self, x: Tensor) -> Tensor:
        margin = self.layer.kernel // 2
        if margin:
            x = F.pad(x, (margin,) * 4, mode="reflect")
        return F.conv2d(x, self.weight, stride=self.layer.stride)


def _replicate(x: Tensor) -> Tensor:
    """A border of one replicated pixel. Compiled, the gradient of `F.pad` fails on channels-last
    maps: PyTorch 2.13 expects its strides otherwise than they are."""
    if not torch.compiler.is_compiling():
        return F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = torch.cat((x[:, :, :1], x, x[:, :, -1:]), dim=2)
    return torch.cat((x[..., :1], x, x[..., -1:]), dim=3)


class UpsampleConv(nn.Module):
    """Nearest up-scaling by 2 followed by a 3x3 or 5x5 convolution, computed on the small map.

    Two neighbouring rows of the large map see the same small rows: two of them for a 3x3 kernel,
    three for 5x5. So the kernel folds into four small ones, one for each parity of row and
    column, and a pixel shuffle: the same numbers for 4/9 (9/25) of the operations, and no large
    map in between. All four answer a flat area alike, so no checkerboard can arise.
    At the border the small map is replicated, which for 3x3 equals reflection of the large one.
    """

    def __init__(self, channels_in: int, layer: ConvLayer) -> None:
        super().__init__()
        if layer.kernel not in (3, 5) or layer.stride != 2:
            raise ValueError(f"cannot up-scale by {layer}")
        self.layer = layer
        shape = (layer.channels, channels_in, layer.kernel, layer.kernel)
        self.weight = initial_weight(shape)
        # fold[r, i, t] = 1 where tap t of output row r of a pair lands on the i-th small row.
        fold = torch.zeros(2, (layer.kernel + 1) // 2, layer.kernel)
        for row in range(2):
            for tap in range(layer.kernel):
                fold[row, (row + tap) // 2, tap] = 1
        self.register_buffer("fold", fold, persistent=False)
        self.fold: Tensor

    @property
    def margin(self) -> int:
        """Pixels too many at each border once shuffled: pairs of rows for a 3x3 kernel start at
        odd rows, so half a pair is left over."""
        return 1 if self.fold.shape[1] == 2 else 0

    def phases(self) -> Tensor:
        """The four small kernels: (out, row, column, in, y, x), pixel_shuffle's order."""
        fold = self.fold.to(self.weight.dtype)
        return torch.einsum("ryk,cxl,oikl->orciyx", fold, fold, self.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(_replicate(x), self.phases().flatten(0, 2))
        x = F.pixel_shuffle(x, 2)
        return x[..., 1:-1, 1:-1] if self.margin else x


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


M = TypeVar("M")


class Step(Protocol[M]):
    """Convolve by the next layer, normalise, rectify if `relu`, and add another map if given."""

    def __call__(self, x: M, *, relu: bool, add: M | None = None) -> M: ...


def walk(plan: Architecture, x: M, step: Step[M]) -> M:
    """Take a map through all layers of the network but the last."""
    contracted = []
    for _ in plan.contract:
        x = step(x, relu=True)
        contracted.append(x)
    for _ in range(plan.residual_blocks):
        x = step(step(x, relu=True), relu=False, add=x)
    for index in range(len(plan.expand) - 1):
        x = step(x, relu=True, add=contracted[-2 - index] if index < plan.skips else None)
    return x


class StyleNetwork(nn.Module):
    """Paints N frames, each in the style its row of gammas and betas describes."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        architecture.check()
        self.architecture = architecture
        channels = 3 * architecture.unshuffle**2
        convs: list[nn.Module] = []
        for layer in architecture.contract:
            convs.append(Conv(channels, layer))
            channels = layer.channels
        for _ in range(2 * architecture.residual_blocks):
            convs.append(Conv(channels, ConvLayer(3, 1, channels)))
        for layer in architecture.expand:
            convs.append((UpsampleConv if layer.stride > 1 else Conv)(channels, layer))
            channels = layer.channels
        self.convs = nn.ModuleList(convs)
        if not architecture.normalize_output:
            self.output_bias = nn.Parameter(torch.zeros(3))

    @property
    def body(self) -> nn.ModuleList:
        """The convolutions of the residual blocks."""
        first = len(self.architecture.contract)
        return self.convs[first : first + 2 * self.architecture.residual_blocks]

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

        convs = iter(self.convs)

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
