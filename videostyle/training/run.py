"""A training run in a folder: `checkpoint.safetensors` (to resume), `losses.csv`, `losses.png`,
`samples/`, and at the end the model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from videostyle.device import choose_device
from videostyle.errors import ModelError, TrainingError, UsageError
from videostyle.network.architecture import ARCHITECTURES, Architecture
from videostyle.network.model import Model, load_model, save_model
from videostyle.network.model_card import ModelCard, model_path
from videostyle.network.network import StyleNetwork
from videostyle.training.config import CHECKPOINT, TrainConfig, read_train_config
from videostyle.training.dataset import (
    Painting,
    crop_to_multiple,
    list_paintings,
    list_photos,
    open_picture,
    painting_pixels,
    to_pixels,
)
from videostyle.training.loss_network import LossNetwork, load_loss_network
from videostyle.training.objective import Objective, training_dtype
from videostyle.training.records import append_losses, plot_losses, read_losses, save_sheet
from videostyle.training.train import Step, Trainer, initial_rows
from videostyle.whole_file import only_writer, part_path, written_whole

# What a run may be resumed with another value of.
_MAY_CHANGE = {"steps", "checkpoint_every", "sample_every"}
# What is compared by its digest, of the settings of a checkpoint.
_DIGESTS = {"network left as it is", "photographs", "pictures of the paintings"}
# What a run writes into its folder, beside its checkpoint and the model.
LOSSES, CURVES, SHEETS = "losses.csv", "losses.png", "samples"


class TrainingRun:
    """Trains N styles in one network; `steps` yields one `Step` an update.

    paintings: in the order of the styles. samples: pictures painted in every style, every
    `config.sample_every` steps.
    """

    def __init__(
        self,
        config: TrainConfig,
        paintings: Sequence[Painting],
        photos: Sequence[Path],
        loss_network: LossNetwork,
        folder: Path,
        *,
        samples: Sequence[Path] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.paintings, self.folder, self.samples = config, paintings, folder, samples
        architecture = ARCHITECTURES[config.architecture].scaled(config.width)
        smooth = architecture.smooth_output
        pictures = [
            painting_pixels(p.path, config.paintings[p.style.name].size, smooth=smooth)
            for p in paintings
        ]
        self._pictures = {
            "photographs": _digest(repr([(photo.name, _size(photo)) for photo in photos]).encode()),
            "pictures of the paintings": [_digest(p.path.read_bytes()) for p in paintings],
        }
        # On the CPU: for paintings of as many sizes a GPU would load as many sets of kernels.
        grams = Objective(loss_network).painting_grams(pictures)
        precision = training_dtype(torch.device(device))
        objective = Objective.from_recipe(loss_network.to(device), config.to_dict(), precision)
        names = [painting.style.name for painting in paintings]
        self._before: Mapping[str, Any] = {}
        if config.start_from:
            model, rows = _start_from(config.start_from, architecture, names)
            self._before = {"start_from": model.card.name, "start_from_recipe": model.card.recipe}
            network = model.network.train().requires_grad_(not config.rows_only)
        else:
            network, rows = StyleNetwork(architecture), initial_rows(architecture, len(names))
        self.trainer = Trainer(config, photos, objective, grams, network, rows)

    def steps(self) -> Iterator[Step]:
        """Train to `config.steps`, resuming from the folder's checkpoint if there is one. Raises
        TrainingError for a folder that holds another run, or its losses something else,
        UsageError while another process trains in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with only_writer(self.folder):
            yield from self._steps()

    def _steps(self) -> Iterator[Step]:
        read_losses(self.folder / LOSSES, (field.name for field in fields(Step)))
        self._restore()
        config, trainer = self.config, self.trainer
        recent: list[Step] = []
        take: Callable[[], Step] | None = None
        while take or trainer.step < config.steps:
            # A GPU is given the next step before it is asked for the losses of this one, unless
            # what it has learned so far is to be written.
            begun = None if take and self._due(trainer.step) else trainer.submit()
            if take:
                step = take()
                recent.append(step)
                yield step
                if self._due(step.step):
                    append_losses(self.folder / LOSSES, [asdict(step) for step in recent])
                    recent = []
                    self._checkpoint()
                if self._shown(step.step):
                    plot_losses(self.folder / LOSSES, self.folder / CURVES)
                    if self.samples:
                        self._sample_sheet()
            take = begun
        self.export(self.model_path)

    def _shown(self, step: int) -> bool:
        return step == self.config.steps or step % self.config.sample_every == 0

    def _due(self, step: int) -> bool:
        return self._shown(step) or step % self.config.checkpoint_every == 0

    @property
    def model_path(self) -> Path:
        """Where the finished model goes."""
        return self.folder / f"{self.config.name}.safetensors"

    def export(self, path: Path) -> None:
        """Write the model as it stands now. Raises TrainingError for numbers beyond fp16."""
        card = ModelCard(
            name=self.config.name,
            architecture=self.trainer.network.architecture.to_dict(),
            styles=tuple(painting.style for painting in self.paintings),
            licence="Apache-2.0",
            recipe={
                **self.config.to_dict(),
                **self._before,
                "final_step": self.trainer.step,
                "loss_network": self.trainer.objective.network.name,
                "losses": {
                    painting.style.name: {"style": style, "content": content}
                    for painting, (style, content) in zip(
                        self.paintings, self.trainer.measure(), strict=True
                    )
                },
            },
        )
        try:
            save_model(path, Model.of(card, self.trainer.network, self.trainer.rows))
        except ModelError as error:
            raise TrainingError(f"{error}; train anew with lower learning rates") from error

    def _checkpoint(self) -> None:
        trainer = self.trainer
        tensors = {f"value.{name}": value.detach() for name, value in trainer.parameters.items()}
        tensors |= trainer.optimizer.state()
        metadata = {"step": str(trainer.step), "config": json.dumps(self._settings())}
        with written_whole(self.folder / CHECKPOINT) as part:
            part.write_bytes(save({k: v.contiguous() for k, v in tensors.items()}, metadata))

    def _settings(self) -> dict[str, Any]:
        """What decides the weights, and is compared before a run goes on."""
        trainer, digest = self.trainer, hashlib.sha256()
        for value in trainer.network.parameters():
            if not value.requires_grad:
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return {
            **self.config.to_dict(),
            "loss network": trainer.objective.network.name,
            "network left as it is": digest.hexdigest(),
            **self._pictures,
        }

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        trainer = self.trainer
        try:
            with safe_open(path, framework="pt", device=str(trainer.device)) as file:
                metadata = file.metadata() or {}
                step = int(metadata["step"])
                if misfit := self._misfit(json.loads(metadata["config"]), step):
                    raise TrainingError(
                        f"{path}: does not fit this run ({misfit}); choose another folder"
                    )
                trainer.step = step
                for name, parameter in trainer.parameters.items():
                    parameter.data.copy_(file.get_tensor(f"value.{name}"))
                trainer.optimizer.restore(file.get_tensor)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"{path}: truncated or damaged ({error}); delete it to begin anew"
            ) from error
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise TrainingError(
                f"{path}: holds no checkpoint of a run ({error}); choose another folder"
            ) from error

    def _misfit(self, before: dict[str, Any], step: int) -> str:
        """What keeps a run with these settings, after so many steps, from going on as this one."""
        for key, wanted in self._settings().items():
            was = before.get(key, wanted)
            # The order of the paintings is that of the rows.
            same = was == wanted and (key != "paintings" or [*was] == [*wanted])
            if key in _MAY_CHANGE or same:
                continue
            if key in _DIGESTS:
                return f"{key}: not the same as before"
            return f"{key} was {was!r}, not {wanted!r}"
        done = f"{step} steps are done, not {self.config.steps}"
        return done if step > self.config.steps else ""

    @torch.no_grad()
    def _sample_sheet(self) -> None:
        trainer = self.trainer
        multiple = trainer.network.architecture.multiple
        pictures = [crop_to_multiple(open_picture(path), 256, multiple) for path in self.samples]
        columns = []
        for picture in pictures:
            pixels = to_pixels(picture)[None].to(trainer.device)
            with trainer.objective.autocast():
                columns.append(
                    [trainer.network(pixels, row[None])[0][0].float() for row in trainer.rows]
                )
        labels = [painting.style.name for painting in self.paintings]
        folder = self.folder / SHEETS
        folder.mkdir(exist_ok=True)
        save_sheet(folder / f"{trainer.step:06d}.png", pictures, columns, labels)


