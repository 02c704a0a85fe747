"""The clock that playing keeps to: when a frame is due, and whether it is too late to show it."""

from __future__ import annotations

import time

# After so many late frames in a row the clock is set back: painting cannot follow it.
MOST_LATE = 6


class Clock:
    """Of one stretch that is played without a break. seconds: where it begins, in the video.
    interval: from one frame to the next, in seconds."""

    def __init__(self, seconds: float, interval: float) -> None:
        self._zero = time.perf_counter() - seconds
        self._interval = interval
        self._late = 0

    def due(self, seconds: float) -> float:
        """When a time of the video comes, on time.perf_counter."""
        return self._zero + seconds

    def leaves_out(self, seconds: float) -> bool:
        """Whether the frame at a time, which is due, is late by more than a frame and left out. To
        be asked once of each."""
        now = time.perf_counter()
        is_late = now - self.due(seconds) > self._interval
        self._late = self._late + 1 if is_late else 0
        if self._late == MOST_LATE:
            self._zero, self._late = now - seconds, 0
            return False
        return is_late
