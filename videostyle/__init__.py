"""Paint a video: a timeline of keyframes morphs it through the styles of many paintings.

The names below load on first use, so that importing videostyle costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from videostyle.errors import VideoStyleError
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
    "read_timeline",
    "render",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'videostyle' has no attribute {name!r}")
    return getattr(import_module(f"videostyle.{_HOMES[name]}"), name)