def _start_from(
    name: str, architecture: Architecture, styles: Sequence[str]
) -> tuple[Model, Tensor]:
    """The model a run begins with, smoothing its output if `architecture` does, and its rows of
    these styles (S, 2, D); a style it has not learned begins as the mean of those it has.
    Raises TrainingError for a model of another architecture."""
    model = load_model(name)
    # Smoothing changes no kernel's shape.
    model = replace(
        model,
        architecture=replace(model.architecture, smooth_output=architecture.smooth_output),
    )
    if model.architecture != architecture:
        raise TrainingError(
            f"start_from: {name} has another architecture; set architecture and width to its own"
        )
    styles_of_model = torch.from_numpy(model.styles)
    known = dict(zip(model.card.style_names, styles_of_model, strict=True))
    mean = styles_of_model.mean(0)
    rows = torch.stack([known.get(style, mean) for style in styles])
    return model, rows.clone()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _size(photo: Path) -> int | None:
    """In bytes: it stands for the content, as to read a hundred thousand photographs takes long.
    None for a link that leads nowhere, which is passed over like other damaged photographs."""
    try:
        return photo.stat().st_size
    except OSError:
        return None


def make_run(
    config_path: Path,
    *,
    photos: Path,
    paintings: Path,
    loss_network: Path,
    folder: Path,
    samples: Sequence[Path] = (),
    changes: Sequence[str] = (),
    device: str = "auto",
) -> TrainingRun:
    """Read the configuration, with `changes` on top, and the data it names. Raises
    TrainingError or ModelError, UsageError for a change that is wrong and for a folder in which the
    run would write over what is not its own."""
    config = read_train_config(config_path, changes)
    for path in samples:
        open_picture(path)
    known = list_paintings(paintings)
    for name in config.paintings:
        if name not in known:
            raise TrainingError(
                f"painting {name!r} is not in {paintings / 'styles.csv'} "
                f"(have: {', '.join(sorted(known))}); edit 'paintings:' or styles.csv"
            )
    learned = [known[name] for name in config.paintings]
    start = [model_path(config.start_from)] if config.start_from else []
    inputs = [config_path, loss_network, *samples, *start, *(each.path for each in learned)]
    _check_folder(folder, f"{config.name}.safetensors", photos, paintings, inputs)
    return TrainingRun(
        config,
        learned,
        list_photos(photos),
        load_loss_network(loss_network),
        folder,
        samples=samples,
        device=choose_device(device),
    )


