"""Feeds thousands of broken videos to videostyle.

    python bench/fuzz.py media [CLIP ...] [--count 2000] [--seed 0] [--keep FOLDER]

Whatever comes in, a render ends within 60 s with its own exit code, says what is wrong without a
traceback, and leaves nothing under the output's name that does not decode. Media are rendered by
the real command line, several in one process, with a small untrained network that paints the first
frames only: what breaks is never the painting. Cases that fail are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECONDS_ALLOWED = 60
MEDIA_BYTES = 2 << 20
SUFFIXES = (".mp4", ".mkv")
TIMELINE = """
version: 1
keyframes: [{at: 0s, mix: {red: 1, original: 1}, ease: hold}, {at: 0.2s, mix: original}]
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("media", "worker"))
    parser.add_argument("clips", nargs="*", type=Path, help="instead of the sample clip")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    if arguments.kind == "worker":
        work()
        return
    clips = arguments.clips or [ROOT / "samples" / "bigbuckbunny.mp4"]
    dice = random.Random(arguments.seed)
    raise SystemExit(bool(fuzz_media(clips, arguments.count, dice, arguments.keep)))


# Mutations.


def flip_bits(data: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice((1, 3, 10, 100, 1000))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def truncate(data: bytearray, dice: random.Random) -> bytearray:
    return data[: dice.randrange(len(data))]


def cut_out(data: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(data))
    del data[start : start + dice.choice((1, 16, 1000, 50_000))]
    return data


def repeat(data: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(data))
    data[start:start] = data[start : start + dice.choice((1, 16, 1000, 50_000))]
    return data


def overwrite(data: bytearray, dice: random.Random) -> bytearray:
    """Lengths and counts become absurd."""
    for _ in range(dice.choice((1, 4, 16))):
        start = dice.randrange(len(data))
        word = dice.choice(
            (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", dice.randbytes(4))
        )
        data[start : start + 4] = word
    return data


def damage_head(data: bytearray, dice: random.Random) -> bytearray:
    """The index and headers lie in the first or last few thousand bytes."""
    size = min(4096, len(data))
    at = dice.choice((0, len(data) - size))
    data[at : at + size] = dice.choice((flip_bits, overwrite))(data[at : at + size], dice)
    return data


MUTATIONS = (flip_bits, truncate, cut_out, repeat, overwrite, damage_head, damage_head)


def mutated(seeds: list[bytes], dice: random.Random) -> bytes:
    """One of the seeds, changed once or twice; now and then two of them spliced."""
    data = bytearray(dice.choice(seeds))
    if dice.random() < 0.15:
        other = dice.choice(seeds)
        data[dice.randrange(len(data)) :] = other[dice.randrange(len(other)) :]
    for _ in range(dice.choice((1, 1, 2))):
        data = dice.choice(MUTATIONS)(data, dice) if data else data
    return bytes(data)


# Media: rendered in a process of its own, which may crash or hang.


def fuzz_media(clips: list[Path], count: int, dice: random.Random, keep: Path) -> int:
    seeds = {clip: clip.read_bytes()[:MEDIA_BYTES] for clip in clips}
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        worker, folder = Worker(Path(name)), Path(name) / "case"
        for number in range(count):
            folder.mkdir()
            clip = dice.choice(list(seeds))
            same_kind = [seeds[other] for other in seeds if other.suffix == clip.suffix]
            any_kind = list(seeds.values())
            data = mutated(
                [seeds[clip]] if dice.random() < 0.7 else dice.choice((same_kind, any_kind)), dice
            )
            source, output = folder / f"in{clip.suffix}", folder / f"out{SUFFIXES[number % 2]}"
            source.write_bytes(data)
            found = worker.render(source, output)
            fault = found.get("fault") or judge(found, output)
            tally[f"exit code {found.get('code')}" if not fault else "FAULT"] += 1
            if fault:
                keep.mkdir(parents=True, exist_ok=True)
                kept = keep / f"{number:05}_{clip.name}"
                shutil.copy(source, kept)
                print(f"{kept}: {fault}", flush=True)
            shutil.rmtree(folder)
            if number % 200 == 199:
                print(f"{number + 1} of {count}: {dict(tally)}, {worker.peak_mb} MB", flush=True)
        worker.close()
    print(f"media: {count} cases, {dict(tally)}, peak {worker.peak_mb} MB")
    return tally["FAULT"]


def judge(found: dict[str, Any], output: Path) -> str | None:
    """What is wrong with the end of a render, if anything."""
    code: int = found["code"]
    said: str = found["stderr"]
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in said:
        return said
    if code and not said.strip().splitlines()[-1].startswith("videostyle: "):
        return f"says nothing: {said!r}"
    if code and output.exists():
        return "failed, and left an output"
    left = [path.name for path in output.parent.iterdir() if ".part" in path.name]
    if left:
        return f"left {left}"
    return undecodable(output) if not code else None


def undecodable(output: Path) -> str | None:
    """Why a file does not decode to its end, or None if it does."""
    import av

    try:
        with av.open(str(output)) as container:
            frames = sum(1 for _ in container.decode(video=0))
    except (av.FFmpegError, OSError, IndexError) as error:
        return f"its output does not decode: {error}"
    return None if frames else "its output has no frames"


class Worker:
    """A process that renders one file after another; a new one where it crashed or hung."""

    def __init__(self, folder: Path) -> None:
        self._model = folder / "model.safetensors"
        self._timeline = folder / "timeline.yaml"
        self._timeline.write_text(TIMELINE)
        self._process: subprocess.Popen[str] | None = None
        self.peak_mb = 0
        make_small_model(self._model)

    def render(self, source: Path, output: Path) -> dict[str, Any]:
        """{"code", "stderr"}, or {"fault"}."""
        if self._process is None:
            command = [sys.executable, __file__, "worker"]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        assert process.stdin
        assert process.stdout
        arguments = ["render", str(source), "-o", str(output), "-y", "-t", str(self._timeline)]
        arguments += ["--model", str(self._model), "--max-size", "96", "--preset", "ultrafast"]
        # fp16 is PyTorch's on a CPU, which has nothing to compile.
        arguments += ["--hdr", "pass", "--device", "cpu", "--precision", "fp16"]
        process.stdin.write(json.dumps(arguments) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS_ALLOWED)[0]:
            self.close(kill=True)
            return {"fault": f"not done after {SECONDS_ALLOWED} s"}
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self._process = None
            return {"fault": f"the process died ({code})"}
        found: dict[str, Any] = json.loads(line)
        self.peak_mb = max(self.peak_mb, found.pop("peak_mb"))
        return found

    def close(self, *, kill: bool = False) -> None:
        if self._process:
            assert self._process.stdin
            self._process.kill() if kill else self._process.stdin.close()
            self._process.wait()
            self._process = None


def work() -> None:
    """The worker's side: a JSON list of arguments a line in, a JSON object a line out."""
    from videostyle.cli import main as command

    answers = sys.stdout
    for line in sys.stdin:
        said = StringIO()
        with redirect_stderr(said), redirect_stdout(StringIO()):
            try:
                code: object = command(json.loads(line))
            except BaseException:
                code = 1
                said.write(traceback.format_exc())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            json.dumps({"code": code, "stderr": said.getvalue(), "peak_mb": peak}),
            file=answers,
            flush=True,
        )


def make_small_model(path: Path) -> None:
    import torch

    from videostyle.network.architecture import ARCHITECTURES
    from videostyle.network.model import Model, save_model
    from videostyle.network.model_card import ModelCard, Style
    from videostyle.network.network import StyleNetwork

    torch.manual_seed(0)
    architecture = ARCHITECTURES["lean"].scaled(0.25)
    network = StyleNetwork(architecture)
    style = Style("red", "Red", "Nobody", "2026", "made for this")
    card = ModelCard("small", architecture.to_dict(), (style,), "none")
    save_model(path, Model.of(card, network, torch.ones(1, 2, architecture.row_size)))


if __name__ == "__main__":
    main()
