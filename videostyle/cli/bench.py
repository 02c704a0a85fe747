"""`videostyle bench`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import (
    add_engine,
    check_outputs,
    check_plot_ending,
    named,
    named_path,
    positive,
    say,
)
from videostyle.errors import MediaError, UsageError, ran_out_of_memory

if TYPE_CHECKING:
    from videostyle.evaluation.throughput import Throughput

# Up to this share noise lets a network come out faster than its floor; above, it is no floor.
MOST_SHARE = 1.5


def add_bench(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "bench", help="measure frames per second of every stage", description=_bench.__doc__
    )
    parser.set_defaults(command=_bench)
    parser.add_argument(
        "video", type=named_path, help="a video, whose first frames are scaled to --lines"
    )
    parser.add_argument(
        "--model",
        action="append",
        type=named,
        metavar="NAME|PATH",
        help="a shipped model's name or a model file; repeat it to compare (default: lean)",
    )
    parser.add_argument(
        "--lines", type=_heights, default=[720], metavar="N,N", help="heights (default: 720)"
    )
    add_engine(parser)
    parser.add_argument("--frames", type=positive, default=100, help="default: %(default)s")
    parser.add_argument("--repeats", type=positive, default=3, help="default: %(default)s")
    parser.add_argument("--json", type=named_path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=named_path, metavar="FILE", help="draw them (PNG, SVG, PDF)")


def _heights(text: str) -> list[int]:
    with suppress(ValueError):
        heights = [int(part) for part in text.split(",")]
        if all(height >= 16 and height % 2 == 0 for height in heights):  # 4:2:0 halves them
            return heights
    raise argparse.ArgumentTypeError(f"{text!r}: write even numbers from 16 on, as in 720,1080")


def _bench(arguments: argparse.Namespace) -> int:
    """Measure decode, stylize, the network alone, encode and all of it end to end, each stage with
    its input in memory and nothing behind it, and hold the network against what this machine
    could do at best."""
    from tempfile import TemporaryDirectory

    from videostyle.cli.evaluate import load_models
    from videostyle.decode.probe import probe
    from videostyle.device import choose_device, choose_precision, cores, processor_name
    from videostyle.evaluation.floor import machine_floor
    from videostyle.evaluation.plots import plot_throughput
    from videostyle.evaluation.throughput import measure_throughput, scaled_clip
    from videostyle.network.model_card import DEFAULT_MODEL, model_path
    from videostyle.whole_file import written_whole

    models = arguments.model or [DEFAULT_MODEL]
    check_outputs(
        arguments.json, arguments.plot, inputs=[arguments.video, *map(model_path, models)]
    )
    check_plot_ending(arguments.plot)
    device = choose_device(arguments.device)
    precision = choose_precision(arguments.precision, device)
    if probe(arguments.video, "pass").is_image:
        raise UsageError(f"{arguments.video}: is a picture; a video is measured")
    rows = []
    with TemporaryDirectory() as folder:
        # The clips and the models come first, so that a mistake is named at once.
        clips = {}
        for lines in arguments.lines:
            with _memory_named(arguments.video, lines):
                clips[lines] = scaled_clip(arguments.video, lines, arguments.frames, Path(folder))
        load_models(models)
        machine = machine_floor(device, precision)
        where = f"{processor_name()}, {cores()} cores" if device == "cpu" else _gpu(device)
        say(
            f"{where}: a large {precision} convolution {machine.conv_tflops:.2f} TFLOP/s, "
            f"a large copy {machine.copy_gb_per_second:.1f} GB/s"
        )
        settings = {
            "device": arguments.device,
            "precision": arguments.precision,
            "threads": arguments.threads,
        }
        for lines in arguments.lines:
            for model in models:
                with _memory_named(arguments.video, lines):
                    row = measure_throughput(
                        clips[lines], model, settings, machine,
                        frames=arguments.frames, repeats=arguments.repeats,
                    )  # fmt: skip
                rows.append(row)
                print_row(row)
    if arguments.json:
        figures = {
            "video": arguments.video.name,
            "machine": where,
            "conv_tflops": machine.conv_tflops,
            "copy_gb_per_second": machine.copy_gb_per_second,
            "results": [row.to_dict() for row in rows],
        }
        text = json.dumps(figures, indent=1, default=float)
        with written_whole(arguments.json) as part:
            part.write_text(text + "\n", encoding="utf-8")
    if arguments.plot:
        plot_throughput(rows, arguments.plot)
    return 0


@contextmanager
def _memory_named(video: Path, lines: int) -> Iterator[None]:
    """Say what helps where memory ran out, also where a render has said what would help it."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ if isinstance(error, MediaError) else error
        if not (isinstance(cause, Exception) and ran_out_of_memory(cause)):
            raise
        raise MediaError(
            f"{video}: not enough memory to measure {lines} lines; fewer --lines need less"
        ) from error


def print_row(row: Throughput) -> None:
    """Print what was measured of one model on one size of video."""
    (height, width), (painted_height, painted_width) = row.size, row.painted_size
    print(
        f"{row.model} on {row.engine}: {width}x{height}, painted {painted_width}x{painted_height}"
    )
    print(f"  {'stage':<22}{'median':>9}{'slowest':>9}{'fastest':>9}  frames/s")
    for name, rate in row.rates.items():
        figures = (rate.median, rate.slowest, rate.fastest)
        print(f"  {name:<22}" + "".join(f"{figure:>9.1f}" for figure in figures))
    floor, whole = row.floor, row.rates["end to end"]
    # Of frames of a few pixels a convolution alone may take longer than the network.
    reached = f"it reaches {row.network_share:.0%} of that floor"
    if row.network_share > MOST_SHARE:
        network_ms = 1000 / row.rates["network at full size"].median
        reached = f"no floor for its {network_ms:.1f} ms, as frames are so small"
    memory = f"; peak memory {row.peak_mb:.0f} MB" if row.peak_mb else ""
    print(
        f"  {row.limited_by} limits; end to end {1000 / whole.median:.1f} ms a frame, its stages' "
        f"CPU time over the cores {row.shared_ms:.1f}\n"
        f"  the network's convolutions alone {floor.conv_ms:.1f} ms at full size: {reached}\n"
        f"  ({floor.gflop:.1f} GFLOP at the machine's rate {floor.compute_ms:.1f} ms, every map "
        f"written and read once {floor.bytes_ms:.1f} ms)\n"
        f"  first encoded frame {row.start_seconds:.1f} s after the start{memory}",
        flush=True,
    )


def _gpu(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device)
