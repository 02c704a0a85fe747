"""Teaches a trained network one more painting: its row of gammas and betas alone is trained.

Dumoulin et al., section 3.4 (figure 6): the shared weights stay as they are, so the model's other
styles do not change, and a small fraction of the updates is enough.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.errors import TrainingError, UsageError
from videostyle.media.numbered import is_sequence_input
from videostyle.media.picture import is_picture
from videostyle.network.model import Model
from videostyle.network.model_card import Style
from videostyle.training.config import PaintingConfig, TrainConfig
from videostyle.training.dataset import (
    list_photos,
    open_picture,
    painting_pixels,
    shrink_photo,
)
from videostyle.training.loss_network import LossNetwork
from videostyle.training.objective import Objective, training_dtype
from videostyle.training.train import Step, Trainer

# Of a video's first VIDEO_SPAN frames, VIDEO_FRAMES to twice as many are used, evenly spread.
VIDEO_FRAMES, VIDEO_SPAN = 60, 6000


class StyleTraining:
    """Trains the row of one painting; `steps` yields one `Step` an update, then `model` holds
    the result.

    painting: the picture. settings: the size it is shown to the loss at, and its weight. photos:
    content pictures, or their paths. An update sees batch_size squares of `crop` pixels. Losses are
    weighted as the model's own recipe says. Raises UsageError if the model already has a style of
    that name, TrainingError for pictures and weights that cannot be used.
    """

    def __init__(
        self,
        model: Model,
        painting: Path,
        style: Style,
        photos: Sequence[Path | Image.Image],
        loss_network: LossNetwork,
        *,
        steps: int,
        settings: PaintingConfig,
        batch_size: int = 4,
        crop: int = 224,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        if style.name in model.card.style_names:
            raise UsageError(f"the model already has a style {style.name!r}; choose another")
        self._before, self._style, self._settings = model, style, settings
        recipe, precision = model.card.recipe, training_dtype(torch.device(device))
        objective = Objective.from_recipe(loss_network.to(device), recipe, precision)
        config = TrainConfig(
            name=style.name,
            paintings={style.name: settings},
            steps=steps,
            batch_size=batch_size,
            crop=crop,
            style_ramp_steps=0,
            seed=seed,
        )
        smooth = model.architecture.smooth_output
        grams = objective.painting_grams([painting_pixels(painting, settings.size, smooth=smooth)])
        network = copy.deepcopy(model.network).train().requires_grad_(False)
        rows = torch.from_numpy(model.styles)
        self.trainer = Trainer(config, photos, objective, grams, network, rows[:1])
        self.trainer.remedy = "give the painting less weight"
        self.trainer.rows.data.copy_(self._nearest_row(rows))

    def steps(self) -> Iterator[Step]:
        """Train."""
        while self.trainer.step < self.trainer.config.steps:
            yield self.trainer.update()

    def preview(self) -> Model:
        """The model with the style added, as it stands now; its card says nothing of losses."""
        return self._with_style(self._before.card.recipe)

    def model(self) -> Model:
        """The model with the style added and its losses measured."""
        before, losses = self._before, self.trainer.measure()[0]
        recipe = dict(before.card.recipe)
        recipe["paintings"] = {
            **recipe.get("paintings", {}),
            self._style.name: asdict(self._settings),
        }
        recipe["losses"] = {
            **recipe.get("losses", {}),
            self._style.name: {
                "style": losses[0],
                "content": losses[1],
                "loss_network": self.trainer.objective.network.name,
            },
        }
        return self._with_style(recipe)

    def _with_style(self, recipe: Mapping[str, Any]) -> Model:
        before = self._before
        card = replace(before.card, styles=(*before.card.styles, self._style), recipe=recipe)
        row = self.trainer.rows.detach().cpu().numpy()
        return replace(before, card=card, styles=np.concatenate((before.styles, row)))

    @torch.no_grad()
    def _nearest_row(self, rows: Tensor) -> Tensor:
        """(1, 2, D): the row among `rows` whose pastiches are nearest to the painting."""
        trainer = self.trainer
        losses = []
        for row in rows:
            trainer.rows.data.copy_(row[None])
            losses.append(trainer.measure(batches=1)[0][0])
        return rows[losses.index(min(losses))][None]


def content_pictures(path: Path) -> Sequence[Path | Image.Image]:
    """Content from a folder of pictures, one picture, or frames: a video or numbered pictures.

    Raises TrainingError or MediaError.
    """
    if path.is_dir():
        return list_photos(path)
    if is_picture(path) and not is_sequence_input(path):
        return [path]
    info = probe(path, "tonemap")
    pictures: list[Image.Image] = []
    stride = 1
    for number, frame in enumerate(islice(decode(info), VIDEO_SPAN)):
        if number % stride == 0:
            pictures.append(shrink_photo(frame.image.to_image()))  # type: ignore[no-untyped-call]
        if len(pictures) == 2 * VIDEO_FRAMES:
            pictures, stride = pictures[::2], 2 * stride
    return pictures


def middle_picture(pictures: Sequence[Path | Image.Image]) -> Image.Image:
    """The middle one of content pictures, or the next that can be read. Raises TrainingError."""
    middle = len(pictures) // 2
    for picture in (*pictures[middle:], *pictures[:middle]):
        if isinstance(picture, Image.Image):
            return picture
        with suppress(TrainingError):
            return open_picture(picture)
    raise TrainingError(f"{pictures[middle]}: cannot be read as a picture, nor can any beside it")


def loss_range(recipe: Mapping[str, Any], style: str) -> tuple[float, float] | None:
    """Lowest and highest style loss of a model's other styles that were measured by the same loss
    network, as its card records them; losses that are no finite numbers are left out."""
    networks = {
        name: entry.get("loss_network", recipe.get("loss_network"))
        for name, entry in recipe["losses"].items()
    }
    losses = [
        entry["style"]
        for name, entry in recipe["losses"].items()
        if name != style
        and networks[name] == networks[style]
        and 0 <= entry["style"] <= sys.float_info.max
    ]
    return (min(losses), max(losses)) if losses else None


def draw_sample(picture: Image.Image, painting: Path, pastiche: Image.Image) -> Image.Image:
    """Painting, photograph and pastiche side by side, equally high."""
    height = picture.height
    painted = open_picture(painting)
    painted = painted.resize((max(1, round(painted.width * height / painted.height)), height))
    cells = (painted, picture, pastiche)
    sheet = Image.new("RGB", (sum(cell.width for cell in cells), height))
    left = 0
    for cell in cells:
        sheet.paste(cell, (left, 0))
        left += cell.width
    return sheet
