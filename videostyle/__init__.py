"""Paint a video: a timeline of keyframes morphs it through the styles of many paintings.

    load_model, Stylizer, Look      a frame to its pastiche
    render, EncodeOptions           a file to a file
    paint_frames                    frames of your own to their pastiches
    Progress, Report                what render tells
    read_timeline, Timeline         keyframes
    VideoStyleError                 the base of all errors; `videostyle.errors` has the others

They load on first use, so that importing videostyle costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from videostyle.errors import VideoStyleError
    from videostyle.frames import paint_frames
    from videostyle.look import Look
    from videostyle.model import load_model
    from videostyle.options import EncodeOptions
    from videostyle.painter import Progress
    from videostyle.rendering import Report, render
    from videostyle.stylizer import Stylizer
    from videostyle.timeline import Timeline
    from videostyle.timeline_yaml import read_timeline

_HOMES = {
    "EncodeOptions": "options",
    "Look": "look",
    "Progress": "painter",
    "Report": "rendering",
    "Stylizer": "stylizer",
    "Timeline": "timeline",
    "VideoStyleError": "errors",
    "load_model": "model",
    "paint_frames": "frames",
    "read_timeline": "timeline_yaml",
    "render": "rendering",
}
__all__ = [
    "EncodeOptions",
    "Look",
    "Progress",
    "Report",
    "Stylizer",
    "Timeline",
    "VideoStyleError",
    "load_model",
    "paint_frames",
    "read_timeline",
    "render",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # or any name would do

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'videostyle' has no attribute {name!r}")
        return getattr(import_module(f"videostyle.{_HOMES[name]}"), name)
