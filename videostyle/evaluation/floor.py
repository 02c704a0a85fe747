"""What this machine could do at best: the rates of a large convolution and of a large copy, and
the time of a network's convolutions alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.network import Conv, StyleNetwork, UpsampleConv

_RUNS = 6


@dataclass(frozen=True, slots=True)
class MachineFloor:
    """conv_tflops: 10^12 operations a second (a multiplication and an addition are two) of a 3x3
    convolution of 128 channels on 180x320 pixels. copy_gb_per_second: bytes read plus written by
    a copy of 256 MB."""

    conv_tflops: float
    copy_gb_per_second: float


@dataclass(frozen=True, slots=True)
class NetworkFloor:
    """One frame. gflop: 10^9 operations of the convolutions. conv_ms: their time one after
    another, each alone, channels-last in PyTorch: no normalisation, activation or padding.
    compute_ms, bytes_ms: the operations at the machine's rate; every map, written once and read
    once, at the rate of a copy."""

    gflop: float
    conv_ms: float
    compute_ms: float
    bytes_ms: float


def machine_floor(device: torch.device, dtype: torch.dtype) -> MachineFloor:
    """Measure the machine itself."""
    x, weight = _filled((1, 128, 180, 320), device, dtype), _filled((128, 128, 3, 3), device, dtype)
    operations = 2 * 128 * 9 * 128 * 178 * 318
    seconds = _best(lambda: F.conv2d(x, weight), device)
    source = torch.zeros(256_000_000, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copying = _best(lambda: target.copy_(source), device)
    return MachineFloor(operations / seconds / 1e12, 2 * source.numel() / copying / 1e9)


@torch.inference_mode()
def network_floor(
    network: StyleNetwork,
    height: int,
    width: int,
    device: torch.device,
    dtype: torch.dtype,
    machine: MachineFloor,
) -> NetworkFloor:
    """Measure the convolutions of a network on one frame of height x width pixels."""
    operations, values, seconds = 0, 0, 0.0
    for conv, shape in _convolutions(network, height, width):
        if isinstance(conv, UpsampleConv):
            weight, stride, margin = conv.phases().flatten(0, 2), 1, 1
        else:
            weight, stride, margin = conv.weight, conv.layer.stride, conv.layer.kernel // 2
        count, channels, *sides = shape
        x = _filled((count, channels, *(side + 2 * margin for side in sides)), device, dtype)
        kernel = weight.to(device, dtype, memory_format=torch.channels_last)
        result = F.conv2d(x, kernel, stride=stride)
        seconds += _best(lambda x=x, k=kernel, s=stride: F.conv2d(x, k, stride=s), device)  # type: ignore[misc]
        operations += 2 * result.numel() * kernel[0].numel()
        values += result.numel()
    size = torch.finfo(dtype).bits // 8
    return NetworkFloor(
        gflop=operations / 1e9,
        conv_ms=1e3 * seconds,
        compute_ms=operations / machine.conv_tflops / 1e9,
        bytes_ms=2 * size * values / machine.copy_gb_per_second / 1e6,
    )


def _convolutions(
    network: StyleNetwork, height: int, width: int
) -> list[tuple[Conv | UpsampleConv, tuple[int, ...]]]:
    """Every convolution with the shape of the map it is given."""
    found = list[tuple[Conv | UpsampleConv, tuple[int, ...]]]()
    hooks = [
        conv.register_forward_pre_hook(lambda conv, given: found.append((conv, given[0].shape)))
        for conv in network.convs
    ]
    try:
        rows = torch.zeros(1, 2, network.architecture.row_size)
        network(torch.zeros(1, 3, height, width), rows)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _filled(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Random numbers: zeros may be multiplied faster."""
    values = torch.randn(shape, device=device).to(dtype)
    return values.contiguous(memory_format=torch.channels_last)


def _best(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of a few runs."""
    times = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return min(times)
