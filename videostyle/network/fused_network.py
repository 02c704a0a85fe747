"""The network for inference on a GPU: the same numbers in fewer passes over memory.

There a convolution waits for memory, not for arithmetic, so what surrounds it decides (`kernels`).
Written plainly, a layer's map is read and written for padding, statistics, normalisation, ReLU,
sum and pixel shuffle. Here it is read once for its statistics, and once more to be normalised,
rectified, summed and written with the margin that the next convolution wants, where the shuffle
puts it. Kernels and statistics are fp32 inside.

Tensor cores want many channels, and the first and the last convolution have few. So those work on
blocks of pixels: a block's channels side by side are one pixel of many, and a larger kernel over
pixels is a small one over blocks. The numbers stay the same, some of the products are with 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.network.architecture import EPSILON, Architecture, walk
from videostyle.network.network import Conv, StyleNetwork, UpsampleConv

# Tensor cores want channels in groups of so many; cuDNN's best kernels for blocks, of more.
_GROUP, _BLOCK_GROUP = 8, 64
# A convolution of no more channels on one side than this works on blocks.
_FEW_CHANNELS = 12


@dataclass(frozen=True, slots=True)
class Map:
    """A map (N, height, width, channels) inside a larger buffer.

    data: (N, ...) with channels last and next to each other. Value (n, y, x, c) is, with
    y' = y + shift and x' = x + shift, at
    n * image + y' // 4 * strides[0] + y' // 2 % 2 * strides[1] + y' % 2 * strides[2]
              + x' // 4 * strides[3] + x' // 2 % 2 * strides[4] + x' % 2 * strides[5] + c,
    so that rows and columns may come in blocks of 2 or 4, as they do before a pixel shuffle.
    """

    data: Tensor
    height: int
    width: int
    channels: int
    shift: int
    strides: tuple[int, int, int, int, int, int]

    @classmethod
    def of(cls, data: Tensor, channels: int, *, shift: int = 0, blocks: Sequence[int] = ()) -> Map:
        """What lies inside a margin of `shift` pixels.

        data: (N, H, W, C); a pixel holds the `channels` of a block of blocks[0] x blocks[0] pixels,
        row by row, or of as many such blocks of blocks[1] x blocks[1]; what is left is not read.
        """
        _, height, width, stored = data.shape
        rows, columns, inner = list[int](), list[int](), channels
        for side in reversed(blocks):
            for step in (1, 2)[: side.bit_length() - 1]:
                rows.append(step * side * inner)
                columns.append(step * inner)
            inner *= side * side
        rows += [width * stored << bit for bit in range(3 - len(rows))]
        columns += [stored << bit for bit in range(3 - len(columns))]
        side = math.prod(blocks)
        return cls(
            data, height * side - 2 * shift, width * side - 2 * shift, channels, shift,
            (*reversed(rows), *reversed(columns)),  # type: ignore[arg-type]
        )  # fmt: skip


class Kernels(Protocol):
    """What `kernels` does on a GPU. Results have channels last."""

    def unshuffle(
        self,
        frames: Tensor,
        dtype: torch.dtype,
        *,
        pixel: int,
        margin: int,
        block: int,
        stored: int,
    ) -> Tensor:
        """Frames (N, H, W, 3) uint8 from 0 to 1: every pixel x pixel pixels become one of
        3 pixel^2 channels, as `pixel_unshuffle` does; around them comes a reflected margin of so
        many of those, and block x block of them become one of `stored` channels, the last 0."""

    def moments(self, x: Map) -> Tensor:
        """(N, 2, C): mean and biased variance of every channel, in fp32."""

    def finish(
        self,
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
        """Normalise by `moments`, then by gamma and beta in `affine` (N, 2, C); rectify; add.

        Returns (N, H + 2 margin, W + 2 margin, C) with its margin reflected, or else repeated, in
        blocks of block x block pixels.
        """

    def to_bytes(self, x: Map, affine: Tensor, moments: Tensor) -> Tensor:
        """(N, H, W, C) uint8: the sigmoid of a map normalised as above."""

    def weighted_mean(self, pastiches: Tensor, shares: Tensor, *, block: int, whole: int) -> Tensor:
        """(N, H, W, 3) uint8: pastiches (memory + N, H, W, 3) in shares of `whole`.

        shares: (1 + memory, N, h, w), for every block of block x block pixels; first of a frame
        itself, then of those before it, the earliest first.
        """


class _Layer:
    """A convolution's weights as the device wants them, and the margin of its input."""

    def __init__(
        self,
        conv: Conv | UpsampleConv,
        device: torch.device,
        dtype: torch.dtype,
        *,
        block: int,
        first: bool,
        last: bool,
    ) -> None:
        """block: side of the blocks of pixels it works on."""
        self.channels, self.block, self.margin = conv.plan.layer.channels, block, conv.plan.margin
        self.reflect = isinstance(conv, Conv)
        if isinstance(conv, UpsampleConv):
            self.stride, self._crop = 1, conv.plan.crop
            weight = conv.phases().detach().permute(1, 2, 0, 3, 4, 5).flatten(0, 2)
            self._blocks: tuple[int, ...] = (block, 2)
        else:
            self.stride, self._crop = conv.plan.layer.stride, 0
            weight, self._blocks = conv.weight.detach(), (block,)
        weight = in_blocks(weight, block)
        # Colours come and go in threes; all between is as wide as it was trained.
        group = _GROUP if block == 1 else _BLOCK_GROUP
        more = (-weight.shape[1] % group * first, -weight.shape[0] % group * last)
        weight = F.pad(weight, (0, 0, 0, 0, 0, more[0], 0, more[1])).to(device, dtype)
        self._weight = weight.to(memory_format=torch.channels_last)

    @property
    def stored(self) -> int:
        """Channels of its input."""
        return self._weight.shape[1]

    def __call__(self, x: Tensor) -> Map:
        """(N, H, W, C) with its margin and in its blocks."""
        y = F.conv2d(x.permute(0, 3, 1, 2), self._weight, stride=self.stride)
        data = y.permute(0, 2, 3, 1).contiguous()  # as it is already
        return Map.of(data, self.channels, shift=self._crop, blocks=self._blocks)


