"""Triton kernels for what lies between two convolutions: statistics, and all that follows them.

Both are bound by memory. A map of M bytes costs M to read for its statistics, then M to read and
M to write (and M for a map to be added), where PyTorch's operators pass over it ten times. For the
paper's network at 1080 lines, whose maps are 0.78 GB in fp16, that is 2.5 GB a frame, or 0.8 ms at
3 TB/s; for `lean`, with 0.12 GB, 0.13 ms. Neither has been measured.

Under TRITON_INTERPRET=1 they run on a CPU, for tests.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from videostyle.fused_network import Map
from videostyle.network import EPSILON

_TILE = 4096  # values one program holds at a time
_MOST_PARTS = 256  # of a map, whose statistics are taken side by side


def moments(x: Map) -> Tensor:
    """See `fused_network.Kernels`. In one pass, without cancellation: each tile's mean and squared
    deviations are merged into those before it (Chan, Golub, LeVeque, "Updating Formulae and a
    Pairwise Algorithm for Computing Sample Variances", 1979), then those of all parts."""
    count, pixels = len(x.data), x.height * x.width
    lanes = triton.next_power_of_2(x.channels)
    tile = max(1, _TILE // lanes)
    part = triton.cdiv(triton.cdiv(pixels, tile), _MOST_PARTS) * tile
    parts = triton.cdiv(pixels, part)
    partial = x.data.new_empty((count, parts, 2, x.channels), dtype=torch.float32)
    result = x.data.new_empty((count, 2, x.channels), dtype=torch.float32)
    _part_moments[(parts, count)](
        x.data, partial, pixels, part, x.width, x.shift, x.data.stride(0), *x.strides,
        channels=x.channels, lanes=lanes, tile=tile,
    )  # fmt: skip
    _merge_moments[(count,)](
        partial, result, pixels, part, parts,
        channels=x.channels, lanes=lanes, tile=max(1, min(64, _TILE // lanes)),
    )  # fmt: skip
    return result


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
    """See `fused_network.Kernels`."""
    height, width = x.height + 2 * margin, x.width + 2 * margin
    dtype = torch.uint8 if to_bytes else x.data.dtype
    result = x.data.new_empty((len(x.data), height, width, x.channels), dtype=dtype)
    lanes = triton.next_power_of_2(x.channels)
    tile = max(1, _TILE // lanes)
    other = add or x  # not read without add
    _finish[(triton.cdiv(height * width, tile), len(x.data))](
        x.data, affine, moments, other.data, result,
        height * width, width, x.height, x.width, margin,
        x.shift, x.data.stride(0), *x.strides,
        other.shift, other.data.stride(0), *other.strides,
        affine.stride(0), affine.stride(1), moments.stride(0), moments.stride(1),
        affine.stride(2), moments.stride(2),
        epsilon=EPSILON, channels=x.channels, lanes=lanes, tile=tile,
        relu=relu, adds=add is not None, reflect=reflect, to_bytes=to_bytes,
    )  # fmt: skip
    return result


@triton.jit
def _place(y, x, shift, row_pair, row, column_pair, column):
    """Where a pixel's channels begin in its image: see `Map`."""
    y += shift
    x += shift
    return y // 2 * row_pair + y % 2 * row + x // 2 * column_pair + x % 2 * column


@triton.jit
def _part_moments(
    data, partial, pixels, part, width, shift, image, row_pair, row, column_pair, column,
    channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    number, frame = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, lanes)
    data += frame.to(tl.int64) * image
    mean = tl.zeros((lanes,), tl.float32)
    squares = tl.zeros((lanes,), tl.float32)
    seen = 0.0
    begin = number * part
    end = tl.minimum(begin + part, pixels)
    for first in range(begin, end, tile):
        pixel = first + tl.arange(0, tile)
        place = _place(pixel // width, pixel % width, shift, row_pair, row, column_pair, column)
        known = (pixel < end)[:, None] & (channel < channels)[None, :]
        values = tl.load(data + place[:, None] + channel[None, :], known, 0.0).to(tl.float32)
        new = tl.minimum(end - first, tile).to(tl.float32)
        new_mean = tl.sum(values, 0) / new
        deviation = tl.where(known, values - new_mean[None, :], 0.0)
        change = new_mean - mean
        both = seen + new
        mean += change * (new / both)
        squares += tl.sum(deviation * deviation, 0) + change * change * (seen * new / both)
        seen = both
    target = partial + (frame * tl.num_programs(0) + number) * 2 * channels + channel
    tl.store(target, mean, channel < channels)
    tl.store(target + channels, squares, channel < channels)


@triton.jit
def _merge_moments(
    partial, result, pixels, part, parts,
    channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(0)
    channel = tl.arange(0, lanes)
    partial += frame * parts * 2 * channels
    mean = tl.zeros((lanes,), tl.float32)
    for first in range(0, parts, tile):
        number = first + tl.arange(0, tile)
        known = (number < parts)[:, None] & (channel < channels)[None, :]
        seen = tl.maximum(tl.minimum(pixels - number * part, part), 0).to(tl.float32)
        means = tl.load(partial + number[:, None] * 2 * channels + channel[None, :], known, 0.0)
        mean += tl.sum(means * (seen / pixels)[:, None], 0)
    squares = tl.zeros((lanes,), tl.float32)
    for first in range(0, parts, tile):
        number = first + tl.arange(0, tile)
        known = (number < parts)[:, None] & (channel < channels)[None, :]
        seen = tl.maximum(tl.minimum(pixels - number * part, part), 0).to(tl.float32)
        source = partial + number[:, None] * 2 * channels + channel[None, :]
        change = tl.where(known, tl.load(source, known, 0.0) - mean[None, :], 0.0)
        within = tl.load(source + channels, known, 0.0)
        squares += tl.sum(within + change * change * seen[:, None], 0)
    target = result + frame * 2 * channels + channel
    tl.store(target, mean, channel < channels)
    tl.store(target + channels, squares / pixels, channel < channels)


@triton.jit
def _finish(
    data, affine, moments, other, result,
    pixels, out_width, height, width, margin,
    shift, image, row_pair, row, column_pair, column,
    other_shift, other_image, other_row_pair, other_row, other_column_pair, other_column,
    affine_frame, affine_kind, moments_frame, moments_kind, affine_channel, moments_channel,
    epsilon: tl.constexpr, channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
    relu: tl.constexpr, adds: tl.constexpr, reflect: tl.constexpr, to_bytes: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(1).to(tl.int64)
    channel = tl.arange(0, lanes)
    present = channel < channels
    affine += frame * affine_frame + channel * affine_channel
    moments += frame * moments_frame + channel * moments_channel
    mean = tl.load(moments, present, 0.0)
    scale = tl.load(affine, present, 0.0)
    scale /= tl.sqrt(tl.load(moments + moments_kind, present, 1.0) + epsilon)
    offset = tl.load(affine + affine_kind, present, 0.0) - mean * scale

    pixel = tl.program_id(0) * tile + tl.arange(0, tile)
    known = (pixel < pixels)[:, None] & present[None, :]
    y = pixel // out_width - margin
    x = pixel % out_width - margin
    if reflect:
        y = tl.where(y < 0, -y, y)
        x = tl.where(x < 0, -x, x)
        y = tl.minimum(y, 2 * (height - 1) - y)
        x = tl.minimum(x, 2 * (width - 1) - x)
    else:
        y = tl.minimum(tl.maximum(y, 0), height - 1)
        x = tl.minimum(tl.maximum(x, 0), width - 1)
    place = _place(y, x, shift, row_pair, row, column_pair, column)
    source = data + frame * image + place[:, None] + channel[None, :]
    values = tl.load(source, known, 0.0).to(tl.float32)
    values = values * scale[None, :] + offset[None, :]
    if relu:
        values = tl.maximum(values, 0.0)
    if adds:
        place = _place(
            y, x, other_shift, other_row_pair, other_row, other_column_pair, other_column
        )
        source = other + frame * other_image + place[:, None] + channel[None, :]
        values += tl.load(source, known, 0.0).to(tl.float32)
    if to_bytes:
        values = 255 / (1 + tl.exp(-values)) + 0.5
    target = result + (frame * pixels + pixel)[:, None] * channels + channel[None, :]
    tl.store(target, values.to(result.dtype.element_ty), known)
