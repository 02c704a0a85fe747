"""Architectures that networks of every engine are tested on: the shipped ones, narrower, and what a
model file may hold beside."""

from __future__ import annotations

from dataclasses import replace

from videostyle.network.architecture import ARCHITECTURES, ConvLayer

LEAN, PAPER = ARCHITECTURES["lean"].scaled(0.5), ARCHITECTURES["paper"].scaled(0.25)
PLANS = {
    "lean": LEAN,
    "lean, not smoothed": replace(LEAN, smooth_output=False),
    "paper": PAPER,
    "paper, half as wide": ARCHITECTURES["paper"].scaled(0.5),
    "lean, normalised at the end": replace(LEAN, normalize_output=True),
    "paper, with a bias": replace(PAPER, normalize_output=False, skips=1),
    "shuffled last by a kernel of 3": replace(LEAN, expand=(*LEAN.expand[:-1], ConvLayer(3, 2, 3))),
}
