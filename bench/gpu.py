"""What runs on a GPU alone, with its input and output in the GPU's memory.

    python bench/gpu.py kernels [--lines 1080] [--batch 4] [--json OUT.json]
    python bench/gpu.py stylize [--lines 1080] [--batch 4] [--model lean --model paper]
                                 [--cudnn-benchmark] [--json OUT.json]

kernels: the kernels of one layer after another, for the maps of `lean` and of the paper's network,
against a copy of as many bytes, and against the same in PyTorch's operators.
stylize: frames a second of the network alone (RGB to RGB), and of all that happens to a frame
between its planes and its painted planes, painted at 512 lines (stroke 1) and at the frame's own
size. Weights are random: they cost what trained ones do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from videostyle.evaluation.floor import machine_floor
from videostyle.look import Look
from videostyle.media.color import ColorConverter
from videostyle.media.info import ColorSpec, MediaInfo
from videostyle.network.architecture import ARCHITECTURES
from videostyle.network.engine import make_engine
from videostyle.network.fused_network import Map
from videostyle.network.model import Model
from videostyle.network.model_card import ModelCard, Style
from videostyle.network.network import StyleNetwork, conditional_instance_norm
from videostyle.network.program import Program, Streams, record_graph
from videostyle.network.torch_engine import DTYPES, TorchEngine
from videostyle.stylize.device_painter import DevicePainter
from videostyle.stylize.planes import PlaneLayout
from videostyle.stylize.stylizer import LOOK_LINES, Stylizer

BT709 = ColorSpec(1, 1, 1, full_range=False)
POOL = 3  # inputs shown in turn
RUNS = 10


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("kernels", "stylize"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="fp16", choices=tuple(DTYPES))
    parser.add_argument("--lines", type=int, default=1080)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--model", action="append", choices=tuple(ARCHITECTURES))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each repeat, about")
    parser.add_argument("--cudnn-benchmark", action="store_true")
    parser.add_argument("--json", type=Path, help="write the result there as well")
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    torch.backends.cudnn.benchmark = arguments.cudnn_benchmark
    device, dtype = torch.device(arguments.device), DTYPES[arguments.precision]
    machine = machine_floor(device, arguments.precision)
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        "conv_tflops": round(machine.conv_tflops, 1),
        "copy_gb_per_second": round(machine.copy_gb_per_second, 1),
        **{key: value for key, value in vars(arguments).items() if key not in ("json", "device")},
    }
    print({key: value for key, value in result.items() if key != "model"})
    measure = kernels if arguments.what == "kernels" else stylize
    with torch.inference_mode():
        result["rows"] = measure(arguments, device, dtype, machine.copy_gb_per_second)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def stylize(
    arguments: argparse.Namespace, device: torch.device, dtype: torch.dtype, _: float
) -> list[dict[str, Any]]:
    lines, batch = arguments.lines, arguments.batch
    width = lines * 16 // 9 // 8 * 8
    rows = []
    for name in arguments.model or ["lean", "paper"]:
        stylizer, engine = random_stylizer(name, str(device), arguments.precision)
        size = (lines // 8 * 8, width)
        styles = torch.from_numpy(stylizer.model.styles)[:1].expand(batch, -1, -1).contiguous()
        pool = [
            torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8, device=device)
            for _ in range(POOL)
        ]
        works = {"network": on_the_device(engine, pool, styles)}
        for title, stroke in (
            ("planes, 512 lines", 1.0),
            ("planes, full size", LOOK_LINES / lines),
        ):
            works[title] = planes(stylizer, (lines, width), batch, Look({"a": 1}, stroke=stroke))
        for title, begin in works.items():
            row = {"model": name, "what": title, **rate(begin, batch, engine.depth, arguments)}
            rows.append(row)
            print(row, flush=True)
        print(engine.description, flush=True)
    return rows


def on_the_device(
    engine: TorchEngine, pool: list[Tensor], styles: Tensor
) -> Callable[[int], Callable[[], Tensor]]:
    lane = engine.lane("network", lambda: (engine.paint, (pool[0], styles)))

    def begin(number: int) -> Callable[[], Any]:
        writers = [partial(copy_to, frame) for frame in pool[number % POOL]]
        return lane.submit(lambda host: copy_to(styles, host[1]), writers, download=False)

    return begin


def copy_to(frame: Tensor, target: Tensor) -> None:
    target.copy_(frame, non_blocking=True)


def planes(
    stylizer: Stylizer, size: tuple[int, int], batch: int, look: Look
) -> Callable[[int], Callable[[], Tensor]]:
    info = MediaInfo(Path("x"), False, 0, size[1], size[0], "yuv420p", BT709)
    painter = DevicePainter(stylizer, ColorConverter(info, "yuv420p"), batch=batch)
    layout = PlaneLayout("yuv420p", *size)
    assert isinstance(stylizer.engine, TorchEngine)
    where = stylizer.engine.device
    pool = [
        list(torch.randint(16, 236, (batch, layout.samples), dtype=torch.uint8, device=where))
        for _ in range(POOL)
    ]
    return lambda number: painter.paint_planes(layout, pool[number % POOL], look)


def rate(
    begin: Callable[[int], Callable[[], Tensor]],
    batch: int,
    depth: int,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Frames a second, `depth` batches in flight."""

    def run(count: int) -> float:
        began = time.perf_counter()
        pending: deque[Callable[[], Tensor]] = deque()
        for number in range(count):
            pending.append(begin(number))
            if len(pending) == depth:
                pending.popleft()()
        while pending:
            pending.popleft()()
        return time.perf_counter() - began

    run(4)  # warms up, and records
    count = max(4, round(arguments.seconds / run(4) * 4))
    rates = [count * batch / run(count) for _ in range(arguments.repeats)]
    return {
        "median": round(statistics.median(rates), 1),
        "slowest": round(min(rates), 1),
        "fastest": round(max(rates), 1),
        "batches": count,
    }


