"""The tags and marks of streams that containers have a place for."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction

import av
from av.stream import Disposition, Stream

from videostyle.encode.languages import held_language

# Tags that describe the input's encoding and would be wrong of the output's.
_STALE_TAGS = (
    *("encoder", "duration", "bps", "number_of_", "_statistics", "alpha_mode"),
    *("vendor_id", "major_brand", "minor_version", "compatible_brands"),
)
_MARKS = {
    "mp4": Disposition.default
    | Disposition.dub
    | Disposition.comment
    | Disposition.forced
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.captions
    | Disposition.descriptions,
    "mov": Disposition.default,
    "matroska": Disposition.default
    | Disposition.dub
    | Disposition.original
    | Disposition.comment
    | Disposition.forced
    | Disposition.hearing_impaired
    | Disposition.visual_impaired,
    "webm": Disposition.default | Disposition.forced,
}
_MARKS_OF_SUBTITLES = {
    "matroska": Disposition.descriptions,
    "webm": Disposition.captions | Disposition.descriptions | Disposition.metadata,
}


def held_marks(marks: Disposition, kind: str, muxer: str) -> Disposition:
    """Those marks of a stream that a container keeps. kind: audio, subtitle or video."""
    held = _MARKS.get(muxer, Disposition(0))
    if kind == "subtitle":
        held |= _MARKS_OF_SUBTITLES.get(muxer, Disposition(0))
    return marks & held


def mark_names(marks: Disposition) -> str:
    return ", ".join(mark.name or "" for mark in Disposition if mark & marks) or "none"


def held_tags(tags: Mapping[str, str], muxer: str) -> dict[str, str]:
    """What is read of tags that are written, by their keys in small letters. Of MP4 and MOV the
    timecode, which is kept with the picture, is not among them."""
    if muxer not in ("mp4", "mov"):
        return {key.lower(): text for key, text in tags.items()}
    file = io.BytesIO()
    with av.open(file, "w", muxer) as output:
        stream = output.add_mux_stream("mov_text")
        output.metadata.update({key: tags[key] for key in tags if key.lower() != "timecode"})
        packet: av.Packet[Stream] = av.Packet(b"\0\0")
        packet.pts, packet.dts, packet.duration = 0, 0, 1
        packet.time_base, packet.stream = Fraction(1, 1000), stream
        output.mux(packet)
    file.seek(0)
    with av.open(file, metadata_errors="replace") as written:
        return {key.lower(): text for key, text in written.metadata.items()}


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Metadata without what describes the input's own encoding."""
    return {key: tags[key] for key in tags if not key.lower().startswith(_STALE_TAGS)}


def stream_tags(stream: Stream, muxer: str) -> dict[str, str]:
    """The metadata of a stream that a copy or painting of it keeps, in the container's words."""
    tags = kept_tags(stream.metadata)
    if stream.language:
        tags["language"] = held_language(stream.language, muxer) or "und"
    return tags
