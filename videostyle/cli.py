"""The command line. The only module that prints, and the only one that ends the process.

Every command imports what it needs when it runs, so `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from videostyle import __version__
from videostyle.errors import TimelineError, UsageError, VideoStyleError
from videostyle.look import Look
from videostyle.model_card import DEFAULT_MODEL
from videostyle.options import EncodeOptions, add_options, options_from

if TYPE_CHECKING:
    from videostyle.render import Progress, Report
    from videostyle.timeline import Timeline
    from videostyle.timeline_yaml import TimelineDocument

INTERRUPTED = 130
SECONDS_BETWEEN_LINES = 5.0
SOME_FAILED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 failed, 2 usage or timeline, 3 some of a
    batch failed, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except VideoStyleError as error:
        _say(str(error) if isinstance(error, TimelineError) else f"videostyle: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("videostyle: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`| head`); there is nobody to tell.
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="videostyle",
        description="Paint a video: a timeline of keyframes morphs it through many paintings.",
    )
    parser.add_argument("--version", action="version", version=f"videostyle {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_render(commands)
    _add_styles(commands)
    _add_timeline(commands)
    _add_schema(commands)
    _add_train(commands)
    return parser


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|PATH",
        help="a shipped model's name or a model file (default: %(default)s)",
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--threads", type=_positive, help="CPU threads (default: cores)")


# ---- render ---------------------------------------------------------------------------------


def _add_render(commands: Any) -> None:
    parser = commands.add_parser(
        "render", help="paint a video, a picture or a folder of them", description=_render.__doc__
    )
    parser.set_defaults(command=_render)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="file, folder or template such as out/{stem}_{timeline}.mp4",
    )
    look = parser.add_mutually_exclusive_group(required=True)
    look.add_argument("-t", "--timeline", type=Path, help="a timeline (YAML)")
    look.add_argument("--style", metavar="NAME", help="one style throughout")
    look.add_argument("--mix", metavar="A=1,B=3", help="one mixture throughout")
    parser.add_argument("--strength", type=float, help="0 (original) to 1; with --style or --mix")
    parser.add_argument("--keep-color", type=float, help="0 to 1 (the original's colours)")
    parser.add_argument("--stroke", type=float, help="stroke size relative to the trained one")
    parser.add_argument(
        "--max-size", type=_positive, metavar="PIXELS", help="scale so that no side is longer"
    )
    _add_model(parser)
    _add_device(parser)
    add_options(parser, EncodeOptions)
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("-y", "--yes", action="store_true", help="overwrite existing outputs")
    existing.add_argument("-n", "--no", action="store_true", help="never overwrite")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _render(arguments: argparse.Namespace) -> int:
    """Decode, stylize and encode; audio, subtitles and every frame's time are kept."""
    from videostyle.jobs import plan_jobs

    timeline = _read_looks(arguments)
    name = arguments.timeline.stem if arguments.timeline else arguments.style or "mix"
    jobs = plan_jobs(arguments.inputs, arguments.output, name)
    if arguments.dry_run:
        return _dry_run(jobs, timeline, arguments)
    jobs = [job for job in jobs if _may_write(job[1], arguments)]
    stylizer = _make_stylizer(arguments)
    reports: list[Report] = []
    failed = 0
    with _interruptible() as stop:
        for source, output in jobs:
            try:
                reports.append(_render_one(source, output, timeline, stylizer, arguments, stop))
            except VideoStyleError as error:
                if len(jobs) == 1 or isinstance(error, UsageError):
                    raise
                failed += 1
                _say(f"videostyle: {error}")
                continue
            if not reports[-1].complete:
                break
    if arguments.json:
        found = [report.to_dict() for report in reports]
        print(json.dumps(found[0] if len(jobs) == 1 else {"files": found, "failed": failed}))
    if reports and not reports[-1].complete:
        return _say_interrupted(reports[-1])
    if failed:
        _say(f"videostyle: {failed} of {len(jobs)} files failed")
    return SOME_FAILED if failed else 0


def _render_one(
    source: Path,
    output: Path,
    timeline: TimelineDocument | Look,
    stylizer: Any,
    arguments: argparse.Namespace,
    stop: Event,
) -> Report:
    from videostyle.render import render

    options = options_from(arguments, EncodeOptions)
    with _progress_bar(source.name, quiet=arguments.json) as on_progress:
        report = render(
            source,
            output,
            timeline,
            stylizer=stylizer,
            options=options,
            max_size=arguments.max_size,
            on_progress=on_progress,
            interrupted=stop.is_set,
        )
    for note in report.notes:
        _say(f"{source}: {note}")
    if not arguments.json:
        print(
            f"{report.output}  {report.frames} frames in {report.seconds:.1f} s, "
            f"{report.fps:.1f} frames/s, limited by {report.limited_by}"
        )
    return report


