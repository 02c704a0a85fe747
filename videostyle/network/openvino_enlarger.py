"""The enlarger as an OpenVINO graph, for luma of one size. Does not load PyTorch."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from videostyle.media.pixels import MIDDLE
from videostyle.network.architecture import Pictures
from videostyle.network.blocks import from_blocks, to_blocks
from videostyle.network.enlarger import HIDDEN, LEVELS, enlarger_weights
from videostyle.network.openvino_graph import Node, import_openvino


def enlarger_graph(shape: tuple[int, ...]) -> Any:
    """An `openvino.Model` from luma of `shape` (N, H, W) uint8, with even H and W, in blocks as
    `luma_for` makes them, to what is added to it doubled, in blocks as `detail_from` takes them: as
    `EnlargerNetwork` has it."""
    openvino = import_openvino()
    op = importlib.import_module("openvino.opset15")
    count, height, width = shape[0], shape[1] // 2, shape[2] // 2
    weights = enlarger_weights()

    def ints(*values: int) -> Node:
        return op.constant(np.array(values, np.int64))

    def constant(value: Any) -> Node:
        return op.constant(np.asarray(value, np.float32))

    luma = op.parameter((count, height, width, 4), openvino.Type.u8)
    x = op.subtract(op.convert(luma, "f32"), constant(MIDDLE))
    x = op.transpose(x, ints(0, 3, 1, 2))
    # The first weights are divided, not the bytes: a bfloat16 does not hold a byte / 255 exactly.
    middle = [1] * (len(HIDDEN) - 1)
    scales = zip([1 / LEVELS, *middle, LEVELS], [1, *middle, LEVELS], strict=True)
    for number, (weight_scale, bias_scale) in enumerate(scales):
        weight = weights[f"convs.{number}.weight"] * np.float32(weight_scale)
        bias = weights[f"convs.{number}.bias"] * np.float32(bias_scale)
        x = op.pad(op.relu(x) if number else x, ints(0, 0, 1, 1), ints(0, 0, 1, 1), "edge")
        x = op.convolution(x, constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
        x = op.add(x, constant(bias[None, :, None, None]))
    x = op.clamp(op.add(x, constant(MIDDLE + 0.5)), 0.0, 255.5)
    x = op.transpose(op.convert(x, "u8"), ints(0, 2, 3, 1))
    return openvino.Model([x], [luma])


def luma_for(luma: Pictures) -> Pictures:
    """(N, H, W) uint8 as (N, H / 2, W / 2, 4)."""
    return to_blocks(luma[..., None], 2)


def detail_from(output: Pictures) -> Pictures:
    """(N, H / 2, W / 2, 16) uint8 as (N, 2 H, 2 W)."""
    return from_blocks(output, 4)[..., 0]
