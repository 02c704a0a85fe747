"""The reference: a picture's own pixels optimised until the loss network sees photo and painting.

Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016. It
minimises what training minimises, weights included, so that losses compare like with like.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from videostyle.errors import TrainingError
from videostyle.training.losses import Grams
from videostyle.training.objective import Objective

# Mean distance that pixels in [0, 1] go in the first step, which is along the gradient.
FIRST_STEP = 0.01


@dataclass(frozen=True, slots=True)
class GatysStep:
    """The picture after `step` iterations of L-BFGS, its losses, and the seconds spent on them.

    style, content and total_variation are relative and before weighting (see `losses`); total is
    their weighted sum. picture: (1, 3, H, W) in [0, 1].
    """

    step: int
    style: float
    content: float
    total_variation: float
    total: float
    seconds: float
    picture: Tensor = field(repr=False, compare=False)


def optimize(
    photo: Tensor,
    grams: Grams,
    objective: Objective,
    *,
    steps: int,
    start: Literal["photo", "noise"] = "photo",
    painting_weight: float = 1.0,
) -> Iterator[GatysStep]:
    """Yield the start as step 0, then the picture after each iteration.

    photo: (1, 3, H, W) in [0, 1]. grams: {tap: (1, C, C)} of the painting. start: noise is
    uniform and always the same. painting_weight multiplies the style weight. Pixels are clipped
    to [0, 1] after every iteration, as the baseline of Johnson, Alahi, Fei-Fei 2016, section 4.1.
    Seconds do not count what the caller does between steps. Raises TrainingError if the loss is
    no longer finite.
    """
    photo = photo.to(objective.device).contiguous()
    content = objective.content_features(photo)
    picture = photo.clone() if start == "photo" else _noise(photo)
    picture.requires_grad_()
    # Full steps without a line search: one evaluation an iteration, where strong Wolfe takes two
    # and goes no further with them. A history of 100 ends no lower than one of 20.
    optimizer = torch.optim.LBFGS([picture], max_iter=1, history_size=20)
    # Too short a first step (PyTorch's own) misjudges the curvature, and the second one explodes.
    optimizer.param_groups[0]["lr"] = FIRST_STEP * picture.numel()
    seen: list[float] = []

    def evaluate() -> Tensor:
        nonlocal seen
        optimizer.zero_grad()
        losses = objective.losses(picture, grams, content)
        total = objective.total(losses, painting_weight)
        parts = (losses.style, losses.content, losses.total_variation, total)
        seen = torch.cat(parts).tolist()
        # A sum over pixels, not a mean: the optimizer's thresholds are absolute.
        scaled = total.sum() * picture.numel()
        scaled.backward()  # type: ignore[no-untyped-call]
        return scaled

    seconds = 0.0
    for step in range(steps + 1):
        before, seconds_before = picture.detach().clone(), seconds
        began = time.perf_counter()
        optimizer.step(evaluate)  # type: ignore[no-untyped-call]
        optimizer.param_groups[0]["lr"] = 1.0
        with torch.no_grad():
            picture.clamp_(0, 1)
        if not math.isfinite(sum(seen)):
            raise TrainingError(f"the loss is no longer finite at step {step}")
        seconds += time.perf_counter() - began
        # The optimizer evaluates the picture it is given, so this tells the step before.
        style, content_loss, variation, total = seen
        yield GatysStep(step, style, content_loss, variation, total, seconds_before, before)


def _noise(photo: Tensor) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(photo.shape, generator=random).to(photo.device)
