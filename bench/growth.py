"""How cost grows: with resolution, styles in the model, styles in a mixture, keyframes, length.

    python bench/growth.py [VIDEO] [--json OUT.json] [--plot OUT.png]

Everything but resolution and length is measured at 360 lines, where what is not the network shows
most. Times are of `stylize`: decoded frames to painted ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
from matplotlib.figure import Figure

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import plan_output
from videostyle.evaluation.throughput import measure_rates, render_in_new_process, scaled_clip
from videostyle.look import Look
from videostyle.media.color import ColorConverter
from videostyle.network.model import Model, load_model
from videostyle.network.model_card import DEFAULT_MODEL
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Stylizer
from videostyle.timeline.plot import INK, PAPER, STYLE_COLORS
from videostyle.timeline.timeline import Keyframe, Timeline, Track

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
FRAMES, REPEATS = 40, 5
AUTO = {"device": "auto", "precision": "auto", "threads": None}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    model = load_model()
    names = model.card.style_names
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = scaled_clip(arguments.video, 360, FRAMES, folder)
        figures = {
            "lines of the video": {
                lines: milliseconds(scaled_clip(arguments.video, lines, FRAMES, folder), model)
                for lines in (180, 360, 720, 1080, 1440, 2160)
            },
            "styles in the model": {
                count: milliseconds(clip, with_styles(model, count))
                for count in (2, 8, 32, 128, 512)
            },
            "styles in the mixture": {
                count: milliseconds(clip, model, Look(dict.fromkeys(names[:count], 1 / count)))
                for count in (1, 2, 4, 8, 16, 32)
            },
            "keyframes": {
                count: milliseconds(clip, model, with_keyframes(count, names))
                for count in (2, 10, 100, 1000, 10000)
            },
            "times the length, peak MB": {
                times: memory(arguments.video, times, folder) for times in (1, 3, 10, 30)
            },
        }
    for title, values in figures.items():
        print(f"{title:<28}" + "  ".join(f"{n}: {value:.1f}" for n, value in values.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        draw(figures, arguments.plot)


def milliseconds(clip: Path, model: Model, looks: Look | Timeline | None = None) -> float:
    """A frame's share of painting a clip."""
    stylizer = Stylizer(model)
    looks = looks or Look({model.card.style_names[0]: 1.0})
    timeline = looks if isinstance(looks, Timeline) else Timeline.constant(looks)
    info = probe(clip)
    plan = plan_output(info, clip.with_suffix(".out.mp4"), EncodeOptions())
    converter = ColorConverter(info, plan.working_pix_fmt, plan.color)
    frames = list(itertools.islice(decode(info), FRAMES))
    painting = {"stylize": lambda: sum(1 for _ in stylize(frames, stylizer, timeline, converter))}
    return round(1000 / measure_rates(painting, REPEATS)["stylize"].fastest, 2)


def with_styles(model: Model, count: int) -> Model:
    """The model with so many styles, its own again and again."""
    pick = [number % len(model.styles) for number in range(count)]
    styles = tuple(
        replace(model.card.styles[own], name=f"style_{number}") for number, own in enumerate(pick)
    )
    card = replace(model.card, styles=styles)
    return replace(model, card=card, styles=model.styles[pick])


def with_keyframes(count: int, names: tuple[str, ...]) -> Timeline:
    """A mixture that moves on through the styles, key after key, within the clip."""
    keys: list[Keyframe[Mapping[str, float]]] = [
        Keyframe(2.0 * number / count, {names[number % len(names)]: 1.0}) for number in range(count)
    ]
    return replace(Timeline.constant(Look({names[0]: 1.0})), mix=Track(tuple(keys)))


def memory(video: Path, times: int, folder: Path) -> float:
    """Peak memory in MB of rendering a video so many times over, in a process of its own."""
    looped = folder / f"looped_{times}.mp4"
    loop(video, looped, times)
    peak = render_in_new_process(looped, folder / "out.mp4", DEFAULT_MODEL, AUTO)[1]
    return round(peak or 0.0, 1)


def loop(source: Path, target: Path, times: int) -> None:
    """Write the video stream `times` times over, without encoding it again."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        ticks = [(packet.pts or 0, packet.dts or 0, packet.duration or 0) for packet in packets]
        length = max(pts + duration for pts, _, duration in ticks)
        for turn in range(times):
            for packet, (pts, dts, duration) in zip(packets, ticks, strict=True):
                again = av.Packet(bytes(packet))
                again.pts, again.dts = pts + turn * length, dts + turn * length
                again.duration, again.time_base = duration, packet.time_base
                again.is_keyframe, again.stream = packet.is_keyframe, copy
                output.mux(again)


def draw(figures: dict[str, dict[int, float]], path: Path) -> None:
    figure = Figure(figsize=(9, 4.4), facecolor=PAPER, layout="constrained")
    panels: list[Any] = list(figure.subplots(2, 3).flatten())
    for axes, (title, values), color in zip(panels, figures.items(), STYLE_COLORS, strict=False):
        axes.plot(list(values), list(values.values()), "o-", color=color, linewidth=1.5)
        axes.set_title(title, fontsize=9, color=INK, loc="left")
        axes.set_ylim(0, 1.25 * max(values.values()))
        axes.set_ylabel("MB" if "MB" in title else "ms a frame", fontsize=8, color=INK)
        axes.set_facecolor(PAPER)
        axes.tick_params(labelsize=8)
        if max(values) > 100 * min(values):
            axes.set_xscale("log")
    panels[-1].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
