"""LPIPS: how far apart two pictures look, by the features of a classifier.

Zhang, Isola, Efros, Shechtman, Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018; version 0.1 of its weights on AlexNet, the authors' choice for
measuring.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from videostyle.errors import TrainingError
from videostyle.training.loss_network import checked_tensor

# torchvision's AlexNet: index in `features`, stride and padding of each convolution, and whether
# a 3x3 max-pool of stride 2 precedes it.
LAYERS = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))


class Lpips(nn.Module):
    """The distance: 0 for equal pictures, the larger the less alike.

    path: a safetensors file of AlexNet's convolutions (`alexnet.features.N.weight`, `.bias`, as
    torchvision numbers them) and the heads (`alexnet.linN.weight`). Raises TrainingError for any
    other.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            tensors, channels = load_file(path), 3
            for head, (index, *_) in enumerate(LAYERS):
                key = f"alexnet.features.{index}"
                width, _, *kernel = tensors[f"{key}.weight"].shape
                for name, source, shape in (
                    ("head", f"alexnet.lin{head}.weight", (1, width, 1, 1)),
                    ("weight", f"{key}.weight", (width, channels, *kernel)),
                    ("bias", f"{key}.bias", (width,)),
                ):
                    value = checked_tensor(tensors, source, shape).float()
                    self.register_buffer(f"{name}{head}", value)
                channels = width
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise TrainingError(
                f"{path}: not LPIPS on AlexNet ({error}); it needs the tensors "
                "alexnet.features.N.weight, .bias and alexnet.linN.weight"
            ) from error

    @torch.no_grad()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, 3, H, W) and the same, RGB in [0, 1], sides of at least 64 -> (N,).

        Squared differences of features normalised over the channels, weighted by the heads,
        averaged over the positions, summed over the layers (Zhang et al., equation 1).
        """
        distance = a.new_zeros(len(a))
        for head, (x, y) in enumerate(zip(self._features(a), self._features(b), strict=True)):
            difference = (F.normalize(x, eps=1e-10) - F.normalize(y, eps=1e-10)).square()
            distance += F.conv2d(difference, getattr(self, f"head{head}")).mean((1, 2, 3))
        return distance

    def _features(self, pixels: Tensor) -> list[Tensor]:
        mean = pixels.new_tensor((0.485, 0.456, 0.406))[:, None, None]
        std = pixels.new_tensor((0.229, 0.224, 0.225))[:, None, None]
        x, features = (pixels - mean) / std, []
        for head, (_, stride, padding, pooled) in enumerate(LAYERS):
            if pooled:
                x = F.max_pool2d(x, 3, 2)
            weight, bias = getattr(self, f"weight{head}"), getattr(self, f"bias{head}")
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
            features.append(x)
        return features
