"""`videostyle render`."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from videostyle.cli.console import make_stylizer, say, say_error
from videostyle.cli.interruption import interruptible, say_interrupted
from videostyle.cli.overwriting import may_write, say_left_out
from videostyle.cli.progress import progress_bar
from videostyle.cli.render_options import add_arguments, read_looks, render_settings
from videostyle.errors import SOME_FAILED, UsageError, VideoStyleError
from videostyle.look import Look
from videostyle.media.numbered import is_sequence_input
from videostyle.timecode import parse_part
from videostyle.wording import counted, visible

if TYPE_CHECKING:
    from videostyle.rendering.render import Report
    from videostyle.timeline.document import TimelineDocument

_Job = tuple[Path, Path]  # an input and its output


def add_render(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "render", help="paint a video, a picture or a folder of them", description=_render.__doc__
    )
    parser.set_defaults(command=_render)
    add_arguments(parser)


def _render(arguments: argparse.Namespace) -> int:
    """Decode, stylize and encode; audio, subtitles and every frame's time are kept."""
    looks = read_looks(arguments)
    _check_arguments(arguments)
    planned = _plan_jobs(arguments)
    jobs = [job for job in planned if may_write(job[1], arguments)]
    skipped = [str(output) for source, output in planned if (source, output) not in jobs]
    several = len(planned) > 1 or bool(skipped)
    if arguments.dry_run:
        return _dry_run(jobs, skipped, looks, arguments, several=several)
    done = _render_all(jobs, looks, arguments, several=several)
    if arguments.json:
        files = [report.to_dict() for report in done.reports]
        _print_json(files, several=several, failed=done.failed, skipped=skipped)
    if done.is_interrupted:
        return say_interrupted(done.reports, done.left, arguments)
    if done.failed:
        failed = ", ".join(done.failed)
        say(f"videostyle: {len(done.failed)} of {len(planned)} files failed: {failed}")
        return SOME_FAILED
    return 0


def _check_arguments(arguments: argparse.Namespace) -> None:
    """Raises UsageError for what is wrong whatever the inputs are."""
    parse_part(arguments.start, arguments.end)
    if arguments.invert_mask and not arguments.mask:
        raise UsageError("--invert-mask goes with --mask FILE")


def _plan_jobs(arguments: argparse.Namespace) -> list[_Job]:
    """Every file and what it becomes, with those that are there already."""
    from videostyle.rendering.jobs import plan_jobs

    name = arguments.timeline.stem if arguments.timeline else arguments.style or "mix"
    left_out: list[Path] = []
    planned = plan_jobs(arguments.inputs, arguments.output, name, left_out.append)
    if left_out:
        say_left_out(left_out, arguments)
    if arguments.fps and not any(is_sequence_input(source) for source, _ in planned):
        raise UsageError("--fps is for numbered pictures, such as frame_%05d.png")
    return planned


@dataclass(slots=True)
class _Done:
    """What has become of the jobs. failed: why, by the input. left: outputs not finished."""

    left: list[Path]
    reports: list[Report] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_interrupted(self) -> bool:
        return bool(self.reports) and not self.reports[-1].complete


def _render_all(
    jobs: list[_Job],
    looks: TimelineDocument | Look,
    arguments: argparse.Namespace,
    *,
    several: bool,
) -> _Done:
    """Paint until an interruption. Of several files one that fails does not keep the others."""
    stylizer = make_stylizer(arguments) if jobs else None
    done = _Done([output for _, output in jobs])
    with interruptible() as stop:
        for source, output in jobs:
            try:
                report = _render_one(source, output, looks, stylizer, arguments, stop)
            except VideoStyleError as error:
                if not several:
                    raise
                done.failed[str(source)] = str(error)
                say_error(error)
                continue
            done.reports.append(report)
            if not report.complete:
                break
            done.left.remove(output)
    return done


def _print_json(files: list[dict[str, Any]], *, several: bool, **others: object) -> None:
    print(json.dumps({"files": files, **others} if several else files[0]))


def _render_one(
    source: Path,
    output: Path,
    looks: TimelineDocument | Look,
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
            looks,
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
                f"{visible(str(report.output))}  {counted(report.frames, 'frame')} in "
                f"{report.seconds:.1f} s, {report.fps:.1f} frames/s, limited by "
                f"{report.limited_by}",
                flush=True,
            )
    return report


def _dry_run(
    jobs: list[_Job],
    skipped: list[str],
    looks: TimelineDocument | Look,
    arguments: argparse.Namespace,
    *,
    several: bool,
) -> int:
    from videostyle.device import choose_device, choose_precision
    from videostyle.network.model_card import read_model_card
    from videostyle.rendering.settle import describe

    choose_precision(arguments.precision, choose_device(arguments.device))
    card = read_model_card(arguments.model)
    plans = []
    for source, output in jobs:
        settings = render_settings(source, arguments)
        try:
            plans.append(describe(source, output, looks, card, **settings, on_warning=say))
        except VideoStyleError as error:
            if not several:
                raise
            plans.append({"input": str(source), "refused": str(error)})
    if arguments.json:
        _print_json(plans, several=several, skipped=skipped)
    else:
        for plan in plans:
            for key, value in plan.items():
                print(
                    f"{key:>16}  {visible(value) if isinstance(value, str) else json.dumps(value)}"
                )
    return SOME_FAILED if any("refused" in plan for plan in plans) else 0
