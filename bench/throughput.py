"""Frames per second of each stage alone and of all of them together.

    python bench/throughput.py [VIDEO] [--device cpu] [--repeats 3] [--json OUT.json]

Each stage runs alone on all cores with its input ready in memory: decode without a reader,
stylize from decoded frames to painted ones, the network alone from RGB frames of a given size,
encode of frames already painted (a painted frame costs an encoder far more than the photo did).
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from videostyle.color import ColorConverter
from videostyle.decode import decode, probe
from videostyle.encode import encode
from videostyle.look import Look
from videostyle.media import Frame, MediaInfo
from videostyle.model import load_model
from videostyle.options import EncodeOptions
from videostyle.render import render
from videostyle.stylize import stylize
from videostyle.stylizer import Stylizer, resize
from videostyle.timeline import Timeline

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
FRAMES_PAINTED_ALONE = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--model", default="lean")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the result there as well")
    arguments = parser.parse_args()
    stylizer = Stylizer(
        load_model(arguments.model), device=arguments.device, precision=arguments.precision
    )
    info = probe(arguments.video)
    result = {
        "video": arguments.video.name,
        "size": f"{info.width}x{info.height}",
        "engine": stylizer.engine.description,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "frames_per_second": {
            name: rate(stage, arguments.repeats) for name, stage in stages(info, stylizer).items()
        },
    }
    print_table(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


def stages(info: MediaInfo, stylizer: Stylizer) -> dict[str, Callable[[], int]]:
    """{name: function that runs the stage once and returns the frames it handled}."""
    options = EncodeOptions()
    look = Look({stylizer.model.card.style_names[0]: 1.0})
    converter = ColorConverter(info, options.pix_fmt)
    decoded = list(itertools.islice(decode(info), FRAMES_PAINTED_ALONE))
    pictures = [converter.to_rgb(frame.image) for frame in decoded]
    painted = list(stylize(decoded, stylizer, Timeline.constant(look), converter))

    def paint(height: int, width: int) -> int:
        pending: deque[Callable[[], np.ndarray]] = deque()
        for picture in sized[height, width]:
            pending.append(stylizer.submit(picture, look.painted))
            if len(pending) == stylizer.depth:
                pending.popleft()()
        while pending:
            pending.popleft()()
        return len(pictures)

    sizes = [stylizer.working_size(info.height, info.width, 1.0), (720, 1280), (360, 640)]
    sized = {size: [resize(picture, *size) for picture in pictures] for size in sizes}

    def write(folder: str) -> int:
        return encode(_repeat(painted, info), info, Path(folder) / "out.mp4", options).frames

    def end_to_end(folder: str) -> int:
        return render(info.path, Path(folder) / "out.mp4", look, stylizer=stylizer).frames

    return {
        "decode": lambda: sum(1 for _ in decode(info)),
        "stylize": lambda: len(
            list(stylize(decoded, stylizer, Timeline.constant(look), converter))
        ),
        **{f"network {width}x{height}": partial(paint, height, width) for height, width in sized},
        "encode": lambda: _in_folder(write),
        "end to end": lambda: _in_folder(end_to_end),
    }


def rate(stage: Callable[[], int], repeats: int) -> dict[str, float]:
    """Median, slowest and fastest frames per second, after one run to warm up."""
    stage()
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        frames = stage()
        rates.append(frames / (time.perf_counter() - begin))
    figures = {"median": statistics.median(rates), "slowest": min(rates), "fastest": max(rates)}
    return {name: round(value, 2) for name, value in figures.items()}


def print_table(result: dict) -> None:
    print(f"{result['video']}, {result['size']}; {result['engine']}; {result['machine']}")
    print(f"{'stage':<18}{'median':>10}{'slowest':>10}{'fastest':>10}  frames/s")
    for name, figures in result["frames_per_second"].items():
        print(f"{name:<18}" + "".join(f"{value:>10.1f}" for value in figures.values()))


def _repeat(frames: list[Frame], info: MediaInfo) -> Iterator[Frame]:
    """The same frames again and again, at the times of a video three times as long."""
    step = frames[1].pts - frames[0].pts
    for index, frame in enumerate(itertools.chain(frames, frames, frames)):
        pts = info.start_pts + index * step
        yield replace(frame, pts=pts, duration=step)


def _in_folder(stage: Callable[[str], int]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return stage(folder)


if __name__ == "__main__":
    main()
