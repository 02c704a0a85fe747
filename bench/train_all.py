"""Trains every network the figures in docs/ need, side by side on one GPU.

    python bench/train_all.py DATA OUT [--only NAME ...] [--set KEY=VALUE ...] [--device cuda]

DATA holds photos/, paintings/, paintings_extra/ and loss/vgg19_16x.safetensors. Every run has a
folder in OUT, from which it resumes. A step of one network leaves most of a GPU idle, so all take
turns to begin one, each on a stream of its own; of the same photographs they see the same crops.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from videostyle.training.dataset import ContentCrops
from videostyle.training.run import TrainingRun, make_run

RECIPES = Path(__file__).parents[1] / "videostyle" / "training" / "recipes"
ALONE = ("starry_night", "great_wave", "composition_vii", "the_kiss")
STILL = "temporal_weight=0"
# Name: recipe, folder of paintings, changes.
RUNS = {
    "paper": ("paper", "paintings", ["width=1"]),
    "irises_from_scratch": (
        "lean", "paintings_extra", [STILL, "steps=40000", "paintings={irises: {}}"],
    ),
    "lean": ("lean", "paintings", []),
    "lean_half_temporal": ("lean", "paintings", ["temporal_weight=8"]),
    "lean_without_temporal": ("lean", "paintings", [STILL]),
    **{f"single_{name}": ("lean", "paintings", [STILL, f"paintings={{{name}: {{}}}}"])
       for name in ALONE},
}  # fmt: skip
REPORT_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=tuple(RUNS), default=list(RUNS))
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
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


def start(name: str, arguments: argparse.Namespace) -> TrainingRun:
    recipe, paintings, changes = RUNS[name]
    data = arguments.data
    return make_run(
        RECIPES / f"{recipe}.yaml",
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
