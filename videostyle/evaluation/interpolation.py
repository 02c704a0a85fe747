"""Whether a mixture of two styles lies between them: the style loss to either end along the way.

Dumoulin, Shlens, Kudlur 2016, section 3.5 and figure 7: gammas and betas are mixed linearly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videostyle.evaluation.ruler import Ruler
from videostyle.network.model import Model
from videostyle.training.losses import style_loss

# Weights of the second style.
STEPS = tuple(index / 10 for index in range(11))


@dataclass(frozen=True, slots=True)
class Curve:
    """Style loss to one painting at each of STEPS: mean over the photos and its standard error."""

    mean: tuple[float, ...]
    error: tuple[float, ...]
    monotone: bool


@dataclass(frozen=True, slots=True)
class Interpolation:
    """The way from one style to another: `to_start` should only rise, `to_end` only fall."""

    start: str
    end: str
    to_start: Curve
    to_end: Curve


@dataclass(frozen=True, slots=True)
class InterpolationReport:
    """All pairs, with what they were measured by; photos of shorter side `size` pixels."""

    model: str
    loss_network: str
    size: int
    photos: tuple[str, ...]
    steps: tuple[float, ...]
    pairs: tuple[Interpolation, ...]

    @property
    def monotone(self) -> int:
        """How many curves, of two a pair, are monotone."""
        return sum(pair.to_start.monotone + pair.to_end.monotone for pair in self.pairs)


def interpolate_all(
    ruler: Ruler,
    model: Model,
    styles: Sequence[str],
    photos: Sequence[Tensor],
    on_progress: Callable[[], None] = lambda: None,
) -> tuple[Interpolation, ...]:
    """`interpolate` photos (1, 3, H, W) from each style to the next; on_progress is called after
    each of these len(styles) - 1 pairs."""
    pairs = []
    for start, end in pairwise(styles):
        pairs.append(interpolate(ruler, model, start, end, photos))
        on_progress()
    return tuple(pairs)


@torch.no_grad()
def interpolate(
    ruler: Ruler, model: Model, start: str, end: str, photos: Sequence[Tensor]
) -> Interpolation:
    """Paint photos (1, 3, H, W), on the ruler's device, in all STEPS between two styles."""
    device = ruler.objective.device
    network = model.network.to(device)
    mixtures = [{start: 1 - weight, end: weight} for weight in STEPS]
    rows = torch.from_numpy(model.rows(mixtures)).to(device)
    losses = []
    for photo in photos:
        seen = ruler.objective.grams(network(photo.expand(len(rows), -1, -1, -1), rows)[0])
        losses.append([style_loss(seen, ruler.grams[style]).tolist() for style in (start, end)])
    to_start, to_end = np.array(losses).transpose(1, 0, 2)
    return Interpolation(start, end, _curve(to_start, rising=True), _curve(to_end, rising=False))


def _curve(losses: npt.NDArray[np.float64], *, rising: bool) -> Curve:
    mean, error = tuple(losses.mean(0).tolist()), tuple(_standard_error(losses).tolist())
    return Curve(mean, error, is_monotone(losses, rising=rising))


def is_monotone(losses: npt.NDArray[np.float64], *, rising: bool) -> bool:
    """Whether the mean over photos of losses (photos, steps) only rises, or only falls, within
    noise.

    Between any two steps, however far apart, the mean may go the wrong way by less than the
    standard error of that change over the photos, or by less than 1 % of the curve's range.
    """
    wrong_is_up = -losses if rising else losses
    slack = 0.01 * np.ptp(losses.mean(0))
    for before, after in combinations(range(losses.shape[1]), 2):
        change = wrong_is_up[:, after] - wrong_is_up[:, before]
        if change.mean() > max(slack, _standard_error(change)):
            return False
    return True


def _standard_error(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of the mean over the first axis; 0 for a single value."""
    count = len(values)
    deviation = values.std(0, ddof=1) if count > 1 else np.zeros(values.shape[1:])
    return np.asarray(deviation / math.sqrt(count))
