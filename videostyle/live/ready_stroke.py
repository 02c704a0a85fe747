"""What a moving picture is painted in while the network is compiled for the stroke, or the size of
the preview, that is wanted."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from videostyle.look import Look
from videostyle.stylize.stylizer import Stylizer

_Size = tuple[int, int]


class ReadyStroke:
    """Keeps a moving picture moving while a hand, or a timeline, changes the stroke, and while the
    preview changes its size.

    A stroke is a size to paint at, and a new one takes the time of some frames to get ready for.
    That is done in a thread of its own; until then frames are painted in the nearest stroke there
    is. A GPU, and what could not be got ready for, paint any stroke at once.
    """

    def __init__(self, stylizer: Stylizer) -> None:
        self._stylizer = stylizer
        # Strokes that were painted, by the frame's size and the size they are painted at.
        self._strokes: dict[_Size, dict[_Size, float]] = {}
        self._under_way: tuple[_Size, _Size] | None = None
        self._failed: set[tuple[_Size, _Size]] = set()
        self._worker = ThreadPoolExecutor(1, "get ready")

    def nearest(self, height: int, width: int, wanted: float) -> float:
        """The stroke to paint a frame in now; others are got ready for meanwhile."""
        frame = height, width
        strokes = self._strokes.setdefault(frame, {})
        ready = [stroke for size, stroke in strokes.items() if self._is_ready(frame, size, stroke)]
        if not ready or self.prepare(height, width, wanted):
            strokes[self._stylizer.working_size(height, width, wanted)] = wanted
            return wanted
        return min(ready, key=lambda stroke: abs(math.log2(stroke / wanted)))

    def prepare(self, height: int, width: int, stroke: float) -> bool:
        """Whether a frame of a size need not be waited for in a stroke. If not, it is got ready
        for; what could not be, nobody waits for."""
        frame, painted_at = (height, width), self._stylizer.working_size(height, width, stroke)
        if self._is_ready(frame, painted_at, stroke) or (frame, painted_at) in self._failed:
            return True
        if self._under_way is None:
            self._under_way = frame, painted_at
            self._worker.submit(self._get_ready, frame, painted_at, stroke)
        return False

    def close(self) -> None:
        self._worker.shutdown()

    def _is_ready(self, frame: _Size, painted_at: _Size, stroke: float) -> bool:
        # What is painted over it is compiled last, and the stylizer tells of the first layer.
        is_begun = self._under_way == (frame, painted_at)
        return not is_begun and self._stylizer.is_ready(*frame, stroke)

    def _get_ready(self, frame: _Size, painted_at: _Size, stroke: float) -> None:
        """Paint an empty frame, which takes all the sizes that one with a picture does."""
        look = Look({self._stylizer.model.card.style_names[0]: 1.0}, stroke=stroke)
        try:
            self._stylizer(np.zeros((*frame, 3), np.uint8), look)
            if not self._stylizer.is_ready(*frame, stroke):  # for want of memory, say
                self._failed.add((frame, painted_at))
        except Exception:  # the frame that is painted so will tell
            self._failed.add((frame, painted_at))
            logging.getLogger("videostyle").warning("stroke %g", stroke, exc_info=True)
        finally:
            self._under_way = None
