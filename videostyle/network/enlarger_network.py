"""The enlarger in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videostyle.media.pixels import MIDDLE
from videostyle.network.architecture import Numbers
from videostyle.network.enlarger import HIDDEN, LEVELS


class EnlargerNetwork(nn.Module):
    """Convolutions of 3 x 3 from the four pixels of a block to the sixteen it becomes. Untrained
    it adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        sides = [4, *HIDDEN, 16]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3) for inputs, outputs in pairwise(sides)
        )
        for parameter in self.convs[-1].parameters():
            nn.init.zeros_(parameter)

    @classmethod
    def of(cls, weights: Mapping[str, Numbers]) -> EnlargerNetwork:
        """With weights as `enlarger_weights` gives them, for inference."""
        network = cls()
        network.load_state_dict({name: torch.tensor(each) for name, each in weights.items()})
        return network.eval().requires_grad_(False)

    def forward(self, luma: Tensor) -> Tensor:
        """Luma (N, H, W), its bytes less MIDDLE, with even H and W -> what is added to it doubled,
        (N, 2 H, 2 W)."""
        x = F.pixel_unshuffle(luma[:, None] / LEVELS, 2)
        for number, conv in enumerate(self.convs):
            x = conv(F.pad(F.relu(x) if number else x, (1, 1, 1, 1), "replicate"))
        return F.pixel_shuffle(x, 4)[:, 0] * LEVELS

    def detail(self, luma: Tensor) -> Tensor:
        """The same of bytes (N, H, W), as bytes in which MIDDLE is 0."""
        dtype = next(self.parameters()).dtype
        detail: Tensor = self(luma.to(dtype) - MIDDLE).float() + (MIDDLE + 0.5)
        return detail.clamp_(0, 255.5).to(torch.uint8)
