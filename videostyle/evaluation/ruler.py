"""What all models are measured by, and the photos they paint for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from videostyle.errors import TrainingError
from videostyle.evaluation.lpips import Lpips
from videostyle.network.model_card import ModelCard
from videostyle.training.config import PaintingConfig, read_painting_config
from videostyle.training.dataset import (
    Painting,
    crop_to_multiple,
    list_photos,
    open_picture,
    painting_pixels,
    to_pixels,
)
from videostyle.training.loss_network import LossNetwork
from videostyle.training.losses import Grams
from videostyle.training.objective import Objective

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ruler:
    """The loss in fp32 and, by style, the Gram matrices {tap: (1, C, C)} of its painting and the
    weight it was learned with. Without `lpips`, LPIPS is not measured."""

    objective: Objective
    grams: Mapping[str, Grams]
    painting_weights: Mapping[str, float]
    lpips: Lpips | None = None


def make_ruler(
    cards: Sequence[ModelCard],
    paintings: Mapping[str, Painting],
    styles: Sequence[str],
    loss_network: LossNetwork,
    *,
    lpips: Lpips | None = None,
    device: torch.device | str = "cpu",
) -> Ruler:
    """Measure by the loss weights the first card's model was trained with, and every style by the
    size and weight its painting had in the first model that learned it.

    One ruler serves all models: totals under different weights could not be compared. Raises
    TrainingError if a style has no painting, if a card's recipe is broken, or if only some of the
    models smooth what they make.
    """
    if missing := [style for style in styles if style not in paintings]:
        raise TrainingError(
            f"style {missing[0]!r} has no painting in styles.csv "
            f"(have: {', '.join(sorted(paintings))})"
        )
    smooth, *others = (bool(card.architecture.get("smooth_output")) for card in cards)
    if odd := next(
        (card for card, other in zip(cards[1:], others, strict=True) if other != smooth), None
    ):
        raise TrainingError(
            f"one of {cards[0].name} and {odd.name} smooths what it makes: measure them apart"
        )
    objective = Objective.from_recipe(loss_network.to(device), cards[0].recipe)
    configs = {style: _learned_by(cards, style) for style in styles}
    pictures = {
        style: painting_pixels(paintings[style].path, config.size, smooth=smooth)
        for style, config in configs.items()
    }
    grams = {style: objective.painting_grams([pixels]) for style, pixels in pictures.items()}
    painting_weights = {style: config.weight for style, config in configs.items()}
    return Ruler(objective, grams, painting_weights, lpips.to(device) if lpips else None)


def _learned_by(cards: Sequence[ModelCard], style: str) -> PaintingConfig:
    """How the first model that learned a style learned it."""
    for card in cards:
        if settings := card.recipe.get("paintings", {}).get(style):

            def wrong(_: str, message: str, name: str = card.name) -> TrainingError:
                return TrainingError(f"{name}: its recipe's paintings: {message}")

            return read_painting_config(settings, wrong, f"{style}: ")
    return PaintingConfig()


def read_photos(
    folder: Path, *, count: int | None, size: int, multiple: int, device: torch.device | str
) -> dict[str, Tensor]:
    """{file name: (1, 3, H, W)}: photos of a folder, `count` of them evenly over their sorted
    names, the shorter side at `size` pixels, both cropped to a multiple. Raises TrainingError."""
    return {
        path.name: to_pixels(crop_to_multiple(open_picture(path), size, multiple))[None].to(device)
        for path in spread(list_photos(folder), count)
    }


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """At most `count` items, evenly over the sequence; all of them for None."""
    count = min(count or len(items), len(items))
    return [items[index * len(items) // count] for index in range(count)]
