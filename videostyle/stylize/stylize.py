"""The middle of the flow: decoded frames and a timeline in, painted frames out.

Knows nothing of files, codecs or devices. The pastiche is laid over the original on the frame's
own Y, U and V planes, so at opacity 0 the decoded frame comes back exactly, and on the way there
nothing jumps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from videostyle.look import Look
from videostyle.media.captions import CaptionCarrier
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.pixels import blend_planes
from videostyle.stylize.flatness import presence
from videostyle.stylize.stabilizer import Stabilizer
from videostyle.stylize.stylizer import Picture, Stylizer
from videostyle.timeline.timeline import Timeline

if TYPE_CHECKING:
    from videostyle.stylize.device_painter import DevicePainter


def stylize(
    frames: Iterable[Frame],
    stylizer: Stylizer,
    timeline: Timeline,
    converter: ColorConverter,
    *,
    stabilize: bool = True,
) -> Iterator[Frame]:
    """Paint frames in order, each in the look the timeline has at its time.

    Frames come in their decoded format and leave in the converter's output format, painted where
    their mask lets them be, with their closed captions. stabilize: hold the pastiche where the
    frame stands still (`stabilizer`).
    """
    painter = _device_painter(stylizer, converter, stabilize) or _HostPainter(
        stylizer, converter, stabilize
    )
    pending: deque[Callable[[], Frame]] = deque()
    carry = CaptionCarrier()
    for frame in frames:
        painting = painter.paint(frame, timeline.look_at(frame.seconds))
        if frame.mask is not None:
            painting = partial(_masked, frame, painting, converter)
        if converter.has_captions:
            painting = partial(_captioned, frame, painting, carry)
        pending.append(painting)
        if len(pending) >= painter.depth:
            yield pending.popleft()()
    while pending:
        yield pending.popleft()()


def _masked(frame: Frame, painting: Callable[[], Frame], converter: ColorConverter) -> Frame:
    painted = painting()
    if frame.mask is None or painted.image is frame.image:
        return painted
    image = converter.keep_unmasked(frame.image, painted.image, frame.mask)
    return replace(painted, image=image)


def _captioned(frame: Frame, painting: Callable[[], Frame], carry: CaptionCarrier) -> Frame:
    painted = painting()
    return replace(painted, image=carry(frame.image, painted.image))


def _device_painter(
    stylizer: Stylizer, converter: ColorConverter, stabilize: bool
) -> DevicePainter | None:
    """None on a CPU, and for frames of another kind than it takes."""
    if stylizer.gpu is None:
        return None
    from videostyle.stylize.device_painter import DevicePainter
    from videostyle.stylize.planes import supports

    if not supports(converter.pix_fmt, converter.color):
        return None
    return DevicePainter(stylizer, converter, stabilize=stabilize)


class _HostPainter:
    """Paints frames one by one, with all but the network on the host.

    The last layers of two frames are in work while one ahead of them is converted: threads of one
    layer alone would wait for each other, and longest where the encoder wants the cores too.
    """

    def __init__(self, stylizer: Stylizer, converter: ColorConverter, stabilize: bool) -> None:
        self._stylizer, self._converter = stylizer, converter
        self._stabilizer = Stabilizer() if stabilize else None
        self._begun: deque[Callable[[], Callable[[], Frame]]] = deque()
        self.depth = stylizer.depth + 2

    def paint(self, frame: Frame, look: Look) -> Callable[[], Frame]:
        first = cache(paint(frame, self._stylizer, look, self._converter, self._stabilizer))
        self._begun.append(first)
        if len(self._begun) == self._stylizer.depth:
            self._begun.popleft()()
        return lambda: first()()


def paint(
    frame: Frame,
    stylizer: Stylizer,
    look: Look,
    converter: ColorConverter,
    stabilizer: Stabilizer | None,
) -> Callable[[], Callable[[], Frame]]:
    """Begin to paint one frame. The function returned waits for the first layer and begins those
    over it; what that returns waits for the frame.

    Each step takes the frames in order, all in one thread.
    """
    if look.opacity == 0:
        return partial(_untouched, frame, converter, stabilizer)
    size = (frame.image.height, frame.image.width)
    rgb = converter.to_rgb(frame.image, stylizer.working_size(*size, look.stroke))
    part = converter.bars.inner(rgb.shape[:2]) if converter.bars else None
    opacity = look.opacity * presence(rgb if part is None else rgb[part])
    painting = stylizer.submit(rgb, look.painted)

    def paint_over() -> Callable[[], Frame]:
        pastiche = painting()
        if stabilizer:
            pastiche = stabilizer(rgb, pastiche, look.painted, part)
        return partial(finish, stylizer.refine(pastiche, look.painted, size[0]))

    def finish(painting: Callable[[], Picture]) -> Frame:
        pastiche = painting()
        sharpness = stylizer.sharpness(len(pastiche), size[0])
        detail = stylizer.detail(pastiche) if sharpness else None
        painted = converter.from_rgb(pastiche, size)
        if detail:
            converter.add_detail(painted, detail(), sharpness)
        if opacity < 1 or look.keep_color > 0:
            original = converter.to_output(frame.image)
            chroma = opacity * (1 - look.keep_color)
            painted = blend_planes(original, painted, luma=opacity, chroma=chroma)
        if converter.bars:
            painted = converter.keep_bars(frame.image, painted)
        return replace(frame, image=painted)

    return paint_over


def _untouched(
    frame: Frame, converter: ColorConverter, stabilizer: Stabilizer | None
) -> Callable[[], Frame]:
    if stabilizer:
        stabilizer.clear()
    return lambda: replace(frame, image=converter.to_output(frame.image))
