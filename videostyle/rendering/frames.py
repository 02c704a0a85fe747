"""Frames of a program's own, painted as `render` paints those of a file."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sized
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from videostyle.checks import check_yes_or_no
from videostyle.errors import UsageError
from videostyle.look import Look
from videostyle.media.color import RGB, ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.info import MediaInfo
from videostyle.media.pixels import Picture
from videostyle.network.model import load_model
from videostyle.rendering.settle import parse_fps, timeline_file, timeline_for
from videostyle.stylize.stylize import stylize
from videostyle.stylize.stylizer import Stylizer, check_frame
from videostyle.timeline.document import TimelineDocument
from videostyle.timeline.timeline import Timeline
from videostyle.wording import shown


def paint_frames(
    frames: Iterable[Picture],
    timeline: str | Path | TimelineDocument | Timeline | Look,
    *,
    fps: str | float | Fraction = 25,
    stylizer: Stylizer | None = None,
    stabilize: bool = True,
) -> Generator[Picture]:
    """Paint RGB frames (H, W, 3) uint8 in order, of which there are `fps` a second, and yield
    their pastiches, of the same shape, new and C-contiguous. `close()` lets go of `frames`.

    frames: a list, or a generator without an end, such as of a camera; some are taken in advance,
    because several are in work at once, and are lost with an error of the generator. timeline: a
    YAML file, a timeline, or one look throughout; one that counts in percent or from the end needs
    frames with a length. stabilize: hold the pastiche where the picture stands still.

    Raises UsageError, TimelineError or ModelError, for what is no frame when it comes to it.
    """
    if not isinstance(stylizer, Stylizer | None):
        raise UsageError(f"stylizer is {shown(stylizer)}; give Stylizer(load_model())")
    if not isinstance(frames, Iterable):
        raise UsageError(f"frames is {shown(frames)}; give a list of them, or a generator")
    check_yes_or_no("stabilize", stabilize)
    stylizer = stylizer or Stylizer(load_model())
    card = stylizer.model.card
    rate = parse_fps(fps)
    if isinstance(timeline, str | Path):
        timeline = timeline_file(timeline, card)
    if not isinstance(timeline, TimelineDocument | Timeline | Look):
        raise UsageError(f"timeline is {shown(timeline)}; give a file, a timeline or a Look")
    seconds = float(len(frames) / rate) if isinstance(frames, Sized) else None
    if seconds is None and isinstance(timeline, TimelineDocument) and timeline.needs_duration:
        raise UsageError("the timeline counts from the end; give frames that have one, as a list")
    info = MediaInfo(
        Path("frames"), False, 0, 1, 1, "rgb24", RGB,
        time_base=1 / rate, duration_seconds=seconds, frame_rate=rate,
    )  # fmt: skip
    looks, _ = timeline_for(info, timeline, card)
    stylizer.check(looks.style_names)
    converter = ColorConverter(info, "rgb24", RGB)
    painted = stylize(_numbered(frames, rate), stylizer, looks, converter, stabilize=stabilize)
    return (np.ascontiguousarray(frame.image.to_ndarray(), np.uint8) for frame in painted)


def _numbered(frames: Iterable[Picture], rate: Fraction) -> Iterator[Frame]:
    for number, frame in enumerate(frames):
        check_frame(frame)
        yield Frame(av.VideoFrame.from_ndarray(frame, "rgb24"), number, 1, float(number / rate))