def _read_looks(arguments: argparse.Namespace) -> TimelineDocument | Look:
    from videostyle.model_card import read_model_card

    names = read_model_card(arguments.model).style_names
    tracks = {
        track: getattr(arguments, track)
        for track in ("strength", "keep_color", "stroke")
        if getattr(arguments, track) is not None
    }
    if arguments.timeline:
        if tracks:
            flag = next(iter(tracks)).replace("_", "-")
            raise UsageError(f"--{flag} goes with --style or --mix; a timeline has a track for it")
        return _read_document(arguments.timeline, names)
    mix = {arguments.style: 1.0} if arguments.style else _parse_mix(arguments.mix)
    _check_styles(mix, names)
    return Look(mix, **tracks)


def _parse_mix(text: str) -> dict[str, float]:
    mix: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition("=")
        try:
            mix[name] = mix.get(name, 0.0) + float(weight or 1)
        except ValueError as error:
            raise UsageError(f"--mix: {part!r}: write NAME=WEIGHT,NAME=WEIGHT") from error
    return mix


def _check_styles(mix: dict[str, float], names: Sequence[str]) -> None:
    from difflib import get_close_matches

    from videostyle.look import ORIGINAL

    for name in mix:
        if name not in (*names, ORIGINAL):
            close = get_close_matches(name, [*names, ORIGINAL], 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise UsageError(f"unknown style {name!r} (have: {', '.join(names)}).{hint}")


def _make_stylizer(arguments: argparse.Namespace) -> Any:
    from videostyle.model import load_model
    from videostyle.stylizer import Stylizer

    stylizer = Stylizer(
        load_model(arguments.model),
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
    )
    _say(f"{stylizer.model.card.name} on {stylizer.engine.description}")
    return stylizer


def _may_write(output: Path, arguments: argparse.Namespace) -> bool:
    if not output.exists() or arguments.yes:
        return True
    if arguments.no:
        _say(f"{output}: exists, skipped")
        return False
    if sys.stdin.isatty() and sys.stderr.isatty():
        _say(f"{output} exists. Overwrite? [y/N] ", end="")
        if input().strip().lower() in ("y", "yes"):
            return True
    raise UsageError(f"{output}: exists; -y overwrites it, -n skips it")


def _dry_run(
    jobs: list[tuple[Path, Path]], timeline: TimelineDocument | Look, arguments: argparse.Namespace
) -> int:
    from videostyle.render import describe

    plans = [describe(source, output, timeline) for source, output in jobs]
    if arguments.json:
        print(json.dumps(plans))
        return 0
    for plan in plans:
        for key, value in plan.items():
            print(f"{key:>9}  {value if isinstance(value, str) else json.dumps(value)}")
    return 0


@contextmanager
def _interruptible() -> Iterator[Event]:
    """The first Ctrl-C sets the event; the second interrupts at once."""
    stop = Event()

    def on_interrupt(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        _say("\nfinishing the frames in flight; Ctrl-C again aborts")

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _say_interrupted(report: Report) -> int:
    kept = f"{report.output} holds the first {report.frames} frames" if report.frames else "no part"
    _say(f"stopped: {kept}. Start again: {shlex.join(['videostyle', *sys.argv[1:]])}")
    return INTERRUPTED


@contextmanager
def _progress_bar(name: str, *, quiet: bool) -> Iterator[Any]:
    """Yield a progress callback that draws with tqdm: frame, total, ETA, rate, limiting stage.

    Where stderr is no terminal it writes a plain line every few seconds instead.
    """
    if quiet or not sys.stderr.isatty():
        yield None if quiet else _progress_lines(name)
        return
    from tqdm import tqdm

    bar: Any = tqdm(desc=name, unit=" frames", dynamic_ncols=True, mininterval=0.2)

    def on_progress(progress: Progress) -> None:
        bar.total = progress.total
        bar.set_postfix_str(f"limited by {progress.limited_by}", refresh=False)
        bar.update(progress.frame - bar.n)

    with bar:
        yield on_progress


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
        _say(f"{line}, {progress.fps:.1f} frames/s, limited by {progress.limited_by}")

    return on_progress


# ---- styles ---------------------------------------------------------------------------------


def _add_styles(commands: Any) -> None:
    parser = commands.add_parser(
        "styles", help="list a model's styles, or draw them", description=_styles.__doc__
    )
    parser.set_defaults(command=_styles)
    _add_model(parser)
    _add_device(parser)
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument(
        "--sheet",
        nargs=2,
        type=Path,
        metavar=("OUT.png", "IMAGE"),
        help="draw IMAGE in every style as a labelled contact sheet",
    )


def _styles(arguments: argparse.Namespace) -> int:
    """List names, titles, artists and credits of the styles a model has learned."""
    from dataclasses import asdict

    from videostyle.model_card import read_model_card

    if arguments.sheet:
        from videostyle.contact_sheet import draw_contact_sheet

        output, image = arguments.sheet
        draw_contact_sheet(output, image, _make_stylizer(arguments))
        print(output)
        return 0
    styles = read_model_card(arguments.model).styles
    if arguments.json:
        print(json.dumps([asdict(style) for style in styles], ensure_ascii=False))
        return 0
    width = max(len(style.name) for style in styles)
    for style in styles:
        print(f"{style.name:<{width}}  {style.title}, {style.artist}, {style.year}")
    return 0


# ---- timeline -------------------------------------------------------------------------------


def _add_timeline(commands: Any) -> None:
    parser = commands.add_parser("timeline", help="check, show or plot a timeline")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", help="print every mistake with its line and column")
    show = verbs.add_parser("show", help="print the look at given times")
    plot = verbs.add_parser("plot", help="draw the mixture over time")
    for verb, command in ((check, _check), (show, _show), (plot, _plot)):
        verb.set_defaults(command=command)
        verb.add_argument("timeline", type=Path)
        _add_model(verb)
        verb.add_argument("--duration", type=float, help="length of the video in seconds")
        verb.add_argument("--fps", help="frame rate, for times in frames: 25 or 30000/1001")
    show.add_argument(
        "--at", type=float, action="append", metavar="SECONDS", help="repeat for several times"
    )
    show.add_argument("--json", action="store_true", help="a list of objects")
    plot.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.png")


def _read_document(path: Path, names: Sequence[str]) -> TimelineDocument:
    from videostyle.timeline_yaml import read_timeline

    return read_timeline(path, names)


def _resolved(arguments: argparse.Namespace) -> Timeline:
    from fractions import Fraction

    from videostyle.model_card import read_model_card

    try:
        rate = Fraction(arguments.fps) if arguments.fps else None
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--fps {arguments.fps!r}: write 25 or 30000/1001") from error
    document = _read_document(arguments.timeline, read_model_card(arguments.model).style_names)
    timeline, warnings = document.resolve(arguments.duration, rate)
    for warning in warnings:
        _say(warning)
    return timeline


def _check(arguments: argparse.Namespace) -> int:
    from videostyle.model_card import read_model_card

    names = read_model_card(arguments.model).style_names
    if arguments.duration is None and _read_document(arguments.timeline, names).needs_duration:
        print(f"{arguments.timeline}: fine as far as it can be told without --duration")
        return 0
    _resolved(arguments)
    print(f"{arguments.timeline}: fine")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    timeline = _resolved(arguments)
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

    timeline = _resolved(arguments)
    plot_timeline(timeline, arguments.duration or timeline.end_seconds, arguments.output)
    print(arguments.output)
    return 0


def _add_schema(commands: Any) -> None:
    parser = commands.add_parser("schema", help="print the timeline format as a JSON Schema")
    parser.set_defaults(command=_schema)
    _add_model(parser)


def _schema(arguments: argparse.Namespace) -> int:
    from videostyle.model_card import read_model_card
    from videostyle.timeline_schema import timeline_schema

    print(json.dumps(timeline_schema(read_model_card(arguments.model).style_names), indent=2))
    return 0


# ---- train ----------------------------------------------------------------------------------


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train", help="train a network on your own paintings", description=_train.__doc__
    )
    parser.set_defaults(command=_train)
    parser.add_argument("config", type=Path, help="the run's settings (YAML)")
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs")
    parser.add_argument(
        "--paintings", type=Path, required=True, help="folder of paintings with a styles.csv"
    )
    parser.add_argument(
        "--loss-network",
        type=Path,
        required=True,
        help="VGG-16, VGG-19 or distilled VGG-19 (safetensors)",
    )
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="photos to paint")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run")


def _train(arguments: argparse.Namespace) -> int:
    """Train N styles in one network. Run the same command again to resume."""
    from tqdm import tqdm

    from videostyle.training.train import make_trainer

    trainer = make_trainer(
        arguments.config,
        photos=arguments.photos,
        paintings=arguments.paintings,
        loss_network=arguments.loss_network,
        folder=arguments.output,
        samples=arguments.samples,
        device=arguments.device,
    )
    steps = trainer.run()
    with tqdm(total=trainer.config.steps, unit=" steps", mininterval=1) as bar:
        for step in steps:
            bar.set_postfix(style=f"{step.style:.3f}", content=f"{step.content:.3f}", refresh=False)
            bar.update(step.step - bar.n)
    print(trainer.model_path)
    return 0


def _say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)