def _check_folder(
    folder: Path, model: str, photos: Path, paintings: Path, inputs: Sequence[Path]
) -> None:
    """Raise UsageError where a run would write over its inputs, which are files, or over what no
    run has written."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; name a folder for the run")
    if folder.exists() and not os.access(folder, os.W_OK):
        raise UsageError(f"{folder}: the folder cannot be written to")
    for what, given in (("photographs", photos), ("paintings", paintings)):
        if _are_one(folder, given):
            raise UsageError(f"{folder}: holds the {what}; name another folder for the run")
    files = [folder / name for name in (CHECKPOINT, LOSSES, CURVES, model)]
    for path in (*files, *map(part_path, files)):
        if any(_are_one(path, given) for given in inputs):
            raise UsageError(
                f"{path}: is an input that would be overwritten; name another folder for the run"
            )
    sheets = folder / SHEETS
    if any(_are_one(sheets, read) for read in (photos, paintings, *(p.parent for p in inputs))):
        raise UsageError(
            f"{sheets}: is where the run's sheets go, and holds an input; name another folder "
            "for the run"
        )
    if sheets.exists() and not sheets.is_dir():
        raise UsageError(f"{sheets}: is where the run's sheets go, and a file; move it away")
    if (folder / model).exists() and not (folder / CHECKPOINT).exists():
        raise UsageError(
            f"{folder / model}: is a model of no run in this folder; name another folder, or "
            "change the name in the settings"
        )


def _are_one(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)
