"""`videostyle timeline` and `videostyle schema`."""

from __future__ import annotations

import argparse
import json
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import (
    add_model,
    check_outputs,
    check_plot_ending,
    frame_rate,
    named_path,
    say,
    say_error,
)
from videostyle.errors import UsageError, VideoStyleError
from videostyle.timecode import Time, parse_time
from videostyle.wording import counted

if TYPE_CHECKING:
    from videostyle.timeline.document import TimelineDocument
    from videostyle.timeline.timeline import Timeline


def add_timeline(commands: Any) -> None:
    """Declare the verbs check, show and plot."""
    parser = commands.add_parser(
        "timeline",
        help="check, show or plot a timeline",
        description="Check, show or plot a timeline, a YAML file of keyframes.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser(
        "check",
        help="print every mistake with its line and column",
        description="Print every mistake with its line and column. Exit code 2 if there is one.",
    )
    show = verbs.add_parser(
        "show",
        help="print the look at given times",
        description="Print the look at given times: the mixture and the other tracks.",
    )
    plot = verbs.add_parser(
        "plot",
        help="draw the mixture over time",
        description="Draw the mixture over time, and the other tracks that change.",
    )
    for verb, command in ((check, _check_command), (show, _show), (plot, _plot)):
        verb.set_defaults(command=command)
        if verb is check:
            verb.add_argument(
                "timelines", type=named_path, nargs="+", metavar="TIMELINE", help="YAML files"
            )
        else:
            verb.add_argument("timeline", type=named_path, metavar="TIMELINE", help="a YAML file")
        add_model(verb)
        verb.add_argument(
            "--duration",
            type=_length,
            metavar="TIME",
            help="length of the video: 8 (seconds), 8s, 01:30 or 200f",
        )
        verb.add_argument(
            "--fps", type=frame_rate, help="frame rate, for times in frames: 25 or 30000/1001"
        )
        verb.add_argument(
            "--video",
            type=named_path,
            metavar="FILE",
            help="take both from this video, or picture, instead",
        )
    show.add_argument(
        "--at",
        type=_time,
        action="append",
        metavar="TIME",
        help="2.5 (seconds) or as a timeline writes times; repeat for several (default: 0s)",
    )
    show.add_argument("--json", action="store_true", help="a list of objects")
    plot.add_argument(
        "-o",
        "--output",
        type=named_path,
        required=True,
        metavar="OUT.png",
        help="the picture (PNG, SVG, PDF or JPEG)",
    )


