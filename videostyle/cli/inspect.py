"""`videostyle probe` and `videostyle verify`: what is in a file, and whether it was kept."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videostyle.cli.console import named_path, say
from videostyle.wording import counted, visible


def add_probe(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "probe",
        help="say what is in a file and what render makes of it",
        description=_probe.__doc__,
    )
    parser.set_defaults(command=_probe)
    parser.add_argument(
        "file", type=named_path, metavar="FILE", help="a video, a picture or numbered pictures"
    )
    parser.add_argument(
        "--to", default="mp4", metavar="ENDING", help="of the output (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one object")


def add_verify(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "verify", help="compare a painted video with its input", description=_verify.__doc__
    )
    parser.set_defaults(command=_verify)
    parser.add_argument("input", type=named_path, metavar="IN", help="what was painted")
    parser.add_argument("output", type=named_path, metavar="OUT", help="what it became")
    parser.add_argument("--json", action="store_true", help="one object")


def _probe(arguments: argparse.Namespace) -> int:
    """Size, times, colour and streams of a file, and what `render` would do with each stream."""
    from videostyle.decode.letterbox import describe_bars, with_bars
    from videostyle.decode.probe import inspect, paintable, with_duration
    from videostyle.encode.options import EncodeOptions
    from videostyle.encode.planner import plan_encoding
    from videostyle.errors import MediaError

    path = arguments.file
    info = with_duration(inspect(path))
    facts = {"file": str(path), **info.to_dict()}
    try:
        paintable(info)
        ending = "png" if info.is_image else arguments.to.lstrip(".")
        plan = plan_encoding(info, Path(f"{path.stem}.{ending}"), EncodeOptions())
        facts["render"] = plan.to_dict()
        info = with_bars(info)
        facts["bars"] = info.bars_to_dict()
        lines = [str(stream) for stream in plan.streams] + describe_bars(info)
    except MediaError as error:
        facts["render"], lines = {"refused": str(error)}, [f"render refuses it: {error}"]
    if arguments.json:
        print(json.dumps(facts, default=str))
        return 0
    for key, value in facts.items():
        if key != "render":
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            print(f"{key:>20}  {visible(text)}")
    for line in lines:
        print(f"{'':>20}  {visible(line)}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """Compare frames, times, size, colour, streams, chapters and tags. Exit code 0 if all that was
    to be kept is there, 1 if not. What the container cannot hold is said, and is no fault."""
    from videostyle.rendering.verify import verify

    differences = verify(arguments.input, arguments.output)
    faults = [item for item in differences if not item.expected]
    if arguments.json:
        found = [asdict(item) for item in differences]
        print(json.dumps({"agrees": not faults, "differences": found}))
    else:
        for item in differences:
            message = visible(item.message)  # may quote tags of the file
            print(f"{'as expected' if item.expected else 'FAULT':>11}  {item.what}: {message}")
        say(f"{arguments.output}: {counted(len(faults), 'fault') if faults else 'agrees'}")
    return 1 if faults else 0
