"""The network for inference on a GPU: the same numbers in fewer passes over memory.

There a convolution waits for memory, not for arithmetic, so what surrounds it decides (`kernels`).
Written plainly, a layer's map is read and written for padding, statistics, normalisation, ReLU,
sum and pixel shuffle. Here it is read once for its statistics, and once more to be normalised,
rectified, summed and written with the margin that the next convolution wants, where the shuffle
puts it. Kernels and statistics are fp32 inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.network import EPSILON, Conv, StyleNetwork, UpsampleConv, walk

# Tensor cores want channels in groups of so many.
_GROUP = 8


@dataclass(frozen=True, slots=True)
class Map:
    """A map (N, height, width, channels) inside a larger buffer.

    data: (N, ...) with channels last and next to each other. Value (n, y, x, c) is, with
    y' = y + shift and x' = x + shift, at
    n * image + y' // 2 * strides[0] + y' % 2 * strides[1]
              + x' // 2 * strides[2] + x' % 2 * strides[3] + c,
    so that rows and columns may come in pairs, as they do before a pixel shuffle.
    """

    data: Tensor
    height: int
    width: int
    channels: int
    shift: int
    strides: tuple[int, int, int, int]

    @classmethod
    def inside(cls, data: Tensor, margin: int, channels: int) -> Map:
        """What lies inside a margin of (N, H, W, C), of which the first `channels` count."""
        _, height, width, stored = data.shape
        strides = (2 * width * stored, width * stored, 2 * stored, stored)
        return cls(data, height - 2 * margin, width - 2 * margin, channels, margin, strides)

    @classmethod
    def shuffled(cls, data: Tensor, crop: int, channels: int) -> Map:
        """The pixel shuffle by 2 of (N, H, W, C), whose channels start with those of the upper left
        pixels, upper right, lower left and lower right; without `crop` rows and columns at each
        border."""
        _, height, width, stored = data.shape
        strides = (width * stored, 2 * channels, stored, channels)
        return cls(data, 2 * (height - crop), 2 * (width - crop), channels, crop, strides)


class Kernels(Protocol):
    """What `kernels` does on a GPU."""

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
        to_bytes: bool = False,
    ) -> Tensor:
        """Normalise by `moments`, then by gamma and beta in `affine` (N, 2, C); rectify; add.

        Returns (N, H + 2 margin, W + 2 margin, C) with its margin reflected, or else repeated;
        with to_bytes the sigmoid as uint8.
        """


class _Layer:
    """A convolution's weights as the device wants them, and the margin of its input."""

    def __init__(
        self,
        conv: Conv | UpsampleConv,
        device: torch.device,
        dtype: torch.dtype,
        *,
        first: bool,
        last: bool,
    ) -> None:
        self.channels = conv.layer.channels
        self.reflect = isinstance(conv, Conv)
        if isinstance(conv, UpsampleConv):
            self.stride, self.margin, self._crop = 1, 1, conv.margin
            weight = conv.phases().detach().permute(1, 2, 0, 3, 4, 5).flatten(0, 2)
        else:
            self.stride, self.margin = conv.layer.stride, conv.layer.kernel // 2
            self._crop, weight = -1, conv.weight.detach()
        # Colours come and go in threes; all between is as wide as it was trained.
        more = (-weight.shape[1] % _GROUP * first, -weight.shape[0] % _GROUP * last)
        weight = F.pad(weight, (0, 0, 0, 0, 0, more[0], 0, more[1])).to(device, dtype)
        self._weight = weight.to(memory_format=torch.channels_last)

    def __call__(self, x: Map) -> Map:
        y = F.conv2d(x.data.permute(0, 3, 1, 2), self._weight, stride=self.stride)
        data = y.permute(0, 2, 3, 1).contiguous()  # as it is already
        if self._crop < 0:
            return Map.inside(data, 0, self.channels)
        return Map.shuffled(data, self._crop, self.channels)


class FusedNetwork:
    """Paints frames as a `StyleNetwork` does."""

    def __init__(
        self, network: StyleNetwork, device: torch.device, dtype: torch.dtype, kernels: Kernels
    ) -> None:
        self.device = device
        self._plan, self._dtype, self._kernels = network.architecture, dtype, kernels
        last = len(network.convs) - 1
        self._layers = []
        for place, conv in enumerate(network.convs):
            assert isinstance(conv, Conv | UpsampleConv)
            self._layers.append(_Layer(conv, device, dtype, first=place == 0, last=place == last))
        if not self._plan.normalize_output:
            # A bias is a normalisation that changes nothing but the mean.
            bias = network.output_bias.detach().float()
            self._bias = torch.stack((torch.ones(3), bias))[None].to(device)
            self._neutral = torch.tensor([[0.0], [1 - EPSILON]]).expand(1, 2, 3).to(device)

    def __call__(self, frames: Tensor, rows: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 and (N, 2, D) fp32 -> (N, H, W, 3) uint8."""
        affines = torch.split(rows, list(self._plan.norm_channels), dim=2)
        place = 0

        def step(x: Map, *, relu: bool, add: Map | None = None) -> Map:
            nonlocal place
            y = self._layers[place](x)
            after = self._layers[place + 1]
            data = self._kernels.finish(
                y,
                affines[place],
                self._kernels.moments(y),
                relu=relu,
                add=add,
                margin=after.margin,
                reflect=after.reflect,
            )
            place += 1
            return Map.inside(data, after.margin, y.channels)

        x = walk(self._plan, self._unshuffled(frames), step)
        y = self._layers[place](x)
        if self._plan.normalize_output:
            return self._kernels.finish(y, affines[place], self._kernels.moments(y), to_bytes=True)
        bias, neutral = (each.expand(len(frames), -1, -1) for each in (self._bias, self._neutral))
        return self._kernels.finish(y, bias, neutral, to_bytes=True)

    def _unshuffled(self, frames: Tensor) -> Map:
        """Pixel blocks as channels, from 0 to 1, with the margin of the first convolution."""
        count, height, width, _ = frames.shape
        side, margin = self._plan.unshuffle, self._layers[0].margin
        height, width = height // side, width // side
        blocks = frames.reshape(count, height, side, width, side, 3).permute(0, 1, 3, 5, 2, 4)
        channels = 3 * side**2
        blocks = F.pad(blocks.reshape(count, height, width, channels), (0, -channels % _GROUP))
        rows, columns = (
            _reflected(length, margin, frames.device)[shape]
            for length, shape in ((height, (slice(None), None)), (width, (slice(None),)))
        )
        padded = blocks[:, rows, columns].to(self._dtype) * (1 / 255)
        return Map.inside(padded, margin, channels)


def _reflected(length: int, margin: int, device: torch.device) -> Tensor:
    """Where the pixels of a line come from that is reflected at both ends."""
    places = torch.arange(-margin, length + margin, device=device).abs()
    return torch.minimum(places, 2 * (length - 1) - places)