def _time(text: str) -> Time:
    """A time of the video, for argparse. A number without a unit is seconds: here no frames are
    meant as easily as in a timeline."""
    try:
        return parse_time(text + "s" if re.fullmatch(r"[\d.]+", text) else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _length(text: str) -> Time:
    """The length of the video, for argparse."""
    if text.startswith("-") or (time := _time(text)).needs_duration:
        raise argparse.ArgumentTypeError(
            f"{text!r:.80} counts from the length itself; write seconds, such as 8"
        )
    return time


def _facts(arguments: argparse.Namespace) -> tuple[float | None, Fraction | None, Fraction | None]:
    """The video's length in seconds, frames a second and tick of its clock, as far as known."""
    length: Time | None = arguments.duration
    if arguments.video is None:
        seconds = None if length is None else length.resolve(None, arguments.fps)
        return seconds, arguments.fps, None
    if length or arguments.fps:
        raise UsageError("--video tells length and frame rate; leave out --duration and --fps")
    from videostyle.decode.probe import inspect, with_duration

    info = with_duration(inspect(arguments.video))
    return info.duration_seconds, info.frame_rate, info.time_base


def _unknown(
    document: TimelineDocument, duration: float | None, rate: Fraction | None
) -> list[str]:
    """Options that would tell what the timeline's times need."""
    is_short = {
        "--duration": document.needs_duration and duration is None,
        "--fps": document.needs_rate and not rate and duration != 0,
    }
    return [option for option, short in is_short.items() if short]


def _resolve(arguments: argparse.Namespace, facts: Any) -> Timeline:
    from videostyle.network.model_card import read_model_card
    from videostyle.timeline.reader import read_timeline

    document = read_timeline(arguments.timeline, read_model_card(arguments.model))
    unknown = _unknown(document, *facts[:2])
    if unknown:
        by_length = unknown[0] == "--duration"
        what = "from the video's length" if by_length else "in frames"
        remedy = f"; give {unknown[0]}, or --video FILE"
        if arguments.video:
            lacks = "length that can be found" if by_length else "frame rate"
            remedy = f", but {arguments.video} has no {lacks}; write seconds"
        raise UsageError(f"{arguments.timeline}: counts {what}{remedy}")
    timeline, warnings = document.resolve(*facts)
    for warning in warnings:
        say(warning)
    return timeline


def _check_command(arguments: argparse.Namespace) -> int:
    from videostyle.network.model_card import read_model_card
    from videostyle.timeline.reader import read_timeline

    card = read_model_card(arguments.model)
    duration, rate, _ = _facts(arguments)
    code = 0
    for path in arguments.timelines:
        try:
            print(f"{path}: {_verdict(read_timeline(path, card), duration, rate)}")
        except VideoStyleError as error:
            say_error(error)
            code = error.exit_code
    return code


def _verdict(document: TimelineDocument, duration: float | None, rate: Fraction | None) -> str:
    from videostyle.timeline.mistakes import first_of

    warnings = document.check(duration, rate)
    for warning in first_of(warnings):
        say(warning)
    unknown = _unknown(document, duration, rate)
    limit = f" as far as it can be told without {' and '.join(unknown)}" if unknown else ""
    but = f", with {counted(len(warnings), 'warning')}" if warnings else ""
    return f"fine{limit}{but}"


def _show(arguments: argparse.Namespace) -> int:
    facts = _facts(arguments)
    timeline = _resolve(arguments, facts)
    wanted = arguments.at or [parse_time("0s")]
    times = [time.resolve(*facts) for time in wanted]
    for time, seconds in zip(wanted, times, strict=True):
        if seconds < 0:
            raise UsageError(f"--at {time} lies before the start of the video")
    looks = [{"at": at, **timeline.look_at(at).to_dict()} for at in times]
    if arguments.json:
        print(json.dumps(looks))
        return 0
    for look in looks:
        mix = "  ".join(f"{name} {weight:.3f}" for name, weight in look.pop("mix").items())
        rest = "  ".join(f"{track} {value:g}" for track, value in look.items() if track != "at")
        print(f"{look['at']:>9.3f} s  {mix}  {rest}")
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from videostyle.timeline.plot import plot_timeline

    inputs = [path for path in (arguments.timeline, arguments.video) if path]
    check_outputs(arguments.output, inputs=inputs)
    check_plot_ending(arguments.output)
    facts = _facts(arguments)
    timeline = _resolve(arguments, facts)
    plot_timeline(timeline, facts[0] or _whole(timeline), arguments.output)
    print(arguments.output)
    return 0


def _whole(timeline: Timeline) -> float:
    """Seconds that show all a timeline does: to where its loop begins again, or past the last key,
    which has a look of its own."""
    if timeline.loop:
        return timeline.loop.period * (2 if timeline.loop.bounce else 1)
    end = max(timeline.end_seconds, 0.0)
    return end + max(1.0, end / 10)


def add_schema(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "schema",
        help="print the timeline format as a JSON Schema",
        description="Print the timeline format as a JSON Schema, by which editors complete and "
        "check.",
    )
    parser.set_defaults(command=_schema)
    add_model(parser)


def _schema(arguments: argparse.Namespace) -> int:
    from videostyle.network.model_card import read_model_card
    from videostyle.timeline.schema import timeline_schema

    print(json.dumps(timeline_schema(read_model_card(arguments.model).style_names), indent=2))
    return 0
