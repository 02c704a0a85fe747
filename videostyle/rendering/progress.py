"""How far a render is, and which stage limits it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a render stands. total is None where length or frame rate are unknown, and an estimate
    where the file does not say how many frames it has, but never below frame; seconds since the
    start; limited_by: the stage that was busiest so far (decode, stylize or encode)."""

    frame: int
    total: int | None
    seconds: float
    fps: float
    limited_by: str


class ProgressCount:
    """What a render has done so far, whoever painted it."""

    def __init__(self, total: int | None, on_progress: Callable[[Progress], None] | None) -> None:
        """total: frames to be painted, None if unknown."""
        self._started = time.perf_counter()
        self._total, self._on_progress = total, on_progress
        self._painted = self._skipped = 0
        self._busy: Mapping[str, float] = {"decode": 0.0, "stylize": 0.0, "encode": 0.0}

    def skip(self, frames: int) -> None:
        """Count frames that were painted by an earlier run."""
        self._skipped += frames

    def update(self, painted: int, busy: Mapping[str, float]) -> None:
        """Frames painted since the start, and the seconds each stage was busy with them. Told
        again without a new frame, as while workers start, nothing has progressed."""
        progressed = painted > self._painted
        self._painted, self._busy = painted, busy
        if progressed and self._on_progress:
            self._on_progress(self.now())

    def now(self) -> Progress:
        seconds = time.perf_counter() - self._started
        frame = self._skipped + self._painted
        return Progress(
            frame=frame,
            total=None if self._total is None else max(frame, self._total),
            seconds=seconds,
            fps=self._painted / seconds,
            limited_by=max(self._busy, key=lambda stage: self._busy[stage]),
        )
