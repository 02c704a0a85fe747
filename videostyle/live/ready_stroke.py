"""Which stroke a moving picture is painted in while the network is compiled for the one wanted."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from videostyle.look import Look
from videostyle.stylize.stylizer import Picture, Stylizer

_Size = tuple[int, int]


class ReadyStroke:
    """Keeps a moving picture moving while a hand, or a timeline, changes the stroke.

    A stroke is a size to paint at, and a new one takes the time of some frames to get ready for.
    That is done in a thread of its own; until then frames are painted in the nearest stroke there
    is.
    """

    def __init__(self, stylizer: Stylizer) -> None:
        self._stylizer = stylizer
        self._strokes: dict[_Size, set[float]] = {}  # that were wanted, by the frame's size
        self._worker = ThreadPoolExecutor(1, "get ready")
        self._work: Future[Picture] | None = None

    def nearest(self, height: int, width: int, wanted: float) -> float:
        """The stroke to paint a frame in now; others are got ready for meanwhile."""
        size = height, width
        strokes = self._strokes.setdefault(size, set())
        if self._stylizer.is_ready(*size, wanted):
            strokes.add(wanted)
            return wanted
        ready = {stroke for stroke in strokes if self._stylizer.is_ready(*size, stroke)}
        if not ready or (self._work and self._work.done() and self._work.exception()):
            return wanted
        self._strokes[size] = ready
        if self._work is None or self._work.done():
            self._work = self._worker.submit(self._get_ready, size, wanted)
        return min(ready, key=lambda stroke: abs(math.log2(stroke / wanted)))

    def close(self) -> None:
        self._worker.shutdown()

    def _get_ready(self, size: _Size, stroke: float) -> Picture:
        """Paint an empty frame, which takes all the sizes that one with a picture does."""
        look = Look({self._stylizer.model.card.style_names[0]: 1.0}, stroke=stroke)
        return self._stylizer(np.zeros((*size, 3), np.uint8), look)
