"""What the network is built of, as plain numbers, and the order of its layers.

After Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style" (arXiv 1610.07629).
An architecture is data, stored in the model file. PyTorch, which takes a second to load, is not
needed for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from itertools import chain
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

# (N, H, W, 3) RGB; gammas, betas and weights.
Pictures = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float32]
EPSILON = 1e-5
# The filter that smooths the last layer, along rows and along columns: it removes what alternates
# from pixel to pixel, and leaves three quarters of a wave four pixels long.
SMOOTHING = (-1 / 16, 4 / 16, 10 / 16, 4 / 16, -1 / 16)


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """A convolution: odd `kernel` in pixels, `stride` (in expand: up-scale), `channels` out."""

    kernel: int
    stride: int
    channels: int


@dataclass(frozen=True, slots=True)
class Convolution:
    """A layer in its place. channels_in: of the map it is given. enlarges: whether it scales that
    up first. smooths: whether its output is smoothed by SMOOTHING."""

    channels_in: int
    layer: ConvLayer
    enlarges: bool = False
    smooths: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(out, in, k, k) of its weights."""
        return (self.layer.channels, self.channels_in, self.layer.kernel, self.layer.kernel)

    @property
    def margin(self) -> int:
        """Pixels of border that the map it is given needs."""
        if self.enlarges:
            return (self._taps + 1) // 4
        return self.layer.kernel // 2

    @property
    def crop(self) -> int:
        """Pixels too many at each border once it has scaled up: where the middle of its kernel is
        at an odd place, pairs of rows start at odd rows, so half a pair is left over."""
        return self._taps // 2 % 2 if self.enlarges else 0

    def fold(self) -> Numbers:
        """(2, s, k): how much tap t of the kernel weighs, once a map is scaled up to the nearest
        and the result smoothed, on the i-th small row, for output row r of a pair, at [r, i, t]."""
        taps, kernel = self._taps, self.layer.kernel
        lands = np.zeros((2, (taps + 1) // 2, taps), np.float32)
        for row in range(2):
            for tap in range(taps):
                lands[row, (row + tap) // 2, tap] = 1
        if not self.smooths:
            return lands
        smoothed = np.zeros((taps, kernel), np.float32)
        for tap in range(kernel):
            smoothed[tap : tap + len(SMOOTHING), tap] = SMOOTHING
        return lands @ smoothed

    @property
    def _taps(self) -> int:
        """Rows of the large map that a pixel depends on."""
        return self.layer.kernel + (len(SMOOTHING) - 1) * self.smooths


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
    smooth_output: whether what the last layer makes, which scales up, is smoothed by SMOOTHING:
        the loss network takes a fine weave for texture, and the network learns it.
    """

    name: str
    unshuffle: int
    contract: tuple[ConvLayer, ...]
    residual_blocks: int
    expand: tuple[ConvLayer, ...]
    skips: int
    normalize_output: bool
    smooth_output: bool = False

    def scaled(self, width: float) -> Architecture:
        """Return the architecture with every hidden channel count multiplied by `width`."""
        hidden = [replace(c, channels=round(c.channels * width)) for c in self.contract]
        expand = [replace(c, channels=round(c.channels * width)) for c in self.expand[:-1]]
        return replace(self, contract=tuple(hidden), expand=(*expand, self.expand[-1]))

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """All of them, in the order the network applies them."""
        body = self.contract[-1].channels
        blocks = [ConvLayer(3, 1, body)] * (2 * self.residual_blocks)
        layers = (*self.contract, *blocks, *self.expand)
        widths = (3 * self.unshuffle**2, *(layer.channels for layer in layers))
        last = len(layers) - 1
        return tuple(
            Convolution(
                width,
                layer,
                enlarges=place > last - len(self.expand) and layer.stride > 1,
                smooths=place == last and self.smooth_output,
            )
            for place, (width, layer) in enumerate(zip(widths, layers, strict=False))
        )

    @property
    def body(self) -> range:
        """Places of the residual blocks' convolutions."""
        first = len(self.contract)
        return range(first, first + 2 * self.residual_blocks)

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the shared weights, by the names they have in a model file."""
        shapes: dict[str, tuple[int, ...]] = {
            f"convs.{place}.weight": each.shape for place, each in enumerate(self.convolutions)
        }
        return shapes if self.normalize_output else {**shapes, "output_bias": (3,)}

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
        return self.unshuffle * math.prod([layer.stride for layer in self.contract])

    @property
    def reach(self) -> int:
        """How many pixels away a pixel of the frame can be and still change one of the pastiche,
        other than by the moments, in which all count."""
        reach, step = 0, self.unshuffle
        for each in self.convolutions:
            reach += each.margin * step
            step = step // each.layer.stride if each.enlarges else step * each.layer.stride
        return reach + self.multiple

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, for a model's card."""
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
        self._check_numbers()
        self._check_layers()
        self._check_scaling()
        self._check_skips()

    def _check_numbers(self) -> None:
        if not (isinstance(self.smooth_output, bool) and isinstance(self.normalize_output, bool)):
            raise ValueError("smooth_output and normalize_output must be true or false")
        layers = [astuple(layer) for layer in (*self.contract, *self.expand)]
        numbers = (self.unshuffle, self.residual_blocks, self.skips, *chain(*layers))
        if any(type(number) is not int for number in numbers):  # 3.0 equals 3, but counts nothing
            raise ValueError("sizes and counts must be whole numbers")
        if not (1 <= len(self.contract) <= 8 and 1 <= len(self.expand) <= 8):
            raise ValueError("needs 1 to 8 contract and as many expand layers")
        if self.expand[-1].channels != 3:
            raise ValueError("the last expand layer must have 3 channels")
        if self.unshuffle not in (1, 2, 4) or not 0 <= self.residual_blocks <= 32:
            raise ValueError("unshuffle or residual_blocks out of bounds")

    def _check_layers(self) -> None:
        for layer in (*self.contract, *self.expand):
            if layer.kernel not in (1, 3, 5, 7, 9):
                raise ValueError(f"kernel {layer.kernel} is not 1, 3, 5, 7 or 9")
            if layer.stride not in (1, 2, 4) or not 1 <= layer.channels <= 1024:
                raise ValueError(f"layer out of bounds: {layer}")

    def _check_scaling(self) -> None:
        """Kernels that scale up must fold into small ones, and the size must come out as it was."""
        for layer in self.expand:
            if layer.stride > 1 and (layer.kernel not in (3, 5) or layer.stride != 2):
                raise ValueError(f"cannot up-scale by {layer}")
        if self.smooth_output and self.expand[-1].stride == 1:
            raise ValueError("the last layer is smoothed only where it scales up")
        up, down = math.prod(layer.stride for layer in self.expand), self.multiple
        if up != down:
            raise ValueError(f"expand scales up {up} times, contract scales down {down} times")

    def _check_skips(self) -> None:
        """Maps that are added must have one shape."""
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
        smooth_output=True,
    ),
}


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