def random_stylizer(name: str, device: str, precision: str) -> tuple[Stylizer, TorchEngine]:
    torch.manual_seed(0)
    architecture = ARCHITECTURES[name]
    network = StyleNetwork(architecture).eval().requires_grad_(False)
    shape = (1, architecture.row_size)
    styles = torch.stack((torch.rand(shape) + 0.5, torch.randn(shape) * 0.3), dim=1)
    card = ModelCard(name, architecture.to_dict(), (Style("a", "A", "-", "-", "-"),), "-")
    model = Model.of(card, network, styles)
    engine = (
        TorchEngine(network, device, precision)
        if device == "cpu"
        else make_engine(model, device, precision)
    )
    assert isinstance(engine, TorchEngine)
    with patch("videostyle.stylize.stylizer.make_engine", return_value=engine):
        return Stylizer(model), engine


def kernels(
    arguments: argparse.Namespace, device: torch.device, dtype: torch.dtype, copy: float
) -> list[dict[str, Any]]:
    from videostyle.network import kernels as fused

    rows = []
    for name in arguments.model or ["lean", "paper"]:
        for channels, scale in maps(name):
            height, width = arguments.lines // scale, arguments.lines * 16 // 9 // scale
            shape = (arguments.batch, height, width, channels)
            pool = [torch.randn(shape, device=device).to(dtype) for _ in range(POOL)]
            affine = torch.rand(arguments.batch, 2, channels, device=device)
            numbers = fused.moments(Map.of(pool[0], channels))

            def plain(x: Tensor, affine: Tensor = affine) -> Tensor:
                x = x.permute(0, 3, 1, 2)
                variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)
                moments = torch.stack((mean, variance), dim=1)
                z = conditional_instance_norm(x, affine[:, 0], affine[:, 1], moments)
                return torch.nn.functional.pad(torch.relu(z), (1, 1, 1, 1), mode="reflect")

            def finish(x: Tensor, affine: Tensor = affine, numbers: Tensor = numbers) -> Tensor:
                return fused.finish(Map.of(x, x.shape[3]), affine, numbers, relu=True, margin=1)

            size = pool[0].numel() * pool[0].element_size()
            for title, work, moved in (
                ("moments", lambda x: fused.moments(Map.of(x, x.shape[3])), size),
                ("finish", finish, 2 * size),
                ("PyTorch for both", plain, 3 * size),
            ):
                seconds = fastest(work, pool, device)
                row = {
                    "model": name,
                    "map": list(shape),
                    "what": title,
                    "us": round(1e6 * seconds, 1),
                    "share_of_copy": round(moved / seconds / 1e9 / copy, 3),
                }
                rows.append(row)
                print(row, flush=True)
    return rows


def maps(name: str) -> list[tuple[int, int]]:
    """(channels, down-scaling) of every size of map in a network."""
    plan = ARCHITECTURES[name]
    scale, found = plan.unshuffle, []
    for layer in plan.contract:
        scale *= layer.stride
        found.append((layer.channels, scale))
    return found


def fastest(work: Callable[[Tensor], Tensor], pool: list[Tensor], device: torch.device) -> float:
    """Seconds a run, best of several series, from a graph as the engine runs it."""
    streams = Streams(device)
    record = record_graph if device.type == "cuda" else None
    program = Program(lambda *pool: [work(x) for x in pool][-1], pool, record)
    times = []
    with streams.module.stream(streams.compute):
        for _ in range(8):
            streams.wait()
            began = time.perf_counter()
            for _ in range(RUNS):
                program.run()
            streams.wait()
            times.append((time.perf_counter() - began) / RUNS / len(pool))
    return min(times)


if __name__ == "__main__":
    main()
