"""A painting learned by gammas and betas alone, against a network trained for it from scratch.

Dumoulin, Shlens, Kudlur 2016, section 3.4 and figure 6.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videostyle.errors import TrainingError
from videostyle.evaluation.quality import StyleQuality

# Points of a curve; every one is the mean of the steps around it.
POINTS = 200


@dataclass(frozen=True, slots=True)
class Curve:
    """Style loss against steps, in training: means of equal stretches at their last step."""

    step: tuple[int, ...]
    style: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NewStyleReport:
    """ratio: style loss of the added style over that of the network trained from scratch, both
    means over the same held-out photos; shorter side `size` pixels."""

    style: str
    loss_network: str
    size: int
    photos: tuple[str, ...]
    ratio: float
    added: StyleQuality
    from_scratch: StyleQuality
    added_curve: Curve
    from_scratch_curve: Curve


def read_curve(model: Path) -> Curve:
    """The losses written beside a model: NAME.csv (`add-style`) or losses.csv (`train`). Raises
    TrainingError."""
    found = [path for path in (model.with_suffix(".csv"), model.with_name("losses.csv"))
             if path.exists()]  # fmt: skip
    if not found:
        raise TrainingError(f"{model}: there is no {model.stem}.csv or losses.csv beside it")
    try:
        with found[0].open(newline="", encoding="utf-8") as file:
            rows = [(int(row["step"]), float(row["style"])) for row in csv.DictReader(file)]
        steps, losses = np.array(rows).T
        if not np.isfinite(losses).all():
            raise ValueError("a loss is not finite")
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise TrainingError(f"{found[0]}: not a table of losses ({error})") from error
    stretches = np.array_split(np.arange(len(steps)), min(POINTS, len(steps)))
    return Curve(
        tuple(int(steps[each[-1]]) for each in stretches),
        tuple(float(losses[each].mean()) for each in stretches),
    )
