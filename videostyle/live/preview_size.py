"""How large the preview is when nobody has chosen: as large as painting can follow the source."""

from __future__ import annotations

LINES = (180, 270, 360, 540, 720)
_FIRST = 360
# Frames a second: with fewer, motion stutters more than smaller pictures would be missed.
_ENOUGH = 15.0
_WINDOW_SECONDS = 2.0
# Above this share of the time painting is what limits; a larger size must stay below the other.
_BUSY, _EASY = 0.8, 0.6


class PreviewSize:
    """Chooses the lines of one source's preview from how its frames are followed.

    It begins with 360 lines, goes down where fewer than 15 frames a second are painted, and up
    where painting has time left. A size that was too large is not tried again, so it settles.

    source_lines: of the source's shorter side. frame_rate: of the source, in frames/s.
    """

    def __init__(self, source_lines: int, frame_rate: float) -> None:
        # What is larger than the source shows nothing more.
        fitting = sum(lines < source_lines for lines in LINES) + 1
        self._sizes = list(LINES[:fitting])
        self._frame_rate = frame_rate
        self.lines = min(_FIRST, self._sizes[-1])
        self.rest()

    def rest(self) -> None:
        """Begin to count anew: nothing was painted for a while, or what is counted begins at 0."""
        self._began: tuple[float, float] | None = None
        self._painted = 0

    def painted(self, now: float, busy_seconds: float) -> bool:
        """Count a frame; say whether the size has changed.

        now: seconds of any clock. busy_seconds: for how long altogether a frame was in work.
        """
        if self._began is None:
            self._began = now, busy_seconds
            return False
        self._painted += 1
        seconds = now - self._began[0]
        if seconds < _WINDOW_SECONDS:
            return False
        before = self.lines
        self._choose(self._painted / seconds, (busy_seconds - self._began[1]) / seconds)
        self.rest()
        return self.lines != before

    def _choose(self, rate: float, busy: float) -> None:
        """rate: frames painted a second. busy: the share of the time in which one was in work.
        Both go with the number of pixels."""
        wanted = min(_ENOUGH, 0.9 * self._frame_rate)
        if rate < wanted and busy > _BUSY:
            self._sizes = [size for size in self._sizes if size < self.lines] or self._sizes[:1]
            fast = [size for size in self._sizes if rate * (self.lines / size) ** 2 >= wanted]
            self.lines = max(fast, default=self._sizes[0])
        elif rate >= 0.95 * self._frame_rate:
            easy = [size for size in self._sizes if busy * (size / self.lines) ** 2 < _EASY]
            self.lines = max([self.lines, *easy])
