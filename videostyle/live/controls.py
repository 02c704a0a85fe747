"""What the hands have set on the live page."""

from __future__ import annotations

from dataclasses import dataclass, field

from videostyle.look import ORIGINAL, Look
from videostyle.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Controls:
    """One moment of the page's controls.

    look: of the sliders. follow: show the timeline's look instead. lines: of the preview's shorter
    side, None for as many as are painted in time. original: whether the untouched frame is wanted
    too. serial: number of the last change; it comes back with the first picture that shows it.
    """

    look: Look = field(default_factory=lambda: Look({ORIGINAL: 1.0}))
    timeline: Timeline | None = None
    follow: bool = False
    playing: bool = False
    loop: bool = True
    recording: bool = False
    lines: int | None = None
    original: bool = False
    serial: int = 0

    def look_at(self, seconds: float) -> Look:
        """The look to paint a frame in."""
        return self.timeline.look_at(seconds) if self.follow and self.timeline else self.look
