"""The pipeline around the painter, for the tests of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from videostyle.decode.decode import decode
from videostyle.decode.probe import probe
from videostyle.encode.encode import EncodeReport, encode
from videostyle.encode.options import EncodeOptions
from videostyle.encode.output_file import plan_output
from videostyle.encode.plan import EncodingPlan
from videostyle.media.color import ColorConverter
from videostyle.media.frame import Frame
from videostyle.media.info import MediaInfo
from videostyle.rendering.verify import verify

Clip = Callable[..., Path]
FAST = EncodeOptions(preset="ultrafast")


def untouched(info: MediaInfo, plan: EncodingPlan) -> Iterator[Frame]:
    """The pipeline without a painter."""
    converter = ColorConverter(info, plan.working_pix_fmt, plan.color)
    for frame in decode(info, keep_alpha=plan.keeps_alpha):
        yield replace(frame, image=converter.to_output(frame.image))


def copy(source: Path, output: Path, options: EncodeOptions = FAST) -> EncodeReport:
    info = probe(source)
    plan = plan_output(info, output, options)
    return encode(untouched(info, plan), info, output, plan)


def seconds(path: Path) -> list[Fraction]:
    """Every frame's time on the file's own clock."""
    info = probe(path)
    return [frame.pts * info.time_base for frame in decode(info)]


def faults(source: Path, output: Path) -> list[str]:
    """What `verify` finds in an output and nobody asked for."""
    return [f"{item.what}: {item.message}" for item in verify(source, output) if not item.expected]


def mux(output: OutputContainer, streams: Mapping[Any, Any], packets: Iterable[Any]) -> None:
    """Write packets of other files, each to what `streams` maps its own stream to."""
    for packet in packets:
        if packet.size and packet.stream in streams:
            packet.stream = streams[packet.stream]
            output.mux(packet)


def joined(*parts: Path) -> Path:
    """Files put one after another, byte by byte."""
    path = parts[0].with_name(f"joined{parts[0].suffix}")
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


_SEGMENT, _TRACKS, _TRACK, _VIDEO = (
    bytes.fromhex(identity) for identity in ("18538067", "1654ae6b", "ae", "e0")
)
_PLACES = [bytes.fromhex(identity) for identity in ("114d9b74", "1c53bb6b", "ec", "bf")]


def element(identity: bytes, *parts: bytes) -> bytes:
    """An element of EBML (RFC 8794), its size in eight bytes."""
    body = b"".join(parts)
    return identity + (len(body) | 1 << 56).to_bytes(8) + body


def add_to_video(path: Path, *elements: bytes) -> None:
    """Say more of the video of a Matroska file (RFC 9559), in elements."""

    def amended(data: bytes) -> bytes:
        found = []
        while data:
            head = 9 - data[0].bit_length()
            count = 9 - data[head].bit_length()
            size = int.from_bytes(data[head : head + count]) & (1 << 7 * count) - 1
            identity, begin = data[:head], head + count
            body, data = data[begin : begin + size], data[begin + size :]
            if identity in (_SEGMENT, _TRACKS, _TRACK):
                body = amended(body)
            elif identity == _VIDEO:
                body += b"".join(elements)
            if identity not in _PLACES:  # which change, and checksums
                found.append(element(identity, body))
        return b"".join(found)

    path.write_bytes(amended(path.read_bytes()))


def half_loaded(whole: Path, part: float, **options: str) -> Path:
    """As much of a copy of a file as a download that broke off leaves; it ends as the name says."""
    path = whole.with_name(f"half{whole.suffix}")
    with av.open(str(whole)) as film, av.open(str(path), "w", options=options) as copy:
        streams = {stream: copy.add_stream_from_template(stream) for stream in film.streams}
        mux(copy, streams, film.demux())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path
