"""The easel: paints the frames of one scene as they come and makes JPEGs of them.

It keeps a frame or two in work and knows about when each will be ready.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter
from PIL import Image

from videostyle.live.controls import Controls
from videostyle.live.ready_stroke import ReadyStroke
from videostyle.look import Look
from videostyle.media.color import RGB, ColorConverter, convert
from videostyle.media.frame import Frame
from videostyle.media.info import MediaInfo
from videostyle.stylize.stabilizer import Stabilizer
from videostyle.stylize.stylize import paint
from videostyle.stylize.stylizer import Stylizer

Pixels = npt.NDArray[np.uint8]
JPEG_QUALITY = 85
# Frames in work at once: a third would keep nothing busier, and delay what a hand moves.
IN_WORK = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """What was painted. jpeg, original: JPEG files, the latter empty unless it is wanted.

    sum: of the weights that the sliders show, of which the look's are parts. serial: that of the
    controls it shows. in_motion: it follows the one before; else that stands and is painted anew.
    as_rendered: painted as `render` would.
    """

    seconds: float
    look: Look
    serial: int
    jpeg: bytes
    original: bytes = b""
    in_motion: bool = False
    as_rendered: bool = False
    sum: float = 1.0


@dataclass(frozen=True, slots=True)
class _Pending:
    begun: Callable[[], Callable[[], Frame]]
    frame: Frame
    look: Look
    controls: Controls
    in_motion: bool
    submitted: float


class Easel:
    """Paints frames of one size, in order, all in one thread.

    as_rendered: blend on the planes of yuv420p, as `render` does, instead of RGB, which saves two
    conversions. show_from: frames before that time, in seconds, are painted for the stabilizer
    alone. strokes: what to paint in while the picture moves; None to paint in the look's own stroke
    always.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        info: MediaInfo,
        on_picture: Callable[[Picture], None],
        *,
        as_rendered: bool = False,
        show_from: float = -math.inf,
        strokes: ReadyStroke | None = None,
    ) -> None:
        self.info, self._as_rendered, self._show_from = info, as_rendered, show_from
        self._stylizer, self._on_picture, self._strokes = stylizer, on_picture, strokes
        self.is_behind = False
        self._converter = ColorConverter(
            info, "yuv420p" if as_rendered else "rgb24", None if as_rendered else RGB
        )
        self._to_rgb = VideoReformatter()
        self._stabilizer = Stabilizer()
        self._pending: deque[_Pending] = deque()
        self._mean_seconds = 0.05
        self._work_began = self._worked_seconds = 0.0

    def make_room(self) -> None:
        """Wait until a frame more can be begun."""
        if len(self._pending) == min(self._stylizer.depth, IN_WORK):
            self.finish()

    def offer(self, frame: Frame, controls: Controls, *, in_motion: bool = False) -> None:
        """Begin to paint a frame in the controls' look; but if another follows at once, in a stroke
        that need not be waited for. There must be room."""
        if not self._pending:
            self._work_began = time.perf_counter()
        look = painted = controls.look_at(frame.seconds)
        if in_motion and self._strokes:
            size = frame.image.height, frame.image.width
            painted = replace(look, stroke=self._strokes.nearest(*size, look.stroke))
        self.is_behind = painted != look
        begun = paint(frame, self._stylizer, painted, self._converter, self._stabilizer)
        pending = _Pending(begun, frame, look, controls, in_motion, time.perf_counter())
        self._pending.append(pending)

    @property
    def ready_at(self) -> float | None:
        """When the oldest frame in work should be nearly ready, on time.perf_counter; None if none
        is in work."""
        # Asked for a little early, so that the mean of what it took can also fall.
        return self._pending[0].submitted + 0.85 * self._mean_seconds if self._pending else None

    @property
    def busy_seconds(self) -> float:
        """For how long altogether a frame was in work or made into a picture."""
        now = time.perf_counter() if self._pending else self._work_began
        return self._worked_seconds + now - self._work_began

    def finish(self) -> None:
        """Wait for the oldest frame in work and hand its picture out."""
        item = self._pending.popleft()
        painted = item.begun()()
        took = time.perf_counter() - item.submitted
        self._mean_seconds += 0.1 * (took - self._mean_seconds)
        if item.frame.seconds >= self._show_from:
            self._show(item, painted)
        if not self._pending:
            self._worked_seconds += time.perf_counter() - self._work_began

    def _show(self, item: _Pending, painted: Frame) -> None:
        original = b""
        if item.controls.original:
            original = self._jpeg(self._converter.to_output(item.frame.image))
        self._on_picture(
            Picture(
                seconds=item.frame.seconds,
                look=item.look,
                serial=item.controls.serial,
                jpeg=self._jpeg(painted.image),
                original=original,
                in_motion=item.in_motion,
                as_rendered=self._as_rendered,
                sum=item.controls.sum_at(item.frame.seconds),
            )
        )

    def drain(self) -> None:
        """Finish everything in work."""
        while self._pending:
            self.finish()

    def _jpeg(self, image: av.VideoFrame) -> bytes:
        if not image.format.is_rgb:
            image = convert(self._to_rgb, image, "rgb24", self._converter.color, RGB)
        return encode_jpeg(image.to_ndarray().astype(np.uint8, copy=False))


def encode_jpeg(pixels: Pixels) -> bytes:
    """(H, W, 3) RGB to a JPEG file."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
