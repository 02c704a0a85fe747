"""How large strokes are, by the lines of the frame and the `stroke` asked for.

    python bench/strokes.py [--style duck_mosaic] [--lines 720 1080 2160] [--strokes 1 2 4]

Of `samples/coffee.jpg`, enlarged. The size is a share of the frame's height: one through the mean
frequency of luma, by power, of the pastiche at 360 lines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from videostyle.look import Look
from videostyle.network.model import load_model
from videostyle.stylize.stylizer import Picture, Stylizer, resize

PHOTO = Path(__file__).parents[1] / "samples" / "coffee.jpg"
SIZE = (360, 540)
FREQUENCIES = (6, 160)  # cycles a frame's height: coarser is the scene, finer nothing


def stroke_size(stylizer: Stylizer, style: str, lines: int, stroke: float) -> float:
    """Of a style's pastiche of PHOTO."""
    with Image.open(PHOTO) as photo:
        frame = np.array(photo.convert("RGB").resize((lines * 3 // 2, lines)))
    return _size(resize(stylizer(frame, Look({style: 1}, stroke=stroke)), *SIZE))


def _size(pastiche: Picture) -> float:
    luma = pastiche.mean(2) - pastiche.mean()
    height, width = luma.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.rfft2(luma * window)) ** 2
    down = np.fft.fftfreq(height)[:, None] * height
    frequency = np.hypot(down, np.fft.rfftfreq(width) * height)
    power[(frequency < FREQUENCIES[0]) | (frequency > FREQUENCIES[1])] = 0
    return float(power.sum() / (power * frequency).sum())


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--style", default="duck_mosaic")
    parser.add_argument("--lines", nargs="+", type=int, default=[720, 1080, 2160])
    parser.add_argument("--strokes", nargs="+", type=float, default=[1, 1.5, 2, 2.5, 3, 4])
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    stylizer = Stylizer(load_model("lean"))
    print("lines ", *(f"{stroke:>7g}" for stroke in arguments.strokes))
    for lines in arguments.lines:
        sizes = (
            stroke_size(stylizer, arguments.style, lines, stroke) for stroke in arguments.strokes
        )
        print(f"{lines:<6}", *(f"{size:>7.4f}" for size in sizes))


if __name__ == "__main__":
    main()
