"""Frames per second of each stage alone and of all of them together.

Every stage runs with its input ready in memory and nobody behind it: decode without a reader,
stylize from decoded frames to painted ones, the network alone from RGB frames, encode of frames
already painted (a painted frame costs an encoder far more than the photo did).
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import torch
from torch import Tensor

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.decode.stream import MAX_PIXELS
from videostyle.device import choose_device, choose_precision, cores
from videostyle.encode.encode import encode
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import plan_output
from videostyle.errors import MediaError, UsageError
from videostyle.evaluation.floor import MachineFloor, NetworkFloor, network_floor
from videostyle.look import Look
from videostyle.media.color import ColorConverter
from videostyle.media.info import MediaInfo
from videostyle.network.model import load_model
from videostyle.rendering.render import render
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Picture, Stylizer, resize
from videostyle.timeline.timeline import Timeline

LEAST_SIDE = 16  # pixels, of what a network paints
PICTURES = 8  # shown to the network in turn
# The stages a render is made of; the network is a part of stylize.
STAGES = ("decode", "stylize", "encode")
# What a new process is asked to do, as JSON in its only argument.
_RENDER = """
import json, pathlib, sys, time, videostyle
job, first = json.loads(sys.argv[1]), []
stylizer = videostyle.Stylizer(videostyle.load_model(job["model"]), **job["settings"])
videostyle.render(
    job["clip"], job["output"], videostyle.Look({stylizer.model.card.style_names[0]: 1}),
    stylizer=stylizer, on_progress=lambda progress: first.append(time.time() - job["began"]),
)
status = pathlib.Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peak = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)
print(json.dumps([first[0], peak]))
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """Frames a second over the runs, and the median of the CPU's milliseconds a frame, of all
    cores."""

    median: float
    slowest: float
    fastest: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """One model, by its file's name, on one size of video.

    size, painted_size: (height, width) of the video and of what the network is given for it.
    rates: by stage; `network` runs on painted_size, `network at full size` on size, and `end to
    end` is a render; on CUDA there are also `upload` and `download`, and `GPU decode` and `end to
    end, GPU decode`, where frames are decoded on the GPU if it can and stay there. limited_by: the
    slowest of STAGES. start_seconds: from the start of a new process to its first encoded frame.
    peak_mb: most memory that process had at once, where the system tells (Linux).
    """

    model: str
    engine: str
    size: tuple[int, int]
    painted_size: tuple[int, int]
    rates: dict[str, Rate]
    floor: NetworkFloor
    limited_by: str
    start_seconds: float
    peak_mb: float | None

    @property
    def shared_ms(self) -> float:
        """Milliseconds a frame if the CPU time of all stages were spread over the cores evenly."""
        return sum(self.rates[stage].cpu_ms for stage in STAGES) / cores()

    @property
    def network_share(self) -> float:
        """How near the network at full size comes to its convolutions alone: 1 where all else is
        free."""
        return self.floor.conv_ms * self.rates["network at full size"].median / 1000

    def to_dict(self) -> dict[str, Any]:
        """What was measured and what follows from it, for JSON."""
        derived = {"shared_ms": self.shared_ms, "network_share": self.network_share}
        return {**asdict(self), **derived}


