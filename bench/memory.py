"""Peak memory of a render, for a clip and for the same clip ten times over.

    python bench/memory.py [VIDEO] [--times 10]

Each render runs in a process of its own. The last line is one JSON object; `ratio` is the long
clip's peak over the short one's, and stays near 1 as long as nothing grows with the length.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import av

SAMPLE = Path(__file__).parents[1] / "samples" / "bigbuckbunny.mp4"
RENDER = (
    "import resource, sys, videostyle\n"
    "videostyle.render(sys.argv[1], sys.argv[2], videostyle.Look({sys.argv[3]: 1}))\n"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("video", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--style", default="starry_night")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        looped = Path(folder) / "looped.mp4"
        loop(arguments.video, looped, arguments.times)
        short = peak_mb(arguments.video, Path(folder) / "short.mp4", arguments.style)
        long = peak_mb(looped, Path(folder) / "long.mp4", arguments.style)
    print(f"once {short:.0f} MB, {arguments.times} times over {long:.0f} MB")
    print(json.dumps({"once_mb": short, "looped_mb": long, "ratio": round(long / short, 3)}))


def loop(source: Path, target: Path, times: int) -> None:
    """Write the video stream `times` times over, without encoding it again."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        packets = [packet for packet in container.demux(stream) if packet.size]
        length = max(packet.pts + packet.duration for packet in packets)
        for turn in range(times):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + turn * length, packet.dts + turn * length
                again.duration, again.time_base = packet.duration, packet.time_base
                again.is_keyframe, again.stream = packet.is_keyframe, copy
                output.mux(again)


def peak_mb(source: Path, output: Path, style: str) -> float:
    """Peak resident memory of a render in a new process, in MB."""
    command = [sys.executable, "-c", RENDER, str(source), str(output), style]
    kilobytes = int(subprocess.check_output(command, text=True).split()[-1])
    return round(kilobytes / 1024, 1)


if __name__ == "__main__":
    main()
