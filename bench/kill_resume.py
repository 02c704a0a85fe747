"""Kills a render of the sample clip again and again, and checks that it still comes out the same.

    python bench/kill_resume.py [--kills 30] [--seed 0]

Every kill is a SIGKILL at a random moment; the same command follows. At the end the frames are
those of a render that nobody disturbed, and no finished segment was ever painted twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from videostyle.encode.segments import segment_folder

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
TIMELINE = Path(__file__).parents[1] / "timelines" / "demo.yaml"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, output = Path(folder) / "whole.mp4", Path(folder) / "out.mp4"
        render = [sys.executable, "-m", "videostyle", "render", str(SAMPLE), "-t", str(TIMELINE)]
        render += ["--segment-seconds", "1", "-y", "-o"]
        subprocess.run([*render, str(whole)], check=True, stderr=subprocess.DEVNULL)
        expected = frames(whole)
        print(f"undisturbed: {len(expected)} frames")
        kills = rounds = 0
        while kills < arguments.kills:
            done: dict[str, object] = {}
            rounds += 1
            while True:
                process = subprocess.Popen([*render, str(output)], stderr=subprocess.DEVNULL)
                try:
                    code = process.wait(moments.uniform(1, 7) if kills < arguments.kills else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    kills += 1
                    if output.exists():  # it was whole already
                        break
                    now = finished(output)
                    assert {key: now.get(key) for key in done} == done, "a segment was lost"
                    done = now
                    continue
                assert code == 0
                break
            assert frames(output) == expected, "other frames"
            left = {path.name for path in Path(folder).iterdir()}
            assert left <= {"out.mp4", "whole.mp4", "out.mp4.segments"}, left
            output.unlink()
            print(f"round {rounds}: {kills} kills so far, the same {len(expected)} frames")


def frames(path: Path) -> list[tuple[int | None, str]]:
    """Time and content of every frame."""
    with av.open(str(path)) as container:
        return [
            (frame.pts, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest())
            for frame in container.decode(video=0)
        ]


def finished(output: Path) -> dict[str, object]:
    """The finished segments as the manifest has them."""
    manifest = segment_folder(output) / "manifest.json"
    if not manifest.exists():
        return {}
    found: dict[str, object] = json.loads(manifest.read_text())["segments"]
    return found


if __name__ == "__main__":
    main()
