"""Training steps: the network and the rows of gammas and betas, or rows alone.

Every image of a batch is painted in its own style (paper, section 2.2). Knows nothing of files.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from videostyle.errors import TrainingError
from videostyle.network.architecture import Architecture
from videostyle.network.network import StyleNetwork
from videostyle.network.program import Program, Streams, record_graph
from videostyle.training.config import TrainConfig
from videostyle.training.dataset import ContentCrops
from videostyle.training.losses import Grams, temporal_loss
from videostyle.training.memory import keep_freed_memory
from videostyle.training.objective import Objective
from videostyle.training.optimizer import Optimizer
from videostyle.training.warp import inside, random_warp, warp

log = logging.getLogger(__name__)

# The motion the temporal loss asks the network to follow: pixels, and noise in [0, 1] RGB.
BEND, SHIFT, NOISE = 4.0, 10.0, 0.015
# From so many updates on, the half minute that compiling takes is won back twice over.
COMPILE_FROM_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Step:
    """Losses of one update: means over the batch, before weighting."""

    step: int
    style: float
    content: float
    total_variation: float
    temporal: float


class Trainer:
    """Everything an update needs.

    photos: content pictures, or their paths. grams: {tap: (S, C, C)} and rows (S, 2, D), in the
    order of config.paintings. The network's own weights are trained too unless they are frozen
    (`requires_grad_(False)`).
    """

    def __init__(
        self,
        config: TrainConfig,
        photos: Sequence[Path | Image.Image],
        objective: Objective,
        grams: Grams,
        network: StyleNetwork,
        rows: Tensor,
    ) -> None:
        self.config, self.objective = config, objective
        self.device = objective.device
        self.grams = {tap: gram.to(self.device) for tap, gram in grams.items()}
        self.crops = ContentCrops(
            tuple(photos), config.seed, config.batch_size, config.crop, self.device
        )
        if self.device.type == "cpu":
            keep_freed_memory()
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.rows = nn.Parameter(rows.to(self.device, copy=True))
        self.parameters: Mapping[str, nn.Parameter] = {
            **{f"network.{k}": v for k, v in network.named_parameters() if v.requires_grad},
            "rows": self.rows,
        }
        self.optimizer = Optimizer(
            self.parameters,
            kernel_rate=config.learning_rate,
            other_rate=config.row_learning_rate,
        )
        weights = [painting.weight for painting in config.paintings.values()]
        self.painting_weights = torch.tensor(weights, device=self.device)
        self.step = 0
        self.remedy = "lower the learning rates"  # of a loss that is no longer finite
        self._measure = objective.rounded().losses_of
        self._paint = self.network
        if config.steps >= COMPILE_FROM_STEPS and can_compile(self.device.type):
            self._paint, self._measure = (
                torch.compile(each, fullgraph=True) for each in (self._paint, self._measure)
            )
        self._streams = Streams(self.device)
        self.programs: dict[int, Program] = {}  # by how many tensors a step takes

    def update(self) -> Step:
        """Make one step. Raises TrainingError when the loss is no longer finite."""
        return self.submit()()

    def submit(self) -> Callable[[], Step]:
        """Begin a step; the function returned waits for its losses, and raises TrainingError when
        they are no longer finite.

        On CUDA the second step of a kind (with the temporal loss or without) and all later ones
        replay a graph: a step is hundreds of small kernels, which would wait for Python.
        """
        streams = self._streams
        current = streams.module.current_stream()
        pixels = self.crops.batch(self.step)
        if self.device.type == "cuda":
            pixels.record_stream(streams.compute)
        with streams.module.stream(streams.compute):
            streams.order(current, streams.compute)
            given = self._given(pixels)
            program = self.programs.get(len(given))
            if program is None:
                record = record_graph if self.device.type == "cuda" else None
                inputs = [each.clone() for each in given]
                program = self.programs[len(given)] = Program(self._update, inputs, record)
            else:
                for still, new in zip(program.inputs, given, strict=True):
                    still.copy_(new)
            there = program.run()
            losses = torch.empty(there.shape, pin_memory=self.device.type == "cuda")
            losses.copy_(there, non_blocking=True)
            done = streams.module.Event()
            done.record(streams.compute)
        self.step += 1
        number = self.step

        def take() -> Step:
            done.synchronize()
            total, *parts = losses.tolist()
            if not math.isfinite(total):
                raise TrainingError(f"the loss is no longer finite at step {number}; {self.remedy}")
            return Step(number, *parts)

        return take

    def _given(self, pixels: Tensor) -> list[Tensor]:
        """What a step depends on: pixels, style indices, and shares of the style weight and of the
        learning rates; with the temporal loss also how the picture moves, and noise."""
        config = self.config
        given = [
            pixels,
            self._on_device(torch.tensor(self.styles_of_step(self.step))),
            self._on_device(torch.tensor((self._style_ramp(), self._rate_share()))),
        ]
        if config.temporal_weight and self.step >= config.temporal_from_step:
            random = torch.Generator(self.device)
            random.manual_seed((config.seed * 1_000_003 + self.step) % (1 << 63))
            side = config.crop
            grid = random_warp(len(pixels), side, side, random, bend=BEND, shift=SHIFT)
            noise = torch.randn(pixels.shape, generator=random, device=self.device)
            given += (grid, noise * NOISE)
        return given

    def _on_device(self, numbers: Tensor) -> Tensor:
        """Copy without waiting for the work the device has."""
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()
        return numbers.to(self.device, non_blocking=True)

    def _update(self, pixels: Tensor, chosen: Tensor, shares: Tensor, *motion: Tensor) -> Tensor:
        """(5,): the total loss, then those of `Step`."""
        config = self.config
        for parameter in self.parameters.values():
            parameter.grad = None  # of a recording that failed half-way
        rows = self.rows.index_select(0, chosen)
        with self.objective.autocast():
            pastiche = self._paint(pixels, rows)[0].float()
        grams = {tap: gram.index_select(0, chosen) for tap, gram in self.grams.items()}
        losses = self._measure(pastiche, grams, pixels)
        temporal = pastiche.new_zeros(len(pastiche))
        if motion:
            temporal = self._temporal(pixels, rows, pastiche, *motion)
        scale = self.painting_weights.index_select(0, chosen) * shares[0]
        total = (self.objective.total(losses, scale) + config.temporal_weight * temporal).mean()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters.values(), config.gradient_clip)
        self.optimizer.step(shares[1])
        parts = (losses.style, losses.content, losses.total_variation, temporal)
        return torch.cat((total.detach()[None], torch.stack(parts).detach().mean(1)))

    @torch.no_grad()
    def measure(self, batches: int = 4) -> list[tuple[float, float]]:
        """Style and content loss of every style, each a mean over the same fresh crops."""
        config = self.config
        fresh = replace(self.crops, seed=config.seed + 1)
        crops = [fresh.batch(number) for number in range(batches)]
        content = [self.objective.content_features(pixels) for pixels in crops]
        result = []
        for style, row in enumerate(self.rows):
            grams = {tap: gram[style : style + 1] for tap, gram in self.grams.items()}
            parts = []
            for pixels, features in zip(crops, content, strict=True):
                with self.objective.autocast():
                    pastiche = self.network(pixels, row[None].expand(len(pixels), -1, -1))[0]
                losses = self.objective.losses(pastiche.float(), grams, features)
                parts.append(torch.stack((losses.style.mean(), losses.content.mean())))
            style_loss, content_loss = torch.stack(parts).mean(0).tolist()
            result.append((style_loss, content_loss))
        return result

    def styles_of_step(self, step: int) -> list[int]:
        """Style indices of a batch: every style once before any comes again."""
        count, size = len(self.rows), self.config.batch_size
        result = []
        for position in range(step * size, (step + 1) * size):
            random = np.random.default_rng((self.config.seed, 1, position // count))
            result.append(int(random.permutation(count)[position % count]))
        return result

    def _style_ramp(self) -> float:
        """The style weight grows linearly from 0: a new network that meets the full weight at once
        learns textures that ignore the scene."""
        if self.config.start_from:
            return 1.0
        return min(1.0, (self.step + 1) / max(1, self.config.style_ramp_steps))

    def _rate_share(self) -> float:
        """Of the learning rates, at this step."""
        config = self.config
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        fall = min(1.0, 2 * (1 - self.step / config.steps))
        return warm * fall

    def _temporal(
        self, pixels: Tensor, rows: Tensor, pastiche: Tensor, grid: Tensor, noise: Tensor
    ) -> Tensor:
        moved = (warp(pixels, grid) + noise).contiguous(memory_format=torch.channels_last)
        with self.objective.autocast():
            again = self._paint(moved, rows)[0].float()
        return temporal_loss(warp(pastiche, grid), again, inside(grid))


@cache
def can_compile(device: str) -> bool:
    """Whether PyTorch can compile for a kind of device here: it needs a C++ compiler and Python's
    headers, on CUDA also Triton."""
    try:
        torch.compile(torch.neg)(torch.zeros(1, device=device))
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), "")
        log.warning("updates are not compiled, which would save a third of their time: %s", reason)
        return False
    return True


def initial_rows(architecture: Architecture, count: int) -> Tensor:
    """(count, 2, D): gamma 1 and beta 0, except that every residual block starts as the identity
    (gamma 0), so that the scene passes from the first step."""
    rows = torch.stack((torch.ones(architecture.row_size), torch.zeros(architecture.row_size)))
    body = architecture.contract[-1].channels
    first = sum(layer.channels for layer in architecture.contract)
    for block in range(architecture.residual_blocks):
        offset = first + (2 * block + 1) * body
        rows[0, offset : offset + body] = 0
    return rows.repeat(count, 1, 1)
