"""The command line: the only part that prints, and the only one that ends the process.

Every command imports what it needs when it runs, so `--help` answers at once. `main` imports the
commands themselves, so that a Ctrl-C meanwhile is answered like any other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from videostyle import __version__
from videostyle.cli.streams import settle_streams
from videostyle.errors import INTERRUPTED, VideoStyleError

if TYPE_CHECKING:
    import argparse


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 failed, 2 usage or timeline, 3 some of a
    batch failed, 130 interrupted."""
    try:
        return _run(argv)
    except (KeyboardInterrupt, ImportError) as error:
        # A module in C++, such as OpenVINO, cannot be imported where a Ctrl-C comes within it.
        if not any(isinstance(each, KeyboardInterrupt) for each in (error, error.__cause__)):
            raise
        from videostyle.cli.console import say

        say("videostyle: interrupted")
        exec("")  # if it came inside exec, as of a dataclass, Python would still end by the signal
        return INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    settle_streams()
    from videostyle.cli.console import say, say_error

    try:
        try:
            words = sys.argv[1:] if argv is None else argv
            arguments = make_parser().parse_args(words or ["--help"])
            code = int(arguments.command(arguments))
        except BaseException as error:
            is_help = isinstance(error, SystemExit) and not error.code
            # The first error says more than one about results that cannot be written.
            with nullcontext() if is_help else suppress(OSError):
                sys.stdout.flush()
            raise
        sys.stdout.flush()
        return code
    except VideoStyleError as error:
        say_error(error)
        return error.exit_code
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        say(f"videostyle: {where}{error.strerror or error}")
        return 1


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command; each sets `command` to a function that returns an exit code."""
    from videostyle.cli.add_style import add_add_style
    from videostyle.cli.bench import add_bench
    from videostyle.cli.console import Parser
    from videostyle.cli.evaluate import add_evaluate
    from videostyle.cli.evaluate_interpolation import add_interpolation
    from videostyle.cli.evaluate_new_style import add_new_style
    from videostyle.cli.evaluate_quality import add_quality
    from videostyle.cli.evaluate_stability import add_stability
    from videostyle.cli.inspect import add_probe, add_verify
    from videostyle.cli.live import add_live
    from videostyle.cli.reference import add_reference
    from videostyle.cli.render import add_render
    from videostyle.cli.styles import add_styles
    from videostyle.cli.timeline import add_schema, add_timeline
    from videostyle.cli.train import add_train

    parser = Parser(
        prog="videostyle",
        description="Paint a video: a timeline of keyframes morphs it through many paintings.",
        epilog="Begin with: videostyle render VIDEO -o OUT.mp4 --style starry_night",
    )
    parser.add_argument("--version", action="version", version=f"videostyle {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_render(commands)
    add_probe(commands)
    add_verify(commands)
    add_live(commands)
    add_styles(commands)
    add_timeline(commands)
    add_schema(commands)
    add_train(commands)
    add_add_style(commands)
    measures = add_evaluate(commands)
    add_quality(measures)
    add_interpolation(measures)
    add_stability(measures)
    add_new_style(measures)
    add_reference(commands)
    add_bench(commands)
    return parser
