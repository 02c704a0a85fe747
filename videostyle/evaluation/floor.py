"""What this machine could do at best: the rates of a large convolution and of a large copy, and
the time of a network's convolutions alone."""

from __future__ import annotations

import copy
import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.device import INT8, best_float
from videostyle.network.network import Conv, StyleNetwork, UpsampleConv
from videostyle.network.openvino_graph import import_openvino, integer_convolution
from videostyle.network.torch_engine import DTYPES

_RUNS = 6


@dataclass(frozen=True, slots=True)
class MachineFloor:
    """conv_tflops: 10^12 operations a second (a multiplication and an addition are two) of a 3x3
    convolution of 128 channels on 180x320 pixels, for int8 one of integers. copy_gb_per_second:
    bytes read plus written by a copy of 256 MB."""

    conv_tflops: float
    copy_gb_per_second: float


@dataclass(frozen=True, slots=True)
class NetworkFloor:
    """One frame. gflop: 10^9 operations of the convolutions. conv_ms: their time one after
    another, each alone (the median of a few runs), channels-last in PyTorch: no normalisation,
    activation or padding; in int8 those of the residual blocks are OpenVINO's, of integers.
    compute_ms, bytes_ms: the operations at the machine's rate; every map, written once and read
    once, at the rate of a copy."""

    gflop: float
    conv_ms: float
    compute_ms: float
    bytes_ms: float


def machine_floor(where: str | torch.device, precision: str) -> MachineFloor:
    """Measure the machine itself: one device of it."""
    device = torch.device(where)
    operations = 2 * 128 * 9 * 128 * 178 * 318
    weight = torch.randn(128, 128, 3, 3)
    seconds = min(_times((1, 128, 180, 320), weight, 1, device, precision))
    source = torch.zeros(256_000_000, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copying = min(_timed(lambda: target.copy_(source), device))
    return MachineFloor(operations / seconds / 1e12, 2 * source.numel() / copying / 1e9)


@torch.inference_mode()
def network_floor(
    network: StyleNetwork,
    height: int,
    width: int,
    device: torch.device,
    precision: str,
    machine: MachineFloor,
) -> NetworkFloor:
    """Measure the convolutions of a network on one frame of height x width pixels."""
    operations, values, seconds = 0, 0, 0.0
    float_format = best_float(str(device)) if precision == INT8 else precision
    body = network.architecture.body
    for place, (conv, shape) in enumerate(_convolutions(network, height, width)):
        if isinstance(conv, UpsampleConv):
            weight, stride = conv.phases().flatten(0, 2), 1
        else:
            weight, stride = conv.weight, conv.plan.layer.stride
        count, channels, *sides = shape
        shape = (count, channels, *(side + 2 * conv.plan.margin for side in sides))
        number_format = precision if place in body else float_format
        seconds += median(_times(shape, weight, stride, device, number_format))
        x = torch.empty(shape, device="meta")
        result = F.conv2d(x, weight.to("meta"), stride=stride).numel()
        operations += 2 * result * weight[0].numel()
        values += result
    size = torch.finfo(DTYPES[float_format]).bits // 8
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
    shapes = list[tuple[int, ...]]()
    without_numbers = copy.deepcopy(network).to("meta")
    for conv in without_numbers.convs:
        conv.register_forward_pre_hook(lambda _, given: shapes.append(given[0].shape))
    rows = torch.zeros(1, 2, network.architecture.row_size, device="meta")
    without_numbers(torch.zeros(1, 3, height, width, device="meta"), rows)
    convs = cast("Iterable[Conv | UpsampleConv]", network.convs)
    return list(zip(convs, shapes, strict=True))


def _times(
    shape: tuple[int, ...], weight: Tensor, stride: int, device: torch.device, precision: str
) -> list[float]:
    """Seconds of a few convolutions of a map of random numbers: zeros may be multiplied faster."""
    if precision == INT8:
        return _times_of_integers(shape, weight, stride)
    x = torch.randn(shape, device=device).to(DTYPES[precision])
    x = x.contiguous(memory_format=torch.channels_last)
    weight = weight.to(device, DTYPES[precision], memory_format=torch.channels_last)
    return _timed(lambda: F.conv2d(x, weight, stride=stride), device)


def _times_of_integers(shape: tuple[int, ...], weight: Tensor, stride: int) -> list[float]:
    """Seconds by OpenVINO's own clock: PyTorch's convolutions of integers are deprecated."""
    openvino = import_openvino()
    op = importlib.import_module("openvino.opset15")
    x = op.parameter(shape, openvino.Type.f32)
    convolved = integer_convolution(op, x, weight.detach().numpy(), stride)
    model = openvino.Model([convolved], [x])
    compiled = openvino.Core().compile_model(model, "CPU", {"PERF_COUNT": True})
    request, numbers = compiled.create_infer_request(), 255 * torch.rand(shape).numpy()
    times = list[float]()
    for _ in range(_RUNS):
        request.infer([numbers])
        nodes = request.get_profiling_info()
        nodes = [node for node in nodes if node.node_type == "Convolution"]
        times += [node.real_time.total_seconds() for node in nodes]
    return times


def _timed(work: Callable[[], object], device: torch.device) -> list[float]:
    """Seconds of a few runs."""
    times = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return times
