"""`videostyle timeline` and `videostyle schema`."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import add_model, say
from videostyle.errors import UsageError

if TYPE_CHECKING:
    from videostyle.timeline import Timeline
    from videostyle.timeline_yaml import TimelineDocument


def add_timeline(commands: Any) -> None:
    """Declare the verbs check, show and plot."""
    parser = commands.add_parser("timeline", help="check, show or plot a timeline")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", help="print every mistake with its line and column")
    show = verbs.add_parser("show", help="print the look at given times")
    plot = verbs.add_parser("plot", help="draw the mixture over time")
    for verb, command in ((check, _check_command), (show, _show), (plot, _plot)):
        verb.set_defaults(command=command)
        verb.add_argument("timeline", type=Path)
        add_model(verb)
        verb.add_argument("--duration", type=float, help="length of the video in seconds")
        verb.add_argument("--fps", help="frame rate, for times in frames: 25 or 30000/1001")
    show.add_argument(
        "--at", type=_finite, action="append", metavar="SECONDS", help="repeat for several times"
    )
    show.add_argument("--json", action="store_true", help="a list of objects")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")


def _finite(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError(text)
    return seconds


def _read(arguments: argparse.Namespace) -> TimelineDocument:
    from videostyle.model_card import read_model_card
    from videostyle.timeline_yaml import read_timeline

    return read_timeline(arguments.timeline, read_model_card(arguments.model).style_names)


def _resolve(document: TimelineDocument, arguments: argparse.Namespace) -> Timeline:
    from fractions import Fraction

    try:
        rate = Fraction(arguments.fps) if arguments.fps else None
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--fps {arguments.fps!r}: write 25 or 30000/1001") from error
    timeline, warnings = document.resolve(arguments.duration, rate)
    for warning in warnings:
        say(warning)
    return timeline


def _check_command(arguments: argparse.Namespace) -> int:
    document = _read(arguments)
    unknown = []
    if arguments.duration is None and document.needs_duration:
        unknown.append("--duration")
    if arguments.fps is None and document.needs_rate:
        unknown.append("--fps")
    if unknown:
        needed = " and ".join(unknown)
        print(f"{arguments.timeline}: fine as far as it can be told without {needed}")
        return 0
    _resolve(document, arguments)
    print(f"{arguments.timeline}: fine")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    timeline = _resolve(_read(arguments), arguments)
    looks = [{"at": at, **timeline.look_at(at).to_dict()} for at in arguments.at or [0.0]]
    if arguments.json:
        print(json.dumps(looks))
        return 0
    for look in looks:
        mix = "  ".join(f"{name} {weight:.3f}" for name, weight in look.pop("mix").items())
        rest = "  ".join(f"{track} {value:g}" for track, value in look.items() if track != "at")
        print(f"{look['at']:>9.3f} s  {mix}  {rest}")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from videostyle.timeline_plot import plot_timeline

    timeline = _resolve(_read(arguments), arguments)
    plot_timeline(timeline, arguments.duration or timeline.end_seconds, arguments.output)
    print(arguments.output)
    return 0


def add_schema(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("schema", help="print the timeline format as a JSON Schema")
    parser.set_defaults(command=_schema)
    add_model(parser)


def _schema(arguments: argparse.Namespace) -> int:
    from videostyle.model_card import read_model_card
    from videostyle.timeline_schema import timeline_schema

    print(json.dumps(timeline_schema(read_model_card(arguments.model).style_names), indent=2))
    return 0
