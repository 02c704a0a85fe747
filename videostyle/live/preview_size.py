"""How large the preview is when nobody has chosen: as large as painting can follow the source."""

from __future__ import annotations

import math

from videostyle.media.info import MediaInfo

LINES = (180, 270, 360, 540, 720)
_FIRST = 360
# Frames a second: with fewer, motion stutters more than smaller pictures would be missed.
_ENOUGH = 15.0
_WINDOW_SECONDS = 2.0
# After so long without a size that was too slow the last one is tried again; after twice as long
# where it is still too slow, and so on.
_WAIT_SECONDS = 10.0
# Above this share of the time painting is what limits; a larger size must stay below the other.
_BUSY, _EASY = 0.8, 0.6


class PreviewSize:
    """Chooses the lines of one source's preview from how its frames are followed.

    It begins with 360 lines, goes down where fewer than 15 frames a second are painted, and up
    where painting has time left. A size that was too large is tried again after a while, as the
    machine may have had something else to do; each time that is in vain, the next while is twice
    as long, so it settles.

    source_lines: of the source's shorter side. frame_rate: of the source, in frames/s.
    lines: its size. wanted: the one it is to have; it has it from `go` on.
    """

    def __init__(self, source_lines: int, frame_rate: float) -> None:
        # What is larger than the source shows nothing more.
        fitting = sum(lines < source_lines for lines in LINES) + 1
        self._sizes = LINES[:fitting]
        self._frame_rate = frame_rate
        self.lines = self.wanted = min(_FIRST, self._sizes[-1])
        self._calm_seconds = 0.0  # since a size was too large
        self._waits: dict[int, float] = {}  # for how long it must be calm, of what was too large
        self.rest()

    @classmethod
    def of(cls, info: MediaInfo | None) -> PreviewSize:
        """For a video, or for a camera if None."""
        if info is None:
            return cls(LINES[-1], 25)
        return cls(min(info.width, info.height), float(info.frame_rate or 25))

    def rest(self) -> None:
        """Begin to count anew: nothing was painted for a while, or what is counted begins at 0."""
        self._began: tuple[float, float] | None = None
        self._painted = 0

    def painted(self, now: float, busy_seconds: float) -> bool:
        """Count a frame; say whether another size is wanted.

        now: seconds of any clock. busy_seconds: for how long altogether a frame was in work.
        """
        if self.wanted != self.lines:
            return True
        if self._began is None:
            self._began = now, busy_seconds
            return False
        self._painted += 1
        seconds = now - self._began[0]
        if seconds < _WINDOW_SECONDS:
            return False
        self._calm_seconds += seconds
        self._choose(self._painted / seconds, (busy_seconds - self._began[1]) / seconds)
        self.rest()
        return self.wanted != self.lines

    def go(self) -> None:
        """Take the size that is wanted."""
        self.lines = self.wanted
        self.rest()

    def _choose(self, rate: float, busy: float) -> None:
        """rate: frames painted a second. busy: the share of the time in which one was in work.
        Both go with the number of pixels."""
        wanted = min(_ENOUGH, 0.9 * self._frame_rate)
        if rate < wanted and busy > _BUSY:
            self._go_down(rate, wanted)
        else:
            self._go_up(rate, busy, wanted)

    def _go_down(self, rate: float, wanted: float) -> None:
        self._calm_seconds = 0.0
        smaller = [size for size in self._sizes if size < self.lines]
        fast = [size for size in smaller if rate * (self.lines / size) ** 2 >= wanted]
        self.wanted = max(fast, default=self._sizes[0])
        for size in smaller:
            if size > self.wanted:  # it seems too large as well
                self._waits.setdefault(size, _WAIT_SECONDS)
        if smaller:
            self._waits[self.lines] = 2 * self._waits.get(self.lines, _WAIT_SECONDS / 2)

    def _go_up(self, rate: float, busy: float, wanted: float) -> None:
        for size, wait in list(self._waits.items()):
            if size <= self.lines and self._calm_seconds >= 2 * wait:  # it was a hiccup
                del self._waits[size]
        barred = min((size for size in self._waits if size > self.lines), default=LINES[-1] + 1)
        if rate >= 0.95 * self._frame_rate:
            easy = [size for size in self._sizes if busy * (size / self.lines) ** 2 < _EASY]
            self.wanted = max([self.lines, *(size for size in easy if size < barred)])
        # The size it begins with need not be easy; nor need one that it comes back to.
        is_fast = rate * (self.lines / barred) ** 2 >= wanted * busy
        if is_fast and self._calm_seconds >= self._waits.get(barred, math.inf):
            self.wanted = barred


def of_lines(info: MediaInfo, lines: int) -> MediaInfo:
    """The same with a shorter side of at most so many pixels."""
    shorter, longer = sorted((info.width, info.height))
    return info.fitted(round(longer * lines / shorter)) if lines < shorter else info
