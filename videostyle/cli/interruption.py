"""Ctrl-C: the frames in flight are finished, and it is said how to go on."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from videostyle.cli.console import say
from videostyle.errors import INTERRUPTED
from videostyle.wording import counted

if TYPE_CHECKING:
    from videostyle.rendering.render import Report


@contextmanager
def interruptible() -> Iterator[Event]:
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


def say_interrupted(reports: list[Report], left: list[Path], arguments: argparse.Namespace) -> int:
    """left: the outputs that are not finished."""
    from videostyle.encode.output_file import exists

    last = reports[-1]
    first = counted(last.frames, "frame")
    kept = f"{last.output} holds the first {first}" if last.frames else "no part"
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
