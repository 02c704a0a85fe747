"""How far a render is: a bar, or lines where there is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from videostyle.cli.console import say

if TYPE_CHECKING:
    from videostyle.rendering.progress import Progress

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress_bar(name: str, *, quiet: bool) -> Iterator[Any]:
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
