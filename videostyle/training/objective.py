"""What is minimised, by training and by optimising a picture alike: style, content and total
variation of pastiches, seen by one loss network."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from videostyle.device import cpu_has_bf16
from videostyle.errors import TrainingError
from videostyle.training.loss_network import LossNetwork
from videostyle.training.losses import (
    Grams,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation,
)


def training_dtype(device: torch.device) -> torch.dtype:
    """The number format of products: bf16 on CUDA and on CPUs that multiply it; fp32 on others,
    where bf16 takes PyTorch many times as long. bf16 has fp32's range, so no loss is scaled."""
    return torch.bfloat16 if device.type == "cuda" or cpu_has_bf16() else torch.float32


@dataclass(frozen=True, slots=True)
class Losses:
    """One number a pastiche (N,), relative and before weighting (see `losses`)."""

    style: Tensor
    content: Tensor
    total_variation: Tensor


@dataclass(frozen=True, slots=True)
class Objective:
    """The weights of the losses and the network that measures them.

    Compare totals only between objectives with the same loss network and weights.
    """

    network: LossNetwork
    style_weight: float = 14.0
    content_weight: float = 1.0
    tv_weight: float = 1.0
    precision: torch.dtype = torch.float32

    @classmethod
    def from_recipe(
        cls,
        network: LossNetwork,
        recipe: Mapping[str, Any],
        precision: torch.dtype = torch.float32,
    ) -> Objective:
        """With the weights a model was trained with, as its card's recipe records them. Raises
        TrainingError if they are not numbers, finite and not negative."""
        names = ("style_weight", "content_weight", "tv_weight")
        try:
            weights: dict[str, Any] = {
                name: float(recipe[name]) for name in names if name in recipe
            }
        except (TypeError, ValueError, OverflowError) as error:
            raise TrainingError(
                f"the model's recipe has a weight that is no number ({error})"
            ) from error
        for name, weight in weights.items():
            if not 0 <= weight < math.inf:
                raise TrainingError(f"the model's recipe has a {name} of {weight}")
        return cls(network, **weights, precision=precision)

    def rounded(self) -> Objective:
        """The same, its network's weights rounded to `precision` once instead of at every use."""
        return replace(self, network=self.network.rounded(self.precision))

    @property
    def device(self) -> torch.device:
        """Where the loss network is, and with it all that is compared."""
        return next(self.network.buffers()).device

    def autocast(self) -> AbstractContextManager[object]:
        """What is computed inside runs in `precision` where that is safe."""
        enabled = self.precision != torch.float32
        return torch.autocast(self.device.type, self.precision, enabled=enabled)

    def grams(self, pictures: Tensor) -> Grams:
        """{tap: (N, C, C)} of pictures (N, 3, H, W) at the style taps."""
        features = self._features(pictures, self.network.style_taps)
        return {tap: gram_matrix(seen) for tap, seen in features.items()}

    @torch.no_grad()
    def painting_grams(self, paintings: Sequence[Tensor]) -> Grams:
        """{tap: (S, C, C)} of paintings (3, H, W), each at its own size, in fp32."""
        seen = [self.grams(painting[None].to(self.device)) for painting in paintings]
        return {tap: torch.cat([each[tap] for each in seen]) for tap in self.network.style_taps}

    @torch.no_grad()
    def content_features(self, photos: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C, h, w) at the content tap."""
        tap = self.network.content_tap
        with self.autocast():
            return self._features(photos, (tap,))[tap]

    def losses(self, pastiches: Tensor, grams: Grams, content: Tensor) -> Losses:
        """pastiches (N, 3, H, W); grams {tap: (N or 1, C, C)}; content as `content_features`."""
        tap = self.network.content_tap
        with self.autocast():
            features = self._features(pastiches, tuple(dict.fromkeys((*grams, tap))))
            seen = {tap: gram_matrix(features[tap]) for tap in grams}
            return Losses(
                style_loss(seen, grams),
                content_loss(features[tap], content),
                total_variation(pastiches),
            )

    def losses_of(self, pastiches: Tensor, grams: Grams, photos: Tensor) -> Losses:
        """The same, of photographs (N, 3, H, W)."""
        return self.losses(pastiches, grams, self.content_features(photos))

    def _features(self, pixels: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        return {tap: _relu(seen) for tap, seen in self.network(pixels, taps).items()}

    def total(self, losses: Losses, style_scale: Tensor | float = 1.0) -> Tensor:
        """(N,): the weighted sum; style_scale multiplies the style weight, of each or of all."""
        return (
            self.style_weight * style_scale * losses.style
            + self.content_weight * losses.content
            + self.tv_weight * losses.total_variation
        )


def _relu(x: Tensor) -> Tensor:
    """Compiled for a CPU, the gradient of PyTorch's own operator stores a mask number by number."""
    if x.device.type == "cpu" and torch.compiler.is_compiling():
        return (x + x.abs()) / 2
    return F.relu(x)
