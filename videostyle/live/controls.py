"""What the hands have set on the live page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from videostyle.look import ORIGINAL, SCALARS, Look
from videostyle.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Touched:
    """What the hands have taken over from a timeline that is followed.

    weights: of paintings, not divided by their sum. is_whole: they are the whole mixture; else the
    other paintings keep the weights that the timeline gives them. scalars: of Look, by name.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    is_whole: bool = False
    scalars: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """The stretch of a video between its loop points, in seconds: from `start` up to but not with
    `end`."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Controls:
    """One moment of the page's controls.

    look: of the sliders. passage: what is played, and recorded, of a video, None for all of it.
    loop: whether that goes round. follow: show the timeline's look instead, but for what is
    touched. lines: of the preview's shorter side, None for as many as are painted in time.
    original: whether the untouched frame is wanted too. serial: number of the last change; it comes
    back with the first picture that shows it.
    """

    look: Look = field(default_factory=lambda: Look({ORIGINAL: 1.0}))
    timeline: Timeline | None = None
    follow: bool = False
    touched: Touched = field(default_factory=Touched)
    playing: bool = False
    loop: bool = True
    passage: Passage | None = None
    recording: bool = False
    lines: int | None = None
    original: bool = False
    serial: int = 0

    @property
    def start(self) -> float:
        """Where a round begins, in seconds."""
        return self.passage.start if self.passage else 0.0

    def look_at(self, seconds: float) -> Look:
        """The look to paint a frame in."""
        return self._mixed_at(seconds)[0]

    def sum_at(self, seconds: float) -> float:
        """The sum of the weights that the sliders show, of which the look's are parts."""
        return self._mixed_at(seconds)[1]

    def _mixed_at(self, seconds: float) -> tuple[Look, float]:
        if not (self.follow and self.timeline):
            return self.look, 1.0
        look, touched = self.timeline.look_at(seconds), self.touched
        weights = {**({} if touched.is_whole else look.mix), **touched.weights}
        total = sum(weights.values())
        scalars = {name: touched.scalars.get(name, getattr(look, name)) for name in SCALARS}
        return Look(weights if total > 0 else {ORIGINAL: 1.0}, **scalars), total
