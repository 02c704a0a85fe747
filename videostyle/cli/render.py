"""`videostyle render`."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import make_stylizer, say, say_error
from videostyle.cli.interruption import interruptible, say_interrupted
from videostyle.cli.overwriting import may_write, say_left_out
from videostyle.cli.progress import in_frames, progress_bar
from videostyle.cli.render_options import add_arguments, read_looks, render_settings
from videostyle.errors import SOME_FAILED, UsageError, VideoStyleError
from videostyle.look import Look
from videostyle.media.numbered import is_sequence_input
from videostyle.timecode import parse_part

if TYPE_CHECKING:
    from videostyle.rendering.render import Report
    from videostyle.timeline.document import TimelineDocument


def add_render(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "render", help="paint a video, a picture or a folder of them", description=_render.__doc__
    )
    parser.set_defaults(command=_render)
    add_arguments(parser)


def _render(arguments: argparse.Namespace) -> int:
    """Decode, stylize and encode; audio, subtitles and every frame's time are kept."""
    from videostyle.rendering.jobs import plan_jobs

    timeline = read_looks(arguments)
    parse_part(arguments.start, arguments.end)  # wrong times are wrong for every input
    if arguments.invert_mask and not arguments.mask:
        raise UsageError("--invert-mask goes with --mask FILE")
    name = arguments.timeline.stem if arguments.timeline else arguments.style or "mix"
    left_out: list[Path] = []
    planned = plan_jobs(arguments.inputs, arguments.output, name, left_out.append)
    if left_out:
        say_left_out(left_out, arguments)
    several = len(planned) > 1
    if arguments.fps and not any(is_sequence_input(source) for source, _ in planned):
        raise UsageError("--fps is for numbered pictures, such as frame_%05d.png")
    jobs = [job for job in planned if may_write(job[1], arguments)]
    skipped = [str(output) for source, output in planned if (source, output) not in jobs]
    if arguments.dry_run:
        return _dry_run(jobs, skipped, timeline, arguments, several=several)
    stylizer = make_stylizer(arguments) if jobs else None
    reports: list[Report] = []
    failed: dict[str, str] = {}
    left = [output for _, output in jobs]
    with interruptible() as stop:
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
        return say_interrupted(reports, left, arguments)
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

    with progress_bar(source.name, quiet=arguments.json) as on_progress:
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
            **render_settings(source, arguments),
            on_warning=warn,
            on_progress=on_progress,
            interrupted=stop.is_set,
        )
    for note in report.notes[len(warnings) :]:
        say(f"{source}: {note}")
    if report.frames and not arguments.json:
        with suppress(OSError):  # the result is the file
            print(
                f"{report.output}  {in_frames(report.frames)} in {report.seconds:.1f} s, "
                f"{report.fps:.1f} frames/s, limited by {report.limited_by}",
                flush=True,
            )
    return report


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
        settings = render_settings(source, arguments)
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
