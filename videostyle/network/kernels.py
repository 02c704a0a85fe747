"""Triton kernels for what lies between two convolutions: statistics, and all that follows them.

Both are bound by memory. A map of M bytes costs M to read for its statistics, then M to read and
M to write (and M for a map to be added), where PyTorch's operators pass over it ten times. What
they reach is in bench/NOTES.md.

Under TRITON_INTERPRET=1 they run on a CPU, for tests.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from videostyle.network.architecture import EPSILON
from videostyle.network.fused_network import Map

_TILE = 4096  # values one program holds at a time
_PROGRAMS = 1024  # about as many as keep a large GPU busy
_MERGED = 16  # channels whose parts one program merges


def unshuffle(
    frames: Tensor, dtype: torch.dtype, *, pixel: int, margin: int, block: int, stored: int
) -> Tensor:
    """See `fused_network.Kernels`."""
    count, height, width, _ = frames.shape
    rows, columns = ((side // pixel + 2 * margin) // block for side in (height, width))
    result = frames.new_empty((count, rows, columns, stored), dtype=dtype)
    lanes = triton.next_power_of_2(stored)
    tile = max(1, _TILE // lanes)
    _unshuffle[(triton.cdiv(rows * columns, tile), count)](
        frames, result, rows * columns, columns, height // pixel, width // pixel, margin, width,
        pixel=pixel, block=block, stored=stored, lanes=lanes, tile=tile,
    )  # fmt: skip
    return result


def moments(x: Map) -> Tensor:
    """See `fused_network.Kernels`. In one pass: sums of the values' distances to one of them, near
    their mean, and of the squared distances, so that nothing cancels (Chan, Golub, LeVeque,
    "Algorithms for Computing the Sample Variance", 1983); then those of all parts are merged."""
    count, pixels = len(x.data), x.height * x.width
    lanes = triton.next_power_of_2(x.channels)
    tile = max(1, _TILE // lanes)
    part = triton.cdiv(triton.cdiv(pixels * count, _PROGRAMS), tile) * tile
    parts = triton.cdiv(pixels, part)
    partial = x.data.new_empty((count, parts, 2, x.channels), dtype=torch.float32)
    result = x.data.new_empty((count, 2, x.channels), dtype=torch.float32)
    _part_moments[(parts, count)](
        x.data, partial, pixels, part, x.width, x.shift, x.data.stride(0), *x.strides,
        channels=x.channels, lanes=lanes, tile=tile,
    )  # fmt: skip
    _merge_moments[(triton.cdiv(x.channels, _MERGED), count)](
        partial, result, pixels, part, parts,
        channels=x.channels, lanes=_MERGED, tile=min(256, triton.next_power_of_2(parts)),
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
    block: int = 1,
) -> Tensor:
    """See `fused_network.Kernels`."""
    height, width = x.height + 2 * margin, x.width + 2 * margin
    shape = (len(x.data), height // block, width // block, block * block * x.channels)
    result = Map.of(x.data.new_empty(shape), x.channels, blocks=(block,))
    lanes = triton.next_power_of_2(x.channels)
    tile = max(1, _TILE // lanes)
    other = add or x  # not read without add
    _finish[(triton.cdiv(height * width, tile), len(x.data))](
        x.data, affine, moments, other.data, result.data,
        height * width, width, x.height, x.width, margin,
        x.shift, x.data.stride(0), *x.strides,
        other.shift, other.data.stride(0), *other.strides,
        result.data.stride(0), *result.strides,
        *affine.stride(), *moments.stride(),
        epsilon=EPSILON, channels=x.channels, lanes=lanes, tile=tile,
        relu=relu, adds=add is not None, reflect=reflect,
    )  # fmt: skip
    return result.data


def to_bytes(x: Map, affine: Tensor, moments: Tensor) -> Tensor:
    """See `fused_network.Kernels`."""
    result = x.data.new_empty((len(x.data), x.height, x.width, x.channels), dtype=torch.uint8)
    numbers = x.height * x.width * x.channels
    _to_bytes[(triton.cdiv(numbers, _TILE), len(x.data))](
        x.data, affine, moments, result, numbers, x.width, x.shift, x.data.stride(0), *x.strides,
        *affine.stride(), *moments.stride(), epsilon=EPSILON, channels=x.channels, tile=_TILE,
    )  # fmt: skip
    return result


def weighted_mean(pastiches: Tensor, shares: Tensor, *, block: int, whole: int) -> Tensor:
    """See `fused_network.Kernels`."""
    lags, count, _, columns = shares.shape
    _, height, width, colors = pastiches.shape
    result = pastiches.new_empty((count, height, width, colors))
    tile = min(_TILE, triton.next_power_of_2(width * colors))
    _weighted_mean[(triton.cdiv(width * colors, tile), height, count)](
        pastiches, shares.contiguous(), result, width * colors, height, columns,
        block=block, colors=colors, memory=lags - 1, whole=whole, tile=tile,
    )  # fmt: skip
    return result


@triton.jit
def _place(y, x, shift, row_4, row_2, row_1, column_4, column_2, column_1):
    """Where a pixel's channels begin in its image: see `Map`."""
    y += shift
    x += shift
    row = y // 4 * row_4 + y // 2 % 2 * row_2 + y % 2 * row_1
    return row + x // 4 * column_4 + x // 2 % 2 * column_2 + x % 2 * column_1


