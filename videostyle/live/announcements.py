"""The messages that tabs hear: what there is, what plays, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from videostyle.errors import TimelineError, VideoStyleError
from videostyle.live.controls import Controls
from videostyle.live.library import Library
from videostyle.live.message import Refusal
from videostyle.live.preview_size import LINES
from videostyle.live.timeline_files import TimelineFiles
from videostyle.live.timeline_view import describe_timeline, places
from videostyle.media.info import MediaInfo
from videostyle.stylize.stylizer import Stylizer
from videostyle.timecode import Tempo
from videostyle.timeline.timeline import Timeline

# A timeline of a source without a length, a camera, is drawn so long at least.
SHORTEST_STRIP_SECONDS = 10.0
CAMERA = "camera"

Message = dict[str, Any]


def hello_message(stylizer: Stylizer, library: Library, *, teaches: bool) -> Message:
    """What there is to paint with, and to open. teaches: whether a painting can be learned."""
    card = stylizer.model.card
    return {
        "type": "hello",
        "model": card.name,
        "engine": stylizer.engine.description,
        "styles": [
            {"name": s.name, "title": s.title, "artist": s.artist, "year": s.year}
            for s in card.styles
        ],
        "folder": str(library.root.name),
        "media": library.media,
        "timelines": library.timelines,
        "lines": LINES,
        "teaches": teaches,
    }


def state_message(controls: Controls, preview_lines: int) -> Message:
    """What changes while it plays."""
    return {
        "type": "state",
        "playing": controls.playing,
        "loop": controls.loop,
        "passage": controls.passage and asdict(controls.passage),
        "follow": controls.follow,
        "serial": controls.serial,
        "recording": controls.recording,
        "lines": controls.lines,
        "preview_lines": preview_lines,
        "look": controls.look.to_dict(),
        "touched": asdict(controls.touched),
    }


def source_message(name: str, number: int, info: MediaInfo | None) -> Message:
    """Facts about the source. info: None for a camera."""
    facts: Message = {"type": "source", "name": name, "id": number}
    facts |= {"kind": CAMERA, "pixel_aspect": 1.0}
    if info:
        facts |= {
            "kind": "picture" if info.is_image else "video",
            "duration": info.duration_seconds,
            "fps": float(info.frame_rate) if info.frame_rate else None,
            "pixel_aspect": float(info.sample_aspect_ratio or 1),
            "has_sound": bool(info.streams("audio")),
            "lead_seconds": info.lead_seconds,
        }
    return facts


def timeline_message(
    timeline: Timeline | None,
    tempo: Tempo | None,
    files: TimelineFiles,
    warnings: Sequence[str],
    info: MediaInfo | None,
) -> Message:
    """The timeline as text and as the page draws it, and its file. tempo: of the timeline, or for
    the one to come. info: of the source."""
    of: Message = {"file": files.number, "name": files.name}
    of["tempo"] = tempo and {"bpm": float(60 / tempo.beat), "first_beat": float(tempo.first)}
    if timeline is None:
        return {"type": "timeline", "yaml": "", "tracks": None, "saved": True, **of}
    length = info.duration_seconds if info else None
    duration = length or max(timeline.end_seconds, SHORTEST_STRIP_SECONDS)
    view = describe_timeline(timeline, duration)
    facts = {"yaml": files.yaml, "saved": files.is_saved, "warnings": warnings}
    return {"type": "timeline", **facts, **of, **view}


def failure_message(error: VideoStyleError) -> Message:
    """An error as the tab that caused it hears of it."""
    if isinstance(error, TimelineError):
        return {"type": "timeline_error", "mistakes": places(str(error)), "message": str(error)}
    facts = {"code": error.code, **error.facts} if isinstance(error, Refusal) else {}
    return {"type": "failure", "message": str(error), **facts}