def in_blocks(weight: Tensor, block: int) -> Tensor:
    """The kernel (O, I, k, k) of a convolution of stride 1 between maps in blocks of so many rows
    and columns of pixels: (block^2 O, block^2 I, l, l) with l = 1 + (k - 1) / block. The channels
    of a block's pixels follow each other row by row."""
    size = weight.shape[-1]
    taps = 1 + (size - 1) // block
    # fold[p, a, i, t] = 1 where row i of the block a after a row's own is t rows after row p.
    fold = weight.new_zeros(block, taps, block, size)
    for row in range(block):
        for tap in range(size):
            fold[row, (row + tap) // block, (row + tap) % block, tap] = 1
    wide = torch.einsum("pait,qbju,octu->pqoijcab", fold, fold, weight)
    return wide.flatten(3, 5).flatten(0, 2)


def _block_side(plan: Architecture, conv: Conv | UpsampleConv, *, first: bool, last: bool) -> int:
    """Rows and columns of pixels in the blocks that a convolution works on. Its maps, with their
    margins, must be made of whole ones."""
    layer, sides = conv.plan.layer, plan.multiple
    kernel, channels, most = layer.kernel, layer.channels, 4  # a `Map` has no larger blocks
    if first:
        channels, sides = 3 * plan.unshuffle**2, sides // plan.unshuffle
    if isinstance(conv, UpsampleConv):
        # Its map comes in blocks of 2 x 2 already.
        kernel, channels, sides, most = conv.phases().shape[-1], 4 * channels, sides // 2, 2
    elif layer.stride > 1:
        return 1
    few = (first or last) and channels <= _FEW_CHANNELS
    return math.gcd(most, sides, kernel - 1) if few else 1


class FusedNetwork:
    """Paints frames as a `StyleNetwork` does."""

    def __init__(
        self, network: StyleNetwork, device: torch.device, dtype: torch.dtype, kernels: Kernels
    ) -> None:
        self.device, self.kernels = device, kernels
        self._plan, self._dtype = network.architecture, dtype
        last = len(network.convs) - 1
        self._layers = []
        for place, conv in enumerate(network.convs):
            assert isinstance(conv, Conv | UpsampleConv)
            ends = {"first": place == 0, "last": place == last}
            block = _block_side(self._plan, conv, **ends)
            self._layers.append(_Layer(conv, device, dtype, block=block, **ends))
        if not self._plan.normalize_output:
            # A bias is a normalisation that changes nothing but the mean.
            bias = network.output_bias.detach().float()
            self._bias = torch.stack((torch.ones(3), bias))[None].to(device)
            self._neutral = torch.tensor([[0.0], [1 - EPSILON]]).expand(1, 2, 3).to(device)

    def __call__(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) fp32 -> (N, H, W, 3) uint8."""
        affines = torch.split(rows, list(self._plan.norm_channels), dim=2)
        place, first = 0, self._layers[0]
        kernels = self.kernels

        def step(x: Map, *, relu: bool, add: Map | None = None) -> Map:
            nonlocal place
            y = self._layers[place](x.data)
            after = self._layers[place + 1]
            data = kernels.finish(
                y,
                affines[place],
                kernels.moments(y),
                relu=relu,
                add=add,
                margin=after.margin,
                reflect=after.reflect,
                block=after.block,
            )
            place += 1
            return Map.of(data, y.channels, shift=after.margin, blocks=(after.block,))

        blocks = kernels.unshuffle(
            frames,
            self._dtype,
            pixel=self._plan.unshuffle,
            margin=first.margin,
            block=first.block,
            stored=first.stored,
        )
        x = walk(self._plan, Map.of(blocks, first.stored), step)
        y = self._layers[place](x.data)
        if self._plan.normalize_output:
            return kernels.to_bytes(y, affines[place], kernels.moments(y))
        bias, neutral = (each.expand(len(frames), -1, -1) for each in (self._bias, self._neutral))
        return kernels.to_bytes(y, bias, neutral)
