"""Fills the disk at ten points of a render of the sample clip, frees it, and goes on.

    sudo python bench/full_disk.py [--points 10]

The output lies on a small tmpfs (hence Linux, and root). Every time the render must end with one
line that says so and exit code 1, leave the previous output as it was and no half file beside it;
once there is space, the same command must end with the frames of a render that nobody disturbed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kill_resume import SAMPLE, TIMELINE, frames

ENOUGH = 64 << 20
PREVIOUS = b"the previous output"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name), ENOUGH) as disk:
        output = disk / "out.mp4"
        render(output)
        expected, needed = frames(output), 2 * output.stat().st_size
        print(f"undisturbed: {len(expected)} frames, {output.stat().st_size / 1e6:.2f} MB")
        for point in range(arguments.points):
            output.write_bytes(PREVIOUS)
            size = needed * (point + 1) // (arguments.points + 1)
            resize(disk, size)
            code, said = render(output)
            assert code == 1, f"exit code {code} with {size} bytes: {said}"
            last = said.strip().splitlines()[-1]
            assert "No space left" in last, said
            assert "Traceback" not in said, said
            assert output.read_bytes() == PREVIOUS
            left = sorted(path.name for path in disk.iterdir())
            assert set(left) <= {"out.mp4", "out.mp4.segments"}, left
            resize(disk, ENOUGH)
            code, said = render(output)
            assert code == 0, said
            assert frames(output) == expected
            assert [path.name for path in disk.iterdir()] == ["out.mp4"]
            went_on = next(
                (line for line in said.splitlines() if "went on" in line), "from the start"
            )
            print(f"{size / 1e6:5.2f} MB: {last} | then {went_on.rpartition(': ')[2]}")
            output.unlink()
    print("every time the previous output stayed, and the same command went on")


def render(output: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "videostyle", "render", str(SAMPLE), "-t", str(TIMELINE)]
    command += ["--segment-seconds", "1", "--max-size", "640", "-y", "-o", str(output)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


if __name__ == "__main__":
    main()
