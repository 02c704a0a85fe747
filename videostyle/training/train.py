"""Trains N styles in one network, as a generator of steps.

Adam on the shared convolutions and on the rows of gammas and betas together; every image of a
batch is painted in its own style (paper, section 2.2). A run lives in a folder:
`checkpoint.safetensors` (to resume), `losses.csv`, `losses.png`, `samples/`, and the model.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from videostyle.engine import choose_device
from videostyle.errors import TrainingError
from videostyle.model import save_model
from videostyle.model_card import ModelCard
from videostyle.network import ARCHITECTURES, StyleNetwork
from videostyle.training.config import TrainConfig, read_train_config
from videostyle.training.dataset import (
    Painting,
    content_batch,
    crop_to_multiple,
    list_paintings,
    list_photos,
    open_picture,
    resize_shorter,
    to_pixels,
)
from videostyle.training.loss_network import LossNetwork, load_loss_network
from videostyle.training.losses import content_loss, gram_matrix, style_loss, total_variation
from videostyle.training.records import append_losses, plot_losses, save_sheet

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """Losses of one update: means over the batch, before weighting."""

    step: int
    style: float
    content: float
    total_variation: float


class Trainer:
    """Everything an update needs; `run` yields one `Step` an update.

    photos: content pictures. paintings: in the order of the styles. samples: pictures painted
    in every style, every `config.sample_every` steps.
    """

    def __init__(
        self,
        config: TrainConfig,
        paintings: Sequence[Painting],
        photos: list[Path],
        loss_network: LossNetwork,
        folder: Path,
        *,
        samples: Sequence[Path] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.paintings, self.photos = config, paintings, photos
        self.folder, self.samples = folder, samples
        self.device = torch.device(device)
        architecture = ARCHITECTURES[config.architecture].scaled(config.width)
        network = StyleNetwork(architecture).to(self.device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shape = (len(paintings), architecture.row_size)
        self.gamma = nn.Parameter(torch.ones(shape, device=self.device))
        self._silence_residuals()
        self.beta = nn.Parameter(torch.zeros(shape, device=self.device))
        self.parameters = {
            **{f"network.{k}": v for k, v in self.network.named_parameters()},
            "gamma": self.gamma,
            "beta": self.beta,
        }
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=config.learning_rate)
        self.loss_network = loss_network.to(self.device)
        self.targets = self._painting_grams()
        self.step = 0

    def run(self) -> Iterator[Step]:
        """Train to `config.steps`, resuming from the folder's checkpoint if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._restore()
        config = self.config
        recent: list[Step] = []
        while self.step < config.steps:
            step = self._update()
            recent.append(step)
            yield step
            done = self.step == config.steps
            if done or self.step % config.checkpoint_every == 0:
                append_losses(self.folder / "losses.csv", [asdict(step) for step in recent])
                recent = []
                self._checkpoint()
            if self.samples and (done or self.step % config.sample_every == 0):
                plot_losses(self.folder / "losses.csv", self.folder / "losses.png")
                self._sample_sheet()
        self.export(self.model_path)

    @property
    def model_path(self) -> Path:
        """Where the finished model goes."""
        return self.folder / f"{self.config.name}.safetensors"

    def export(self, path: Path) -> None:
        """Write the model as it stands now."""
        losses = {"final_step": self.step}
        card = ModelCard(
            name=self.config.name,
            architecture=self.network.architecture.to_dict(),
            styles=tuple(painting.style for painting in self.paintings),
            licence="Apache-2.0",
            recipe={**self.config.to_dict(), **losses},
        )
        save_model(path, card, self.network, torch.stack((self.gamma, self.beta), dim=1))

    @torch.no_grad()
    def _silence_residuals(self) -> None:
        """Start every residual block as the identity, so that the scene passes from step 1."""
        plan = self.network.architecture
        body = plan.contract[-1].channels
        first = sum(layer.channels for layer in plan.contract)
        for block in range(plan.residual_blocks):
            offset = first + (2 * block + 1) * body
            self.gamma[:, offset : offset + body] = 0

    def _style_weight(self) -> float:
        """The style weight grows linearly from 0: a network that meets the full weight at once
        learns textures that ignore the scene."""
        config = self.config
        return config.style_weight * min(1.0, (self.step + 1) / max(1, config.style_ramp_steps))

    def _learning_rate(self) -> float:
        config = self.config
        warm = min(1.0, (self.step + 1) / max(1, config.warmup_steps))
        fall = min(1.0, 2 * (1 - self.step / config.steps))
        return config.learning_rate * warm * fall

    def _update(self) -> Step:
        config = self.config
        pixels = content_batch(
            self.photos, self.step, seed=config.seed, batch_size=config.batch_size, crop=config.crop
        )
        pixels = pixels.to(self.device).contiguous(memory_format=torch.channels_last)
        chosen = self._styles_of_step()
        style, content, variation = self._losses(pixels, chosen)
        weights = [self.config.paintings[self.paintings[i].style.name].weight for i in chosen]
        total = (
            self._style_weight() * (style * style.new_tensor(weights)).mean()
            + config.content_weight * content.mean()
            + config.tv_weight * variation.mean()
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters.values(), config.gradient_clip)
        self.optimizer.step()
        self.step += 1
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is no longer finite at step {self.step}; lower learning_rate"
            )
        return Step(self.step, style.mean().item(), content.mean().item(), variation.mean().item())

    def _styles_of_step(self) -> list[int]:
        """Style indices of the batch: every style once before any comes again."""
        count, size = len(self.paintings), self.config.batch_size
        result = []
        for position in range(self.step * size, (self.step + 1) * size):
            random = np.random.default_rng((self.config.seed, 1, position // count))
            result.append(int(random.permutation(count)[position % count]))
        return result

    def _losses(self, pixels: Tensor, chosen: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        rows = torch.stack((self.gamma[chosen], self.beta[chosen]), dim=1)
        with self._autocast():
            pastiche = self.network(pixels, rows)[0].float()
            with torch.no_grad():
                target = self.loss_network(pixels)[self.loss_network.content_tap]
            features = self.loss_network(pastiche)
            grams = {tap: gram_matrix(features[tap]) for tap in self.loss_network.style_taps}
        style = style_loss(grams, {tap: gram[chosen] for tap, gram in self.targets.items()})
        content = content_loss(features[self.loss_network.content_tap], target)
        return style, content, total_variation(pastiche)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16)

    @torch.no_grad()
    def _painting_grams(self) -> dict[str, Tensor]:
        """{tap: (S, C, C)} of the paintings at their configured sizes."""
        grams: dict[str, list[Tensor]] = {tap: [] for tap in self.loss_network.style_taps}
        for painting in self.paintings:
            size = self.config.paintings[painting.style.name].size
            image = resize_shorter(open_picture(painting.path), size)
            features = self.loss_network(to_pixels(image)[None].to(self.device))
            for tap, values in grams.items():
                values.append(gram_matrix(features[tap]))
        return {tap: torch.cat(values) for tap, values in grams.items()}

    def _checkpoint(self) -> None:
        tensors = {f"value.{k}": v.detach() for k, v in self.parameters.items()}
        for name, parameter in self.parameters.items():
            state = self.optimizer.state[parameter]
            tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq")}
        metadata = {"step": str(self.step), "config": json.dumps(self.config.to_dict())}
        part = self.folder / "checkpoint.part.safetensors"
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, metadata=metadata)
        part.replace(self.folder / "checkpoint.safetensors")

    def _restore(self) -> None:
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return
        try:
            with safe_open(path, framework="pt", device=str(self.device)) as file:
                self.step = int(file.metadata()["step"])
                for name, parameter in self.parameters.items():
                    parameter.data.copy_(file.get_tensor(f"value.{name}"))
                    self.optimizer.state[parameter] = {
                        "step": torch.tensor(float(self.step)),
                        "exp_avg": torch.empty_like(parameter).copy_(
                            file.get_tensor(f"exp_avg.{name}")
                        ),
                        "exp_avg_sq": torch.empty_like(parameter).copy_(
                            file.get_tensor(f"exp_avg_sq.{name}")
                        ),
                    }
        except (OSError, SafetensorError, KeyError, RuntimeError, TypeError) as error:
            raise TrainingError(
                f"{path}: does not fit this configuration ({error}); choose another folder"
            ) from error
        log.info("resuming from %s at step %d", path, self.step)

    @torch.no_grad()
    def _sample_sheet(self) -> None:
        multiple = self.network.architecture.multiple
        pictures = [crop_to_multiple(open_picture(path), 256, multiple) for path in self.samples]
        rows = torch.stack((self.gamma, self.beta), dim=1)
        columns = []
        for picture in pictures:
            pixels = to_pixels(picture)[None].to(self.device)
            with self._autocast():
                columns.append([self.network(pixels, row[None])[0][0].float() for row in rows])
        labels = [painting.style.name for painting in self.paintings]
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        save_sheet(folder / f"{self.step:06d}.png", pictures, columns, labels)


def make_trainer(
    config_path: Path,
    *,
    photos: Path,
    paintings: Path,
    loss_network: Path,
    folder: Path,
    samples: Sequence[Path] = (),
    device: str = "auto",
) -> Trainer:
    """Read the configuration and the data it names. Raises TrainingError."""
    config = read_train_config(config_path)
    known = list_paintings(paintings)
    for name in config.paintings:
        if name not in known:
            raise TrainingError(
                f"{config_path}: painting {name!r} is not in {paintings / 'styles.csv'} "
                f"(have: {', '.join(sorted(known))})"
            )
    return Trainer(
        config,
        [known[name] for name in config.paintings],
        list_photos(photos),
        load_loss_network(loss_network),
        folder,
        samples=samples,
        device=choose_device(device),
    )
