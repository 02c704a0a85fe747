"""Paint a video: a timeline of keyframes morphs it through the styles of many paintings.

    load_model, Model               what has learned the paintings
    Stylizer, Look                  a frame to its pastiche
    render, EncodeOptions           a file to a file
    paint_frames                    frames of your own to their pastiches
    Progress, Report                what render tells
    Keyframe, Track, Loop           what a Timeline is made of, whose times are seconds
    read_timeline, parse_timeline   YAML to a TimelineDocument, whose times wait for the video
    VideoStyleError                 the base of all errors; `videostyle.errors` has the others

All but the errors load on first use, so that importing videostyle costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from videostyle import errors

__version__ = "0.1.0"

if TYPE_CHECKING:
    from videostyle.encode.options import EncodeOptions
    from videostyle.errors import VideoStyleError
    from videostyle.look import Look
    from videostyle.network.model import Model, load_model
    from videostyle.rendering.frames import paint_frames
    from videostyle.rendering.progress import Progress
    from videostyle.rendering.render import Report, render
    from videostyle.stylize.stylizer import Stylizer
    from videostyle.timeline.document import TimelineDocument
    from videostyle.timeline.reader import parse_timeline, read_timeline
    from videostyle.timeline.timeline import Keyframe, Loop, Timeline, Track

_HOMES = {
    "EncodeOptions": "encode.options",
    "Keyframe": "timeline.timeline",
    "Look": "look",
    "Loop": "timeline.timeline",
    "Model": "network.model",
    "Progress": "rendering.progress",
    "Report": "rendering.render",
    "Stylizer": "stylize.stylizer",
    "Timeline": "timeline.timeline",
    "TimelineDocument": "timeline.document",
    "Track": "timeline.timeline",
    "VideoStyleError": "errors",
    "load_model": "network.model",
    "paint_frames": "rendering.frames",
    "parse_timeline": "timeline.reader",
    "read_timeline": "timeline.reader",
    "render": "rendering.render",
}
__all__ = [
    "EncodeOptions",
    "Keyframe",
    "Look",
    "Loop",
    "Model",
    "Progress",
    "Report",
    "Stylizer",
    "Timeline",
    "TimelineDocument",
    "Track",
    "VideoStyleError",
    "errors",
    "load_model",
    "paint_frames",
    "parse_timeline",
    "read_timeline",
    "render",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


if not TYPE_CHECKING:  # or any name would do

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'videostyle' has no attribute {name!r}")
        return getattr(import_module(f"videostyle.{_HOMES[name]}"), name)