@triton.jit
def _reflected(place, side):
    place = tl.where(place < 0, -place, place)
    return tl.minimum(place, 2 * (side - 1) - place)


@triton.jit
def _unshuffle(
    frames, result, blocks, block_columns, height, width, margin, frame_width,
    pixel: tl.constexpr, block: tl.constexpr, stored: tl.constexpr, lanes: tl.constexpr,
    tile: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * tile + tl.arange(0, tile)
    channel = tl.arange(0, lanes)
    # A channel is one of a place in the block, there a place in the pixel in one of three colours.
    place, inside = channel // (3 * pixel * pixel), channel % (3 * pixel * pixel)
    color, offset = inside // (pixel * pixel), inside % (pixel * pixel)
    y = (number // block_columns * block - margin)[:, None] + (place // block)[None, :]
    x = (number % block_columns * block - margin)[:, None] + (place % block)[None, :]
    y = _reflected(y, height) * pixel + (offset // pixel)[None, :]
    x = _reflected(x, width) * pixel + (offset % pixel)[None, :]
    known = (number < blocks)[:, None] & (channel < 3 * (pixel * block) * (pixel * block))[None, :]
    frames += frame * height * pixel * frame_width * 3
    values = tl.load(frames + (y * frame_width + x) * 3 + color[None, :], known, 0).to(tl.float32)
    target = result + frame * blocks * stored + number[:, None] * stored + channel[None, :]
    tl.store(
        target,
        (values * (1 / 255)).to(result.dtype.element_ty),
        (number < blocks)[:, None] & (channel < stored)[None, :],
    )


@triton.jit
def _part_moments(
    data, partial, pixels, part, width,
    shift, image, row_4, row_2, row_1, column_4, column_2, column_1,
    channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    number, frame = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, lanes)
    present = channel < channels
    data += frame.to(tl.int64) * image
    begin = number * part
    end = tl.minimum(begin + part, pixels)
    start = _place(
        begin // width, begin % width, shift, row_4, row_2, row_1, column_4, column_2, column_1
    )
    near = tl.load(data + start + channel, present, 0.0).to(tl.float32)
    distances = tl.zeros((tile, lanes), tl.float32)
    squares = tl.zeros((tile, lanes), tl.float32)
    for first in range(begin, end, tile):
        pixel = first + tl.arange(0, tile)
        place = _place(
            pixel // width, pixel % width, shift, row_4, row_2, row_1, column_4, column_2, column_1
        )
        known = (pixel < end)[:, None] & present[None, :]
        values = tl.load(data + place[:, None] + channel[None, :], known, 0.0).to(tl.float32)
        values = tl.where(known, values - near[None, :], 0.0)
        distances += values
        squares += values * values
    count = (end - begin).to(tl.float32)
    distance = tl.sum(distances, 0) / count
    target = partial + (frame * tl.num_programs(0) + number) * 2 * channels + channel
    tl.store(target, near + distance, present)
    tl.store(target + channels, tl.sum(squares, 0) - count * distance * distance, present)


@triton.jit
def _merge_moments(
    partial, result, pixels, part, parts,
    channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(1)
    channel = tl.program_id(0) * lanes + tl.arange(0, lanes)
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
    tl.store(target + channels, tl.maximum(squares, 0.0) / pixels, channel < channels)


@triton.jit
def _finish(
    data, affine, moments, other, result,
    pixels, out_width, height, width, margin,
    shift, image, row_4, row_2, row_1, column_4, column_2, column_1,
    other_shift, other_image, other_row_4, other_row_2, other_row_1,
    other_column_4, other_column_2, other_column_1,
    out_image, out_row_4, out_row_2, out_row_1, out_column_4, out_column_2, out_column_1,
    affine_frame, affine_kind, affine_channel, moments_frame, moments_kind, moments_channel,
    epsilon: tl.constexpr, channels: tl.constexpr, lanes: tl.constexpr, tile: tl.constexpr,
    relu: tl.constexpr, adds: tl.constexpr, reflect: tl.constexpr,
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
    out_y = pixel // out_width
    out_x = pixel % out_width
    y = out_y - margin
    x = out_x - margin
    if reflect:
        y = _reflected(y, height)
        x = _reflected(x, width)
    else:
        y = tl.minimum(tl.maximum(y, 0), height - 1)
        x = tl.minimum(tl.maximum(x, 0), width - 1)
    place = _place(y, x, shift, row_4, row_2, row_1, column_4, column_2, column_1)
    source = data + frame * image + place[:, None] + channel[None, :]
    values = tl.load(source, known, 0.0).to(tl.float32)
    values = values * scale[None, :] + offset[None, :]
    if relu:
        values = tl.maximum(values, 0.0)
    if adds:
        place = _place(
            y, x, other_shift, other_row_4, other_row_2, other_row_1,
            other_column_4, other_column_2, other_column_1,
        )  # fmt: skip
        source = other + frame * other_image + place[:, None] + channel[None, :]
        values += tl.load(source, known, 0.0).to(tl.float32)
    place = _place(
        out_y, out_x, 0, out_row_4, out_row_2, out_row_1, out_column_4, out_column_2, out_column_1
    )
    target = result + frame * out_image + place[:, None] + channel[None, :]
    tl.store(target, values.to(result.dtype.element_ty), known)


@triton.jit
def _to_bytes(
    data, affine, moments, result, numbers, width,
    shift, image, row_4, row_2, row_1, column_4, column_2, column_1,
    affine_frame, affine_kind, affine_channel, moments_frame, moments_kind, moments_channel,
    epsilon: tl.constexpr, channels: tl.constexpr, tile: tl.constexpr,
):  # fmt: skip
    frame = tl.program_id(1).to(tl.int64)
    number = tl.program_id(0) * tile + tl.arange(0, tile)
    known = number < numbers
    pixel, channel = number // channels, number % channels
    affine += frame * affine_frame
    moments += frame * moments_frame
    scale = tl.zeros((tile,), tl.float32)
    offset = tl.zeros((tile,), tl.float32)
    for each in tl.static_range(channels):
        variance = tl.load(moments + moments_kind + each * moments_channel)
        gamma = tl.load(affine + each * affine_channel) / tl.sqrt(variance + epsilon)
        beta = tl.load(affine + affine_kind + each * affine_channel)
        beta -= tl.load(moments + each * moments_channel) * gamma
        scale = tl.where(channel == each, gamma, scale)
        offset = tl.where(channel == each, beta, offset)
    place = _place(
        pixel // width, pixel % width, shift, row_4, row_2, row_1, column_4, column_2, column_1
    )
    values = tl.load(data + frame * image + place + channel, known, 0.0).to(tl.float32)
    values = 255 / (1 + tl.exp(-(values * scale + offset))) + 0.5
    tl.store(result + frame * numbers + number, values.to(tl.uint8), known)


@triton.jit
def _weighted_mean(
    pastiches, shares, result, length, height, columns,
    block: tl.constexpr, colors: tl.constexpr, memory: tl.constexpr, whole: tl.constexpr,
    tile: tl.constexpr,
):  # fmt: skip
    y, frame = tl.program_id(1), tl.program_id(2)
    number = tl.program_id(0) * tile + tl.arange(0, tile)
    known = number < length
    rows = (height + block - 1) // block
    image = height * length
    place = y * length + number
    shares += (frame * rows + y // block) * columns + number // (block * colors)
    own = tl.load(pastiches + (frame + memory) * image + place, known, 0).to(tl.float32)
    mean = own * tl.load(shares, known, 0.0) + whole // 2
    for lag in tl.static_range(memory):
        earlier = tl.load(pastiches + (frame + lag) * image + place, known, 0).to(tl.float32)
        shares += tl.num_programs(2) * rows * columns
        mean += earlier * tl.load(shares, known, 0.0)
    tl.store(result + frame * image + place, (mean * (1 / whole)).to(tl.uint8), known)
