"""What becomes of the streams beside the main video."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from videostyle.media.info import StreamInfo

_NAMES = {"aac": "AAC", "opus": "Opus"}
_NAMES |= {"mov_text": "MP4 text", "subrip": "SubRip", "webvtt": "WebVTT"}
# Text subtitles by the names of their decoders.
_TEXT = ("ass", "ssa", "mov_text", "srt", "subrip", "text", "webvtt")
# Pictures that can be attached as covers, with the name and type of their files.
COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
COVERS |= {"gif": ("cover.gif", "image/gif")}
_NOT_HELD = "this container cannot hold it"
_DONE = {
    "copy": "copied",
    "transcode": "transcoded",
    "attach": "attached",
    "leave out": "left out",
}


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What becomes of one stream beside the main video.

    action: copy, transcode, attach (as a file) or leave out. codec: what it is transcoded to.
    reason: why it is not copied, None where the user asked for that.
    """

    stream: StreamInfo
    action: str
    codec: str | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        facts = {"action": self.action, "codec_out": self.codec, "reason": self.reason}
        return {**asdict(self.stream), **facts}

    def __str__(self) -> str:
        done = _DONE[self.action]
        to = f" to {_NAMES[self.codec]}" if self.codec else ""
        return f"{self.stream} {done}{to}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Holds:
    """What a container holds beside the picture.

    codecs: names of those it takes. refused: indices of streams that it does not take all the same.
    audio: what other sound is transcoded to, and text: what other text subtitles become; None
    where it holds none. attachments: whether it holds files.
    """

    codecs: Container[str]
    refused: Container[int]
    audio: str | None
    text: str | None
    attachments: bool

    def take(self, stream: StreamInfo) -> bool:
        """Whether a stream can be copied."""
        return stream.codec in self.codecs and stream.index not in self.refused


def plan_streams(streams: Iterable[StreamInfo], audio: str, holds: Holds) -> tuple[StreamPlan, ...]:
    """Decide what becomes of streams. audio: copy, none, or the codec to transcode to."""
    return tuple(_plan(stream, audio, holds) for stream in streams)


def _plan(stream: StreamInfo, audio: str, holds: Holds) -> StreamPlan:
    if stream.kind == "audio":
        return _plan_audio(stream, audio, holds)
    return (_plan_subtitle if stream.kind == "subtitle" else _plan_other)(stream, holds)


def _plan_audio(stream: StreamInfo, audio: str, holds: Holds) -> StreamPlan:
    if audio == "none":
        return StreamPlan(stream, "leave out")
    if audio != "copy":
        return StreamPlan(stream, "transcode", audio)
    if holds.take(stream):
        return StreamPlan(stream, "copy")
    if holds.audio and stream.codec != "unknown":
        return StreamPlan(stream, "transcode", holds.audio, _NOT_HELD)
    return StreamPlan(stream, "leave out", reason=_NOT_HELD)


def _plan_subtitle(stream: StreamInfo, holds: Holds) -> StreamPlan:
    if holds.take(stream):
        return StreamPlan(stream, "copy")
    if holds.text and stream.codec in _TEXT:
        return StreamPlan(stream, "transcode", holds.text, _NOT_HELD)
    return StreamPlan(stream, "leave out", reason=_NOT_HELD)


def _plan_other(stream: StreamInfo, holds: Holds) -> StreamPlan:
    if stream.kind == "video":
        return StreamPlan(stream, "leave out", reason="only the main video is painted")
    if stream.kind in ("attachment", "cover"):
        if holds.attachments and (stream.kind == "attachment" or stream.codec in COVERS):
            return StreamPlan(stream, "attach")
        return StreamPlan(stream, "leave out", reason=_NOT_HELD)
    if stream.kind == "data":
        reason = "data is not copied; a timecode stands in the tags too"
        return StreamPlan(stream, "leave out", reason=reason)
    return StreamPlan(stream, "leave out", reason="its kind is unknown")
