"""Writes a model file with random weights, to measure the speed of an architecture.

python bench/random_model.py OUT.safetensors [--architecture paper] [--width 1]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from videostyle.network.architecture import ARCHITECTURES
from videostyle.network.model import Model, save_model
from videostyle.network.model_card import ModelCard, Style
from videostyle.network.network import StyleNetwork


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="paper")
    parser.add_argument("--width", type=float, default=1.0)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    torch.manual_seed(0)
    network = StyleNetwork(ARCHITECTURES[arguments.architecture].scaled(arguments.width))
    row_size = network.architecture.row_size
    rows = torch.stack((torch.ones(row_size), torch.zeros(row_size)))[None]
    card = ModelCard(
        name=f"random_{arguments.architecture}_{arguments.width:g}",
        architecture=network.architecture.to_dict(),
        styles=(Style("random", title="Random weights", artist="nobody", year="", credit=""),),
        licence="Apache-2.0",
    )
    save_model(arguments.output, Model.of(card, network, rows))


if __name__ == "__main__":
    main()