def measure_throughput(
    clip: Path,
    model: str,
    settings: Mapping[str, Any],
    machine: MachineFloor,
    *,
    frames: int,
    repeats: int,
) -> Throughput:
    """Measure every stage on up to `frames` frames of a clip, `repeats` times in turns after one
    run to warm up. settings: device, precision and threads, as `Stylizer` takes them.

    Raises MediaError, ModelError or UsageError for what cannot be painted.
    """
    stylizer, name = Stylizer(load_model(model), **settings), choose_device(settings["device"])
    network, precision = stylizer.model.network, choose_precision(settings["precision"], name)
    device = torch.device(name)
    info = probe(clip)
    size = (info.height, info.width)
    with TemporaryDirectory() as folder:
        output = Path(folder) / "out.mp4"
        stages = _stages(info, stylizer, output, frames)
        if device.type == "cuda":
            stages |= _transfers(size, device, frames)
        floors = list[NetworkFloor]()

        def measure_floor() -> None:
            shape = _fitted(size, stylizer)
            floors.append(network_floor(network, *shape, device, precision, machine))

        rates = measure_rates(stages, repeats, after_each_round=measure_floor)
        start_seconds, peak_mb = render_in_new_process(clip, output, model, settings)
    return Throughput(
        # What `add-style` wrote is called in its card as the model before.
        model=Path(model).stem,
        engine=stylizer.engine.description,
        size=size,
        painted_size=stylizer.working_size(*size, 1.0),
        rates=rates,
        floor=sorted(floors, key=lambda floor: floor.conv_ms)[len(floors) // 2],
        limited_by=min(STAGES, key=lambda stage: rates[stage].median),
        start_seconds=start_seconds,
        peak_mb=peak_mb,
    )


def scaled_clip(source: Path, lines: int, frames: int, folder: Path) -> Path:
    """The first frames of a video at so many lines, as H.264 in `folder`; a shorter one is shown
    again. HDR is taken by its values: colours do not alter the time. Raises MediaError, and
    UsageError for lines that make its frames too large."""
    info = probe(source, "pass")
    width = max(LEAST_SIDE, round(info.width * lines / info.height / 2) * 2)
    if width * lines > MAX_PIXELS:
        raise UsageError(
            f"{source}: its frames are {width}x{lines} at --lines {lines}; those of more than "
            f"{MAX_PIXELS >> 20} million pixels are refused, give fewer"
        )
    path, rate = folder / f"{lines}.mp4", info.frame_rate or Fraction(25)
    try:
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, lines, "yuv420p"
            stream.options = {"preset": "veryfast", "crf": "18"}
            for number, frame in enumerate(itertools.islice(_again_and_again(info), frames)):
                image = frame.reformat(width, lines, "yuv420p", interpolation="BICUBIC")
                image.pts, image.time_base = number, 1 / rate
                output.mux(stream.encode(image))
            output.mux(stream.encode(None))
    except MemoryError:  # FFmpeg's is one of its errors too
        raise
    except av.FFmpegError as error:
        raise MediaError(
            f"{source}: cannot be scaled to {width}x{lines}: {error.strerror}; try other --lines"
        ) from error
    return path


def _again_and_again(info: MediaInfo) -> Iterator[av.VideoFrame]:
    """The frames of a video, without an end if it has any."""
    frame = None
    while True:
        for frame in decode(info):
            yield frame.image
        if frame is None:
            return


def _stages(
    info: MediaInfo, stylizer: Stylizer, output: Path, count: int
) -> dict[str, Callable[[], int]]:
    """{name: function that runs the stage once and returns the frames it handled}."""
    look = Look({stylizer.model.card.style_names[0]: 1.0})
    timeline = Timeline.constant(look)
    plan = plan_output(info, output, EncodeOptions())
    converter = ColorConverter(info, plan.working_pix_fmt, plan.color)
    decoded = list(itertools.islice(decode(info), count))
    painted = list(stylize(decoded, stylizer, timeline, converter))

    def paint(size: tuple[int, int]) -> int:
        pending: deque[Callable[[], Picture]] = deque()
        for picture in itertools.islice(itertools.cycle(pictures[size]), len(decoded)):
            pending.append(stylizer.submit(picture, look.painted))
            if len(pending) == stylizer.depth:
                pending.popleft()()
        while pending:
            pending.popleft()()
        return len(decoded)

    size = (info.height, info.width)
    painted_size, full_size = stylizer.working_size(*size, 1.0), _fitted(size, stylizer)
    pictures = {
        each: [resize(converter.to_rgb(frame.image), *each) for frame in decoded[:PICTURES]]
        for each in (painted_size, full_size)
    }
    gpu = stylizer.gpu
    stages = {
        "decode": lambda: sum(1 for _ in itertools.islice(decode(info), count)),
        "stylize": lambda: len(list(stylize(decoded, stylizer, timeline, converter))),
        "network": lambda: paint(painted_size),
        "network at full size": lambda: paint(full_size),
        "encode": lambda: encode(iter(painted), info, output, plan).frames,
        "end to end": lambda: render(info.path, output, look, stylizer=stylizer).frames,
    }
    if gpu is not None:
        stages |= {
            "GPU decode": lambda: sum(1 for _ in itertools.islice(decode(info, gpu=gpu), count)),
            "end to end, GPU decode": lambda: (
                render(info.path, output, look, stylizer=stylizer, hwaccel="cuda").frames
            ),
        }
    return stages


def _transfers(
    size: tuple[int, int], device: torch.device, count: int
) -> dict[str, Callable[[], int]]:
    """The planes of frames (4:2:0, 8 bit) on their way to the GPU and back."""
    host = torch.zeros(size[0] * size[1] * 3 // 2, dtype=torch.uint8, pin_memory=True)
    there = host.to(device)

    def copy(source: Tensor, target: Tensor) -> int:
        for _ in range(count):
            target.copy_(source, non_blocking=True)
        torch.cuda.synchronize(device)
        return count

    return {"upload": lambda: copy(host, there), "download": lambda: copy(there, host)}


def _fitted(size: tuple[int, int], stylizer: Stylizer) -> tuple[int, int]:
    """Height and width rounded down to what the network takes."""
    multiple = stylizer.model.architecture.multiple
    height, width = (side // multiple * multiple for side in size)
    return height, width


def measure_rates(
    stages: Mapping[str, Callable[[], int]],
    repeats: int,
    *,
    after_each_round: Callable[[], None] = lambda: None,
) -> dict[str, Rate]:
    """Run stages, which return how many frames they handled, once to warm up, and then measured in
    turns, so that a machine that slows down is as slow for all."""
    for stage in stages.values():
        stage()
    rates: dict[str, list[float]] = {name: [] for name in stages}
    cpu_ms: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(repeats):
        for name, stage in stages.items():
            began, began_cpu = time.perf_counter(), time.process_time()
            frames = stage()
            rates[name].append(frames / (time.perf_counter() - began))
            cpu_ms[name].append(1000 * (time.process_time() - began_cpu) / frames)
        after_each_round()
    return {
        name: Rate(statistics.median(runs), min(runs), max(runs), statistics.median(cpu_ms[name]))
        for name, runs in rates.items()
    }


def render_in_new_process(
    clip: Path, output: Path, model: str, settings: Mapping[str, Any]
) -> tuple[float, float | None]:
    """Paint a clip in its model's first style. Seconds from the start of the process to its first
    encoded frame, and its peak memory in MB where the system tells."""
    job: dict[str, Any] = {"clip": str(clip), "output": str(output), "model": model}
    job |= {"settings": {**settings}, "began": time.time()}
    command = [sys.executable, "-c", _RENDER, json.dumps(job)]
    start_seconds, peak_mb = json.loads(subprocess.check_output(command, text=True))
    return start_seconds, peak_mb
