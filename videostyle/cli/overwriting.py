"""Outputs that are there already: overwritten only where the user says so."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path

from videostyle.cli.console import say
from videostyle.errors import UsageError


def say_left_out(left_out: list[Path], arguments: argparse.Namespace) -> None:
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


def may_write(output: Path, arguments: argparse.Namespace) -> bool:
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


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
