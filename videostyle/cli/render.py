"""`videostyle render`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

from videostyle.checks import visible
from videostyle.cli.console import (
    MIX_FORM,
    add_engine,
    add_model,
    frame_rate,
    make_stylizer,
    named_path,
    positive,
    say,
    say_error,
)
from videostyle.encode.options import AUDIO, EncodeOptions
from videostyle.encode.segments import LEAST_SEGMENT_SECONDS, SEGMENT_SECONDS
from videostyle.errors import INTERRUPTED, SOME_FAILED, UsageError, VideoStyleError
from videostyle.look import ORIGINAL, SCALARS, Look
from videostyle.media.numbered import is_sequence_input
from videostyle.rendering.choices import BARS, HDR, HWACCEL
from videostyle.timecode import parse_part

if TYPE_CHECKING:
    from videostyle.rendering.painter import Progress
    from videostyle.rendering.render import Report
    from videostyle.timeline.document import TimelineDocument

SECONDS_BETWEEN_LINES = 5.0


def add_render(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "render", help="paint a video, a picture or a folder of them", description=_render.__doc__
    )
    parser.set_defaults(command=_render)
    parser.add_argument(
        "inputs",
        nargs="+",
        type=named_path,
        metavar="INPUT",
        help="files, folders, quoted patterns ('clips/*.mp4') or numbered pictures "
        "(frames/%%05d.png)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=_output_name,
        required=True,
        help="file, folder or template such as out/{folder}/{stem}_{timeline}.mp4; "
        "out/frame_%%05d.png is a picture of every frame",
    )
    look = parser.add_mutually_exclusive_group(required=True)
    look.add_argument("-t", "--timeline", type=named_path, help="a timeline (YAML)")
    look.add_argument("--style", metavar="NAME", help="one style throughout")
    look.add_argument("--mix", metavar="A=1,B=3", help="one mixture throughout")
    parser.add_argument("--strength", type=float, help="0 (original) to 1; with --style or --mix")
    parser.add_argument("--keep-color", type=float, help="0 to 1 (the original's colours)")
    parser.add_argument(
        "--stroke", type=float, help="stroke size (1: as in a picture of 512 lines)"
    )
    parser.add_argument(
        "--max-size", type=positive, metavar="PIXELS", help="scale so that no side is longer"
    )
    parser.add_argument(
        "--start",
        metavar="TIME",
        help="paint from here on, as a timeline writes times: 12.5s, 01:30, 00:01:30:12, 120f, "
        "50%%, --start=-2s; the timeline keeps the input's clock, so a part looks as in the whole",
    )
    parser.add_argument("--end", metavar="TIME", help="paint up to here, without this frame")
    parser.add_argument(
        "--fps",
        type=frame_rate,
        metavar="RATE",
        help="frames a second of numbered pictures (default: 25)",
    )
    parser.add_argument(
        "--segment-seconds",
        type=_piece_seconds,
        metavar="S",
        default=SEGMENT_SECONDS,
        help="a longer video is painted in pieces of so many seconds; interrupted, the same "
        "command goes on after the last whole one (default: %(default)g)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        default=1,
        help="paint N pieces at the same time, each in a process of its own: on a GPU of its own, "
        "or with its part of the CPU threads (default: 1)",
    )
    parser.add_argument(
        "--hdr",
        choices=HDR,
        default="refuse",
        help="what becomes of HDR video (PQ, HLG): made SDR, or painted as if it were "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--hwaccel",
        choices=HWACCEL,
        default="none",
        help="cuda: an NVIDIA GPU decodes what it can (default: %(default)s)",
    )
    parser.add_argument(
        "--bars",
        choices=BARS,
        default="auto",
        help="none: paint the black bars of a film too (default: %(default)s, leave them black)",
    )
    parser.add_argument(
        "--mask",
        type=named_path,
        metavar="FILE",
        help="paint where this video or picture is white, leave what is black as it was",
    )
    parser.add_argument(
        "--invert-mask", action="store_true", help="paint where the mask is black instead"
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first damage instead of skipping it"
    )
    parser.add_argument(
        "--no-stabilize",
        dest="stabilize",
        action="store_false",
        help="paint every frame for itself, also where the picture stands still",
    )
    add_model(parser)
    add_engine(parser)
    _add_output(parser)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("-y", "--yes", action="store_true", help="overwrite existing outputs")
    existing.add_argument("-n", "--no", action="store_true", help="skip what has an output already")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout, and no progress"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that `_encode_options` reads."""
    group = parser.add_argument_group("output", "docs/output.md says what each container holds.")
    chosen = "(default: by the container)"
    group.add_argument("--codec", help=f"video encoder {chosen}")
    group.add_argument("--crf", type=int, help=f"quality: lower is better and larger {chosen}")
    group.add_argument("--preset", help=f"encoder speed against file size {chosen}")
    group.add_argument("--pix-fmt", help=f"pixel format of the output {chosen}")
    group.add_argument(
        "--audio", choices=AUDIO, default="copy", help="audio streams (default: %(default)s)"
    )
    group.add_argument(
        "-e",
        dest="encoder_options",
        action="append",
        default=[],
        type=_pair,
        metavar="KEY=VALUE",
        help="an option of the encoder, as FFmpeg names it; may be repeated",
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: write KEY=VALUE")
    return key, value


def _encode_options(arguments: argparse.Namespace) -> EncodeOptions:
    return EncodeOptions(
        codec=arguments.codec,
        crf=arguments.crf,
        preset=arguments.preset,
        pix_fmt=arguments.pix_fmt,
        audio=arguments.audio,
        encoder_options=dict(arguments.encoder_options),
    )


def _output_name(text: str) -> str:
    """A name as it was written, for argparse: a slash at its end makes it a folder."""
    named_path(text)
    return text


def _render(arguments: argparse.Namespace) -> int:
    """Decode, stylize and encode; audio, subtitles and every frame's time are kept."""
    from videostyle.rendering.jobs import plan_jobs

    timeline = _read_looks(arguments)
    parse_part(arguments.start, arguments.end)  # wrong times are wrong for every input
    if arguments.invert_mask and not arguments.mask:
        raise UsageError("--invert-mask goes with --mask FILE")
    name = arguments.timeline.stem if arguments.timeline else arguments.style or "mix"
    left_out: list[Path] = []
    planned = plan_jobs(arguments.inputs, arguments.output, name, left_out.append)
    if left_out:
        _say_left_out(left_out, arguments)
    several = len(planned) > 1
    if arguments.fps and not any(is_sequence_input(source) for source, _ in planned):
        raise UsageError("--fps is for numbered pictures, such as frame_%05d.png")
    jobs = [job for job in planned if _may_write(job[1], arguments)]
    skipped = [str(output) for source, output in planned if (source, output) not in jobs]
    if arguments.dry_run:
        return _dry_run(jobs, skipped, timeline, arguments, several=several)
    stylizer = make_stylizer(arguments) if jobs else None
    reports: list[Report] = []
    failed: dict[str, str] = {}
    left = [output for _, output in jobs]
    with _interruptible() as stop:
        for source, output in jobs:
            try:
                reports.append(_render_one(source, output, timeline, stylizer, arguments, stop))
            except VideoStyleError as error:
                if not several:
                    raise
                failed[str(source)] = str(error)
                say_error(error)
                continue
            if not reports[-1].complete:
                break
            left.remove(output)
    if arguments.json:
        found = [report.to_dict() for report in reports]
        whole = {"files": found, "failed": failed, "skipped": skipped}
        print(json.dumps(whole if several or skipped else found[0]))
    if reports and not reports[-1].complete:
        return _say_interrupted(reports, left, arguments)
    if failed:
        say(f"videostyle: {len(failed)} of {len(planned)} files failed: {', '.join(failed)}")
    return SOME_FAILED if failed else 0


def _render_one(
    source: Path,
    output: Path,
    timeline: TimelineDocument | Look,
    stylizer: Any,
    arguments: argparse.Namespace,
    stop: Event,
) -> Report:
    from videostyle.rendering.render import render

    warnings: list[str] = []

    def warn(warning: str) -> None:
        warnings.append(warning)
        say(warning)

    with _progress_bar(source.name, quiet=arguments.json) as on_progress:
        report = render(
            source,
            output,
            timeline,
            stylizer=stylizer,
            stabilize=arguments.stabilize,
            segment_seconds=arguments.segment_seconds,
            workers=arguments.workers,
            strict=arguments.strict,
            hwaccel=arguments.hwaccel,
            **_settings(source, arguments),
            on_warning=warn,
            on_progress=on_progress,
            interrupted=stop.is_set,
        )
    for note in report.notes[len(warnings) :]:
        say(f"{source}: {note}")
    if report.frames and not arguments.json:
        with suppress(OSError):  # the result is the file
            print(
                f"{visible(str(report.output))}  {_frames(report)} in {report.seconds:.1f} s, "
                f"{report.fps:.1f} frames/s, limited by {report.limited_by}",
                flush=True,
            )
    return report


def _settings(source: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What `render` and `describe` take alike."""
    return {
        "options": _encode_options(arguments),
        "max_size": arguments.max_size,
        "start": arguments.start,
        "end": arguments.end,
        "hdr": arguments.hdr,
        "fps": arguments.fps if is_sequence_input(source) else None,
        "bars": arguments.bars,
        "mask": arguments.mask,
        "invert_mask": arguments.invert_mask,
    }


def _frames(report: Report) -> str:
    return f"{report.frames} frame{'s' * (report.frames != 1)}"


def _read_looks(arguments: argparse.Namespace) -> TimelineDocument | Look:
    from videostyle.network.model_card import DEFAULT_MODEL, read_model_card

    card = read_model_card(arguments.model)
    tracks = {
        track: getattr(arguments, track)
        for track in SCALARS
        if getattr(arguments, track) is not None
    }
    if arguments.timeline:
        if tracks:
            flag = next(iter(tracks)).replace("_", "-")
            raise UsageError(f"--{flag} goes with --style or --mix; a timeline has a track for it")
        from videostyle.timeline.reader import read_timeline

        return read_timeline(arguments.timeline, card)
    mix = {arguments.style: 1.0} if arguments.mix is None else _parse_mix(arguments.mix)
    lists = "videostyle styles"
    if arguments.model != DEFAULT_MODEL:
        lists += f" --model {arguments.model}"
    if unknown := card.unknown_style(mix.keys() - {ORIGINAL}, lists):
        raise UsageError(unknown)
    return Look(mix, **tracks)


def _parse_mix(text: str) -> dict[str, float]:
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        try:
            if not name or ":" in name:
                raise ValueError
            number = float(weight or 1)
        except ValueError as error:
            raise UsageError(f"--mix: {part!r}: {MIX_FORM}") from error
        if name in mix:
            raise UsageError(f"--mix: {name} is named twice; give it one weight")
        mix[name] = number
    return mix


def _piece_seconds(text: str) -> float:
    """The length of a piece, for argparse."""
    with suppress(ValueError):
        if LEAST_SEGMENT_SECONDS <= float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write seconds, at least {LEAST_SEGMENT_SECONDS:g}")


def _say_left_out(left_out: list[Path], arguments: argparse.Namespace) -> None:
    """Nothing proves that these are no files of the user's own: one may ask about each, but not
    overwrite them unasked. Raises UsageError."""
    names = ", ".join(map(str, left_out))
    if arguments.no or (_can_ask() and not arguments.yes):
        say(f"{names}: left out of the inputs: the output of another has that name")
        return
    raise UsageError(
        f"{names}: among the inputs, and would be overwritten by what other inputs become; paint "
        "into another folder, or -n leaves what is there as it is"
    )


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _may_write(output: Path, arguments: argparse.Namespace) -> bool:
    from videostyle.encode.output_file import exists

    if not exists(output) or arguments.yes:
        return True
    if arguments.no:
        say(f"{output}: exists, skipped")
        return False
    if _can_ask():
        say(f"{output} exists. Overwrite? [y/N] ", end="")
        with suppress(EOFError):
            if input().strip().lower() in ("y", "yes"):
                return True
            say(f"{output}: left as it is")
            return False
    raise UsageError(f"{output}: exists; -y overwrites it, -n skips it")


def _dry_run(
    jobs: list[tuple[Path, Path]],
    skipped: list[str],
    timeline: TimelineDocument | Look,
    arguments: argparse.Namespace,
    *,
    several: bool,
) -> int:
    from videostyle.device import choose_device, choose_precision
    from videostyle.network.model_card import read_model_card
    from videostyle.rendering.render import describe

    choose_precision(arguments.precision, choose_device(arguments.device))
    card = read_model_card(arguments.model)
    plans = []
    for source, output in jobs:
        settings = _settings(source, arguments)
        try:
            plans.append(describe(source, output, timeline, card, **settings, on_warning=say))
        except VideoStyleError as error:
            if not several:
                raise
            plans.append({"input": str(source), "refused": str(error)})
    if arguments.json:
        whole = {"files": plans, "skipped": skipped}
        print(json.dumps(whole if several or skipped else plans[0]))
    else:
        for plan in plans:
            for key, value in plan.items():
                print(f"{key:>16}  {value if isinstance(value, str) else json.dumps(value)}")
    return SOME_FAILED if any("refused" in plan for plan in plans) else 0


@contextmanager
def _interruptible() -> Iterator[Event]:
    """The first Ctrl-C or SIGTERM sets the event; the second interrupts at once."""
    stop, is_second = Event(), False

    def on_interrupt(number: int, frame: object) -> None:
        nonlocal is_second
        if is_second:
            raise KeyboardInterrupt
        # Before anything else: the second may come while the event is being set.
        is_second = True
        stop.set()
        say("\nfinishing the frames in flight; Ctrl-C again aborts")

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, on_interrupt) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def _say_interrupted(reports: list[Report], left: list[Path], arguments: argparse.Namespace) -> int:
    """left: the outputs that are not finished."""
    from videostyle.encode.output_file import exists

    last = reports[-1]
    kept = f"{last.output} holds the first {_frames(last)}" if last.frames else "no part"
    words = ["videostyle", *sys.argv[1:]]
    goes_on = last.goes_on
    if len(reports) > 1:  # the files before it are finished, and -n leaves them alone
        without_yes = [word for word in words if word not in ("-y", "--yes")]
        goes_on = (without_yes != words) == arguments.yes and not any(map(exists, left))
        if goes_on:
            words = without_yes if arguments.no else [*without_yes, "-n"]
    command = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
    verb = "Go on" if goes_on else "Start over"
    say(f"stopped: {kept}. {verb} with the same command: {command}")
    return INTERRUPTED


@contextmanager
def _progress_bar(name: str, *, quiet: bool) -> Iterator[Any]:
    """Yield a progress callback that draws with tqdm: frame, total, ETA, rate, limiting stage.

    Where stderr is no terminal it writes a plain line every few seconds instead.
    """
    if quiet or not _has_width(sys.stderr):
        yield None if quiet else _progress_lines(name)
        return
    from tqdm import tqdm

    # Not drawn before the first frame: warnings of the timeline come first.
    bar: Any = tqdm(desc=name, unit=" frames", dynamic_ncols=True, mininterval=0.2, delay=0.1)

    def on_progress(progress: Progress) -> None:
        bar.total = progress.total
        bar.set_postfix_str(f"limited by {progress.limited_by}", refresh=False)
        bar.update(progress.frame - bar.n)

    with bar:
        yield on_progress


def _has_width(stream: TextIO) -> bool:
    """Whether it is a terminal that a bar can be drawn on. One without a size, as in a container,
    would show an empty line for it."""
    with suppress(OSError):
        return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0
    return False


def _progress_lines(name: str) -> Callable[[Progress], None]:
    last = 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal last
        if progress.seconds - last < SECONDS_BETWEEN_LINES:
            return
        last = progress.seconds
        line = f"{name}: frame {progress.frame}"
        if progress.total:
            left = (progress.total - progress.frame) / progress.fps
            line += f" of {progress.total}, {left:.0f} s left"
        say(f"{line}, {progress.fps:.1f} frames/s, limited by {progress.limited_by}")

    return on_progress
