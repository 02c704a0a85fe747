"""How much a pastiche changes when its picture moves, by how far it moves.

    python bench/shift.py PHOTOS --model lean [--model FILE ...]

A network that works at 1/8 of the resolution lays its strokes on a lattice of 8 pixels: what moves
by 8 meets the same lattice again. The change is the mean square, in [0, 1] RGB and x 10,000,
between the moved pastiche and the pastiche of the moved picture, away from the border; mean of
eight photos and six styles. Moves by whole pixels are exact. `noise` is that of a camera on a
picture at rest, `resampling` what bicubic moves by half a pixel there and back cost by themselves.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from videostyle.evaluation.motion import NOISE
from videostyle.evaluation.ruler import spread
from videostyle.network.model import load_model
from videostyle.training.dataset import list_photos, open_picture, resize_shorter, to_pixels
from videostyle.training.warp import flow_grid, warp

STYLES = ("starry_night", "great_wave", "the_kiss", "composition_vii", "udnie", "dore_engraving")
MOVES = ((0.3, 0.1), (0.5, 0.5), (1, 0), (2, 1), (3, 1), (4, 4), (8, 8), (2.3, 1.1))  # pixels
COUNT, SIDE, BORDER = 8, 288, 24


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", action="append", required=True)
    return parser


@torch.no_grad()
def main() -> None:
    arguments = make_parser().parse_args()
    paths = spread(list_photos(arguments.photos), COUNT)
    if len(paths) < COUNT:
        make_parser().error(f"{arguments.photos}: holds {len(paths)} of the {COUNT} photos needed")
    photos = torch.stack([square(path) for path in paths])
    noise = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0)) * NOISE
    for name in arguments.model:
        model = load_model(name)
        found: dict[str, list[float]] = {}
        for style in STYLES:
            rows = torch.from_numpy(model.rows([{style: 1.0}])).expand(COUNT, -1, -1)
            pastiches = model.network(photos, rows)[0]
            half = moved(moved(pastiches, 0.5, 0.5), -0.5, -0.5)
            noisy = model.network(photos + noise, rows)[0]
            found.setdefault("resampling", []).append(change(half, pastiches))
            found.setdefault("noise", []).append(change(noisy, pastiches))
            for x, y in MOVES:
                again = model.network(moved(photos, x, y), rows)[0]
                found.setdefault(f"{x}, {y}", []).append(change(moved(pastiches, x, y), again))
        print(name)
        for what, changes in found.items():
            print(f"  {what:<12}{fmean(changes):>8.1f}")


def square(path: Path) -> Tensor:
    """The upper left of a photo of SIDE pixels."""
    return to_pixels(resize_shorter(open_picture(path), SIDE))[:, :SIDE, :SIDE]


def moved(pictures: Tensor, x: float, y: float) -> Tensor:
    flow = torch.tensor((x, y)).view(1, 2, 1, 1).expand(len(pictures), 2, SIDE, SIDE)
    return warp(pictures, flow_grid(flow))


def change(first: Tensor, second: Tensor) -> float:
    inner = slice(BORDER, -BORDER)
    return (first - second)[:, :, inner, inner].square().mean().item() * 10_000


if __name__ == "__main__":
    main()
