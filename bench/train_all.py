"""Trains every network the figures in docs/ need, side by side on one GPU.

    python bench/train_all.py DATA OUT [--only NAME ...] [--set KEY=VALUE ...] [--device cuda]

DATA holds photos/, paintings/, paintings_extra/ and loss/vgg19_16x.safetensors. Every run has a
folder in OUT, from which it resumes. A step of one network leaves most of a GPU idle, so all take
turns to begin one, each on a stream of its own; of the same photographs they see the same crops.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from videostyle.device import choose_device
from videostyle.network.model import load_model, save_model
from videostyle.training.add_style import StyleTraining
from videostyle.training.config import TrainConfig, read_train_config
from videostyle.training.dataset import ContentCrops, list_paintings, list_photos
from videostyle.training.loss_network import load_loss_network
from videostyle.training.records import write_losses
from videostyle.training.run import TrainingRun, make_run
from videostyle.training.train import Step

RECIPES = Path(__file__).parents[1] / "videostyle" / "training" / "recipes"
ALONE = ("starry_night", "great_wave", "composition_vii", "the_kiss")
STILL = "temporal_weight=0"
# Paintings that `lean` has not learned: by gammas and betas alone, in so many times fewer updates
# than from scratch (paper, figure 6).
ADDED, FEWER = (
    "irises", "kirifuri_waterfall", "moulin_de_la_galette", "olive_trees", "parliament",
    "place_des_lices", "pontoise", "ravenna_mosaic",
), 8  # fmt: skip
# Name: recipe, folder of paintings, changes.
RUNS = {
    "paper": ("paper", "paintings", ["width=1"]),
    # With the style weight of `lean`'s rows, as they are added.
    **{f"{name}_from_scratch": ("lean", "paintings_extra",
       [STILL, "style_weight=24", "steps=40000", f"paintings={{{name}: {{}}}}"])
       for name in ADDED},
    "lean": ("lean", "paintings", []),
    "lean_without_temporal": ("lean", "paintings", [STILL]),
    **{f"single_{name}": ("lean", "paintings", [STILL, f"paintings={{{name}: {{}}}}"])
       for name in ALONE},
}  # fmt: skip
REPORT_SECONDS = 10


class AddedStyle:
    """A painting's row, added to `lean`, on the crops it is learned from scratch with. Does not
    resume."""

    def __init__(self, config: TrainConfig, data: Path, folder: Path, device: str) -> None:
        ((name, settings),) = config.paintings.items()
        painting = list_paintings(data / "paintings_extra")[name]
        self.path = folder / f"{name}.safetensors"
        self.training = StyleTraining(
            load_model("lean"),
            painting.path,
            painting.style,
            list_photos(data / "photos"),
            load_loss_network(data / "loss" / "vgg19_16x.safetensors"),
            steps=config.steps // FEWER,
            settings=settings,
            batch_size=config.batch_size,
            crop=config.crop,
            device=choose_device(device),
            seed=config.seed,
        )
        self.trainer = self.training.trainer

    def steps(self) -> Iterator[Step]:
        losses = []
        for step in self.training.steps():
            losses.append(asdict(step))
            yield step
        model = self.training.model()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_model(self.path, model)
        write_losses(self.path.with_suffix(".csv"), losses)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    names = (*RUNS, *ADDED)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--device", default="cuda")
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    runs = {name: start(name, arguments) for name in arguments.only}
    crops: dict[ContentCrops, ContentCrops] = {}
    for run in runs.values():
        run.trainer.crops = crops.setdefault(run.trainer.crops, run.trainer.crops)
    going = {name: run.steps() for name, run in runs.items()}
    done = dict.fromkeys(going, 0)
    began = last = time.perf_counter()
    before = dict(done)
    while going:
        for name, steps in list(going.items()):
            step = next(steps, None)
            if step:
                done[name] = step.step
                continue
            del going[name]
        now = time.perf_counter()
        if now - last > REPORT_SECONDS or not going:
            rates = {name: (done[name] - before[name]) / (now - last) for name in done}
            each = ", ".join(f"{name} {done[name]} ({rate:.0f})" for name, rate in rates.items())
            print(
                f"{now - began:.0f} s, {sum(rates.values()):.0f} steps a second: {each}", flush=True
            )
            before, last = dict(done), now


def start(name: str, arguments: argparse.Namespace) -> TrainingRun | AddedStyle:
    recipe, paintings, changes = RUNS[f"{name}_from_scratch" if name in ADDED else name]
    data, file = arguments.data, RECIPES / f"{recipe}.yaml"
    if name in ADDED:
        config = read_train_config(file, [*changes, *arguments.changes])
        return AddedStyle(config, data, arguments.out / name, arguments.device)
    return make_run(
        file,
        photos=data / "photos",
        paintings=data / paintings,
        loss_network=data / "loss" / "vgg19_16x.safetensors",
        folder=arguments.out / name,
        changes=[f"name={name}", "checkpoint_every=2500", "sample_every=20000", *changes,
                 *arguments.changes],
        device=arguments.device,
    )  # fmt: skip


if __name__ == "__main__":
    main()
