"""`videostyle timeline` and `videostyle schema`."""

from __future__ import annotations

import argparse
import json
import math
import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import add_model, check_outputs, check_plot_ending, say
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
        verb.add_argument(
            "--fps", type=_rate, help="frame rate, for times in frames: 25 or 30000/1001"
        )
    show.add_argument(
        "--at", type=_seconds, action="append", metavar="SECONDS", help="repeat for several times"
    )
    show.add_argument("--json", action="store_true", help="a list of objects")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")


def _seconds(text: str) -> float:
    """A time of the video, for argparse."""
    with suppress(ValueError):
        if 0 <= float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write seconds without a unit, such as 2.5")


def _rate(text: str) -> Fraction:
    """Frames a second, for argparse."""
    if re.fullmatch(r"\d{1,6}(\.\d{1,6}|/0*[1-9]\d{0,5})?", text, re.ASCII) and Fraction(text):
        return Fraction(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write frames a second, 25 or 30000/1001")


def _read(arguments: argparse.Namespace) -> TimelineDocument:
    from videostyle.model_card import read_model_card
    from videostyle.timeline_yaml import read_timeline

    return read_timeline(arguments.timeline, read_model_card(arguments.model).style_names)


def _resolve(document: TimelineDocument, arguments: argparse.Namespace) -> Timeline:
    if document.needs_duration and arguments.duration is None:
        raise UsageError(f"{arguments.timeline}: counts from the video's length; give --duration")
    if document.needs_rate and arguments.fps is None:
        raise UsageError(f"{arguments.timeline}: counts in frames; give --fps")
    timeline, warnings = document.resolve(arguments.duration, arguments.fps)
    for warning in warnings:
        say(warning)
    return timeline


def _check_command(arguments: argparse.Namespace) -> int:
    document = _read(arguments)
    warnings = document.check(arguments.duration, arguments.fps)
    for warning in warnings:
        say(warning)
    unknown = []
    if arguments.duration is None and document.needs_duration:
        unknown.append("--duration")
    if arguments.fps is None and document.needs_rate:
        unknown.append("--fps")
    limit = f" as far as it can be told without {' and '.join(unknown)}" if unknown else ""
    but = f", with {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else ""
    print(f"{arguments.timeline}: fine{limit}{but}")
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

    check_outputs(arguments.output, inputs=[arguments.timeline])
    check_plot_ending(arguments.output)
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
