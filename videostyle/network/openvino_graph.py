"""The network as an OpenVINO graph, for frames of one size.

The same numbers as `network.StyleNetwork`, in the operations OpenVINO has fast kernels for. The
size is fixed because only then does OpenVINO keep every map channels-last: at 1280x720 that is
20 ms instead of 45 on two AMX cores. Building and compiling a graph takes a fifth of a second.
Does not load PyTorch, which would take ten times as long.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from videostyle.device import is_x86
from videostyle.network.architecture import (
    EPSILON,
    Architecture,
    Convolution,
    Numbers,
    Pictures,
    walk,
)
from videostyle.network.blocks import from_blocks, to_blocks

Node = Any  # openvino.Node; OpenVINO comes without types


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry package, which would report the import to a server
    and leave files in the home folder. OpenVINO has a stub for where that package is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def openvino_graph(
    plan: Architecture,
    weights: Mapping[str, Numbers],
    shape: tuple[int, ...],
    *,
    in_bytes: bool = False,
) -> Any:
    """An `openvino.Model` from frames of `shape` (N, H, W, 3) uint8 RGB and rows (N, 2, D) to
    pastiches (N, H, W, 3) uint8. Gammas and betas are inputs, so a new mixture costs nothing.

    Frames come as `frames_for` makes them, and pastiches leave as `pastiches_from` takes them.
    weights: of the architecture's `shapes`. in_bytes: whether the convolutions of the residual
    blocks multiply integers of 8 bits.
    """
    return _Builder(plan, weights, shape, in_bytes).model


def frames_for(plan: Architecture, frames: Pictures) -> Pictures:
    """Frames (N, H, W, 3) in the blocks that the network folds into channels, of side s:
    (N, H / s, W / s, 3 s^2)."""
    return to_blocks(frames, plan.unshuffle) if plan.unshuffle > 1 else frames


def pastiches_from(plan: Architecture, output: Pictures) -> Pictures:
    """Pastiches (N, H, W, 3) out of the blocks (N, h, w, 12) that a layer makes which scales up, of
    which a border may be too much. Of another layer they come as they are."""
    last = plan.convolutions[-1]
    if not last.enlarges:
        return output
    pastiches = from_blocks(output, 2)
    inner = slice(last.crop, -last.crop or None)
    return np.ascontiguousarray(pastiches[:, inner, inner])


def integer_convolution(op: Any, x: Node, weight: Numbers, stride: int, margin: int = 0) -> Node:
    """A convolution of values rounded to whole numbers from 0 to 255, by weights (O, I, k, k) of 7
    bits, each output channel's with a scale of its own; reflected at the margin.

    Not of 8 bits: a processor without VNNI adds products in pairs, and would lose what such a sum
    has beyond 16 bits.
    """
    ends = [op.constant(np.float32(end)) for end in (0, 255, 0, 255)]
    x = op.fake_quantize(x, *ends, 256)
    if margin:
        amounts = op.constant(np.array((0, 0, margin, margin), np.int64))
        x = op.pad(x, amounts, amounts, "reflect")
    largest = np.abs(weight).max((1, 2, 3), keepdims=True)
    scale = np.where(largest, largest, 1) / np.float32(63)  # a channel may have no weights but 0
    integers = op.constant(np.rint(weight / scale).astype(np.int8))
    weights = op.multiply(op.convert(integers, "f32"), op.constant(scale))
    return op.convolution(x, weights, [stride] * 2, [0, 0], [0, 0], [1, 1])


class _Builder:
    def __init__(
        self,
        plan: Architecture,
        weights: Mapping[str, Numbers],
        shape: tuple[int, ...],
        in_bytes: bool,
    ) -> None:
        openvino = import_openvino()
        self._op = importlib.import_module("openvino.opset15")
        self._plan, self._weights, self._shape = plan, weights, shape
        self._in_bytes = plan.body if in_bytes else ()
        self._convs: Iterator[tuple[int, Convolution]] = iter(enumerate(plan.convolutions))
        count, height, width, _ = shape
        side = plan.unshuffle
        blocks = (count, height // side, width // side, 3 * side**2)
        frames = self._op.parameter(blocks, openvino.Type.u8)
        rows = self._op.parameter((count, 2, plan.row_size), openvino.Type.f32)
        self._affine = self._split(rows)
        # Outputs that nobody reads: OpenVINO computes in fp32 what lies between the plain
        # convolutions and an output, unless it is told otherwise (`_as_hinted`).
        self._exact = list[Node]()
        pastiches = self._paint(frames)
        self.model = openvino.Model([pastiches, *self._exact], [frames, rows])

    def _split(self, rows: Node) -> Iterator[tuple[Node, Node]]:
        """The gamma and the beta (N, C) of each normalisation in turn. By one operation: with a
        slice for each of them, a new size of frames takes a quarter longer to compile."""
        op, lengths = self._op, self._plan.norm_channels
        flat = op.reshape(rows, self._ints(rows.shape[0], -1), False)
        parts = op.variadic_split(
            flat, op.constant(np.int64(1)), self._ints(*lengths, *lengths)
        ).outputs()
        return iter(zip(parts[: len(lengths)], parts[len(lengths) :], strict=True))

    def _next(self) -> tuple[int, Convolution, Numbers]:
        """The next convolution: its place, what it is, its weights (O, I, k, k)."""
        place, conv = next(self._convs)
        return place, conv, self._weights[f"convs.{place}.weight"]

    def _paint(self, frames: Node) -> Node:
        op = self._op

        def step(x: Node, *, relu: bool, add: Node = None) -> Node:
            (place, conv, weight), unit = self._next(), None
            if x is frames:
                x = self._input_conv(x, weight, conv.layer.stride)
            elif conv.enlarges:
                x = self._upsample_conv(x, weight)
            elif place in self._in_bytes:
                # The second convolution of a block, after which there is no ReLU, follows one.
                x, unit = self._byte_conv(x, weight, rectified=not relu)
            else:
                x = self._conv(x, weight, conv.layer.stride)
            x = self._normalize(x, unit=unit)
            x = _as_hinted(op.relu(x)) if relu else x
            return x if add is None else _as_hinted(op.add(add, x))

        return self._paint_output(walk(self._plan, frames, step))

    def _paint_output(self, x: Node) -> Node:
        """The last layer, to bytes. OpenVINO computes all after the last plain convolution in fp32,
        so that is what this one is, and up-scaling moves bytes.

        It gives several neighbouring pixels as channels, pixels first: the 2 x 2 that one was
        scaled up to, or a few of a row.
        """
        op, (_, conv, weight) = self._op, self._next()
        if conv.enlarges:
            phases, pixels = _phases(conv, weight), 4
            x = self._convolution(self._pad(x, conv.margin, "edge"), phases, [1, 1])
        else:
            # Three channels alone would waste most of a matrix unit.
            x = self._pad(x, conv.margin, "reflect")
            # Four of 16 or 24 channels come out wrong of OpenVINO 2026.4's bf16 kernel for AMX.
            pixels = math.gcd(self._shape[2], 4 if conv.channels_in >= 32 else 2)
            x = self._convolution(x, _widened(weight, pixels), [1, pixels])
        if self._plan.normalize_output:
            x = self._normalize(x, pixels)
        else:
            bias = np.tile(self._weights["output_bias"], pixels)
            x = op.add(x, self._constant(bias[None, :, None, None]))
        rounded = op.add(op.multiply(op.sigmoid(x), self._constant(255.0)), self._constant(0.5))
        x = op.transpose(op.convert(rounded, "u8"), self._ints(0, 2, 3, 1))
        if conv.enlarges:
            return x
        count, height, width, channels = x.shape
        shape = self._ints(count, height, width * pixels, channels // pixels)
        return op.reshape(x, shape, False)

    def _input_conv(self, frames: Node, weight: Numbers, stride: int) -> Node:
        """The first layer, from bytes (N, h, w, C), whose channels are the pixels of a block (row,
        column, RGB); they are reflected while they are bytes, channels last.

        The frame's colour, taken from a few of its pixels, is subtracted first. Normalisation would
        remove what it adds, and in a bright, flat frame it leaves bfloat16 few digits for the rest.
        """
        op, margin = self._op, weight.shape[-1] // 2
        count, height, width, channels = frames.shape
        ends, every, axes = self._ints(height, width), self._ints(7, 13), self._ints(1, 2)
        some = op.convert(op.slice(frames, self._ints(0, 0), ends, every, axes), "f32")
        pixels = op.reshape(some, self._ints(count, -1, 3), False)
        # Rounded, so that a bfloat16 holds exactly what is left of a byte.
        color = op.round(op.reduce_mean(pixels, self._ints(1), True), "half_to_even")
        color = op.tile(color, self._ints(1, 1, channels // 3))
        color = op.reshape(color, self._ints(count, 1, 1, channels), False)
        if margin:
            amounts = self._ints(0, margin, margin, 0)
            frames = op.pad(frames, amounts, amounts, "reflect")
        x = op.subtract(op.convert(frames, "f32"), color)
        x = op.transpose(x, self._ints(0, 3, 1, 2))
        # Not divided: a bfloat16 does not hold a byte / 255 exactly.
        return self._convolution(x, self._folded_input(weight) / np.float32(255), [stride] * 2)

    def _folded_input(self, weight: Numbers) -> Numbers:
        """The first weights for channels in the order of `_input_conv`, not pixel_unshuffle's."""
        side, kernel = self._plan.unshuffle, weight.shape[-1]
        blocks = weight.reshape(-1, 3, side, side, kernel, kernel)
        return blocks.transpose(0, 2, 3, 1, 4, 5).reshape(weight.shape)

    def _conv(self, x: Node, weight: Numbers, stride: int) -> Node:
        margin = weight.shape[-1] // 2
        if margin:
            x = self._pad(x, margin, "reflect")
        return self._convolution(x, weight, [stride] * 2)

    def _byte_conv(self, x: Node, weight: Numbers, *, rectified: bool) -> tuple[Node, Node]:
        """Convolve a map rounded to 256 steps, from a frame's least value in all channels, or from
        0 if it is `rectified`, to its greatest.

        Returns the result in units of a step, without the constant that the least value adds to
        each channel, as normalisation would remove it; and the size of a step (N, 1, 1, 1).
        """
        op, everywhere = self._op, self._ints(1, 2, 3)
        extent = _as_hinted(op.reduce_max(x, everywhere, True))
        if not rectified:
            least = _as_hinted(op.reduce_min(x, everywhere, True))
            extent, x = op.subtract(extent, least), _as_hinted(op.subtract(x, least))
        unit = op.maximum(op.divide(extent, self._constant(255.0)), self._constant(1e-6))
        x = _as_hinted(op.multiply(x, op.divide(self._constant(1.0), unit)))
        return integer_convolution(op, x, weight, 1, weight.shape[-1] // 2), unit

    def _convolution(self, x: Node, weight: Numbers, strides: list[int]) -> Node:
        return self._op.convolution(x, self._constant(weight), strides, [0, 0], [0, 0], [1, 1])

    def _upsample_conv(self, x: Node, weight: Numbers) -> Node:
        """Nearest up-scaling and its convolution as one transposed convolution: a small pixel
        reaches the two large ones it became and those within the kernel's margin of them."""
        kernel = weight.shape[-1]
        spread = np.zeros((kernel + 1, kernel), np.float32)
        for tap in range(kernel):
            spread[kernel - 1 - tap, tap] = spread[kernel - tap, tap] = 1
        weight = np.einsum("yk,xl,oikl->ioyx", spread, spread, weight)
        crop = [2 + kernel // 2] * 2  # the margin around two pixels of replicated border
        return _as_hinted(
            self._op.convolution_backprop_data(
                self._pad(x, 1, "edge"), self._constant(weight), [2, 2], None, crop, crop, [1, 1]
            )
        )

    def _normalize(self, x: Node, pixels: int = 1, unit: Node = None) -> Node:
        """Conditional instance normalization (paper, equation 5) of a map whose channels are those
        of so many neighbouring pixels, its values given as multiples of a unit (N, 1, 1, 1)."""
        op, count, channels = self._op, self._shape[0], x.shape[1] // pixels

        def average(values: Node) -> Node:
            if pixels == 1:
                return values
            values = op.reshape(values, self._ints(count, pixels, channels), False)
            return op.reduce_mean(values, self._ints(1), False)

        def everywhere(values: Node) -> Node:
            if pixels > 1:
                values = op.tile(values, self._ints(1, pixels))
            return op.reshape(values, self._ints(count, pixels * channels, 1, 1), False)

        gamma, beta = next(self._affine)
        # Not OpenVINO's MVN: it adds up in an order that depends on the number of threads, and a
        # frame must not. The reshapes keep what is computed for a channel out of the kernels that
        # run for every pixel.
        mean = average(_as_hinted(op.reduce_mean(x, self._ints(2, 3), False)))
        if unit is None and is_x86():
            # Norms, for which no map of squares is written; of lines, so that what is added up
            # stays small. In bf16 they would hide how little a map may vary (bench/NOTES.md).
            norms = _as_hinted(op.reduce_l2(x, self._ints(3), False))
            squares = op.reduce_sum(op.multiply(norms, norms), self._ints(2), False)
            squares = op.divide(squares, self._constant(float(x.shape[2] * x.shape[3])))
            variance = op.subtract(average(squares), op.multiply(mean, mean))
            variance = op.maximum(variance, self._constant(0.0))
        else:
            # OpenVINO would scale a map of integers and write it out before it takes the norms, and
            # on ARM it has no fast kernel for them.
            squares = _as_hinted(op.squared_difference(x, everywhere(mean)))
            variance = average(_as_hinted(op.reduce_mean(squares, self._ints(2, 3), False)))
        epsilon = self._constant(EPSILON)
        if unit is not None:
            epsilon = op.divide(epsilon, op.multiply(unit, unit))
            epsilon = op.reshape(epsilon, self._ints(count, 1), False)
        scale = op.divide(gamma, op.sqrt(op.add(variance, epsilon)))
        if unit is None:
            self._exact.append(scale)
        # In this order of factors: with the map first, OpenVINO copies it once more.
        centred = op.multiply(everywhere(scale), _as_hinted(op.subtract(x, everywhere(mean))))
        return _as_hinted(op.add(everywhere(beta), _as_hinted(centred)))

    def _pad(self, x: Node, margin: int, mode: str) -> Node:
        amounts = self._ints(0, 0, margin, margin)
        return _as_hinted(self._op.pad(x, amounts, amounts, mode))

    def _constant(self, value: Numbers | float) -> Node:
        return self._op.constant(np.array(value, np.float32))

    def _ints(self, *values: int) -> Node:
        numbers: npt.NDArray[np.int64] = np.array(values, np.int64)
        return self._op.constant(numbers)


def _as_hinted(node: Node) -> Node:
    """Compute a map in the precision that OpenVINO is given as a hint, though `_exact` depends on
    it."""
    # Not "YES", which it would take too: two threads that compile at once would parse it in one
    # place, and crash.
    node.set_rt_info(True, "enforceBF16evenForGraphTail")
    return node


def _phases(conv: Convolution, weight: Numbers) -> Numbers:
    """Weights (O, I, k, k) behind nearest up-scaling, on the small map: (2 x 2 x O, I, y, x), of
    the four pixels that each of its own becomes."""
    folded = conv.fold()
    phases: Numbers = np.einsum("ryk,cxl,oikl->rcoiyx", folded, folded, weight)
    return phases.reshape(-1, *phases.shape[3:])


def _widened(weight: Numbers, pixels: int) -> Numbers:
    """Weights (C, I, k, k) as (pixels x C, I, k, k + pixels - 1), for a stride of so many
    columns."""
    outputs, inputs, height, width = weight.shape
    wide = np.zeros((pixels, outputs, inputs, height, width + pixels - 1), np.float32)
    for column in range(pixels):
        wide[column, ..., column : column + width] = weight
    return wide.reshape(-1, *wide.shape[2:])
